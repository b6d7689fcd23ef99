/* The layers of our denoiser that UNet2DCondition does not have. */
#include "tiny_unet.h"

#include "diffusion/beam_map.h"
#include "model/unet_beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG                                                                                               \
    "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\", \"block_out_channels\": [8, 16],"     \
    " \"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\"],"                                    \
    " \"up_block_types\": [\"CrossAttnUpBlock2D\", \"UpBlock2D\"], \"in_channels\": 4, \"out_channels\": 4," \
    " \"layers_per_block\": 1, \"attention_head_dim\": 2, \"cross_attention_dim\": 8,"                       \
    " \"norm_num_groups\": 4, \"sample_size\": 8"

/* The parameters that both have. */
static void copy_values(const sl_model *from, const sl_model *to) {
    for (int i = 0; i < sl_params_count(from->params); i++) {
        const sl_param *a = sl_params_at(from->params, i), *b = sl_params_find(to->params, a->name);
        assert_non_null(b);
        memcpy(b->value.data, a->value.data, (size_t)sl_shape_count(&a->value.shape) * sizeof(float));
    }
}

/* Programs that leave a layer out must see the denoiser that knows no beam, whatever the layer has learnt. */
static void adds_nothing_unless_known(const char *config, const char *name) {
    static float nobody_knows[TINY_MAP_VALUES], known[TINY_MAP_VALUES];
    float plain[TINY_VALUES], out[TINY_VALUES];
    sl_model *without = tiny_unet_new(CONFIG "}", 3), *with = tiny_unet_new(config, 3);
    copy_values(without, with);
    sl_param *layer = sl_params_find(with->params, name);
    assert_non_null(layer);
    tiny_unet_predict(without, NULL, plain);
    int channels = (int)((const sl_unet_config *)with->config)->beam_channels;
    for (int i = 0; i < TINY_MAP_VALUES; i++)
        known[i] = i % channels == SL_UNET_BEAM_KNOWN ? 1 : (float)(i * 29 % 83) / 64;
    tiny_unet_predict(with, known, out); /* it begins with zeros */
    assert_memory_equal(out, plain, sizeof out);
    int64_t count = sl_shape_count(&layer->value.shape);
    for (int64_t i = 0; i < count; i++) ((float *)layer->value.data)[i] = (float)(i * 7 % 11 - 5) / 8;
    tiny_unet_predict(with, nobody_knows, out);
    assert_memory_equal(out, plain, sizeof out);
    tiny_unet_predict(with, NULL, out);
    assert_memory_equal(out, plain, sizeof out);
    tiny_unet_predict(with, known, out);
    double most = 0;
    for (int i = 0; i < TINY_VALUES; i++) most = fmax(most, fabs((double)out[i] - (double)plain[i]));
    assert_true(most > 1e-2);
    sl_model_free(without);
    sl_model_free(with);
}

static void unknown_beam_adds_nothing(void **state) {
    (void)state;
    adds_nothing_unless_known(CONFIG ", \"_beam_channels\": 28}", "beam_in.weight");
}

static void rings_about_an_unknown_beam_add_nothing(void **state) {
    (void)state;
    adds_nothing_unless_known(CONFIG ", \"_beam_channels\": 28, \"_beam_rings\": 6}",
                              "up_blocks.1.rings.0.proj_out.weight");
}

static void profiles_about_an_unknown_beam_add_nothing(void **state) {
    (void)state;
    const char *config = CONFIG ", \"_beam_channels\": 92, \"_beam_profiles\": 3}";
    adds_nothing_unless_known(config, "up_blocks.1.profiles.1.proj_out.weight");
}

static void rays_from_an_unknown_beam_add_nothing(void **state) {
    (void)state;
    const char *config = CONFIG ", \"_beam_channels\": 109, \"_beam_rays\": 12}";
    adds_nothing_unless_known(config, "up_blocks.1.rays.0.proj_out.weight");
}

static void cuts_about_an_unknown_beam_add_nothing(void **state) {
    (void)state;
    const char *config = CONFIG ", \"_beam_channels\": 109, \"_beam_cuts\": 2, \"_beam_attention\": true}";
    adds_nothing_unless_known(config, "up_blocks.1.cuts.1.across.proj_out.weight");
    adds_nothing_unless_known(config, "up_blocks.1.cuts.1.down.proj_out.weight");
}

