#include "test.h"

#include "xray/blind.h"
#include "xray/simulate.h"
#include "xray/technique.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Rings of known centre, with a masked band and photon-like steps. */
static void rings_give_their_centre(void **state) {
    (void)state;
    static const double centres[][2] = {{64, 64}, {30.25, 80.5}, {100.75, 20}, {64, -9}, {140, 64}};
    for (size_t k = 0; k < sizeof centres / sizeof centres[0]; k++) {
        sl_image image;
        sl_blind_centre found;
        assert_ok(sl_image_new(128, 128, &image));
        for (int i = 0; i < 128; i++)
            for (int j = 0; j < 128; j++) {
                double r = hypot(i + 0.5 - centres[k][0], j + 0.5 - centres[k][1]);
                image.value[i * 128 + j] = (float)floor(20 + 200 * exp(-r / 40) * pow(sin(r / 7), 4));
                if (i >= 60 && i < 66) image.mask[i * 128 + j] = SL_MASK_GAP;
            }
        assert_ok(sl_blind_centre_find(&image, &found));
        double off = hypot(found.row_px - centres[k][0], found.column_px - centres[k][1]);
        if (off > 0.75) fail_msg("centre (%g, %g): off by %g px", centres[k][0], centres[k][1], off);
        assert_true(found.explained > 0.5 && found.explained <= 1);
        sl_image_free(&image);
    }
}

static void nothing_to_see_is_an_error(void **state) {
    (void)state;
    sl_image image;
    sl_blind_centre found;
    assert_ok(sl_image_new(64, 64, &image));
    assert_status(sl_blind_centre_find(&image, &found), SL_NUMERIC);
    for (int k = 0; k < 64 * 64; k++) image.mask[k] = SL_MASK_INVALID;
    assert_status(sl_blind_centre_find(&image, &found), SL_NUMERIC);
    sl_image_free(&image);
}

/* Of simulated transmission images with the beam in the frame: half within a pixel, most within four. */
static void simulated_images_give_their_beam(void **state) {
    (void)state;
    enum { IMAGES = 60 };
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    double off[IMAGES];
    int count = 0;
    options.measure = true;
    for (uint32_t k = 0; count < IMAGES; k++) {
        sl_blind_centre found;
        assert_ok(sl_sim_sample_make(9100, k, &options, &sample));
        if (sample.is_grazing || sample.class_id == SL_SIM_EMPTY ||
            sample.attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] <= 0)
            continue;
        assert_ok(sl_blind_centre_find(&sample.measured, &found));
        off[count++] = hypot(found.row_px - sample.beam_row_px, found.column_px - sample.beam_column_px);
    }
    qsort(off, IMAGES, sizeof *off, ascending);
    if (off[IMAGES / 2] > 1 || off[IMAGES * 85 / 100] > 5)
        fail_msg("median %.2f px, 85 %% within %.2f px", off[IMAGES / 2], off[IMAGES * 85 / 100]);
    sl_sim_sample_free(&sample);
}

static void captions_name_their_technique(void **state) {
    (void)state;
    assert_int_equal(sl_technique_of_caption("GISAXS data showing peaks"), SL_TECHNIQUE_GISAXS);
    assert_int_equal(sl_technique_of_caption("giwaxs frame of P3HT"), SL_TECHNIQUE_GIWAXS);
    assert_int_equal(sl_technique_of_caption("SAXS data"), SL_TECHNIQUE_SAXS);
    assert_int_equal(sl_technique_of_caption("silver behenate, WAXS"), SL_TECHNIQUE_WAXS);
    assert_int_equal(sl_technique_of_caption("GIF of a cat"), SL_TECHNIQUE_UNKNOWN);
    assert_int_equal(sl_technique_of_caption(NULL), SL_TECHNIQUE_UNKNOWN);
    assert_true(sl_technique_is_grazing(SL_TECHNIQUE_GIWAXS) &&
                !sl_technique_is_grazing(SL_TECHNIQUE_UNKNOWN));
    assert_string_equal(sl_technique_name(SL_TECHNIQUE_WAXS), "WAXS");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_give_their_centre),
        cmocka_unit_test(nothing_to_see_is_an_error),
        cmocka_unit_test(simulated_images_give_their_beam),
        cmocka_unit_test(captions_name_their_technique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
