#include "test.h"

#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sl_status tests_of(const sl_sim_sample *s, sl_physical_result *out) {
    const sl_physical_input input = sl_physical_input_of(s, SL_STRATUM_GEOMETRY, NULL);
    return sl_physical_tests_run(&input, out);
}

/* Makes the first image of a class to which the fault applies. */
static sl_status find_image(sl_artefact_kind kind, uint64_t seed, int skip, sl_sim_sample *sample) {
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.size_px = 192;
    options.measure = true;
    for (uint32_t k = 0; k < 200; k++) {
        SL_TRY(sl_sim_sample_make(seed, k, &options, sample));
        if (sl_artefact_applies(kind, sample) && skip-- == 0) return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "no image to which %s applies", sl_artefact_id(kind));
}

static void faults_change_what_they_say(void **state) {
    (void)state;
    sl_sim_sample clean = {0}, faulty = {0};
    for (int kind = 0; kind < SL_ARTEFACT_COUNT; kind++) {
        assert_ok(find_image((sl_artefact_kind)kind, 3, 0, &clean));
        assert_ok(find_image((sl_artefact_kind)kind, 3, 0, &faulty));
        assert_ok(sl_artefact_inject((sl_artefact_kind)kind, 1, &faulty));
        assert_int_equal(faulty.artefact_count, 1);
        const sl_artefact *a = &faulty.artefact[0];
        if (a->changed_px < 5)
            fail_msg("%s changed %lld pixels", sl_artefact_id(a->kind), (long long)a->changed_px);
        assert_true(a->top >= 0 && a->bottom <= 192 && a->left < a->right && a->top < a->bottom);
        int64_t outside = 0;
        for (int i = 0; i < 192; i++)
            for (int j = 0; j < 192; j++) {
                bool in_box = i >= a->top && i < a->bottom && j >= a->left && j < a->right;
                float before = clean.measured.value[i * 192 + j], after = faulty.measured.value[i * 192 + j];
                outside += !in_box && fabsf(before - after) > 6 * sqrtf(before + 1);
                assert_true(isfinite(after) && after >= 0);
            }
        assert_true(outside <= 40);
    }
    assert_status(sl_artefact_inject(SL_ARTEFACT_OBJECT, 0, &faulty), SL_INVALID);
    assert_status(sl_artefact_inject(SL_ARTEFACT_OBJECT, 1.5, &faulty), SL_INVALID);
    sl_sim_sample_free(&clean);
    sl_sim_sample_free(&faulty);
}

static void unreal_images_are_repeatable(void **state) {
    (void)state;
    sl_sim_sample one = {0}, two = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.size_px = 96;
    for (uint32_t k = 0; k < 6; k++) {
        assert_ok(sl_sim_unreal_make(8, k, &options, &one));
        assert_ok(sl_sim_unreal_make(8, k, &options, &two));
        assert_in_range(one.artefact_count, 1, SL_ARTEFACTS_MAX);
        assert_memory_equal(one.measured.value, two.measured.value, 96 * 96 * sizeof(float));
        assert_memory_equal(one.measured.mask, two.measured.mask, 96 * 96);
    }
    sl_sim_sample_free(&one);
    sl_sim_sample_free(&two);
}

