/* Tiles: they cover an image once, and what an autoencoder makes of them is close to what it makes of the
 * whole. */
#include "test.h"

#include "../graph/guarded_device.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "diffusion/pipeline.h"
#include "diffusion/programs.h"
#include "diffusion/tiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void tiles_cover_a_length_once(void **state) {
    (void)state;
    for (int64_t tile = 4; tile <= 40; tile += 3)
        for (int64_t length = 1; length <= 150; length += 7)
            for (int64_t scale = 1; scale <= 8; scale *= 8) {
                sl_tiles t = sl_tiles_of(length, tile);
                float *weights;
                double sums[150 * 8] = {0};
                assert_ok(sl_tiles_weights(&t, scale, &weights));
                assert_int_equal(sl_tiles_start(&t, 0), 0);
                assert_int_equal(sl_tiles_start(&t, t.count - 1) + t.tile, length);
                for (int64_t i = 0; i < t.count; i++) {
                    int64_t start = sl_tiles_start(&t, i);
                    if (i) assert_true(start <= sl_tiles_start(&t, i - 1) + t.tile - t.tile / 4);
                    for (int64_t p = 0; p < t.tile * scale; p++) {
                        float w = weights[i * t.tile * scale + p];
                        assert_true(w >= 0 && w <= 1);
                        sums[start * scale + p] += (double)w;
                    }
                    /* the edge within the image does not count */
                    if (i && t.tile * scale >= 16) assert_true(weights[i * t.tile * scale] < 0.01f);
                }
                for (int64_t p = 0; p < length * scale; p++) assert_true(fabs(sums[p] - 1) < 1e-6);
                sl_free(weights);
            }
}

/* Rings about a centre off the middle, and a gradient. */
static void draw(sl_tensor *image) {
    const int64_t *d = image->shape.dim;
    float *out = image->data;
    for (int64_t y = 0; y < d[1]; y++)
        for (int64_t x = 0; x < d[2]; x++)
            for (int64_t c = 0; c < d[3]; c++) {
                double r = hypot((double)y - 0.45 * (double)d[1], (double)x - 0.6 * (double)d[2]);
                double value = 0.4 * cos(r / 5) * exp(-r / 90) + 0.6 - 1.4 * r / (double)d[1];
                *out++ = (float)fmax(-1, fmin(1, value));
            }
}

typedef struct difference {
    double rms, worst; /* of the reference's standard deviation */
} difference;

static difference between(const sl_tensor *a, const sl_tensor *b) {
    const float *x = a->data, *y = b->data;
    int64_t count = sl_shape_count(&a->shape);
    double sum = 0, squares = 0, off = 0, worst = 0;
    assert_true(sl_shape_equal(&a->shape, &b->shape));
    for (int64_t i = 0; i < count; i++) {
        double value = (double)x[i], d = fabs((double)y[i] - value);
        sum += value, squares += value * value, off += d * d;
        worst = fmax(worst, d);
    }
    double n = (double)count, deviation = sqrt(squares / n - sum / n * (sum / n));
    return (difference){sqrt(off / n) / deviation, worst / deviation};
}

static sl_pipeline *pipeline_of(const sl_bundle *bundle, int64_t tile_px) {
    sl_pipeline *pipeline;
    assert_ok(
        sl_pipeline_new(bundle, &(sl_pipeline_options){.dtype = SL_F32, .vae_tile_px = tile_px}, &pipeline));
    return pipeline;
}

/* The shipped autoencoder: whole against tiles, there and back. */
static void tiles_are_close_to_the_whole(void **state) {
    (void)state;
    sl_bundle *bundle;
    sl_tensor image, whole[2], tiled[2];
    if (sl_bundle_load("models/base", &bundle) != SL_OK)
        skip_because("no shipped model: %s", sl_error_message());
    sl_shape shape = SL_SHAPE(1, 256, 320, sl_bundle_image_channels(bundle));
    assert_ok(sl_tensor_new(SL_F32, &shape, &image));
    draw(&image);
    sl_pipeline *plain = pipeline_of(bundle, 0);
    assert_ok(sl_pipeline_encode(plain, &image, NULL, &whole[0]));
    assert_ok(sl_pipeline_decode(plain, &whole[0], &whole[1]));
    for (int64_t tile = 128; tile <= 512; tile *= 2) {
        sl_pipeline *cut = pipeline_of(bundle, tile);
        assert_ok(sl_pipeline_encode(cut, &image, NULL, &tiled[0]));
        assert_ok(sl_pipeline_decode(cut, &whole[0], &tiled[1]));
        difference there = between(&whole[0], &tiled[0]), back = between(&whole[1], &tiled[1]);
        print_message(
            "tiles of %lld px: latents off by %.2g (most %.2g), pixels by %.2g (most %.2g) of their "
            "deviation\n",
            (long long)tile, there.rms, there.worst, back.rms, back.worst);
        assert_true(there.worst < (tile == 512 ? 1e-9 : 1e-4));
        assert_true(back.rms < (tile == 128 ? 0.02 : tile == 256 ? 4e-3 : 1e-9));
        assert_true(back.worst < (tile == 128 ? 0.15 : tile == 256 ? 0.03 : 1e-9));
        sl_tensor_free(&tiled[0]);
        sl_tensor_free(&tiled[1]);
        sl_pipeline_free(cut);
    }
    for (int i = 0; i < 2; i++) sl_tensor_free(&whole[i]);
    sl_tensor_free(&image);
    sl_pipeline_free(plain);
    sl_bundle_free(bundle);
}

