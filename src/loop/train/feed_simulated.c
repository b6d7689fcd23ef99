#include "loop/train/feed_simulated.h"

#include "base/memory.h"
#include "loop/classify/feed_workspace.h"
#include "loop/simulate/sketch_of_sample.h"
#include "xray/log_map.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)SL_SIM_ATTRIBUTE_COUNT <= (int)SL_FEED_ATTRIBUTES_MAX,
               "attributes of the simulator fit a feed");
_Static_assert((int)SL_SIM_CAPTION_BYTES <= (int)SL_FEED_CAPTION_BYTES,
               "captions of the simulator fit a feed");

/* The log map lies in 0..1, models work in -1..1. Every `stride`-th number of out. */
static void to_model_space(const float *log_map, size_t count, float *out, int stride) {
    for (size_t i = 0; i < count; i++) out[i * (size_t)stride] = 2 * log_map[i] - 1;
}

/* The measured frame in the log map of its own level, masked pixels as none, and the expectation in the same
 * map. */
static sl_status copy_pair(sl_sim_sample *sample, float *out) {
    size_t count = (size_t)sample->size_px * (size_t)sample->size_px;
    const uint8_t *mask = sample->measured.mask;
    float *counts = sample->measured.value, *map;
    double level;
    for (size_t i = 0; i < count; i++)
        if (mask[i] || !(counts[i] > 0)) counts[i] = 0;
    SL_TRY(sl_log_map_level(counts, count, &level));
    SL_TRY(sl_alloc(&map, count, sizeof *map));
    sl_log_map_encode(counts, count, level, map);
    to_model_space(map, count, out + 1, 2);
    float exposure = (float)sample->measurement.exposure;
    for (size_t i = 0; i < count; i++) counts[i] = sample->mean_counts[i] * exposure;
    sl_log_map_encode(counts, count, level, map);
    to_model_space(map, count, out, 2);
    sl_free(map);
    return SL_OK;
}

static sl_status copy_image(const sl_simulated *simulated, sl_sim_sample *sample, float *out) {
    if (simulated->image == SL_SIMULATED_PAIR) return copy_pair(sample, out);
    if (simulated->image == SL_SIMULATED_MEASURED)
        return sl_prepare_image(&sample->measured, sample->size_px, out);
    to_model_space(sample->log_map, (size_t)sample->size_px * (size_t)sample->size_px, out, 1);
    return SL_OK;
}

static void describe(const sl_sim_sample *sample, sl_feed_about *out) {
    *out = (sl_feed_about){.label = (int32_t)sample->class_id};
    snprintf(out->caption, sizeof out->caption, "%s", sample->caption);
    memcpy(out->attribute, sample->attribute, sizeof sample->attribute);
    out->beam = (sl_direct_beam){true, sample->beam_row_px, sample->beam_column_px};
    sl_sketch_of_sample(sample, &out->sketch);
    out->augment = SL_AUGMENT_FLIP_LEFT_RIGHT;
    if (!sample->is_grazing) out->augment |= SL_AUGMENT_FLIP_UP_DOWN | SL_AUGMENT_TURN;
}

static sl_status both(void *context, int64_t item, float *image, sl_feed_about *about) {
    const sl_simulated *simulated = context;
    sl_sim_sample sample = {0};
    sl_sim_options options = simulated->options;
    options.measure = simulated->image != SL_SIMULATED_EXPECTATION;
    sl_status status =
        sl_sim_sample_make(simulated->seed, simulated->first + (uint32_t)item, &options, &sample);
    if (status == SL_OK && image) status = copy_image(simulated, &sample, image);
    if (status == SL_OK && about) {
        describe(&sample, about);
        snprintf(about->group, sizeof about->group, "simulated-%lld", (long long)(simulated->first + item));
    }
    sl_sim_sample_free(&sample);
    return status;
}

static sl_status image_alone(void *context, int64_t item, float *out) {
    return both(context, item, out, NULL);
}

static sl_status about_alone(void *context, int64_t item, sl_feed_about *out) {
    return both(context, item, NULL, out);
}

sl_feed sl_feed_simulated(sl_simulated *simulated, int64_t count) {
    int32_t side = simulated->options.size_px ? simulated->options.size_px : 256;
    return (sl_feed){.context = simulated,
                     .count = count,
                     .height_px = side,
                     .width_px = side,
                     .channels = simulated->image == SL_SIMULATED_PAIR ? 2 : 1,
                     .attributes = SL_SIM_ATTRIBUTE_COUNT,
                     .image = image_alone,
                     .about = about_alone,
                     .both = both};
}