/* Severe faults fail their own test; the same images without them pass it. */
static void physical_tests_tell_faults_from_clean(void **state) {
    (void)state;
    static const struct {
        sl_artefact_kind kind;
        sl_physical_test test;
        sl_sim_class from;
        int least; /* caught of those to which the test applies, in tenths */
    } pairs[] = {{SL_ARTEFACT_NON_CONCENTRIC, SL_PHYSICAL_RING_CENTRE, SL_SIM_SAXS_LATTICE, 7},
                 {SL_ARTEFACT_ELLIPTIC, SL_PHYSICAL_RING_SHAPE, SL_SIM_SAXS_LATTICE, 6},
                 {SL_ARTEFACT_BROKEN_MIRROR, SL_PHYSICAL_MIRROR, SL_SIM_GISAXS_LATTICE, 6},
                 {SL_ARTEFACT_FILLED_GAP, SL_PHYSICAL_GAPS, SL_SIM_CLASS_ANY, 9},
                 {SL_ARTEFACT_FILLED_BEAMSTOP, SL_PHYSICAL_BEAMSTOP, SL_SIM_CLASS_ANY, 7},
                 {SL_ARTEFACT_BLURRED_NOISE, SL_PHYSICAL_NOISE_CORRELATION, SL_SIM_SAXS_LATTICE, 9},
                 {SL_ARTEFACT_MULTIPLICATIVE_NOISE, SL_PHYSICAL_NOISE_VARIANCE, SL_SIM_CLASS_ANY, 9},
                 {SL_ARTEFACT_GRID, SL_PHYSICAL_NOISE_GRID, SL_SIM_CLASS_ANY, 9},
                 {SL_ARTEFACT_WOBBLY, SL_PHYSICAL_RING_SHAPE, SL_SIM_SAXS_LATTICE, 5},
                 {SL_ARTEFACT_BROKEN_FRIEDEL, SL_PHYSICAL_FRIEDEL, SL_SIM_SAXS_LATTICE, 9},
                 {SL_ARTEFACT_GAP_SHIFT, SL_PHYSICAL_GAP_CROSSING, SL_SIM_WAXS_POWDER, 7},
                 {SL_ARTEFACT_MISPLACED_BEAMSTOP, SL_PHYSICAL_BEAMSTOP_PLACE, SL_SIM_CLASS_ANY, 9},
                 {SL_ARTEFACT_BELOW_HORIZON, SL_PHYSICAL_HORIZON_SHADOW, SL_SIM_GISAXS_LATTICE, 4},
                 {SL_ARTEFACT_OBJECT, SL_PHYSICAL_OBJECT, SL_SIM_CLASS_ANY, 8},
                 {SL_ARTEFACT_CLONE, SL_PHYSICAL_CLONE, SL_SIM_CLASS_ANY, 8},
                 {SL_ARTEFACT_TILED, SL_PHYSICAL_TILING, SL_SIM_CLASS_ANY, 8},
                 {SL_ARTEFACT_LEVEL_TILT, SL_PHYSICAL_GRADIENT, SL_SIM_WAXS_POWDER, 9},
                 {SL_ARTEFACT_LEVEL_STEP, SL_PHYSICAL_LEVEL_STEP, SL_SIM_SAXS_LATTICE, 8},
                 {SL_ARTEFACT_LEVEL_GROWTH, SL_PHYSICAL_FALL_OFF, SL_SIM_WAXS_POWDER, 8},
                 {SL_ARTEFACT_WIDENED_RING, SL_PHYSICAL_RING_WIDTH, SL_SIM_SAXS_LATTICE, 7},
                 {SL_ARTEFACT_WRONG_POLARISATION, SL_PHYSICAL_POLARISATION, SL_SIM_WAXS_POWDER, 6},
                 {SL_ARTEFACT_GAP_STEP, SL_PHYSICAL_GAP_LEVEL, SL_SIM_WAXS_POWDER, 7},
                 {SL_ARTEFACT_BLOBS, SL_PHYSICAL_BLOB, SL_SIM_GIWAXS, 8}};
    sl_sim_sample sample = {0};
    sl_physical_result result[SL_PHYSICAL_COUNT];
    int weak = 0;
    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
        int applied = 0, caught = 0, false_alarms = 0;
        sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
        options.size_px = 192;
        options.measure = true;
        options.class_id = pairs[p].from;
        for (uint32_t k = 0; k < 40 && applied < 10; k++) {
            assert_ok(sl_sim_sample_make(400, k, &options, &sample));
            if (!sl_artefact_applies(pairs[p].kind, &sample)) continue;
            assert_ok(tests_of(&sample, result));
            if (!result[pairs[p].test].applicable) continue;
            false_alarms += result[pairs[p].test].p < 0.01;
            assert_ok(sl_artefact_inject(pairs[p].kind, 1, &sample));
            assert_ok(tests_of(&sample, result));
            applied += result[pairs[p].test].applicable;
            caught += result[pairs[p].test].applicable && result[pairs[p].test].p < 0.012;
        }
        if (applied < 3 || caught * 10 < pairs[p].least * applied || false_alarms > 2)
            weak++,
                print_error("%s: %d of %d with %s caught, %d false alarms\n", sl_physical_id(pairs[p].test),
                            caught, applied, sl_artefact_words(pairs[p].kind), false_alarms);
    }
    assert_int_equal(weak, 0);
    sl_sim_sample_free(&sample);
}

