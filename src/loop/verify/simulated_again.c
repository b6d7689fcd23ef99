#include "loop/simulate/parameter_file.h"
#include "loop/verify/again.h"
#include "xray/instrument/instrument.h"
#include "xray/simulate.h"

#include <stdlib.h>
#include <string.h>

static sl_status read_given(const json_t *given, sl_sim_class *class_id, sl_sim_overrides *out) {
    const json_t *parameters = json_object_get(given, "parameters");
    const char *name = json_string_value(json_object_get(given, "instrument"));
    const sl_instrument *instrument = NULL;
    if (name) SL_TRY(sl_instrument_find(name, &instrument));
    SL_TRY(sl_sim_overrides_instrument(out, instrument));
    if (!parameters) return SL_OK;
    char *text = sl_json_canonical(parameters);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    sl_status status =
        sl_parameter_text_read("the parameters of the record", text, strlen(text), class_id, out);
    free(text);
    return status;
}

static sl_status read_record(const json_t *p, uint64_t *seed, uint32_t *index, sl_sim_options *options) {
    int64_t version, number;
    const char *text;
    const json_t *ours = json_object_get(p, "simulator");
    SL_TRY(sl_json_int(p, ours ? "simulator" : "version", 0, INT32_MAX, &version));
    if (version != SL_SIM_VERSION)
        return sl_fail(SL_UNSUPPORTED, "made by version %lld of the simulator, this program has version %d",
                       (long long)version, SL_SIM_VERSION);
    SL_TRY(sl_json_string(p, "seed", &text));
    *seed = strtoull(text, NULL, 10);
    SL_TRY(sl_json_int(p, "index", 0, UINT32_MAX, &number));
    *index = (uint32_t)number;
    SL_TRY(sl_json_string(p, "class", &text));
    return sl_sim_class_find(text, &options->class_id);
}

static sl_status try_all(uint64_t seed, uint32_t index, sl_sim_options *options, const sl_again_sink *sink) {
    sl_sim_sample sample = {0};
    sl_status status = SL_OK;
    bool same = false;
    for (int k = 0; k < 4 && !status && !same; k++) {
        options->domain = k & 2 ? SL_SIM_DOMAIN_HELD_OUT : SL_SIM_DOMAIN_BASE;
        status = k & 1 ? sl_sim_unreal_make(seed, index, options, &sample)
                       : sl_sim_sample_make(seed, index, options, &sample);
        if (!status) status = sink->take(sink->context, &sample.measured, &same);
    }
    sl_sim_sample_free(&sample);
    return status;
}

sl_status sl_simulated_again(const json_t *provenance, int32_t size_px, const sl_again_sink *sink) {
    sl_sim_overrides *overrides; /* large */
    sl_sim_options options = {.size_px = size_px, .measure = true};
    uint64_t seed = 0;
    uint32_t index = 0;
    const json_t *given = json_object_get(provenance, "given");
    SL_TRY(read_record(provenance, &seed, &index, &options));
    SL_TRY(sl_alloc(&overrides, 1, sizeof *overrides));
    sl_status status = given ? read_given(given, &options.class_id, overrides) : SL_OK;
    if (given) options.overrides = overrides;
    if (!status) status = sl_sim_options_check(&options);
    if (!status) status = try_all(seed, index, &options, sink);
    sl_sim_overrides_free(overrides);
    sl_free(overrides);
    return status;
}
