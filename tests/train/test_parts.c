/* What trainings are made of: splits, orders, noise, latents on disk, measures of quality, augmentations. */
#include "test.h"
#include "tiny.h"

#include "base/file.h"
#include "train/augment.h"
#include "train/feed.h"
#include "train/latents.h"
#include "train/noising.h"
#include "train/quality.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

/* ---- splits and orders ---- */

static void groups_stay_together(void **state) {
    (void)state;
    enum { COUNT = 60 };
    char name[COUNT][8];
    const char *groups[COUNT];
    sl_feed_split split[COUNT], again[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name[i], sizeof name[i], "g%d", i % 12);
        groups[i] = name[i];
    }
    assert_ok(sl_feed_split_by_group(groups, COUNT, 0.2, 0.2, 7, split));
    assert_ok(sl_feed_split_by_group(groups, COUNT, 0.2, 0.2, 7, again));
    int count[SL_FEED_SPLIT_COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(split[i], split[i % 12]);
        assert_int_equal(split[i], again[i]);
        count[split[i]]++;
    }
    assert_int_equal(count[SL_FEED_HOLDOUT], 15); /* three groups of five: the first number that reaches 12 */
    assert_int_equal(count[SL_FEED_TEST], 15);
    assert_status(sl_feed_split_by_group(groups, COUNT, 0.6, 0.4, 7, split), SL_INVALID);
}

static void few_groups_still_train(void **state) {
    (void)state;
    const char *one[] = {"a", "a", "a"}, *two[] = {"a", "b", "a"}, *three[] = {"a", "b", "c"};
    sl_feed_split split[3];
    assert_ok(sl_feed_split_by_group(one, 3, 0.4, 0.4, 1, split));
    for (int i = 0; i < 3; i++) assert_int_equal(split[i], SL_FEED_TRAIN);
    assert_ok(sl_feed_split_by_group(two, 3, 0.1, 0.1, 1, split));
    assert_int_equal((split[0] == SL_FEED_HOLDOUT) + (split[1] == SL_FEED_HOLDOUT), 1);
    assert_int_equal((split[0] == SL_FEED_TRAIN) + (split[1] == SL_FEED_TRAIN), 1);
    assert_ok(sl_feed_split_by_group(three, 3, 0.6, 0.1, 1, split));
    int seen[SL_FEED_SPLIT_COUNT] = {0};
    for (int i = 0; i < 3; i++) seen[split[i]]++;
    for (int s = 0; s < SL_FEED_SPLIT_COUNT; s++) assert_int_equal(seen[s], 1);
}

static void each_pass_is_a_permutation(void **state) {
    (void)state;
    const int64_t counts[] = {1, 2, 7, 64, 1000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int differ = 0;
        for (int pass = 0; pass < 3; pass++) {
            unsigned char seen[1000] = {0};
            for (int64_t i = 0; i < counts[c]; i++) {
                int64_t item = sl_shuffled_item(3, pass * counts[c] + i, counts[c]);
                assert_in_range(item, 0, counts[c] - 1);
                assert_int_equal(seen[item]++, 0);
                differ += item != sl_shuffled_item(3, i, counts[c]);
            }
        }
        if (counts[c] >= 64) assert_true(differ > counts[c]);
    }
}

static sl_status failing_image(void *context, int64_t item, float *out) {
    (void)context;
    *out = 0;
    return item == 5 ? sl_fail(SL_FORMAT, "bad pixels") : SL_OK;
}

static void failures_name_the_item(void **state) {
    (void)state;
    sl_feed feed = {.count = 8, .height_px = 1, .width_px = 1, .channels = 1, .image = failing_image};
    int64_t items[] = {1, 5, 2};
    float out[3];
    assert_status(sl_feed_get_many(&feed, items, 3, out, NULL), SL_FORMAT);
    assert_string_equal(sl_error_message(), "training image 5: bad pixels");
}

/* ---- noise ---- */

static void noise_belongs_to_the_sample(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){
            .betas = SL_BETAS_SCALED_LINEAR, .train_steps = 1000, .beta_start = 0.00085, .beta_end = 0.012},
        &schedule));
    sl_noising noising = {.schedule = &schedule, .prediction = SL_PREDICTION_V, .seed = 11};
    float clean[COUNT], noisy[COUNT], target[COUNT], again[COUNT], epsilon[COUNT];
    for (int i = 0; i < COUNT; i++) clean[i] = sinf((float)i);
    int t = sl_noising_timestep(&noising, 42);
    assert_int_equal(t, sl_noising_timestep(&noising, 42));
    sl_noising_apply(&noising, 42, t, clean, COUNT / 4, 4, noisy, target);
    sl_noising_apply(&noising, 42, t, clean, COUNT / 4, 4, again, NULL);
    assert_memory_equal(noisy, again, sizeof noisy);
    noising.prediction = SL_PREDICTION_EPSILON;
    sl_noising_apply(&noising, 42, t, clean, COUNT / 4, 4, noisy, epsilon);
    double a = (double)schedule.alpha_bar[t];
    for (int i = 0; i < COUNT; i++) {
        assert_near(noisy[i], sqrt(a) * (double)clean[i] + sqrt(1 - a) * (double)epsilon[i], 1e-5);
        assert_near(target[i], sqrt(a) * (double)epsilon[i] - sqrt(1 - a) * (double)clean[i], 1e-5);
    }
    sl_noise_schedule_free(&schedule);
}

