/* The feature vector on images whose features are known. */
#include "test.h"

#include "base/random/random.h"
#include "xray/image_features.h"
#include "xray/log_map.h"

#include <math.h>
#include <string.h>

enum { SIDE = 256 };

typedef double (*model)(double row, double column);

static const sl_beam_place centre = {true, 128, 128, false};

static double radius_of(double row, double column) {
    return hypot(row - centre.row_px, column - centre.column_px);
}

/* 1000 r^-3 */
static double power_law(double row, double column) {
    return 1e8 * pow(radius_of(row, column), -3);
}

/* Three Gaussian rings at 30, 60, 90 px, 5 px wide at half maximum, over a flat floor. */
static double rings(double row, double column) {
    double sum = 100;
    for (int k = 1; k <= 3; k++) {
        double d = (radius_of(row, column) - 30 * k) / (5 / 2.3548);
        sum += 400 * exp(-0.5 * d * d);
    }
    return sum;
}

static double flat(double row, double column) {
    (void)row, (void)column;
    return 100;
}

/* 100 (1 + 0.4 cos 2 chi) */
static double twofold(double row, double column) {
    return 100 * (1 + 0.4 * cos(2 * atan2(row - centre.row_px, column - centre.column_px)));
}

/* Twice as bright on the left: neither symmetry holds. */
static double left_heavy(double row, double column) {
    (void)row;
    return column < centre.column_px ? 200 : 100;
}

/* Bright above row 160. */
static double horizon(double row, double column) {
    (void)column;
    return row < 160 ? 300 : 3;
}

static double stopped(double row, double column) {
    return radius_of(row, column) < 20 ? 0 : 1e4 * exp(-radius_of(row, column) / 40);
}

static sl_image draw(model intensity) {
    sl_image image;
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) image.value[i * SIDE + j] = (float)intensity(i + 0.5, j + 0.5);
    return image;
}

static void measure(model intensity, double out[SL_IMAGE_FEATURE_COUNT]) {
    sl_image image = draw(intensity);
    assert_ok(sl_image_features(&image, &centre, out));
    sl_image_free(&image);
}

#define F(name) features[SL_IMAGE_FEATURE_##name]

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g is not %.9g within %g", found, expected, tolerance);
}

static void slopes_are_exponents(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT];
    measure(power_law, features);
    assert_near(F(SLOPE_MIDDLE), -3, 0.02);
    assert_near(F(SLOPE_HIGH), -3, 0.02);
    /* 24 bins over ln(1 / 0.015): a step is 3 log10 of their ratio */
    double step = 3 * log10(1 / 0.015) / SL_PROFILE_BINS;
    for (int b = 14; b < 21; b++)
        assert_near(features[SL_IMAGE_FEATURE_PROFILE_00 + b] - features[SL_IMAGE_FEATURE_PROFILE_00 + b + 1],
                    step, 0.03);
    /* the corner at 181 px is nearer than the last bin: nothing is there */
    assert_true(isnan(F(PROFILE_23)));
    assert_near(F(PEAK_COUNT), 0, 0);
    assert_true(isnan(F(FIRST_PEAK)) && isnan(F(PEAK_WIDTH)) && isnan(F(LATTICE_RESIDUAL)));
}

static void rings_are_found_where_they_are(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT];
    measure(rings, features);
    assert_near(F(PEAK_COUNT), 3, 0);
    assert_near(F(FIRST_PEAK), 30.0 / SIDE, 0.3 / SIDE);
    /* the width is that of ln(intensity) over its flanks: of ln(1 + 4 g) half of ln 5 is reached at
     * g = (sqrt 5 - 1) / 4, which is 6.77 px */
    double full = 2 * sqrt(-2 * log((sqrt(5) - 1) / 4)) * 5 / 2.3548;
    assert_near(F(PEAK_WIDTH), full / 60, 0.02);
    assert_true(F(LATTICE_RESIDUAL) < 0.01);
    for (int b = 1; b < SL_ANISOTROPY_BANDS; b++) assert_true(features[SL_IMAGE_FEATURE_S2_0 + b] < 0.03);
}

static void texture_and_symmetry(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT];
    measure(twofold, features);
    /* averaging over a sector of 15 degrees takes sin(a)/a, a = 15 degrees */
    double a = M_PI / 12;
    assert_near(F(S2_4), 0.4 * sin(a) / a, 0.01);
    assert_near(F(S4_4), 0, 0.01);
    assert_near(F(MIRROR), 0, 0.01);
    assert_near(F(FRIEDEL), 0, 0.01);
    measure(left_heavy, features);
    assert_near(F(MIRROR), log(2), 0.01);
    assert_near(F(FRIEDEL), log(2), 0.01);
    /* cos chi is no even harmonic, a step is all odd ones */
    assert_near(F(S2_4), 0, 0.02);
}

static void shadows_have_their_size(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT];
    measure(flat, features);
    assert_near(F(HORIZON), 0, 1e-9);
    assert_near(F(BEAMSTOP_AREA), 0, 1e-9);
    assert_near(F(SATURATION), 1, 0);
    measure(horizon, features);
    /* level 300, c = 0.5: ln(1 + 6) / ln(1 + 600) from 1 */
    assert_near(F(HORIZON), 1 - log1p(6) / log1p(600), 1e-5);
    measure(stopped, features);
    assert_near(F(BEAMSTOP_AREA), M_PI * 20 * 20 / (double)(SIDE * SIDE), 0.0015);
}

