/* A denoiser of a few thousand weights, and what it makes of one fixed input. */
#ifndef SL_TESTS_TINY_UNET_H
#define SL_TESTS_TINY_UNET_H

#include "test.h"

#include "model/model.h"
#include "model/unet.h"
#include "nn/program.h"

#include <string.h>

enum {
    TINY_SIDE = 8,
    TINY_BEAM_CHANNELS = 28,
    TINY_SPLIT_CHANNELS = TINY_BEAM_CHANNELS + SL_UNET_SPLITS,
    TINY_LINES_CHANNELS = TINY_SPLIT_CHANNELS + SL_UNET_LINES,
    TINY_SKETCH_CHANNELS = TINY_LINES_CHANNELS + SL_UNET_SKETCH,
    TINY_VALUES = TINY_SIDE * TINY_SIDE * 4,
    TINY_MAP_VALUES = TINY_SIDE * TINY_SIDE * TINY_SKETCH_CHANNELS
};

/* From a configuration of 4 channels in and out and a context 8 wide. */
static inline sl_model *tiny_unet_new(const char *config, uint64_t seed) {
    json_t *json;
    sl_model *model;
    assert_ok(sl_json_parse(config, strlen(config), "test", &json));
    assert_ok(sl_model_from_json(json, &model));
    json_decref(json);
    assert_ok(sl_params_initialise(model->params, seed));
    return model;
}

/* map [8, 8, as many as the model takes]; NULL: the graph has no such input. */
static inline void tiny_unet_predict(const sl_model *model, const float *map, float out[TINY_VALUES]) {
    sl_program p;
    float sample[TINY_VALUES], context[16], timestep = 300;
    for (int i = 0; i < TINY_VALUES; i++) sample[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int i = 0; i < 16; i++) context[i] = (float)(i % 5) - 2;
    assert_ok(sl_program_begin(&p, model->params));
    sl_value x = sl_input(p.graph, "sample", SL_F32, SL_SHAPE(1, TINY_SIDE, TINY_SIDE, 4));
    sl_value t = sl_input(p.graph, "timestep", SL_F32, SL_SHAPE(1));
    sl_value c = sl_input(p.graph, "context", SL_F32, SL_SHAPE(1, 2, 8));
    sl_value beam = SL_NONE;
    int64_t channels = ((const sl_unet_config *)model->config)->beam_channels;
    if (map) beam = sl_input(p.graph, "beam", SL_F32, SL_SHAPE(1, TINY_SIDE, TINY_SIDE, channels));
    sl_output(p.graph, "y", sl_unet_build(&p.nn, model->config, x, t, c, beam));
    assert_ok(sl_program_finish(&p, NULL));
    assert_ok(sl_program_set(&p, "sample", sample, sizeof sample));
    assert_ok(sl_program_set(&p, "timestep", &timestep, sizeof timestep));
    assert_ok(sl_program_set(&p, "context", context, sizeof context));
    if (map)
        assert_ok(sl_program_set(&p, "beam", map, (size_t)(TINY_SIDE * TINY_SIDE * channels) * sizeof *map));
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get(&p, "y", out, TINY_VALUES * sizeof *out));
    sl_program_end(&p);
}

#endif