static void weights_follow_the_ratio(void **state) {
    (void)state;
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 1000}, &schedule));
    sl_noising noising = {.schedule = &schedule, .prediction = SL_PREDICTION_EPSILON, .min_snr_gamma = 5};
    for (int t = 5; t < 1000; t += 97) {
        double ratio = (double)sl_noise_schedule_snr(&schedule, t), least = fmin(ratio, 5);
        noising.prediction = SL_PREDICTION_EPSILON;
        assert_near(sl_noising_weight(&noising, t), least / ratio, 1e-6);
        noising.prediction = SL_PREDICTION_V;
        assert_near(sl_noising_weight(&noising, t), least / (ratio + 1), 1e-6);
    }
    noising.min_snr_gamma = 0;
    assert_near(sl_noising_weight(&noising, 900), 1, 0);
    sl_noise_schedule_free(&schedule);
}

/* Sixteen samples of an update lie one in each sixteenth of the timesteps. */
static void spread_timesteps_cover_the_range(void **state) {
    (void)state;
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 1600}, &schedule));
    sl_noising noising = {.schedule = &schedule, .seed = 2};
    for (uint32_t step = 0; step < 20; step++) {
        int seen[16] = {0};
        for (int k = 0; k < 16; k++) seen[sl_noising_timestep_spread(&noising, step, k, 16) / 100]++;
        for (int k = 0; k < 16; k++) assert_int_equal(seen[k], 1);
    }
    sl_noise_schedule_free(&schedule);
}

/* Of 32 samples 16 fall on the noisiest fifth besides, evenly there, and the others evenly on all. */
static void a_share_of_the_timesteps_is_noisy(void **state) {
    (void)state;
    sl_noise_schedule schedule;
    assert_ok(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 800}, &schedule));
    sl_noising noising = {.schedule = &schedule, .noisy_share = 0.5, .seed = 2};
    int seen[16] = {0}, noisy = 0;
    for (uint32_t step = 0; step < 100; step++)
        for (int k = 0; k < 32; k++) seen[sl_noising_timestep_spread(&noising, step, k, 32) / 50]++;
    for (int k = 0; k < 12; k++) assert_in_range(seen[k], 90, 110);
    assert_in_range(seen[12], 180, 280); /* the fifth begins within these 50, at 640 */
    for (int k = 13; k < 16; k++) assert_in_range(seen[k], 590, 610);
    for (uint32_t sample = 0; sample < 10000; sample++) noisy += sl_noising_timestep(&noising, sample) >= 640;
    assert_in_range(noisy, 5800, 6200); /* 0.5 + 0.5 / 5 of them */
    noising.noisy_share = 1e17;         /* so large that all places round to the end */
    assert_int_equal(sl_noising_timestep(&noising, 0), 799);
    sl_noise_schedule_free(&schedule);
}

/* ---- latents on disk ---- */

static void latents_are_kept(void **state) {
    (void)state;
    enum { ITEMS = 3, SIZE = 2 * 2 * 4 };
    float mean[ITEMS * SIZE], deviation[ITEMS * SIZE], out[SIZE];
    for (int i = 0; i < ITEMS * SIZE; i++) mean[i] = (float)i / 4, deviation[i] = 0.5f;
    const char *caption[ITEMS] = {"first", "", "the third"};
    const sl_direct_beam beam[ITEMS] = {{true, 10, -2.5}, {true, 1, 2}, {0}};
    sl_latent_shard shard = {ITEMS, 70, SL_SHAPE(2, 2, 4), mean, deviation, caption, NULL, NULL};
    char *folder = tiny_folder(), text[16];
    assert_ok(sl_latents_write(folder, 0, &shard, "maker a"));
    shard.beam = beam;
    assert_ok(sl_latents_write(folder, 1, &shard, "maker a"));
    sl_latents *latents;
    assert_status(sl_latents_open(folder, "maker a", &latents), SL_MISMATCH); /* the same images again */
    shard.image = 70 + ITEMS;
    assert_ok(sl_latents_write(folder, 1, &shard, "maker a"));
    assert_status(sl_latents_open(folder, "maker b", &latents), SL_MISMATCH);
    assert_ok(sl_latents_open(folder, "maker a", &latents));
    assert_int_equal(sl_latents_count(latents), 2 * ITEMS);
    assert_int_equal(sl_latents_image(latents), 70);
    sl_latents_caption(latents, 5, text, sizeof text);
    assert_string_equal(text, "the third");
    sl_latents_caption(latents, 4, text, sizeof text);
    assert_string_equal(text, "");
    assert_false(sl_latents_beam(latents, 0).known);
    assert_false(sl_latents_beam(latents, 5).known);
    sl_direct_beam first = sl_latents_beam(latents, 3);
    assert_true(first.known && first.row_px == 10 && first.column_px == -2.5);
    double square = 0;
    for (uint32_t draw = 0; draw < 200; draw++) {
        sl_latents_sample(latents, 4, 1, draw, out);
        for (int i = 0; i < SIZE; i++) {
            double d = (double)(out[i] - mean[SIZE + i]) / 0.5;
            square += d * d / (200 * SIZE);
        }
    }
    assert_near(square, 1, 0.1);
    sl_latents_close(latents);
    char path[256];
    snprintf(path, sizeof path, "%s/latents-00001.safetensors", folder);
    assert_ok(sl_file_write_atomic(path, "nonsense", 8));
    assert_status(sl_latents_open(folder, NULL, &latents), SL_FORMAT);
    tiny_folder_drop(folder);
}

