#include "test.h"

#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>

/* How many images a test applies to, and how many of them have a value above a bound. */
typedef struct tally {
    int applied, above;
} tally;

/* The first `images` of a class that a fault can be put into, as they are or with it (severity 1), geometry
 * known. */
static tally tally_of(sl_physical_test test, sl_sim_class class_id, sl_artefact_kind kind, bool faulty,
                      int images, double bound) {
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    tally out = {0, 0};
    options.measure = true;
    options.class_id = class_id;
    for (uint32_t index = 0; images > 0 && index < 400; index++) {
        assert_ok(sl_sim_sample_make(77, index, &options, &sample));
        if (!sl_artefact_applies(kind, &sample)) continue;
        if (faulty) assert_ok(sl_artefact_inject(kind, 1, &sample));
        sl_physical_result result[SL_PHYSICAL_COUNT];
        sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_GEOMETRY, NULL);
        input.is_uncalibrated = true;
        assert_ok(sl_physical_tests_run(&input, result));
        out.applied += result[test].applicable;
        out.above += result[test].applicable && result[test].value > bound;
        images--;
    }
    assert_int_equal(images, 0);
    sl_sim_sample_free(&sample);
    return out;
}

static void a_side_that_is_shifted_or_dimmed_is_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_GISAXS_LATTICE, SL_SIM_GIWAXS};
    for (int k = 0; k < 2; k++) {
        tally clean = tally_of(SL_PHYSICAL_MIRROR, classes[k], SL_ARTEFACT_BROKEN_MIRROR, false, 12, 0.9),
              faulty = tally_of(SL_PHYSICAL_MIRROR, classes[k], SL_ARTEFACT_BROKEN_MIRROR, true, 12, 0.9);
        assert_true(clean.applied >= 8 && clean.above == 0);
        assert_true(faulty.applied >= 8 && faulty.above >= faulty.applied - 1);
    }
}

/* Nearly all of the images with the fault lie above the bound, and none without it. */
static void assert_told(sl_physical_test test, sl_sim_class class_id, sl_artefact_kind kind, double bound,
                        int images, int least) {
    tally clean = tally_of(test, class_id, kind, false, images, bound),
          faulty = tally_of(test, class_id, kind, true, images, bound);
    if (clean.above > 0 || faulty.above < least)
        fail_msg("%s: %d of %d clean and %d of %d with %s above %g", sl_physical_id(test), clean.above,
                 clean.applied, faulty.above, faulty.applied, sl_artefact_words(kind), bound);
}

static void a_bent_horizon_is_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_GISAXS_PARTICLES, SL_SIM_GISAXS_LATTICE, SL_SIM_GIWAXS};
    for (int k = 0; k < 3; k++)
        assert_told(SL_PHYSICAL_HORIZON_LINE, classes[k], SL_ARTEFACT_BENT_HORIZON, 0.2, 12, 7);
}

static void a_moved_specular_spot_is_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_GISAXS_PARTICLES, SL_SIM_GISAXS_LATTICE};
    for (int k = 0; k < 2; k++)
        assert_told(SL_PHYSICAL_SPECULAR_HEIGHT, classes[k], SL_ARTEFACT_MOVED_SPECULAR, 2.2, 12, 7);
}

/* Bent, moved and widened rings of SAXS lattices and powders, beside the same images as they are. */
static void a_ring_that_is_none_is_seen(void **state) {
    (void)state;
    static const struct {
        sl_artefact_kind kind;
        sl_physical_test test;
        double bound;
    } rows[] = {{SL_ARTEFACT_NON_CONCENTRIC, SL_PHYSICAL_ARC_SHAPE, 0.9},
                {SL_ARTEFACT_ELLIPTIC, SL_PHYSICAL_ARC_SHAPE, 0.9},
                {SL_ARTEFACT_WOBBLY, SL_PHYSICAL_ARC_SHAPE, 0.9},
                {SL_ARTEFACT_WIDENED_RING, SL_PHYSICAL_RING_WIDTH, 3.5}};
    static const sl_sim_class classes[] = {SL_SIM_SAXS_LATTICE, SL_SIM_WAXS_POWDER};
    for (int k = 0; k < 8; k++)
        assert_told(rows[k / 2].test, classes[k % 2], rows[k / 2].kind, rows[k / 2].bound, 10, 6);
}

