#include "test.h"

#include "xray/instrument/detector_chain.h"
#include "xray/log_map.h"
#include "xray/instrument/poisson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pearson's chi squared against the exact law, cells of at least 20 expected. */
static void counts_follow_the_poisson_law(void **state) {
    (void)state;
    static const double means[] = {0.05, 1.3, 9.5, 10.5, 37, 400, 1.5e5};
    enum { N = 100000 };
    for (size_t m = 0; m < sizeof means / sizeof means[0]; m++) {
        double mean = means[m], width = fmax(1, floor(sqrt(mean) / 4));
        int32_t low = (int32_t)fmax(0, mean - 6 * sqrt(mean) - 8),
                cells = (int32_t)((mean + 6 * sqrt(mean) + 9 - low) / width) + 1;
        double *seen = calloc((size_t)cells, sizeof *seen),
               *expected = calloc((size_t)cells, sizeof *expected);
        sl_random random = sl_random_stream(11, SL_STREAM_TEST, (uint32_t)m);
        for (int i = 0; i < N; i++) {
            int32_t cell = (int32_t)((sl_poisson(&random, mean) - low) / width);
            assert_in_range(cell, 0, cells - 1);
            seen[cell]++;
        }
        for (int32_t k = low; k < low + (int32_t)(cells * width); k++)
            expected[(int32_t)((k - low) / width)] += N * exp(k * log(mean) - mean - lgamma(k + 1.0));
        double chi = 0, free_cells = -1, rest_seen = 0, rest_expected = 0;
        for (int32_t c = 0; c < cells; c++) {
            if (expected[c] < 20) {
                rest_seen += seen[c], rest_expected += expected[c];
                continue;
            }
            chi += (seen[c] - expected[c]) * (seen[c] - expected[c]) / expected[c];
            free_cells++;
        }
        if (rest_expected > 5)
            chi += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected, free_cells++;
        free(seen);
        free(expected);
        if (chi > free_cells + 4.5 * sqrt(2 * free_cells) + 6)
            fail_msg("mean %g: chi squared %.1f of %.0f", mean, chi, free_cells);
    }
}

enum { SIDE = 200 };

static float *flat_expectation(float value) {
    float *mean = malloc(sizeof *mean * SIDE * SIDE);
    for (int k = 0; k < SIDE * SIDE; k++) mean[k] = value;
    return mean;
}

static void measurement_is_exact(void **state) {
    (void)state;
    const sl_detector *detector;
    assert_ok(sl_detector_find("Pilatus 1M", &detector));
    sl_measurement m = sl_measurement_default(detector, SIDE, SIDE);
    m.exposure = 2;
    m.flat_pixel = m.flat_module = m.hot_fraction = m.dead_fraction = m.cosmic_count = 0;
    m.beamstop = (sl_beamstop){.shape = SL_BEAMSTOP_DISC,
                               .row_px = 100,
                               .column_px = 90,
                               .half_height_px = 20,
                               .half_width_px = 20,
                               .has_arm = true,
                               .arm_angle_rad = M_PI / 2,
                               .arm_width_px = 6,
                               .edge_px = 0.5};
    float *mean = flat_expectation(12);
    sl_image image, again;
    assert_ok(sl_detector_measure(mean, SIDE, SIDE, &m, 5, 3, &image));
    assert_ok(sl_detector_measure(mean, SIDE, SIDE, &m, 5, 3, &again));
    assert_memory_equal(image.value, again.value, sizeof(float) * SIDE * SIDE);
    double sum = 0, square = 0, open = 0, gaps = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int k = i * SIDE + j;
            double distance = hypot(i + 0.5 - 100, j + 0.5 - 90);
            if (image.mask[k] & SL_MASK_GAP) {
                gaps++;
                assert_true(image.value[k] == 0);
            } else if (distance < 16) {
                assert_true(image.mask[k] & SL_MASK_BEAMSTOP);
                assert_true(image.value[k] == 0);
            } else if (image.mask[k] == 0 && (distance > 26 || i < 90) && fabs(j + 0.5 - 90) > 8) {
                sum += (double)image.value[k], square += (double)image.value[k] * (double)image.value[k],
                    open++;
            }
        }
    assert_true(gaps > 0.06 * SIDE * SIDE && gaps < 0.12 * SIDE * SIDE);
    double average = sum / open, variance = square / open - average * average;
    assert_true(fabs(average - 24) < 0.15);
    assert_true(fabs(variance / average - 1) < 0.04);
    assert_true(image.mask[180 * SIDE + 90] & SL_MASK_ARM);
    sl_image_free(&image);
    sl_image_free(&again);
    mean[7] = NAN;
    assert_status(sl_detector_measure(mean, SIDE, SIDE, &m, 5, 3, &image), SL_NUMERIC);
    free(mean);
}