static void sketches_are_kept(void **state) {
    (void)state;
    enum { ITEMS = 3, SIZE = 2 * 2 * 4 };
    float zeros[ITEMS * SIZE] = {0};
    const char *caption[ITEMS] = {"", "", ""};
    sl_sketch sketch[ITEMS] = {{.known = true}, {.known = true}, {.known = true}}, out;
    for (int i = 0; i < 5; i++)
        sl_sketch_add(&sketch[i < 2 ? 0 : 2],
                      &(sl_sketch_mark){(sl_sketch_kind)(i % 3), (float)i, 2, 3 + (float)i, 1.5f, 0.5f});
    sl_latent_shard shard = {ITEMS, 0, SL_SHAPE(2, 2, 4), zeros, zeros, caption, NULL, NULL};
    char *folder = tiny_folder();
    assert_ok(sl_latents_write(folder, 0, &shard, "maker"));
    shard.sketch = sketch, shard.image = ITEMS;
    assert_ok(sl_latents_write(folder, 1, &shard, "maker"));
    sl_latents *latents;
    assert_ok(sl_latents_open(folder, "maker", &latents));
    sl_latents_sketch(latents, 1, &out);
    assert_false(out.known);
    assert_false(sl_latents_have_sketches(latents)); /* the first shard has none */
    for (int i = 0; i < ITEMS; i++) {
        sl_latents_sketch(latents, ITEMS + i, &out);
        assert_true(out.known);
        assert_int_equal(out.count, sketch[i].count);
        assert_memory_equal(out.mark, sketch[i].mark, (size_t)out.count * sizeof *out.mark);
    }
    sl_latents_close(latents);
    memset(sketch, 0, sizeof sketch); /* none has a mark */
    for (int i = 0; i < ITEMS; i++) sketch[i].known = true;
    assert_ok(sl_latents_write(folder, 1, &shard, "maker"));
    shard.image = 0;
    assert_ok(sl_latents_write(folder, 0, &shard, "maker"));
    assert_ok(sl_latents_open(folder, "maker", &latents));
    sl_latents_sketch(latents, ITEMS, &out);
    assert_true(out.known && out.count == 0 && sl_latents_have_sketches(latents));
    sl_latents_close(latents);
    tiny_folder_drop(folder);
}

/* Ends that lie outside the marks, or too far apart. */
static void damaged_sketches_are_refused(void **state) {
    (void)state;
    enum { ITEMS = 2, SIZE = 2 * 2 * 4, MARKS = SL_SKETCH_MARKS_MAX + 4 };
    static float zeros[ITEMS * SIZE], marks[MARKS * 6];
    const int64_t caption_end[ITEMS] = {0, 0};
    const struct {
        int64_t end[ITEMS];
        int64_t numbers;
        bool fits;
    } cases[] = {{{1, 2}, 6, true},      {{1, MARKS + 1}, 6, false}, {{3, 2}, 6, false}, {{-1, 2}, 6, false},
                 {{0, MARKS}, 6, false}, {{4, MARKS}, 6, true},      {{1, 2}, 5, false}};
    char *folder = tiny_folder(), path[256];
    snprintf(path, sizeof path, "%s/latents-00000.safetensors", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sl_safetensors_entry entries[] = {
            {"mean", SL_F16, SL_F32, SL_SHAPE(ITEMS, 2, 2, 4), zeros},
            {"deviation", SL_F16, SL_F32, SL_SHAPE(ITEMS, 2, 2, 4), zeros},
            {"captions", SL_U8, SL_U8, SL_SHAPE(0), zeros},
            {"caption_end", SL_I64, SL_I64, SL_SHAPE(ITEMS), caption_end},
            {"sketch", SL_F32, SL_F32, SL_SHAPE(MARKS, cases[i].numbers), marks},
            {"sketch_end", SL_I64, SL_I64, SL_SHAPE(ITEMS), cases[i].end}};
        const sl_safetensors_note note = {"maker", "maker"};
        sl_latents *latents;
        assert_ok(sl_safetensors_write(path, entries, 6, &note, 1));
        sl_status status = sl_latents_open(folder, "maker", &latents);
        assert_int_equal(status, cases[i].fits ? SL_OK : SL_FORMAT);
        if (status == SL_OK) sl_latents_close(latents);
    }
    tiny_folder_drop(folder);
}

