#include "test.h"

#include "xray/physical_test.h"
#include "xray/simulate.h"

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

/* Catches nine tenths of the images that a fault is put into, and none of the same without it. */
static void expect_told_apart(sl_physical_test test, sl_artefact_kind kind, sl_sim_class class_id,
                              double bound) {
    tally clean = tally_of(test, class_id, kind, false, 12, bound),
          faulty = tally_of(test, class_id, kind, true, 12, bound);
    if (clean.applied < 8 || clean.above > 0 || faulty.applied < 8 || faulty.above < faulty.applied - 1)
        fail_msg("%s: %d of %d with %s, %d of %d without", sl_physical_id(test), faulty.above, faulty.applied,
                 sl_artefact_words(kind), clean.above, clean.applied);
}

static void a_bent_horizon_is_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_GISAXS_PARTICLES, SL_SIM_GISAXS_LATTICE, SL_SIM_GIWAXS};
    for (int k = 0; k < 3; k++)
        expect_told_apart(SL_PHYSICAL_HORIZON_LINE, SL_ARTEFACT_BENT_HORIZON, classes[k], 0.2);
}

static void a_moved_specular_spot_is_seen(void **state) {
    (void)state;
    static const sl_sim_class classes[] = {SL_SIM_GISAXS_PARTICLES, SL_SIM_GISAXS_LATTICE};
    for (int k = 0; k < 2; k++)
        expect_told_apart(SL_PHYSICAL_SPECULAR_HEIGHT, SL_ARTEFACT_MOVED_SPECULAR, classes[k], 2.2);
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
    for (int k = 0; k < 8; k++) {
        sl_artefact_kind kind = rows[k / 2].kind;
        tally clean = tally_of(rows[k / 2].test, classes[k % 2], kind, false, 10, rows[k / 2].bound),
              faulty = tally_of(rows[k / 2].test, classes[k % 2], kind, true, 10, rows[k / 2].bound);
        assert_true(clean.applied >= 6 && clean.above == 0);
        assert_true(faulty.applied >= 6 && faulty.above >= faulty.applied - 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_side_that_is_shifted_or_dimmed_is_seen),
        cmocka_unit_test(a_bent_horizon_is_seen),
        cmocka_unit_test(a_moved_specular_spot_is_seen),
        cmocka_unit_test(a_ring_that_is_none_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
