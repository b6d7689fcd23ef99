/* The one layer of our denoiser that UNet2DCondition does not have. */
#include "test.h"

#include "model/model.h"
#include "model/unet.h"
#include "nn/program.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, CHANNELS = 28, VALUES = SIDE * SIDE * 4 };

#define CONFIG                                                                                               \
    "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\", \"block_out_channels\": [8, 16],"     \
    " \"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\"],"                                    \
    " \"up_block_types\": [\"CrossAttnUpBlock2D\", \"UpBlock2D\"], \"in_channels\": 4, \"out_channels\": 4," \
    " \"layers_per_block\": 1, \"attention_head_dim\": 2, \"cross_attention_dim\": 8,"                       \
    " \"norm_num_groups\": 4, \"sample_size\": 8"

static sl_model *model_of(const char *config) {
    json_t *json;
    sl_model *model;
    assert_ok(sl_json_parse(config, strlen(config), "test", &json));
    assert_ok(sl_model_from_json(json, &model));
    json_decref(json);
    assert_ok(sl_params_initialise(model->params, 3));
    return model;
}

/* The parameters that both have. */
static void copy_values(const sl_model *from, const sl_model *to) {
    for (int i = 0; i < sl_params_count(from->params); i++) {
        const sl_param *a = sl_params_at(from->params, i), *b = sl_params_find(to->params, a->name);
        assert_non_null(b);
        memcpy(b->value.data, a->value.data, (size_t)sl_shape_count(&a->value.shape) * sizeof(float));
    }
}

/* map NULL: the graph has no such input. */
static void predict(const sl_model *model, const float *map, float out[VALUES]) {
    sl_program p;
    float sample[VALUES], context[16], timestep = 300;
    for (int i = 0; i < VALUES; i++) sample[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int i = 0; i < 16; i++) context[i] = (float)(i % 5) - 2;
    assert_ok(sl_program_begin(&p, model->params));
    sl_value x = sl_input(p.graph, "sample", SL_F32, SL_SHAPE(1, SIDE, SIDE, 4));
    sl_value t = sl_input(p.graph, "timestep", SL_F32, SL_SHAPE(1));
    sl_value c = sl_input(p.graph, "context", SL_F32, SL_SHAPE(1, 2, 8));
    sl_value beam = SL_NONE;
    if (map) beam = sl_input(p.graph, "beam", SL_F32, SL_SHAPE(1, SIDE, SIDE, CHANNELS));
    sl_output(p.graph, "y", sl_unet_build(&p.nn, model->config, x, t, c, beam));
    assert_ok(sl_program_finish(&p, NULL));
    assert_ok(sl_program_set(&p, "sample", sample, sizeof sample));
    assert_ok(sl_program_set(&p, "timestep", &timestep, sizeof timestep));
    assert_ok(sl_program_set(&p, "context", context, sizeof context));
    if (map) assert_ok(sl_program_set(&p, "beam", map, SIDE * SIDE * CHANNELS * sizeof *map));
    assert_ok(sl_program_run(&p));
    assert_ok(sl_program_get(&p, "y", out, VALUES * sizeof *out));
    sl_program_end(&p);
}

/* Programs that leave the layer out must see the denoiser that knows no beam, whatever the layer has learnt.
 */
static void unknown_beam_adds_nothing(void **state) {
    (void)state;
    static float nobody_knows[SIDE * SIDE * CHANNELS], known[SIDE * SIDE * CHANNELS];
    float plain[VALUES], out[VALUES];
    sl_model *without = model_of(CONFIG "}"), *with = model_of(CONFIG ", \"_beam_channels\": 28}");
    copy_values(without, with);
    sl_param *layer = sl_params_find(with->params, "beam_in.weight");
    assert_non_null(layer);
    predict(without, NULL, plain);
    for (int i = 0; i < SIDE * SIDE * CHANNELS; i++) known[i] = 1;
    predict(with, known, out); /* it begins with zeros */
    assert_memory_equal(out, plain, sizeof out);
    int64_t count = sl_shape_count(&layer->value.shape);
    for (int64_t i = 0; i < count; i++) ((float *)layer->value.data)[i] = 0.25f;
    predict(with, nobody_knows, out);
    assert_memory_equal(out, plain, sizeof out);
    predict(with, NULL, out);
    assert_memory_equal(out, plain, sizeof out);
    predict(with, known, out);
    assert_memory_not_equal(out, plain, sizeof out);
    sl_model_free(without);
    sl_model_free(with);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_beam_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
