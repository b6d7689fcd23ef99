#include "test.h"

#include "base/random/random.h"

#include "xray/physical/level/aperture.h"
#include "xray/physical/calibration.h"
#include "xray/physical/robust_fit.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <string.h>

/* A test without clean images to compare with would pass everything: after a new test, or a new version of
 * the simulator, run calibrate-physical. */
static void every_test_is_calibrated(void **state) {
    (void)state;
    int missing = 0;
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        int most[SL_STRATUM_COUNT] = {0};
        for (int s = 0; s < SL_STRATUM_COUNT; s++)
            for (int k = 0; k <= SL_TECHNIQUE_UNKNOWN; k++) {
                int images = sl_physical_calibrated_images((sl_physical_test)t, (sl_physical_stratum)s,
                                                           (sl_technique)k);
                if (images > most[s]) most[s] = images;
            }
        bool lacks = most[SL_STRATUM_GEOMETRY] < 40; /* some need no less */
        if (lacks) missing++, print_error("%s has no clean images\n", sl_physical_id((sl_physical_test)t));
    }
    assert_int_equal(missing, 0);
    assert_int_equal(sl_physical_calibrated_of(), SL_SIM_VERSION);
    assert_int_equal(sl_physical_calibrated_images(SL_PHYSICAL_COUNT, SL_STRATUM_GEOMETRY, SL_TECHNIQUE_SAXS),
                     0);
    /* a grazing-incidence image is no transmission image */
    assert_int_equal(
        sl_physical_calibrated_images(SL_PHYSICAL_FRIEDEL, SL_STRATUM_GEOMETRY, SL_TECHNIQUE_GIWAXS), 0);
}

static void the_limit_is_that_of_the_technique(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_physical_result as_known[SL_PHYSICAL_COUNT], as_unknown[SL_PHYSICAL_COUNT];
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    options.class_id = SL_SIM_WAXS_POWDER;
    assert_ok(sl_sim_sample_make(41, 3, &options, &sample));
    sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_GEOMETRY, NULL);
    assert_ok(sl_physical_tests_run(&input, as_known));
    input.technique = SL_TECHNIQUE_UNKNOWN;
    assert_ok(sl_physical_tests_run(&input, as_unknown));
    int differing = 0;
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++)
        differing += as_known[t].applicable && fabs(as_known[t].limit - as_unknown[t].limit) > 1e-9;
    assert_true(differing >= 3);
    input.is_uncalibrated = true;
    assert_ok(sl_physical_tests_run(&input, as_unknown));
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) assert_true(as_unknown[t].p == 0 && as_unknown[t].limit == 0);
    sl_sim_sample_free(&sample);
}

static void assert_near(double found, double expected, double within) {
    if (!(fabs(found - expected) <= within)) fail_msg("%g instead of %g", found, expected);
}

/* Quantiles of n clean values that lie at -ln(1 - share) * scale, those below `zeros` at 0. */
static calibration exponential(int images, double zeros, double scale) {
    calibration c = {.images = images};
    for (int k = 0; k < CALIBRATION_SHARES; k++) {
        double rarer = fmax(1 - calibration_share[k], 1.0 / images);
        c.quantile[k] = calibration_share[k] <= zeros ? 0 : scale * log((1 - zeros) / rarer);
    }
    return c;
}

static void n_images_tell_no_less_than_their_number(void **state) {
    (void)state;
    calibration kind[CALIBRATION_TECHNIQUES] = {{0}};
    for (int k = 0; k < CALIBRATION_TECHNIQUES; k++) kind[k].images = 999; /* all zeros */
    assert_near(calibration_p(kind, 0, 1e-9), 1 / 4996.0, 1e-12);
    assert_near(calibration_p(kind, 0, 100), 1 / 4996.0, 1e-12);
    assert_near(calibration_p(kind, 0, 0), 1, 1e-12); /* as all clean ones */
    /* where another technique has such values, they say nothing of this one */
    kind[3] = exponential(999, 0, 1);
    assert_near(calibration_p(kind, 0, 2), 1e-3, 1e-12);
    assert_near(calibration_p(kind, 0, 100), 1 / 4996.0, 1e-12);
    /* one value above zero among 999 is no tail */
    kind[0].quantile[CALIBRATION_SHARES - 1] = 0.5;
    kind[3].quantile[CALIBRATION_SHARES - 1] = 1e3;
    assert_near(calibration_p(kind, 0, 50), 1e-3, 1e-12);
}

