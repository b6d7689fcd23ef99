/* A denoiser that begins with an earlier one's weights computes what that one does, deeper or not. */
#include "tiny_unet.h"

#include "diffusion/beam_map.h"
#include "loop/train/base_internal.h"

#include <math.h>

/* How many layers about the beam a model has: none, rings, then profiles, then rays and cuts, then attention,
 * then a sketch. */
enum { PLAIN, RINGS, PROFILES, LINES, ATTENTION, SKETCH };

static sl_model *laid_model_of(int layers, int64_t width, int laid, uint64_t seed) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\","
             " \"block_out_channels\": [8, %d, 24],"
             " \"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"],"
             " \"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"],"
             " \"in_channels\": 4, \"out_channels\": 4, \"layers_per_block\": %d, \"attention_head_dim\": 2,"
             " \"cross_attention_dim\": 8, \"norm_num_groups\": 4, \"sample_size\": 8,"
             " \"use_linear_projection\": true, \"_beam_channels\": %d, \"_beam_rings\": %d,"
             " \"_beam_profiles\": %d, \"_beam_rays\": %d, \"_beam_cuts\": %d, \"_beam_attention\": %s,"
             " \"_beam_sketch\": %s}",
             (int)width, layers,
             laid >= SKETCH     ? TINY_SKETCH_CHANNELS
             : laid >= LINES    ? TINY_LINES_CHANNELS
             : laid >= PROFILES ? TINY_SPLIT_CHANNELS
                                : TINY_BEAM_CHANNELS,
             laid >= RINGS ? 12 : 0, laid >= PROFILES ? 2 : 0, laid >= LINES ? 9 : 0, laid >= LINES ? 2 : 0,
             laid >= ATTENTION ? "true" : "false", laid >= SKETCH ? "true" : "false");
    return tiny_unet_new(text, seed);
}

static sl_model *model_of(int layers, int64_t width, uint64_t seed) {
    return laid_model_of(layers, width, PLAIN, seed);
}

static double largest_difference(const float *a, const float *b) {
    double largest = 0;
    for (int i = 0; i < TINY_VALUES; i++) largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

static void deeper_computes_the_same(void **state) {
    (void)state;
    for (int had = 1; had <= 2; had++)
        for (int has = had; has <= 4; has++) {
            float first[TINY_VALUES], second[TINY_VALUES];
            sl_model *earlier = model_of(had, 16, 3), *later = model_of(has, 16, 4);
            tiny_unet_predict(earlier, NULL, first);
            tiny_unet_predict(later, NULL, second);
            assert_true(largest_difference(first, second) > 0.01);
            assert_ok(sl_base_begin(earlier->params, "earlier", later->params));
            tiny_unet_predict(later, NULL, second);
            assert_true(largest_difference(first, second) < 1e-5);
            sl_model_free(earlier);
            sl_model_free(later);
        }
}

/* Places about a beam that is known, in as many channels as a model takes. */
static void predict(const sl_model *model, float out[TINY_VALUES]) {
    static float map[TINY_MAP_VALUES];
    sl_sketch sketch = {.known = true};
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 20, 6, 1});
    sl_beam_map(&(sl_direct_beam){true, 30, 21}, &sketch, TINY_SIDE, TINY_SIDE, 8,
                ((const sl_unet_config *)model->config)->beam_channels, map);
    tiny_unet_predict(model, map, out);
}

/* As after a training: what began with zeros says something, each layer its own. */
static void let_rings_speak(sl_model *model) {
    for (int i = 0; i < sl_params_count(model->params); i++) {
        sl_param *param = sl_params_at(model->params, i);
        if (!sl_unet_is_about_beam(param->name) || !strstr(param->name, ".proj_out.")) continue;
        for (int64_t k = 0; k < sl_shape_count(&param->value.shape); k++)
            ((float *)param->value.data)[k] = (float)((k * 7 + i) % 5 - 2) / 4;
    }
}

/* Neither deeper blocks nor layers about the beam that the earlier model lacks change what it computes. */
static void continues(int had, int has, int laid) {
    float first[TINY_VALUES], second[TINY_VALUES];
    sl_model *earlier = laid_model_of(had, 16, laid, 3), *later = laid_model_of(has, 16, SKETCH, 4);
    let_rings_speak(earlier);
    let_rings_speak(later);
    predict(later, second);
    predict(earlier, first);
    assert_true(largest_difference(first, second) > 0.01);
    sl_model_free(later);
    later = laid_model_of(has, 16, SKETCH, 4);
    assert_ok(sl_base_begin(earlier->params, "earlier", later->params));
    predict(later, second);
    assert_true(largest_difference(first, second) < 1e-5);
    sl_model_free(earlier);
    sl_model_free(later);
}

