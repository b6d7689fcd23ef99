/* Whole trainings on tiny models: they learn, they repeat to the bit, they can be cut and go on. */
#include "test.h"
#include "tiny.h"

#include "base/random/random.h"
#include "base/threads.h"
#include "model/lora_file.h"
#include "train/classifier/classifier_train.h"
#include "train/denoiser_train.h"
#include "train/learner.h"
#include "train/vae/vae_linear.h"
#include "train/vae/vae_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sl_train_options quick_options(int64_t steps, double rate, const char *folder) {
    return (sl_train_options){.optimizer = sl_optimizer_adamw(),
                              .schedule = {SL_SCHEDULE_CONSTANT, rate, 0, 2, steps},
                              .clip_norm = 1,
                              .accumulate = 1,
                              .steps = steps,
                              .holdout_every = steps,
                              .save_every = 5,
                              .folder = folder};
}

static void assert_same_params(const sl_params *a, const sl_params *b) {
    assert_int_equal(sl_params_count(a), sl_params_count(b));
    for (int i = 0; i < sl_params_count(a); i++) {
        const sl_param *x = sl_params_at(a, i), *y = sl_params_at(b, i);
        assert_memory_equal(x->value.data, y->value.data, sl_tensor_bytes(&x->value));
    }
}

/* ---- autoencoder ---- */

static sl_vae_recipe vae_recipe(void) {
    sl_vae_recipe recipe = sl_vae_recipe_default();
    recipe.crop_px = 16;
    recipe.batch = 4;
    return recipe;
}

static sl_status run_vae(sl_model *vae, int64_t steps, const char *folder, sl_train_outcome *out) {
    int64_t seed = 1, other = 2;
    sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 4);
    sl_vae_recipe recipe = vae_recipe();
    sl_train_options options = quick_options(steps, 3e-3, folder);
    return sl_train_vae(vae, &recipe, &feed, &holdout, &options, NULL, out);
}

static void autoencoder_learns(void **state) {
    (void)state;
    sl_model *vae = tiny_model(tiny_vae);
    sl_train_outcome out;
    assert_ok(run_vae(vae, 60, NULL, &out));
    assert_true(out.holdout_last < 0.6 * out.holdout_first);
    sl_model_free(vae);
}

/* Every held-out image counts once, whatever the batch. */
static void held_out_images_count_once(void **state) {
    (void)state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        int64_t seed = 1, other = 2;
        sl_model *vae = tiny_model(tiny_vae);
        sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 5);
        sl_vae_recipe recipe = vae_recipe();
        recipe.batch = i ? 12 : 4; /* three images, or one */
        sl_train_options options = quick_options(1, 3e-3, NULL);
        sl_train_outcome out;
        assert_ok(sl_train_vae(vae, &recipe, &feed, &holdout, &options, NULL, &out));
        loss[i] = out.holdout_first;
        sl_model_free(vae);
    }
    assert_true(fabs(loss[1] - loss[0]) < 1e-6 * loss[0]);
}

static void autoencoder_repeats_with_any_threads_and_after_a_cut(void **state) {
    (void)state;
    sl_train_outcome out;
    sl_model *one = tiny_model(tiny_vae), *three = tiny_model(tiny_vae), *cut = tiny_model(tiny_vae);
    assert_ok(sl_threads_set(1));
    assert_ok(run_vae(one, 9, NULL, &out));
    assert_ok(sl_threads_set(3));
    assert_ok(run_vae(three, 9, NULL, &out));
    assert_ok(sl_threads_set(0));
    assert_same_params(one->params, three->params);
    char *folder = tiny_folder();
    assert_ok(run_vae(cut, 4, folder, &out));
    sl_model_free(cut);
    cut = tiny_model(tiny_vae);
    assert_ok(run_vae(cut, 9, folder, &out));
    assert_int_equal(out.steps_run, 5);
    assert_same_params(one->params, cut->params);
    tiny_folder_drop(folder);
    sl_model_free(one);
    sl_model_free(three);
    sl_model_free(cut);
}

/* ---- an autoencoder that is solved for ---- */

enum { PIXELS = 32 * 32, BLOCKS = 8 * 8, MODES = 6, IMAGES = 24 };