static void blobs_are_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_SAXS_LATTICE, SL_SIM_WAXS_POWDER, SL_SIM_GISAXS_LATTICE,
                                           SL_SIM_GIWAXS};
    for (int k = 0; k < 4; k++) assert_told(SL_PHYSICAL_BLOB, classes[k], SL_ARTEFACT_BLOBS, 0.9, 6, 5);
}

static void a_ring_out_of_ratio_is_seen(void **state) {
    (void)state;
    assert_told(SL_PHYSICAL_LATTICE_RATIO, SL_SIM_SAXS_LATTICE, SL_ARTEFACT_RATIO_JITTER, 2.5, 3, 2);
    assert_told(SL_PHYSICAL_LATTICE_RATIO, SL_SIM_WAXS_POWDER, SL_ARTEFACT_RATIO_JITTER, 2.5, 6, 4);
}

static void a_turned_order_is_seen(void **state) {
    (void)state;
    assert_told(SL_PHYSICAL_TEXTURE_ORDER, SL_SIM_WAXS_TEXTURED, SL_ARTEFACT_TURNED_ORDER, 2.0, 8, 3);
}

static void add_patch(sl_image *image, double row, double column, double down, double right) {
    for (int i = 0; i < image->height_px; i++)
        for (int j = 0; j < image->width_px; j++) {
            double v = (i + 0.5 - row) / down, u = (j + 0.5 - column) / right;
            image->value[i * image->width_px + j] += (float)floor(300 * exp(-(u * u + v * v) / 2));
        }
}

/* Value of the blob test for even counts and two patches, the second only where `second_row` > 0. */
static double blobs_of(sl_technique technique, double down, double right, double second_row,
                       double second_column) {
    sl_image image;
    sl_physical_result result[SL_PHYSICAL_COUNT];
    assert_ok(sl_image_new(160, 160, &image));
    for (int k = 0; k < 160 * 160; k++) image.value[k] = (float)(20 + k * 7 % 5);
    add_patch(&image, 40, 50, down, right);
    if (second_row > 0) add_patch(&image, second_row, second_column, down, right);
    const sl_physical_input input = {.image = &image,
                                     .technique = technique,
                                     .beam_known = true,
                                     .beam_row_px = 80,
                                     .beam_column_px = 80,
                                     .is_uncalibrated = true};
    assert_ok(sl_physical_tests_run(&input, result));
    sl_image_free(&image);
    assert_true(result[SL_PHYSICAL_BLOB].applicable);
    return result[SL_PHYSICAL_BLOB].value;
}

static void a_patch_with_a_reason_passes(void **state) {
    (void)state;
    assert_true(blobs_of(SL_TECHNIQUE_SAXS, 3.5, 3.5, 0, 0) > 0.9);
    assert_true(blobs_of(SL_TECHNIQUE_SAXS, 3.5, 3.5, 120, 110) == 0); /* its inversion */
    assert_true(blobs_of(SL_TECHNIQUE_SAXS, 3.5, 3.5, 40, 110) == 0);  /* at the same radius */
    assert_true(blobs_of(SL_TECHNIQUE_SAXS, 3.5, 3.5, 140, 70) > 1.8); /* neither */
    assert_true(blobs_of(SL_TECHNIQUE_SAXS, 2.5, 5, 0, 0) == 0);       /* not round */
    assert_true(blobs_of(SL_TECHNIQUE_GISAXS, 3.5, 3.5, 0, 0) > 0.9);
    assert_true(blobs_of(SL_TECHNIQUE_GISAXS, 3.5, 3.5, 40, 110) == 0);   /* its mirror image */
    assert_true(blobs_of(SL_TECHNIQUE_GISAXS, 3.5, 3.5, 120, 110) > 1.8); /* an inversion is none here */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_are_seen),
        cmocka_unit_test(a_ring_out_of_ratio_is_seen),
        cmocka_unit_test(a_turned_order_is_seen),
        cmocka_unit_test(a_patch_with_a_reason_passes),
        cmocka_unit_test(a_side_that_is_shifted_or_dimmed_is_seen),
        cmocka_unit_test(a_bent_horizon_is_seen),
        cmocka_unit_test(a_moved_specular_spot_is_seen),
        cmocka_unit_test(a_ring_that_is_none_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