/* ---- a device without room ---- */

/* The shipped bundle with an autoencoder that references can compute: latents [N,h,w,4] to images
 * [N,2h,2w,1]. */
static sl_bundle *small_bundle(void) {
    sl_bundle *bundle;
    if (sl_bundle_load("models/base", &bundle) != SL_OK)
        skip_because("no shipped model: %s", sl_error_message());
    sl_vae_config vae = *sl_bundle_vae(bundle);
    vae.in_channels = vae.out_channels = 4;
    vae.latent_channels = 4;
    vae.block_out_channels.count = 1, vae.block_out_channels.value[0] = 8;
    vae.norm_num_groups = 4;
    sl_model_free(bundle->vae);
    assert_ok(sl_model_new(&sl_vae_kind, &vae, &bundle->vae));
    assert_ok(sl_params_initialise(bundle->vae->params, 3));
    bundle->space_to_depth = 2;
    return bundle;
}

static sl_status decode_on_device(const sl_bundle *bundle, const sl_tensor *latents, int64_t tile_px,
                                  size_t total, sl_tensor *out, size_t *out_bytes) {
    guarded_device_total_bytes = total;
    guarded_device_use();
    sl_pipeline *pipeline = pipeline_of(bundle, tile_px);
    sl_status status = sl_pipeline_decode(pipeline, latents, out);
    *out_bytes = guarded_device.live_bytes;
    sl_pipeline_free(pipeline);
    guarded_device_end();
    return status;
}

/* Where the whole does not fit it is tiles of half the side, and so on; where no tile fits the figures are
 * told. */
static void a_small_device_decodes_in_tiles(void **state) {
    (void)state;
    sl_bundle *bundle = small_bundle();
    size_t plenty = guarded_device_total_bytes, whole_bytes, half_bytes, bytes;
    sl_tensor latents, whole, half, cut;
    assert_ok(sl_tensor_new(SL_F32, &SL_SHAPE(1, 48, 32, 4), &latents));
    sl_random random = sl_random_stream(2, SL_STREAM_TEST, 0);
    sl_random_normals(&random, latents.data, 48 * 32 * 4);
    int64_t half_px = 24 * sl_bundle_reduction(bundle);
    assert_ok(decode_on_device(bundle, &latents, 0, plenty, &whole, &whole_bytes));
    assert_ok(decode_on_device(bundle, &latents, half_px, plenty, &half, &half_bytes));
    assert_true(half_bytes < whole_bytes);
    assert_ok(decode_on_device(bundle, &latents, 0, (half_bytes + whole_bytes) / 2, &cut, &bytes));
    assert_int_equal(bytes, half_bytes);
    assert_memory_equal(cut.data, half.data, sl_tensor_bytes(&half));
    assert_true(between(&whole, &cut).rms > 0);
    sl_tensor_free(&cut);
    assert_status(decode_on_device(bundle, &latents, 0, 100000, &cut, &bytes), SL_MEMORY);
    assert_non_null(strstr(sl_error_message(), "this work takes"));
    assert_non_null(strstr(sl_error_message(), "activations"));
    sl_pipeline *pipeline;
    assert_status(sl_pipeline_new(bundle, &(sl_pipeline_options){.vae_tile_px = 5}, &pipeline), SL_INVALID);
    guarded_device_total_bytes = plenty;
    sl_tensor_free(&whole);
    sl_tensor_free(&half);
    sl_tensor_free(&latents);
    sl_bundle_free(bundle);
}

/* The text encoder, whose embeddings are kept, makes room for the denoiser; the denoiser stays for a decoder
 * that fits in tiles. */
static void the_text_encoder_makes_room(void **state) {
    (void)state;
    sl_bundle *bundle = small_bundle();
    size_t plenty = guarded_device_total_bytes, text_bytes, both_bytes;
    const sl_pipeline_options options = {.dtype = SL_F32};
    const sl_sampler_step step = {.guided = true};
    sl_programs *programs;
    sl_program *program;
    int64_t length = sl_bundle_clip(bundle)->max_position_embeddings;
    guarded_device_use();
    assert_ok(sl_programs_new(bundle, &options, &programs));
    assert_ok(sl_programs_get(programs, SL_PART_TEXT, 1, length, 0, &program));
    text_bytes = guarded_device.live_bytes;
    assert_ok(sl_programs_get_step(programs, &step, 1, 8, 8, &program));
    both_bytes = guarded_device.live_bytes;
    sl_programs_free(programs);
    guarded_device_end();
    guarded_device_total_bytes = both_bytes - text_bytes / 2;
    guarded_device_use();
    assert_ok(sl_programs_new(bundle, &options, &programs));
    assert_ok(sl_programs_get(programs, SL_PART_TEXT, 1, length, 0, &program));
    assert_ok(sl_programs_get_step(programs, &step, 1, 8, 8, &program));
    assert_int_equal(guarded_device.live_bytes, both_bytes - text_bytes);
    /* and for prompts that are new the denoiser goes */
    assert_ok(sl_programs_get(programs, SL_PART_TEXT, 1, length, 0, &program));
    assert_int_equal(guarded_device.live_bytes, text_bytes);
    sl_programs_free(programs);
    guarded_device_end();
    guarded_device_total_bytes = plenty;
    sl_bundle_free(bundle);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_text_encoder_makes_room),
    cmocka_unit_test(a_small_device_decodes_in_tiles),
    cmocka_unit_test(tiles_cover_a_length_once),
    cmocka_unit_test(tiles_are_close_to_the_whole),
};
TEST_MAIN(tests)