static const char linear_vae[] =
    "{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", \"block_out_channels\": [24],"
    " \"down_block_types\": [\"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\"],"
    " \"in_channels\": 16, \"out_channels\": 16, \"latent_channels\": 6, \"layers_per_block\": 1,"
    " \"norm_num_groups\": 3, \"sample_size\": 8, \"mid_block_add_attention\": false, \"scaling_factor\": "
    "1.0}";

typedef struct coded {
    float image[IMAGES * PIXELS], latent[IMAGES * BLOCKS * MODES], decoded[IMAGES * PIXELS];
} coded;

static coded *code_images(sl_model *vae, int64_t seed) {
    sl_feed feed = tiny_feed(&seed, IMAGES);
    coded *c = malloc(sizeof *c);
    sl_vae_coder *coder;
    for (int i = 0; i < IMAGES; i++) assert_ok(feed.image(feed.context, i, c->image + i * PIXELS));
    assert_ok(sl_vae_coder_new(vae, IMAGES, 32, 32, true, SL_F32, &coder));
    assert_ok(sl_vae_encode(coder, c->image, IMAGES, c->latent, NULL));
    assert_ok(sl_vae_round_trip(coder, c->image, IMAGES, c->decoded));
    sl_vae_coder_free(coder);
    return c;
}

static double square_error(const coded *c) {
    double sum = 0;
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        double error = (double)c->decoded[i] - (double)c->image[i];
        sum += error * error / (IMAGES * PIXELS);
    }
    return sum;
}

/* What is left when each block is replaced by its mean. */
static double square_error_of_means(const coded *c) {
    double sum = 0;
    for (int b = 0; b < IMAGES * BLOCKS; b++) {
        const float *block = c->image + b / 8 * 4 * 32 + b % 8 * 4;
        double total = 0, square = 0;
        for (int i = 0; i < 16; i++) {
            double value = (double)block[i / 4 * 32 + i % 4];
            total += value;
            square += value * value;
        }
        sum += (square - total * total / 16) / (IMAGES * PIXELS);
    }
    return sum;
}

static sl_model *solved_vae(void) {
    int64_t seed = 1;
    sl_feed feed = tiny_feed(&seed, IMAGES);
    sl_model *vae = tiny_model(linear_vae);
    assert_ok(sl_vae_start_linear(vae, &feed, IMAGES));
    return vae;
}

/* Latents are block modes with the scale that is promised; blobs of some pixels come back from them. */
static void linear_start_codes_blocks(void **state) {
    (void)state;
    sl_model *vae = solved_vae();
    coded *fitted = code_images(vae, 1), *other = code_images(vae, 2);
    double variance[MODES];
    for (int k = 0; k < MODES; k++) {
        double sum = 0, square = 0, count = IMAGES * BLOCKS;
        for (int i = k; i < IMAGES * BLOCKS * MODES; i += MODES) {
            sum += (double)fitted->latent[i] / count;
            square += (double)fitted->latent[i] * (double)fitted->latent[i] / count;
        }
        assert_true(fabs(sum) < 1e-3);
        variance[k] = square;
    }
    assert_true(fabs(variance[0] - 1) < 1e-3);
    for (int k = 1; k < MODES; k++) assert_true(variance[k] < 1);
    /* the first mode is the block's mean, the second its slope along the columns */
    const float *block = other->image + 4 * 32 + 8, *latent = other->latent + (8 + 2) * MODES;
    const float *fitted_block = fitted->image + 4 * 32 + 8, *fitted_latent = fitted->latent + (8 + 2) * MODES;
    double mean[2] = {0}, slope[2] = {0};
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++) {
            double wave = cos((2 * x + 1) * M_PI / 8),
                   values[] = {(double)block[y * 32 + x], (double)fitted_block[y * 32 + x]};
            for (int i = 0; i < 2; i++) {
                mean[i] += values[i];
                slope[i] += values[i] * wave;
            }
        }
    const float *latents[] = {latent, fitted_latent};
    double level = (mean[0] - mean[1]) / (double)(latents[0][0] - latents[1][0]);
    double steep = (slope[0] - slope[1]) / (double)(latents[0][1] - latents[1][1]);
    assert_true(level > 0 && steep > 0);
    /* variances are those of the scales: mode k varies by (steep / sqrt(8))^2 ... of level / 4 */
    double ratio = steep / sqrt(8.0) / (level / 4);
    assert_true(fabs(ratio * ratio - variance[1]) < 0.02 * variance[1]);
    assert_true(square_error(fitted) < 0.02 * square_error_of_means(fitted));
    assert_true(square_error(other) < 0.04 * square_error_of_means(other));
    free(fitted);
    free(other);
    sl_model_free(vae);
}