static void a_tail_that_is_seen_is_followed(void **state) {
    (void)state;
    calibration kind[CALIBRATION_TECHNIQUES] = {exponential(999, 0, 2)};
    double top = kind[0].quantile[CALIBRATION_SHARES - 1], beyond = calibration_p(kind, 0, top + 2);
    assert_near(beyond, exp(-1) / 1000, 0.1 * beyond);
    assert_near(calibration_p(kind, 0, 1e3), 1e-6, 1e-12);
    /* nearly all at zero: the rest shows its tail */
    kind[0] = exponential(999, 0.96, 2);
    top = kind[0].quantile[CALIBRATION_SHARES - 1];
    beyond = calibration_p(kind, 0, top + 2);
    assert_near(beyond, exp(-1) / 1000, 0.2 * beyond);
    /* too few to show one */
    kind[0] = exponential(60, 0, 2);
    assert_near(calibration_p(kind, 0, 1e3), 1 / 61.0, 1e-12);
    /* the highest value that stands apart makes the tail slower, never steeper */
    kind[0] = exponential(999, 0, 2);
    kind[0].quantile[CALIBRATION_SHARES - 1] *= 3;
    assert_true(calibration_p(kind, 0, 3 * 14 + 2) > 2 * exp(-1) / 1000 * 0.8);
}

static void a_robust_fit_is_not_pulled_away(void **state) {
    (void)state;
    enum { COUNT = 40 };
    double basis[COUNT][ROBUST_TERMS], value[COUNT], weight[COUNT], out[ROBUST_TERMS], spread;
    const double truth[ROBUST_TERMS] = {2, -1, 0.5, 0, 3};
    for (int k = 0; k < COUNT; k++) {
        double x = 2.0 * k / (COUNT - 1) - 1;
        basis[k][0] = 1;
        value[k] = 0;
        weight[k] = 1;
        for (int n = 1; n < ROBUST_TERMS; n++) basis[k][n] = basis[k][n - 1] * x;
        for (int n = 0; n < ROBUST_TERMS; n++) value[k] += truth[n] * basis[k][n];
    }
    value[7] += 5;
    value[30] = NAN; /* not looked at */
    weight[30] = 0;
    assert_true(robust_fit(basis, value, weight, COUNT, 1e-4, out, &spread));
    for (int n = 0; n < ROBUST_TERMS; n++) assert_true(fabs(out[n] - truth[n]) < 0.1);
    assert_true(spread < 0.1);
    for (int k = 0; k < COUNT; k++) basis[k][4] = basis[k][3];
    assert_false(robust_fit(basis, value, weight, COUNT, 1e-4, out, &spread));
}

enum { SIDE = 256, PLAIN, DARK, FAINT, RING_OUT_OF_PLACE, BEHIND_A_GAP, GAP_LINE = 55, GAP_END = 58 };
static const double beam_row = 110, beam_column = 140, window_row = 136, window_column = 119,
                    window_radius = 112;

/* A fall-off about the beam, with counting noise and what `kind` adds. */
static double scattering(int kind, int i, int j) {
    double radius = hypot(i - beam_row, j - beam_column), window = hypot(i - window_row, j - window_column);
    double mean = 8e6 * pow(radius + 20, -2), off = hypot(i - beam_row - 5, j - beam_column + 6) - 90;
    if (window > window_radius && kind == DARK) mean *= 0.02;
    if (window > window_radius && kind == FAINT) mean *= 0.75;
    if (kind == BEHIND_A_GAP) mean *= i < GAP_LINE ? 0.03 : 0.06;
    if (kind == RING_OUT_OF_PLACE) mean *= 1 + 2 * exp(-off * off / 8);
    return mean;
}

static void fill_scattering(sl_image *image, int kind) {
    sl_random random = sl_random_stream(3, SL_STREAM_TEST, (uint32_t)kind);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double mean = scattering(kind, i, j);
            image->value[i * SIDE + j] = (float)fmax(0, round(mean + sqrt(mean) * sl_random_normal(&random)));
        }
}

static void mask_gap(sl_image *image) {
    for (int k = GAP_LINE * SIDE; k < GAP_END * SIDE; k++) image->mask[k] = SL_MASK_GAP;
}