static void gaps_are_left_out(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT];
    sl_image image = draw(flat);
    for (int i = 0; i < SIDE; i++)
        for (int j = 40; j < 48; j++) {
            image.value[i * SIDE + j] = 1e9F;
            image.mask[i * SIDE + j] = SL_MASK_GAP;
        }
    assert_ok(sl_image_features(&image, &centre, features));
    assert_near(F(GAP_SHARE), 8.0 / SIDE, 1e-12);
    assert_near(F(GREY_95), F(GREY_05), 1e-6);
    assert_near(F(MIRROR), 0, 1e-6);
    memset(image.mask, SL_MASK_INVALID, SIDE * SIDE);
    assert_ok(sl_image_features(&image, NULL, features));
    assert_near(F(GAP_SHARE), 1, 0);
    assert_true(isnan(F(GREY_50)) && isnan(F(PSD_0)) && isnan(F(MIRROR)));
    sl_image_free(&image);
}

/* White noise in the display: every band has its variance, the residual is white but for the window. */
static void white_noise_is_white(void **state) {
    (void)state;
    double features[SL_IMAGE_FEATURE_COUNT], sigma = 0.05, middle = 0.5;
    sl_image image = draw(flat);
    sl_random random = sl_random_stream(4, SL_STREAM_TEST, 0);
    for (int k = 0; k < SIDE * SIDE; k++) {
        float e = (float)(middle + sigma * sl_random_normal(&random));
        sl_log_map_decode(&e, 1, 1000, &image.value[k]);
    }
    /* 0.2 % at 1000 set the level, and with it the display */
    for (int k = 0; k < SIDE * SIDE; k += 500) image.value[k] = 1000;
    assert_ok(sl_image_features(&image, &centre, features));
    for (int b = 4; b < SL_PSD_BANDS; b++)
        assert_near(features[SL_IMAGE_FEATURE_PSD_0 + b], 10 * log10(sigma * sigma + 0.002 * 0.25), 0.35);
    assert_near(F(GREY_50), middle, 0.002);
    assert_near(F(GREY_75), middle + 0.6745 * sigma, 0.003);
    /* less the mean of 25: variance 24/25, covariance of neighbours -2/25 + 20/625 = -0.048 */
    assert_near(F(NOISE_SIGMA), sigma * sqrt(0.96), 0.05 * sigma);
    assert_near(F(NOISE_LAG1), -0.05, 0.02);
    /* of a normal variable within 2.576 sigma: 2.2749 / 0.92476^2 - 3 */
    assert_near(F(NOISE_KURTOSIS), -0.34, 0.06);
    sl_image_free(&image);
}

/* The beam is found within a pixel though a beamstop hides it, and the unit of the values does not matter. */
static void the_beam_is_found_blind(void **state) {
    (void)state;
    sl_image image = draw(stopped);
    sl_beam_place found;
    assert_ok(sl_image_beam_find(&image, &found));
    assert_near(found.row_px, 128, 1);
    assert_near(found.column_px, 128, 1);
    assert_false(found.known);
    double known[SL_IMAGE_FEATURE_COUNT], blind[SL_IMAGE_FEATURE_COUNT];
    assert_ok(sl_image_features(&image, &centre, known));
    assert_ok(sl_image_features(&image, NULL, blind));
    for (int i = 0; i < SL_PROFILE_BINS; i++)
        if (!isnan(known[i]) && i > 10) assert_near(blind[i], known[i], 0.05);
    sl_image_free(&image);
}

static void small_and_narrow_images(void **state) {
    (void)state;
    sl_image image;
    double features[SL_IMAGE_FEATURE_COUNT];
    assert_ok(sl_image_new(31, 31, &image));
    assert_status(sl_image_features(&image, NULL, features), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "31 x 31"));
    sl_image_free(&image);
    assert_ok(sl_image_new(4, 300, &image));
    for (int k = 0; k < 4 * 300; k++) image.value[k] = 5;
    assert_ok(sl_image_features(&image, NULL, features));
    assert_true(isnan(F(PSD_3)));
    sl_image_free(&image);
}

static void ids_are_all_different(void **state) {
    (void)state;
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sl_image_feature_id((sl_image_feature)i),
                                    sl_image_feature_id((sl_image_feature)j));
    assert_string_equal(sl_image_feature_id(SL_IMAGE_FEATURE_PSD_0 + SL_PSD_BANDS - 1), "psd-7");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slopes_are_exponents),    cmocka_unit_test(rings_are_found_where_they_are),
    cmocka_unit_test(texture_and_symmetry),    cmocka_unit_test(shadows_have_their_size),
    cmocka_unit_test(gaps_are_left_out),       cmocka_unit_test(white_noise_is_white),
    cmocka_unit_test(the_beam_is_found_blind), cmocka_unit_test(small_and_narrow_images),
    cmocka_unit_test(ids_are_all_different),
};

TEST_MAIN(tests)