/* A trained decoder is better than the linear one, and leaves what latents mean alone. */
static void decoder_learns_and_the_encoder_stays(void **state) {
    (void)state;
    sl_model *vae = solved_vae();
    coded *before = code_images(vae, 2);
    int64_t seed = 1, other = 2;
    sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 4);
    sl_vae_recipe recipe = vae_recipe();
    recipe.part = SL_VAE_DECODER;
    sl_train_options options = quick_options(150, 1e-4, NULL);
    sl_train_outcome out;
    assert_ok(sl_train_vae(vae, &recipe, &feed, &holdout, &options, NULL, &out));
    assert_true(out.holdout_last < out.holdout_first);
    coded *after = code_images(vae, 2);
    assert_memory_equal(before->latent, after->latent, sizeof before->latent);
    free(before);
    free(after);
    sl_model_free(vae);
}

static void linear_start_refuses_what_it_cannot_hold(void **state) {
    (void)state;
    int64_t seed = 1;
    sl_feed feed = tiny_feed(&seed, IMAGES), flat = {0};
    sl_model *levels = tiny_model(tiny_vae), *vae = tiny_model(linear_vae);
    assert_status(sl_vae_start_linear(levels, &feed, IMAGES), SL_INVALID);
    flat = feed;
    flat.height_px = 30;
    assert_status(sl_vae_start_linear(vae, &flat, IMAGES), SL_INVALID);
    sl_model_free(levels);
    sl_model_free(vae);
}

/* ---- denoiser ---- */

enum { LATENT = 8 * 8 * 4, LENGTH = 8, WIDTH = 8 };

/* Two kinds of latents, told by their caption: +1 and -1 in the first channel. */
static sl_status two_latents(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)context;
    (void)draw;
    for (int i = 0; i < LATENT; i++) out[i] = i % 4 == 0 ? (sample % 2 ? 1.0f : -1.0f) : 0.25f;
    return SL_OK;
}

static sl_status two_captions(void *context, int64_t sample, uint32_t draw, int32_t *out) {
    (void)context;
    (void)draw;
    for (int i = 0; i < LENGTH; i++)
        out[i] = i == 0 ? 0 : i == 1 && sample >= 0 ? 5 + (int32_t)(sample % 2) : 1;
    return SL_OK;
}

static sl_status two_embeddings(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)context;
    (void)draw;
    for (int i = 0; i < LENGTH * WIDTH; i++) out[i] = sample < 0 ? 0 : (sample + i) % 2 ? 1.0f : -1.0f;
    return SL_OK;
}

static const sl_denoiser_data two = {NULL, 6, two_latents, two_captions, two_embeddings, NULL, NULL};

static uint64_t lineage; /* of the next run */
static double coarse_weight, marked_weight;

static sl_status run_denoiser_on(const sl_denoiser_data *data, const sl_denoiser_models *models, int batch,
                                 int accumulate, int64_t steps, const char *folder, sl_train_outcome *out) {
    sl_noise_schedule schedule;
    SL_TRY(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 1000}, &schedule));
    sl_denoiser_recipe recipe = {.batch = batch,
                                 .height = 8,
                                 .width = 8,
                                 .length = LENGTH,
                                 .place_px = 8,
                                 .noising = {.schedule = &schedule, .prediction = SL_PREDICTION_V, .seed = 4},
                                 .lineage = lineage,
                                 .spread_timesteps = true,
                                 .caption_dropout = 0.1,
                                 .beam_dropout = 0.1,
                                 .coarse_weight = coarse_weight,
                                 .marked_weight = marked_weight,
                                 .holdout_draws = 2};
    sl_train_options options = quick_options(steps, 4e-3, folder);
    options.accumulate = accumulate;
    sl_status status = sl_train_denoiser(models, &recipe, data, data, &options, NULL, out);
    sl_noise_schedule_free(&schedule);
    return status;
}

static sl_status run_denoiser(const sl_denoiser_models *models, int batch, int accumulate, int64_t steps,
                              const char *folder, sl_train_outcome *out) {
    return run_denoiser_on(&two, models, batch, accumulate, steps, folder, out);
}