static void bad_pixels_and_saturation_are_marked(void **state) {
    (void)state;
    sl_measurement m = sl_measurement_default(NULL, SIDE, SIDE);
    m.hot_fraction = m.dead_fraction = 1e-3;
    m.highest_count = 60;
    float *mean = flat_expectation(50);
    sl_image image;
    assert_ok(sl_detector_measure(mean, SIDE, SIDE, &m, 1, 0, &image));
    int hot = 0, dead = 0;
    for (int k = 0; k < SIDE * SIDE; k++) {
        hot += (image.mask[k] & SL_MASK_HOT) != 0;
        dead += (image.mask[k] & SL_MASK_DEAD) != 0;
        if (image.mask[k] & SL_MASK_DEAD) assert_true(image.value[k] == 0);
        assert_true(image.value[k] <= 60 &&
                    (image.value[k] == 60) == ((image.mask[k] & SL_MASK_SATURATED) != 0));
    }
    assert_in_range(hot, 15, 75);
    assert_in_range(dead, 15, 75);
    sl_image_free(&image);
    free(mean);
}

static void stops_have_their_shapes(void **state) {
    (void)state;
    sl_beamstop stop = {.shape = SL_BEAMSTOP_RACETRACK,
                        .row_px = 50,
                        .column_px = 50,
                        .half_height_px = 20,
                        .half_width_px = 5,
                        .has_arm = true,
                        .arm_width_px = 2,
                        .holder_from_px = 30,
                        .holder_width_px = 12,
                        .edge_px = 0.1};
    assert_true(sl_beamstop_pass(&stop, 66, 50) == 0 &&
                sl_beamstop_pass(&stop, 69, 54.5) == 1);                                       /* no corner */
    assert_true(sl_beamstop_pass(&stop, 50, 70) == 0 && sl_beamstop_pass(&stop, 53, 70) == 1); /* the arm */
    assert_true(sl_beamstop_pass(&stop, 53, 85) == 0 &&
                sl_beamstop_pass(&stop, 50, 30) == 1); /* its holder */
    stop.arm_through = true;
    assert_true(sl_beamstop_pass(&stop, 50, 30) == 0);
    /* the whole frame at once says the same */
    float *pass = flat_expectation(1);
    uint8_t *mask = calloc((size_t)SIDE * SIDE, 1);
    sl_beamstop_apply(&stop, SIDE, SIDE, pass, mask);
    for (int k = 0; k < SIDE * SIDE; k++)
        assert_true(pass[k] == (float)sl_beamstop_pass(&stop, k / SIDE + 0.5, k % SIDE + 0.5));
    free(pass);
    free(mask);
}

static void dead_chips_give_nothing(void **state) {
    (void)state;
    const sl_detector *detector;
    assert_ok(sl_detector_find("Pilatus 1M", &detector));
    sl_measurement m = sl_measurement_default(detector, SIDE, SIDE);
    m.dead_fraction = m.hot_fraction = 0;
    double row = m.view.row0 + 10 * m.view.scale, column = m.view.column0 + 20 * m.view.scale;
    m.dead_chip = (sl_dead_chip){(int32_t)row, (int32_t)column, (int32_t)(30 * m.view.scale),
                                 (int32_t)(40 * m.view.scale)};
    float *mean = flat_expectation(50);
    sl_image image;
    assert_ok(sl_detector_measure(mean, SIDE, SIDE, &m, 1, 0, &image));
    int dead = 0;
    for (int k = 0; k < SIDE * SIDE; k++) {
        bool masked = (image.mask[k] & SL_MASK_DEAD) != 0;
        if (masked) assert_true(image.value[k] == 0);
        dead += masked;
    }
    assert_in_range(dead, 29 * 39, 31 * 41);
    sl_image_free(&image);
    free(mean);
}

