#include "loop/generate/generate.h"
#include "loop/verify/again.h"

#include <stdlib.h>
#include <string.h>

/* Keys of a record and the options of `generate` that they were. What was asked of the measurement stands in
 * an object of its own. */
static const struct {
    const char *key, *option;
    bool asked;
} kept[] = {{"seed", "seed", false},
            {"steps", "steps", false},
            {"guidance", "guidance", false},
            {"level_guidance", "level-guidance", false},
            {"guidance_from", "guidance-from", false},
            {"guidance_to", "guidance-to", false},
            {"guidance_rescale", "guidance-rescale", false},
            {"eta", "eta", false},
            {"brightness_deviation", "brightness-deviation", false},
            {"lora_scale", "lora-scale", false},
            {"negative", "negative", false},
            {"sampler", "sampler", false},
            {"rng", "rng", false},
            {"dtype", "dtype", false},
            {"vae_tile_px", "vae-tile", false},
            {"beam", "beam", true},
            {"detector", "detector", true},
            {"beamstop", "beamstop", true},
            {"exposure", "exposure", true},
            {"noise_free", "noise-free", true}};

static sl_status read_settings(const json_t *p, sl_arena *arena, sl_generate_settings *out) {
    const json_t *asked = json_object_get(p, "asked"), *mask = json_object_get(asked, "mask");
    const char *mask_name;
    if (mask) {
        SL_TRY(sl_json_string(mask, "file", &mask_name));
        return sl_fail(SL_UNSUPPORTED, "it was masked by '%s', which its record names and does not hold",
                       mask_name);
    }
    /* what a record does not name was not there, whatever the model's own is by now */
    json_t *options = json_pack("{s:i, s:i, s:i, s:i, s:i}", "eta", 0, "level-guidance", 0,
                                "brightness-deviation", 0, "guidance-from", 0, "guidance-to", 1);
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++) {
        json_t *value = json_object_get(kept[k].asked ? asked : p, kept[k].key);
        if (value) json_object_set(options, kept[k].option, value);
    }
    json_object_set_new(options, "sketch-guided",
                        json_integer(json_is_true(json_object_get(p, "sketch_guided"))));
    const json_t *beam = json_object_get(p, "beam");
    if (beam) /* where it was, however beams are drawn by now */
        json_object_set_new(options, "beam",
                            json_sprintf("%.17g,%.17g", json_number_value(json_object_get(beam, "row_px")),
                                         json_number_value(json_object_get(beam, "column_px"))));
    /* and what was where; nothing, unless it is told */
    const json_t *sketch = json_object_get(p, "sketch");
    char *marks = sketch ? sl_json_canonical(sketch) : NULL;
    json_object_set_new(options, "sketch", json_string(marks ? marks : "none"));
    free(marks);
    sl_status status = sl_options_from_json(sl_generate_options, options, arena, out);
    json_decref(options);
    return sl_context(status, "reading its record");
}

/* The weights decide what is made: other ones cannot make it again. */
static sl_status check_weights(const json_t *recorded, const json_t *made) {
    static const char *const keys[] = {"model", "lora"};
    for (int k = 0; k < 2; k++) {
        const json_t *was = json_object_get(recorded, keys[k]), *is = json_object_get(made, keys[k]);
        const char *part;
        json_t *hash;
        if (!was) continue;
        json_object_foreach((json_t *)was, part, hash) {
            if (strcmp(part, "name") == 0 || strcmp(part, "file") == 0) continue;
            const char *found = json_string_value(json_object_get(is, part));
            if (found && json_string_value(hash) && strcmp(found, json_string_value(hash)) == 0) continue;
            return sl_fail(SL_MISMATCH, "made with other weights: %s %s was %.12s, here it is %.12s", keys[k],
                           part, json_string_value(hash) ? json_string_value(hash) : "unknown",
                           found ? found : "unknown");
        }
    }
    return SL_OK;
}

/* How the model takes its decoder's blocks out is its folder's to say: another way makes another image. */
static sl_status check_deblocking(const json_t *recorded, const json_t *made) {
    static const char *const keys[] = {"deblock", "deblock_detail"};
    for (int k = 0; k < 2; k++) {
        double was = json_number_value(json_object_get(recorded, keys[k])),
               is = json_number_value(json_object_get(made, keys[k]));
        if (was < is || was > is)
            return sl_fail(SL_MISMATCH, "made with \"%s\" %g, the model's is %g", keys[k], was, is);
    }
    return SL_OK;
}

/* The laws by which expectations are measured change, and only the present ones are here. Records without a
 * version are of the first. */
static sl_status check_laws(const json_t *recorded, const json_t *made) {
    static const char key[] = "measurement_laws";
    int64_t was, is;
    if (!json_object_get(made, key)) return SL_OK;
    SL_TRY(sl_json_int_or(recorded, key, 1, INT32_MAX, 1, &was));
    SL_TRY(sl_json_int(made, key, 1, INT32_MAX, &is));
    if (was == is) return SL_OK;
    return sl_fail(SL_MISMATCH,
                   "measured by version %lld of the usual instruments, this build has version %lld",
                   (long long)was, (long long)is);
}

static const char *text_of(const json_t *p, const char *key, sl_arena *arena) {
    const char *text = json_string_value(json_object_get(p, key));
    return text ? sl_arena_strdup(arena, text) : NULL;
}

sl_status sl_generated_again(const json_t *provenance, int32_t size_px, const char *model, const char *lora,
                             const sl_progress *progress, sl_arena *arena, const sl_again_sink *sink,
                             sl_verify_result *out) {
    sl_generate_settings settings;
    sl_image made;
    json_t *record = NULL;
    int64_t index;
    const char *prompt;
    bool same;
    SL_TRY(read_settings(provenance, arena, &settings));
    SL_TRY(sl_json_int(provenance, "index", 0, UINT32_MAX, &index));
    SL_TRY(sl_json_string(provenance, "prompt", &prompt));
    bool adapted = json_object_get(provenance, "lora") != NULL;
    if (adapted && !lora)
        return sl_fail(SL_INVALID, "it was made with an adapter that no workspace here holds: name the file "
                                   "with --lora");
    settings.model = model;
    settings.lora = adapted ? lora : NULL;
    settings.size_px = size_px;
    SL_TRY(sl_generate_one(&settings, prompt, index, progress, &made, &record));
    out->recorded = text_of(provenance, "engine", arena);
    out->engine = text_of(record, "engine", arena);
    sl_status status = check_weights(provenance, record);
    if (!status) status = check_deblocking(provenance, record);
    if (!status) status = check_laws(provenance, record);
    if (!status) status = sink->take(sink->context, &made, &same);
    sl_image_free(&made);
    json_decref(record);
    return status;
}