static void denoiser_and_text_learn_together(void **state) {
    (void)state;
    sl_train_outcome out;
    sl_model *unet = tiny_model(tiny_unet), *text = tiny_model(tiny_text);
    float before = *(float *)sl_params_at(text->params, 0)->value.data;
    assert_ok(run_denoiser(&(sl_denoiser_models){.unet = unet, .text = text}, 4, 1, 60, NULL, &out));
    assert_true(out.holdout_last < 0.7 * out.holdout_first);
    assert_true(before != *(float *)sl_params_at(text->params, 0)->value.data);
    sl_model_free(unet);
    sl_model_free(text);
}

/* Latents that differ on both sides of the beam, wherever that is: +1 right of it, -1 left. */
static sl_direct_beam some_beam(void *context, int64_t sample) {
    (void)context;
    return (sl_direct_beam){true, 32, 6 + (double)(sample * 23 % 53)};
}

static sl_status sided_latents(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)draw;
    double column_px = some_beam(context, sample).column_px;
    for (int i = 0; i < LATENT; i++) out[i] = 8 * (i / 4 % 8) + 4 > column_px ? 1 : -1;
    return SL_OK;
}

/* With further keys in its configuration. */
static sl_model *tiny_unet_with(const char *keys) {
    char config[1024];
    snprintf(config, sizeof config, "%.*s, %s}", (int)strlen(tiny_unet) - 1, tiny_unet, keys);
    return tiny_model(config);
}

/* Hold-out loss of such a denoiser. */
static double loss_of(const char *keys, sl_denoiser_data data) {
    sl_train_outcome out;
    sl_model *unet = tiny_unet_with(keys), *text = tiny_model(tiny_text);
    assert_ok(
        run_denoiser_on(&data, &(sl_denoiser_models){.unet = unet, .text = text}, 4, 1, 300, NULL, &out));
    sl_model_free(unet);
    sl_model_free(text);
    return out.holdout_last;
}

static void denoiser_learns_what_lies_around_the_beam(void **state) {
    (void)state;
    const char *keys = "\"_beam_channels\": 28";
    double told = loss_of(keys,
                          (sl_denoiser_data){NULL, 53, sided_latents, two_captions, NULL, some_beam, NULL}),
           not_told =
               loss_of(keys, (sl_denoiser_data){NULL, 53, sided_latents, two_captions, NULL, NULL, NULL});
    if (told > 0.85 * not_told) fail_msg("loss %g with the beam, %g without", told, not_told);
}

/* Circles about the beam or columns to both sides of it, 5 px wide, or sectors of a twelfth of half a turn.
 */
typedef enum figure { CIRCLES, COLUMNS, SECTORS } figure;

static int64_t piece_of(figure what, double across_px, double down_px) {
    if (what == CIRCLES) return (int64_t)(hypot(across_px, down_px) / 5);
    if (what == COLUMNS) return (int64_t)(fabs(across_px) / 5);
    return (int64_t)((atan2(down_px, across_px) / M_PI + 1) * 12) % 12;
}

/* Each piece is +1 or -1: the four channels are the means of a place's quarters. */
static sl_status drawn_latents(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)draw;
    sl_direct_beam beam = some_beam(NULL, sample);
    for (int i = 0; i < LATENT; i++) out[i] = 0;
    for (int row = 0; row < 64; row++)
        for (int column = 0; column < 64; column++) {
            int quarter = row % 8 / 4 * 2 + column % 8 / 4;
            int64_t piece =
                piece_of(*(const figure *)context, column + 0.5 - beam.column_px, row + 0.5 - beam.row_px);
            sl_random random = sl_random_stream(9, SL_STREAM_TEST, (uint32_t)(sample * 64 + piece));
            out[(row / 8 * 8 + column / 8) * 4 + quarter] +=
                sl_random_uniform(&random) < 0.5 ? -1.0f / 16 : 1.0f / 16;
        }
    return SL_OK;
}

/* What lies in one piece is told by all of it. */
static void learns_from(figure what, const char *keys, double at_most) {
    sl_denoiser_data data = {&what, 53, drawn_latents, two_captions, NULL, some_beam, NULL};
    double with = loss_of(keys, data), without = loss_of("\"_beam_channels\": 28", data);
    if (with > at_most * without) fail_msg("loss %g with %s, %g without", with, keys, without);
}

static void denoiser_learns_from_radial_profiles(void **state) {
    (void)state;
    learns_from(CIRCLES, "\"_beam_channels\": 92, \"_beam_profiles\": 4", 0.95);
}