/* Points of followed rings lie at one distance from the beam; a drawing never grows beyond its room. */
static void drawings_show_what_was_judged(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_physical_result result[SL_PHYSICAL_COUNT];
    sl_drawing *drawing = calloc(1, sizeof *drawing);
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    options.class_id = SL_SIM_WAXS_POWDER;
    assert_ok(sl_sim_sample_make(41, 3, &options, &sample));
    sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_BEAM, NULL);
    input.drawing = drawing;
    assert_ok(sl_physical_tests_run(&input, result));
    assert_true(drawing->count > 0);
    for (int k = 0; k < drawing->count; k++) {
        const sl_mark *m = &drawing->mark[k];
        assert_in_range(m->test, 0, SL_PHYSICAL_COUNT - 1);
        assert_true(isfinite(m->row) && isfinite(m->column) && isfinite(m->size_px));
        assert_true(result[m->test].applicable);
    }
    drawing->count = SL_MARKS_MAX;
    assert_ok(sl_physical_tests_run(&input, result));
    assert_int_equal(drawing->count, SL_MARKS_MAX);
    free(drawing);
    sl_sim_sample_free(&sample);
}

/* What cannot be judged without counts does not apply, and says why. */
static void expectations_and_pictures_have_no_counts(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_physical_result result[SL_PHYSICAL_COUNT];
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    assert_ok(sl_sim_sample_make(41, 4, &options, &sample));
    for (int display = 0; display < 2; display++) {
        sl_physical_input input = {.image = &sample.measured,
                                   .technique = sample.technique,
                                   .is_expectation = !display,
                                   .is_display = display};
        assert_ok(sl_physical_tests_run(&input, result));
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++)
            if (!sl_physical_is_of_shape((sl_physical_test)t)) {
                assert_false(result[t].applicable);
                assert_non_null(strstr(result[t].saw, display ? "no counts" : "expectation"));
            }
        assert_int_equal(sl_physical_stratum_of(&input), display ? SL_STRATUM_BLIND : SL_STRATUM_EXPECTATION);
    }
    sl_sim_sample_free(&sample);
}

static void colour_leaves_the_grey_line(void **state) {
    (void)state;
    uint8_t rgb[3 * 32 * 32];
    memset(rgb, 90, sizeof rgb);
    sl_random random = sl_random_stream(4, SL_STREAM_TEST, 0);
    sl_artefact_colour(rgb, 32, 32, 1, &random);
    int coloured = 0;
    for (int k = 0; k < 32 * 32; k++)
        coloured += rgb[3 * k] != rgb[3 * k + 1] || rgb[3 * k] != rgb[3 * k + 2];
    assert_in_range(coloured, 3, 32 * 32);
}

static void nothing_to_judge_is_no_verdict(void **state) {
    (void)state;
    sl_image image;
    assert_ok(sl_image_new(64, 64, &image));
    const sl_physical_input input = {.image = &image, .technique = SL_TECHNIQUE_UNKNOWN};
    sl_physical_result result[SL_PHYSICAL_COUNT];
    assert_ok(sl_physical_tests_run(&input, result));
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        assert_false(result[t].applicable);
        assert_true(isnan(result[t].p) && result[t].saw[0]);
    }
    sl_measurement m = sl_measurement_default(sl_detector_at(0), 32, 32);
    const sl_physical_input wrong = {.image = &image, .technique = SL_TECHNIQUE_UNKNOWN, .measurement = &m};
    assert_status(sl_physical_tests_run(&wrong, result), SL_MISMATCH);
    sl_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_change_what_they_say),
        cmocka_unit_test(unreal_images_are_repeatable),
        cmocka_unit_test(physical_tests_tell_faults_from_clean),
        cmocka_unit_test(drawings_show_what_was_judged),
        cmocka_unit_test(expectations_and_pictures_have_no_counts),
        cmocka_unit_test(colour_leaves_the_grey_line),
        cmocka_unit_test(nothing_to_judge_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