static void assert_masked_outside_the_window(const sl_image *opened) {
    int wrong = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double outside = hypot(i - window_row, j - window_column) - window_radius;
            if (fabs(outside) > 6) wrong += (opened->mask[i * SIDE + j] != 0) != (outside > 0);
        }
    assert_int_equal(wrong, 0);
}

/* Dark or half-transparent, where it is not the beam's own; a ring out of place is none, nor is a gap at
 * which the level changes. */
static void round_windows_are_masked(void **state) {
    (void)state;
    sl_image image, opened;
    bool found;
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    for (int kind = PLAIN; kind <= BEHIND_A_GAP; kind++) {
        fill_scattering(&image, kind);
        if (kind == BEHIND_A_GAP) mask_gap(&image);
        physical_view view = {.image = &image, .unit_px = 1, .row_px = beam_row, .column_px = beam_column};
        assert_ok(physical_aperture_mask(&view, &opened, &found));
        assert_int_equal(found, kind == DARK || kind == FAINT);
        if (!found) continue;
        assert_masked_outside_the_window(&opened);
        sl_image_free(&opened);
        view.row_px = window_row, view.column_px = window_column; /* one about the beam breaks no symmetry */
        assert_ok(physical_aperture_mask(&view, &opened, &found));
        assert_false(found);
    }
    sl_image_free(&image);
}

/* A level that doubles behind a gap is told. Beside a streak along the gap nobody can say what is a step, nor
 * where there are hardly any counts. */
static void a_level_goes_on_behind_a_gap(void **state) {
    (void)state;
    sl_image image;
    const sl_physical_input input = {.image = &image, .technique = SL_TECHNIQUE_SAXS};
    const physical_view view = {.input = &input,
                                .image = &image,
                                .unit_px = 1,
                                .row_px = beam_row,
                                .column_px = beam_column,
                                .polar.step_px = 1};
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    mask_gap(&image);
    for (int kind = PLAIN; kind <= BEHIND_A_GAP; kind += BEHIND_A_GAP - PLAIN) {
        sl_physical_result result = {0};
        fill_scattering(&image, kind);
        assert_ok(physical_gap_level(&view, &result));
        assert_true(result.applicable);
        assert_true(kind == PLAIN ? result.value <= 0 : fabs(result.value - log(2)) < 0.2);
    }
    for (int faint = 0; faint < 2; faint++) {
        sl_physical_result result = {0};
        fill_scattering(&image, BEHIND_A_GAP);
        for (int k = 0; k < SIDE * SIDE; k++) {
            double streak = (k / SIDE - GAP_END) / 5.0;
            image.value[k] *= (float)(faint ? 1e-3 : 1 + 9 * exp(-streak * streak));
            image.value[k] = roundf(image.value[k]);
        }
        assert_ok(physical_gap_level(&view, &result));
        assert_false(result.applicable);
    }
    sl_image_free(&image);
}

/* What is found blind is found once, and the same as by those who look alone. */
static void a_blind_look_is_shared(void **state) {
    (void)state;
    sl_physical_blind blind = {0};
    sl_physical_result shared[SL_PHYSICAL_COUNT], alone[SL_PHYSICAL_COUNT];
    sl_image image;
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    fill_scattering(&image, FAINT);
    sl_physical_input input = {.image = &image, .technique = SL_TECHNIQUE_SAXS, .caption = "saxs, rings"};
    assert_ok(sl_physical_tests_run(&input, alone));
    input.blind = &blind;
    assert_ok(sl_physical_tests_run(&input, shared));
    assert_true(blind.looked && blind.has_evidence);
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        assert_int_equal(alone[t].applicable, shared[t].applicable);
        if (alone[t].applicable) assert_true(alone[t].value == shared[t].value);
    }
    sl_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_test_is_calibrated),
        cmocka_unit_test(the_limit_is_that_of_the_technique),
        cmocka_unit_test(n_images_tell_no_less_than_their_number),
        cmocka_unit_test(a_tail_that_is_seen_is_followed),
        cmocka_unit_test(a_robust_fit_is_not_pulled_away),
        cmocka_unit_test(round_windows_are_masked),
        cmocka_unit_test(a_level_goes_on_behind_a_gap),
        cmocka_unit_test(a_blind_look_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