static void profiles_learn_more_with_attention(void **state) {
    (void)state;
    figure what = CIRCLES;
    sl_denoiser_data data = {&what, 53, drawn_latents, two_captions, NULL, some_beam, NULL};
    const char *keys = "\"_beam_channels\": 92, \"_beam_profiles\": 4, \"_beam_attention\": %s";
    char with[128], without[128];
    snprintf(with, sizeof with, keys, "true");
    snprintf(without, sizeof without, keys, "false");
    double more = loss_of(with, data), less = loss_of(without, data);
    if (more > 0.985 * less) fail_msg("loss %g with attention, %g without", more, less);
}

/* Convolutions see much of a column, so that less is left to learn. */
static void denoiser_learns_from_cuts(void **state) {
    (void)state;
    learns_from(COLUMNS, "\"_beam_channels\": 109, \"_beam_cuts\": 4", 0.97);
}

static void denoiser_learns_from_rays(void **state) {
    (void)state;
    learns_from(SECTORS, "\"_beam_channels\": 109, \"_beam_rays\": 24", 0.95);
}

/* One ring whose radius the caption does not tell. */
static float radius_of(int64_t sample) {
    return 6 + (float)(sample * 11 % 23);
}

static sl_status ringed_latents(void *context, int64_t sample, uint32_t draw, float *out) {
    (void)context, (void)draw;
    sl_direct_beam beam = some_beam(NULL, sample);
    for (int i = 0; i < LATENT; i++) out[i] = -1;
    for (int row = 0; row < 64; row++)
        for (int column = 0; column < 64; column++) {
            double off =
                hypot(row + 0.5 - beam.row_px, column + 0.5 - beam.column_px) - (double)radius_of(sample);
            if (fabs(off) < 2)
                out[(row / 8 * 8 + column / 8) * 4 + row % 8 / 4 * 2 + column % 8 / 4] += 0.25f;
        }
    return SL_OK;
}

static void told_ring(void *context, int64_t sample, sl_sketch *out) {
    (void)context;
    *out = (sl_sketch){.known = true};
    sl_sketch_add(out, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, radius_of(sample), 4, 1});
}

static const char sketched[] = "\"_beam_channels\": 302, \"_beam_rays\": 4, \"_beam_sketch\": true";

static void denoiser_learns_from_a_sketch(void **state) {
    (void)state;
    double told = loss_of(sketched, (sl_denoiser_data){NULL, 53, ringed_latents, two_captions, NULL,
                                                       some_beam, told_ring}),
           not_told = loss_of(
               sketched, (sl_denoiser_data){NULL, 53, ringed_latents, two_captions, NULL, some_beam, NULL});
    if (told > 0.8 * not_told) fail_msg("loss %g with a sketch, %g without", told, not_told);
}

/* A later training must not see the noise again that the one before it has seen; losses can be compared. */
static void later_trainings_draw_other_noise(void **state) {
    (void)state;
    sl_train_outcome out[3];
    for (int i = 0; i < 3; i++) {
        sl_model *unet = tiny_model(tiny_unet), *text = tiny_model(tiny_text);
        lineage = i == 1 ? 77 : 0;
        assert_ok(run_denoiser(&(sl_denoiser_models){.unet = unet, .text = text}, 4, 1, 1, NULL, &out[i]));
        sl_model_free(unet);
        sl_model_free(text);
    }
    lineage = 0;
    assert_true(out[0].loss == out[2].loss && out[0].loss != out[1].loss);
    assert_true(out[0].holdout_first == out[1].holdout_first);
}

/* The error of means over places counts as often as asked, and in training alone. */
static void means_over_places_weigh_in_training(void **state) {
    (void)state;
    sl_train_outcome out[3];
    for (int i = 0; i < 3; i++) {
        sl_model *unet = tiny_model(tiny_unet), *text = tiny_model(tiny_text);
        coarse_weight = 2 * i;
        assert_ok(run_denoiser(&(sl_denoiser_models){.unet = unet, .text = text}, 4, 1, 1, NULL, &out[i]));
        sl_model_free(unet);
        sl_model_free(text);
    }
    coarse_weight = 0;
    double coarse = (out[1].loss - out[0].loss) / 2;
    assert_true(coarse > 0.01 * out[0].loss && coarse < out[0].loss); /* means err less than places do */
    assert_true(fabs(out[2].loss - out[0].loss - 4 * coarse) < 1e-4 * out[2].loss);
    assert_true(out[2].holdout_first == out[0].holdout_first);
}