static void an_unknown_sketch_adds_nothing(void **state) {
    (void)state;
    const char *config = CONFIG ", \"_beam_channels\": 302, \"_beam_rays\": 12, \"_beam_sketch\": true}";
    adds_nothing_unless_known(config, "sketch_in.linear_2.weight");
}

/* Where places are is told by the last channels of the map: as far left of the beam as right of it is one
 * column, opposite sides are one ray. */
static void mirrored_places_share_a_column_and_a_ray(void **state) {
    (void)state;
    enum { CHANNELS = TINY_LINES_CHANNELS };
    static float map[TINY_MAP_VALUES];
    sl_model *model =
        tiny_unet_new(CONFIG ", \"_beam_channels\": 109, \"_beam_cuts\": 2, \"_beam_rays\": 12}", 3);
    sl_nn nn;
    sl_program p;
    assert_ok(sl_program_begin(&p, model->params));
    nn = p.nn;
    sl_value beam = sl_input(p.graph, "beam", SL_F32, SL_SHAPE(1, TINY_SIDE, TINY_SIDE, CHANNELS));
    sl_unet_beam b = sl_unet_beam_open(&nn, model->config, beam, SL_NONE, SL_NONE);
    sl_output(p.graph, "column", b.column.ring);
    sl_output(p.graph, "row", b.row.ring);
    sl_output(p.graph, "ray", b.ray.ring);
    assert_ok(sl_program_finish(&p, NULL));
    sl_beam_map(&(sl_direct_beam){true, 4 * 8, 4 * 8}, NULL, TINY_SIDE, TINY_SIDE, 8, CHANNELS, map);
    assert_ok(sl_program_set(&p, "beam", map, TINY_SIDE * TINY_SIDE * CHANNELS * sizeof *map));
    assert_ok(sl_program_run(&p));
    float column[64], row[64], ray[64];
    assert_ok(sl_program_get(&p, "column", column, sizeof column));
    assert_ok(sl_program_get(&p, "row", row, sizeof row));
    assert_ok(sl_program_get(&p, "ray", ray, sizeof ray));
    for (int i = 0; i < 64; i++) {
        assert_true(fabs((double)column[i] - fabs(i + 0.5 - 32)) < 1e-3);
        assert_true(fabs((double)row[i] - (64 - (i + 0.5 - 32))) < 1e-3);
        double azimuth = atan2(i / 8 + 0.5 - 4, i % 8 + 0.5 - 4) / M_PI * 12;
        assert_true(fabs((double)ray[i] - (azimuth < 0 ? azimuth + 12 : azimuth)) < 1e-3);
        assert_true(fabs((double)ray[i] - (double)ray[63 - i]) < 1e-3);
    }
    sl_program_end(&p);
    sl_model_free(model);
}

static void refused_naming(const char *text, const char *key) {
    json_t *json;
    sl_model *model;
    assert_ok(sl_json_parse(text, strlen(text), "test", &json));
    assert_status(sl_model_from_json(json, &model), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), key));
    json_decref(json);
}

static void layers_about_the_beam_need_a_map(void **state) {
    (void)state;
    refused_naming(CONFIG ", \"_beam_rings\": 6}", "_beam_rings");
    refused_naming(CONFIG ", \"_beam_channels\": 28, \"_beam_profiles\": 3}", "_beam_profiles");
    refused_naming(CONFIG ", \"_beam_channels\": 84, \"_beam_rays\": 9}", "_beam_rays");
    refused_naming(CONFIG ", \"_beam_channels\": 109, \"_beam_rays\": 1}", "_beam_rays");
    refused_naming(CONFIG ", \"_beam_channels\": 84, \"_beam_cuts\": 2}", "_beam_cuts");
    refused_naming(CONFIG ", \"_beam_channels\": 200, \"_beam_cuts\": 2, \"_beam_sketch\": true}",
                   "_beam_sketch");
    refused_naming(CONFIG ", \"_beam_channels\": 302, \"_beam_profiles\": 2, \"_beam_sketch\": true}",
                   "_beam_sketch");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_beam_adds_nothing),
        cmocka_unit_test(rings_about_an_unknown_beam_add_nothing),
        cmocka_unit_test(profiles_about_an_unknown_beam_add_nothing),
        cmocka_unit_test(rays_from_an_unknown_beam_add_nothing),
        cmocka_unit_test(cuts_about_an_unknown_beam_add_nothing),
        cmocka_unit_test(an_unknown_sketch_adds_nothing),
        cmocka_unit_test(mirrored_places_share_a_column_and_a_ray),
        cmocka_unit_test(layers_about_the_beam_need_a_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