/* ---- quality ---- */

enum { SIDE = 64 };

static void draw_ring(float *image, double radius, double sigma) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double d = (hypot(y + 0.5 - 32, x + 0.5 - 32) - radius) / sigma;
            image[y * SIDE + x] = (float)(0.2 + 0.5 * exp(-d * d / 2));
        }
}

static void ring_width_is_measured(void **state) {
    (void)state;
    static float image[SIDE * SIDE];
    for (double sigma = 1.5; sigma < 3; sigma += 0.5) {
        draw_ring(image, 20, sigma);
        double width = sl_ring_width_px(image, SIDE, SIDE, 32, 32, 20, 4 * sigma);
        assert_near(width, 2.3548 * sigma, 0.15);
    }
    draw_ring(image, 20, 1e9);
    assert_near(sl_ring_width_px(image, SIDE, SIDE, 32, 32, 20, 8), 0, 0);
}

static void spots_and_errors_are_measured(void **state) {
    (void)state;
    static float truth[SIDE * SIDE], half[SIDE * SIDE];
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++) truth[(30 + y) * SIDE + 20 + x] = y || x ? 0.5f : 0.8f;
    for (int i = 0; i < SIDE * SIDE; i++) half[i] = truth[i] / 2;
    int row[4], column[4];
    assert_int_equal(sl_spots_find(truth, SIDE, SIDE, 0.1, 4, row, column), 1);
    assert_int_equal(row[0], 30);
    assert_int_equal(column[0], 20);
    double ratio = sl_spot_contrast(half, SIDE, SIDE, 30, 20) / sl_spot_contrast(truth, SIDE, SIDE, 30, 20);
    assert_near(ratio, 0.5, 1e-6);
    float a[100], b[100];
    for (int i = 0; i < 100; i++) a[i] = 0.5f, b[i] = 0.51f;
    assert_near(sl_psnr_db(a, b, 100), 40, 1e-3);
}

/* ---- augmentations ---- */

static void variants_move_pixels_only_as_allowed(void **state) {
    (void)state;
    const float image[4] = {1, 2, 3, 4};
    float out[4];
    sl_variant_apply((sl_variant){.flip_left_right = 1}, image, 2, 2, 1, out);
    assert_memory_equal(out, ((float[]){2, 1, 4, 3}), sizeof out);
    sl_variant_apply((sl_variant){.flip_up_down = 1}, image, 2, 2, 1, out);
    assert_memory_equal(out, ((float[]){3, 4, 1, 2}), sizeof out);
    float turned[4] = {1, 2, 3, 4}, next[4];
    for (int i = 0; i < 4; i++) {
        sl_variant_apply((sl_variant){.turns = 1}, turned, 2, 2, 1, next);
        memcpy(turned, next, sizeof turned);
        if (i < 3) assert_memory_not_equal(turned, image, sizeof turned);
    }
    assert_memory_equal(turned, image, sizeof turned);
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    for (int i = 0; i < 50; i++) {
        sl_variant v = sl_variant_draw(SL_AUGMENT_FLIP_LEFT_RIGHT, &random);
        assert_int_equal(v.flip_up_down, 0);
        assert_int_equal(v.turns, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_stay_together),
        cmocka_unit_test(few_groups_still_train),
        cmocka_unit_test(each_pass_is_a_permutation),
        cmocka_unit_test(failures_name_the_item),
        cmocka_unit_test(noise_belongs_to_the_sample),
        cmocka_unit_test(weights_follow_the_ratio),
        cmocka_unit_test(spread_timesteps_cover_the_range),
        cmocka_unit_test(a_share_of_the_timesteps_is_noisy),
        cmocka_unit_test(latents_are_kept),
        cmocka_unit_test(sketches_are_kept),
        cmocka_unit_test(damaged_sketches_are_refused),
        cmocka_unit_test(ring_width_is_measured),
        cmocka_unit_test(spots_and_errors_are_measured),
        cmocka_unit_test(variants_move_pixels_only_as_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