/* The error of the places that rings are told on counts as often as asked, in training alone, and is a part
 * of all places'; where nothing is told there is none. */
static void places_with_marks_weigh_in_training(void **state) {
    (void)state;
    sl_train_outcome out[4];
    for (int i = 0; i < 4; i++) {
        const sl_denoiser_data data = {NULL, 53,        ringed_latents,           two_captions,
                                       NULL, some_beam, i == 3 ? NULL : told_ring};
        sl_model *unet = tiny_unet_with(sketched), *text = tiny_model(tiny_text);
        marked_weight = i;
        assert_ok(run_denoiser_on(&data, &(sl_denoiser_models){.unet = unet, .text = text}, 4, 1, 1, NULL,
                                  &out[i]));
        sl_model_free(unet);
        sl_model_free(text);
    }
    marked_weight = 0;
    double marked = out[1].loss - out[0].loss;
    assert_true(marked > 0.05 * out[0].loss && marked < 0.9 * out[0].loss);
    assert_true(fabs(out[2].loss - out[0].loss - 2 * marked) < 1e-4 * out[2].loss);
    assert_true(out[2].holdout_first == out[0].holdout_first);
    assert_true(out[3].loss == out[0].loss); /* layers that see the sketch begin with zeros */
}

/* Four micro-batches of one sample are the batch of four, up to rounding. */
static void accumulation_equals_a_big_batch(void **state) {
    (void)state;
    sl_train_outcome out;
    sl_model *big = tiny_model(tiny_unet), *big_text = tiny_model(tiny_text);
    sl_model *small = tiny_model(tiny_unet), *small_text = tiny_model(tiny_text);
    assert_ok(run_denoiser(&(sl_denoiser_models){.unet = big, .text = big_text}, 4, 1, 1, NULL, &out));
    double loss = out.loss;
    assert_ok(run_denoiser(&(sl_denoiser_models){.unet = small, .text = small_text}, 1, 4, 1, NULL, &out));
    assert_true(fabs(out.loss - loss) < 1e-5 * loss);
    sl_model_free(big);
    sl_model_free(big_text);
    sl_model_free(small);
    sl_model_free(small_text);
}

static void adapter_learns_and_leaves_the_rest_alone(void **state) {
    (void)state;
    sl_train_outcome out;
    sl_model *unet = tiny_model(tiny_unet), *untouched = tiny_model(tiny_unet);
    sl_lora *lora, *again;
    assert_ok(sl_lora_new(sl_lora_attention_targets, 2, 0, &lora));
    sl_denoiser_models models = {.unet = unet, .lora = lora, .lora_is_new = true};
    char *folder = tiny_folder();
    assert_ok(run_denoiser(&models, 4, 1, 40, folder, &out));
    assert_true(out.holdout_last < 0.98 * out.holdout_first);
    assert_same_params(unet->params, untouched->params);
    char path[256];
    snprintf(path, sizeof path, "%s/pytorch_lora_weights.safetensors", folder);
    assert_ok(sl_lora_save(lora, path));
    assert_ok(sl_lora_load(path, unet->params, &again));
    assert_int_equal(sl_params_count(again->params), sl_params_count(lora->params));
    sl_lora_free(again);
    sl_lora_free(lora);
    sl_model_free(unet);
    sl_model_free(untouched);
    tiny_folder_drop(folder);
}

/* A weight that is not finite: the message names the layer, not just the loss. */
static void not_finite_names_the_layer(void **state) {
    (void)state;
    sl_train_outcome out;
    sl_model *unet = tiny_model(tiny_unet), *text = tiny_model(tiny_text);
    sl_param *param = sl_params_find(unet->params, "mid_block.resnets.0.conv1.weight");
    assert_non_null(param);
    ((float *)param->value.data)[3] = NAN;
    assert_status(run_denoiser(&(sl_denoiser_models){.unet = unet, .text = text}, 2, 1, 3, NULL, &out),
                  SL_NUMERIC);
    assert_non_null(strstr(sl_error_message(), "mid_block.resnets.0.conv1"));
    sl_model_free(unet);
    sl_model_free(text);
}