static void beamstops_are_read_from_text(void **state) {
    (void)state;
    sl_beamstop stop = {.row_px = 50,
                        .column_px = 50,
                        .half_height_px = 5,
                        .half_width_px = 5,
                        .has_arm = true,
                        .arm_width_px = 2,
                        .edge_px = 0.5};
    assert_ok(sl_beamstop_parse("disc:radius=12,arm=270,x=0.25,y=0.5", 100, 200, &stop));
    assert_int_equal(stop.shape, SL_BEAMSTOP_DISC);
    assert_true(stop.half_width_px == 12 && stop.column_px == 50 && stop.row_px == 50);
    assert_true(sl_beamstop_pass(&stop, 50, 50) == 0 && sl_beamstop_pass(&stop, 90, 150) == 1);
    assert_true(sl_beamstop_pass(&stop, 5, 50) < 0.05); /* the arm goes up */
    assert_ok(sl_beamstop_parse("disc:arm=none", 100, 200, &stop));
    assert_true(sl_beamstop_pass(&stop, 5, 50) == 1);
    assert_status(sl_beamstop_parse("square", 100, 200, &stop), SL_INVALID);
    assert_status(sl_beamstop_parse("disc:radius=-1", 100, 200, &stop), SL_INVALID);
    assert_status(sl_beamstop_parse("disc:radius", 100, 200, &stop), SL_INVALID);
}

static void the_log_map_goes_back(void **state) {
    (void)state;
    enum { N = 2000 };
    float counts[N], map[N], back[N];
    for (int i = 0; i < N; i++) counts[i] = (float)((i * 7919) % N) * 3;
    double level;
    assert_ok(sl_log_map_level(counts, N, &level));
    assert_true(level == 3 * floor((N - 1) * 0.999));
    sl_log_map_encode(counts, N, level, map);
    sl_log_map_decode(map, N, level, back);
    for (int i = 0; i < N; i++)
        if ((double)counts[i] <= level) assert_true(fabsf(back[i] - counts[i]) <= 1e-4f * (counts[i] + 1));
}

/* What a model drew too dark or too bright comes back to the level asked for; what shows nothing does not. */
static void a_map_meets_its_level(void **state) {
    (void)state;
    enum { N = 3000 };
    const double asked = 5000, drawn[] = {0.6, 0.8, 1, 1.1};
    float map[N], counts[N];
    double quantile, level;
    for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++) {
        for (int i = 0; i < N; i++) map[i] = (float)(drawn[k] * ((i * 7919) % N) / (floor((N - 1) * 0.999)));
        assert_ok(sl_log_map_meet_level(map, N, &quantile));
        assert_true(fabs(quantile - drawn[k]) < 1e-6);
        sl_log_map_decode(map, N, asked, counts);
        assert_ok(sl_log_map_level(counts, N, &level));
        assert_true(fabs(level / asked - 1) < 1e-4);
    }
    for (int i = 0; i < N; i++) map[i] = 0.9f; /* nothing but the level */
    assert_ok(sl_log_map_meet_level(map, N, &quantile));
    for (int i = 0; i < N; i++) assert_true(fabsf(map[i] - 1) < 1e-6f);
    for (int i = 0; i < N; i++) map[i] = 0.1f;
    assert_ok(sl_log_map_meet_level(map, N, &quantile));
    assert_true(map[7] == 0.1f && fabs(quantile - 0.1) < 1e-6);
}

/* A blunted peak is restored by itself: what is darker stays, and of two pixels the brighter one stays so. */
static void the_peak_alone_is_stretched(void **state) {
    (void)state;
    enum { N = 3000, STAYS = N * 9 / 10 };
    static const double drawn[] = {0.8, 0.93, 1.05, 1.1};
    float map[N], before[N];
    double quantile;
    for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++) {
        for (int i = 0; i < N; i++)
            map[i] = (float)(0.3 + (drawn[k] - 0.3) * pow(i / floor((N - 1) * 0.999), 8));
        memcpy(before, map, sizeof map);
        assert_ok(sl_log_map_meet_level(map, N, &quantile));
        if (fabs(drawn[k] - 1) < 0.1) assert_memory_equal(before, map, STAYS * sizeof *map);
        for (int i = 1; i < N; i++) assert_true(map[i] >= map[i - 1] && map[i] <= 1.0001f);
        assert_true(map[N - 1] > 0.9999f && (map[N - 1] > before[N - 1]) == (drawn[k] < 1));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_follow_the_poisson_law),
        cmocka_unit_test(measurement_is_exact),
        cmocka_unit_test(bad_pixels_and_saturation_are_marked),
        cmocka_unit_test(stops_have_their_shapes),
        cmocka_unit_test(dead_chips_give_nothing),
        cmocka_unit_test(beamstops_are_read_from_text),
        cmocka_unit_test(the_log_map_goes_back),
        cmocka_unit_test(a_map_meets_its_level),
        cmocka_unit_test(the_peak_alone_is_stretched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