static void what_is_new_changes_nothing_at_first(void **state) {
    (void)state;
    for (int had = 1; had <= 2; had++)
        for (int has = had; has <= 4; has++)
            for (int laid = PLAIN; laid <= SKETCH; laid++) continues(had, has, laid);
}

/* The weight of part (y, x) in column k */
static double part_of_column(const float *w, int64_t columns, int64_t k, int y, int x) {
    return (double)w[(y * SL_UNET_SPLIT + x) * columns + k];
}

/* What varies both ways at once is the product of the slopes, and nothing else. */
static void assert_smooth(const float *w, int64_t columns, int64_t k) {
    double first = cos(M_PI / 16), corner = part_of_column(w, columns, k, 0, 0);
    double tilt = part_of_column(w, columns, k, 7, 7) - part_of_column(w, columns, k, 7, 0) -
                  part_of_column(w, columns, k, 0, 7) + corner;
    for (int y = 0; y < SL_UNET_SPLIT; y++)
        for (int x = 0; x < SL_UNET_SPLIT; x++) {
            double down = (cos(M_PI * (y + 0.5) / 8) - first) / (2 * first),
                   across = (cos(M_PI * (x + 0.5) / 8) - first) / (2 * first);
            double both = part_of_column(w, columns, k, y, x) - part_of_column(w, columns, k, y, 0) -
                          part_of_column(w, columns, k, 0, x) + corner;
            assert_true(fabs(both - tilt * down * across) < 1e-5);
        }
}

/* What a place draws on its parts begins as level, slopes and curvatures, and no less than it was drawn. */
static void profiles_begin_smooth(void **state) {
    (void)state;
    sl_model *model;
    int seen = 0;
    assert_ok(sl_base_unet_new(1, &(sl_base_unet){.layers = 2, .profiles = 4, .latent_side = 32}, &model));
    for (int p = 0; p < sl_params_count(model->params); p++) {
        const sl_param *param = sl_params_at(model->params, p);
        if (!strstr(param->name, ".profiles.") || !strstr(param->name, ".proj_in.weight")) continue;
        assert_int_equal(param->value.shape.dim[0], SL_UNET_SPLITS * 4);
        int64_t columns = 4 * param->value.shape.dim[1], count = columns * SL_UNET_SPLITS;
        const float *w = param->value.data;
        double squares = 0;
        for (int64_t i = 0; i < count; i++) squares += (double)w[i] * (double)w[i];
        for (int64_t k = 0; k < columns; k++) assert_smooth(w, columns, k);
        /* uniform within 1/sqrt(64) before */
        double share = squares / (double)count * 3 * 64;
        if (fabs(share - 1) > 0.3) fail_msg("%s: mean square %g of what it was", param->name, share);
        seen++;
    }
    assert_int_equal(seen, 3);
    sl_model_free(model);
}

static void cuts_begin_smooth(void **state) {
    (void)state;
    sl_model *model;
    int seen = 0;
    assert_ok(sl_base_unet_new(1, &(sl_base_unet){.layers = 2, .cuts = 3, .latent_side = 32}, &model));
    for (int p = 0; p < sl_params_count(model->params); p++) {
        const sl_param *param = sl_params_at(model->params, p);
        if (!strstr(param->name, ".cuts.") || !strstr(param->name, ".proj_in.weight")) continue;
        int64_t columns = 3 * param->value.shape.dim[1];
        const float *w = param->value.data;
        assert_int_equal(param->value.shape.dim[0], SL_UNET_SPLIT * 3);
        /* a wave of three halves over the parts says nothing */
        for (int64_t k = 0; k < columns; k++) {
            double share = 0;
            for (int i = 0; i < SL_UNET_SPLIT; i++)
                share += (double)w[i * columns + k] * cos(M_PI * (i + 0.5) * 3 / SL_UNET_SPLIT);
            assert_true(fabs(share) < 1e-5);
        }
        seen++;
    }
    assert_int_equal(seen, 6);
    sl_model_free(model);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    sl_model *two = model_of(2, 16, 3), *one = model_of(1, 16, 4), *wide = model_of(2, 32, 5);
    assert_status(sl_base_begin(two->params, "two", one->params), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "2 residual blocks"));
    assert_status(sl_base_begin(two->params, "two", wide->params), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "expected [32,"));
    sl_model_free(two);
    sl_model_free(one);
    sl_model_free(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeper_computes_the_same), cmocka_unit_test(what_is_new_changes_nothing_at_first),
        cmocka_unit_test(profiles_begin_smooth), cmocka_unit_test(cuts_begin_smooth),
        cmocka_unit_test(what_does_not_fit_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