/* Every held-out latent counts once in every draw, whatever the batch. */
static void held_out_latents_count_once(void **state) {
    (void)state;
    static const int batches[] = {1, 5, 8}; /* of 12 */
    double loss[3];
    for (int i = 0; i < 3; i++) {
        sl_train_outcome out;
        sl_model *unet = tiny_model(tiny_unet), *text = tiny_model(tiny_text);
        assert_ok(
            run_denoiser(&(sl_denoiser_models){.unet = unet, .text = text}, batches[i], 1, 1, NULL, &out));
        loss[i] = out.holdout_first;
        sl_model_free(unet);
        sl_model_free(text);
    }
    assert_true(fabs(loss[1] - loss[0]) < 1e-6 * loss[0]);
    assert_true(fabs(loss[2] - loss[0]) < 1e-6 * loss[0]);
}

/* ---- classifiers ---- */

static const char tiny_resnet[] =
    "{\"_class_name\": \"ResNet\", \"block\": \"basic\", \"depths\": [1, 1], \"channels\": [8, 8],"
    " \"stem_channels\": 8, \"in_channels\": 3, \"num_classes\": %d}";

static sl_model *resnet(int classes) {
    char text[sizeof tiny_resnet + 16];
    snprintf(text, sizeof text, tiny_resnet, classes);
    return tiny_model(text);
}

static void classifier_case(bool head_only, bool augment, int64_t epochs, double rate, double least) {
    int64_t seed = 5;
    sl_feed feed = tiny_feed(&seed, 70);
    sl_model *model = resnet(2);
    sl_classifier_recipe recipe = {.batch = 16,
                                   .epochs = epochs,
                                   .head_only = head_only,
                                   .balance = true,
                                   .augment = augment,
                                   .seed = 1};
    char *folder = tiny_folder();
    sl_train_options options = quick_options(1, rate, folder);
    sl_classifier_outcome out;
    assert_ok(sl_train_classifier(model, &recipe, &feed, &options, NULL, &out));
    assert_int_equal(out.score[SL_FEED_HOLDOUT].count, 14);
    assert_int_equal(out.score[SL_FEED_TEST].count, 8);
    assert_true(out.score[SL_FEED_TEST].accuracy >= least);
    char path[256];
    snprintf(path, sizeof path, "%s/history.json", folder);
    json_t *history = json_load_file(path, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json_object_get(history, "validation"), "acc")), epochs);
    json_decref(history);
    sl_model_free(model);
    tiny_folder_drop(folder);
}

static void classifier_learns(void **state) {
    (void)state;
    classifier_case(false, true, 6, 5e-3, 0.8);
}

static void head_learns_on_kept_features(void **state) {
    (void)state;
    classifier_case(true, false, 40, 2e-2, 0.7);
}

static const char tiny_vit[] =
    "{\"_class_name\": \"VisionTransformer\", \"image_size\": 32, \"patch_size\": 8, \"in_channels\": 3,"
    " \"num_classes\": 2, \"hidden_dim\": 8, \"mlp_dim\": 16, \"num_layers\": 1, \"num_heads\": 2}";

/* The loss of a pass over the items and somewhat more, of weights that stay; eight samples an update. */
static double loss_of_a_pass(int batch) {
    int64_t seed = 5;
    sl_feed feed = tiny_feed(&seed, 15);
    sl_model *model = tiny_model(tiny_vit);
    const char *head;
    char name[80];
    assert_ok(sl_classifier_head(model, &head)); /* which is zeros in a new model */
    snprintf(name, sizeof name, "%s.weight", head);
    sl_random random = sl_random_stream(2, SL_STREAM_TEST, 0);
    sl_random_normals(&random, sl_params_find(model->params, name)->value.data, 2 * 8);
    sl_classifier_recipe recipe = {.batch = batch, .epochs = 1, .augment = true, .seed = 1};
    char *folder = tiny_folder();
    sl_train_options options = quick_options(1, 0, folder);
    options.accumulate = 8 / batch;
    sl_classifier_outcome out;
    assert_ok(sl_train_classifier(model, &recipe, &feed, &options, NULL, &out));
    assert_int_equal(out.score[SL_FEED_TRAIN].count, 10); /* so that the second update begins in this pass */
    sl_model_free(model);
    tiny_folder_drop(folder);
    return out.train.loss;
}

/* Which variant of an image is seen depends on the pass, not on what else is in the batch. */
static void variants_belong_to_the_sample(void **state) {
    (void)state;
    double big = loss_of_a_pass(8), small = loss_of_a_pass(2);
    assert_true(fabs(big - small) < 1e-6 * big);
}

static void backbone_learns_attributes_and_is_taken_over(void **state) {
    (void)state;
    int64_t seed = 5, other = 6;
    sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 16);
    sl_model *model = resnet(3), *classifier = resnet(2);
    sl_backbone_recipe recipe = {.batch = 8, .binary = 2, .seed = 1};
    char *folder = tiny_folder(), path[256];
    sl_train_options options = quick_options(30, 5e-3, folder);
    sl_backbone_outcome out;
    assert_ok(sl_train_backbone(model, &recipe, &feed, &holdout, &options, NULL, &out));
    assert_true(out.train.holdout_last < 0.9 * out.train.holdout_first);
    assert_true(out.score[0] > 0.7); /* left or right */
    assert_ok(sl_model_save(model, folder, SL_F32));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(sl_classifier_begin_from(classifier, path));
    const sl_param *a = sl_params_find(model->params, "conv1.weight"),
                   *b = sl_params_find(classifier->params, "conv1.weight");
    assert_memory_equal(a->value.data, b->value.data, sl_tensor_bytes(&a->value));
    sl_model_free(model);
    sl_model_free(classifier);
    tiny_folder_drop(folder);
}

/* Losses and scores count every held-out image once, whatever the batch. */
static void held_out_attributes_count_once(void **state) {
    (void)state;
    sl_backbone_outcome out[2];
    for (int i = 0; i < 2; i++) {
        int64_t seed = 5, other = 6;
        sl_feed feed = tiny_feed(&seed, 0), holdout = tiny_feed(&other, 6);
        sl_model *model = resnet(3);
        sl_param *head = sl_params_find(model->params, "fc.weight"); /* which is zeros in a new model */
        sl_random random = sl_random_stream(2, SL_STREAM_TEST, 0);
        sl_random_normals(&random, head->value.data, 3 * 8);
        sl_backbone_recipe recipe = {.batch = i ? 4 : 1, .binary = 2, .seed = 1};
        char *folder = tiny_folder();
        sl_train_options options = quick_options(0, 5e-3, folder);
        options.holdout_every = 1;
        assert_ok(sl_train_backbone(model, &recipe, &feed, &holdout, &options, NULL, &out[i]));
        sl_model_free(model);
        tiny_folder_drop(folder);
    }
    assert_true(fabs(out[1].train.holdout_first - out[0].train.holdout_first) <
                1e-6 * out[0].train.holdout_first);
    for (int k = 0; k < 3; k++) assert_true(fabs(out[1].score[k] - out[0].score[k]) < 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(autoencoder_learns),
        cmocka_unit_test(held_out_images_count_once),
        cmocka_unit_test(autoencoder_repeats_with_any_threads_and_after_a_cut),
        cmocka_unit_test(linear_start_codes_blocks),
        cmocka_unit_test(decoder_learns_and_the_encoder_stays),
        cmocka_unit_test(linear_start_refuses_what_it_cannot_hold),
        cmocka_unit_test(denoiser_and_text_learn_together),
        cmocka_unit_test(denoiser_learns_what_lies_around_the_beam),
        cmocka_unit_test(denoiser_learns_from_radial_profiles),
        cmocka_unit_test(later_trainings_draw_other_noise),
        cmocka_unit_test(profiles_learn_more_with_attention),
        cmocka_unit_test(denoiser_learns_from_cuts),
        cmocka_unit_test(denoiser_learns_from_rays),
        cmocka_unit_test(denoiser_learns_from_a_sketch),
        cmocka_unit_test(means_over_places_weigh_in_training),
        cmocka_unit_test(places_with_marks_weigh_in_training),
        cmocka_unit_test(accumulation_equals_a_big_batch),
        cmocka_unit_test(adapter_learns_and_leaves_the_rest_alone),
        cmocka_unit_test(not_finite_names_the_layer),
        cmocka_unit_test(held_out_latents_count_once),
        cmocka_unit_test(held_out_attributes_count_once),
        cmocka_unit_test(classifier_learns),
        cmocka_unit_test(head_learns_on_kept_features),
        cmocka_unit_test(variants_belong_to_the_sample),
        cmocka_unit_test(backbone_learns_attributes_and_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
