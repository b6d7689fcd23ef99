#include "test.h"

#include "xray/artefact.h"
#include "xray/caption/words.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void captions_say_what_they_name(void **state) {
    (void)state;
    const char *caption = "GIWAXS data showing rings with a beamstop at the bottom";
    assert_int_equal(sl_caption_says(caption, SL_CAPTION_GRAZING), 1);
    assert_int_equal(sl_caption_says(caption, SL_CAPTION_WIDE), 1);
    assert_int_equal(sl_caption_says(caption, SL_CAPTION_RINGS), 1);
    assert_int_equal(sl_caption_says(caption, SL_CAPTION_BEAMSTOP), 1);
    assert_int_equal(sl_caption_says(caption, SL_CAPTION_GAPS), 0);
    assert_int_equal(sl_caption_says("SAXS data showing arcs", SL_CAPTION_GRAZING), -1);
    assert_int_equal(sl_caption_says("SAXS data showing arcs", SL_CAPTION_WIDE), -1);
    assert_int_equal(sl_caption_says("something else", SL_CAPTION_GRAZING), 0);
    assert_int_equal(sl_caption_says(NULL, SL_CAPTION_RINGS), 0);
}

static void missing_features_count_as_usual(void **state) {
    (void)state;
    double evidence[SL_CAPTION_EVIDENCE];
    for (int k = 0; k < SL_CAPTION_EVIDENCE; k++) evidence[k] = NAN;
    for (int w = 0; w < SL_CAPTION_WORD_COUNT; w++) {
        double p = sl_caption_word_probability((sl_caption_word)w, evidence);
        assert_true(p > 0 && p < 1);
    }
}

/* Images that show a word have it more probable than images that do not. */
static void words_are_told_apart(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    double sum[2] = {0, 0};
    int seen[2] = {0, 0};
    options.measure = true;
    for (uint32_t k = 0; k < 40; k++) {
        double evidence[SL_CAPTION_EVIDENCE];
        assert_ok(sl_sim_sample_make(411, k, &options, &sample));
        assert_ok(sl_caption_evidence(&sample.measured, evidence));
        sum[sample.is_grazing] += sl_caption_word_probability(SL_CAPTION_GRAZING, evidence);
        seen[sample.is_grazing]++;
    }
    sl_sim_sample_free(&sample);
    assert_true(seen[0] > 5 && seen[1] > 5);
    if (!(sum[1] / seen[1] > sum[0] / seen[0] + 0.5))
        fail_msg("grazing incidence %.2f, transmission %.2f", sum[1] / seen[1], sum[0] / seen[0]);
}

static void places_are_read(void **state) {
    (void)state;
    static const struct {
        const char *caption;
        bool said, outside;
        int row, column;
    } cases[] = {
        {"SAXS data showing rings with a beamstop at the bottom left", true, false, 2, 0},
        {"SAXS data showing rings with a beamstop in the center on a Pilatus 2M detector", true, false, 1, 1},
        {"WAXS data; beam at the top", true, false, 0, 1},
        {"WAXS data showing rings; beam outside; noise high", true, true, 1, 1},
        {"GISAXS data with a beamstop", false, false, 1, 1},
        {"diffuse scattering around the beam", false, false, 1, 1},
        {"a beamstop of steel; beam at the right", true, false, 1, 2},
        {"SAXS data with a beamstop at the bottom; beam outside", true, true, 2, 1},
        {"SAXS data with a beamstop at the left; beam at the right", true, false, 1, 0},
        {NULL, false, false, 1, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const sl_caption_place place = sl_caption_place_of(cases[k].caption);
        if (sl_caption_place_said(&place) != cases[k].said || place.outside != cases[k].outside ||
            place.row != cases[k].row || place.column != cases[k].column)
            fail_msg("%s: %d %d %d %d", cases[k].caption, sl_caption_place_said(&place), place.outside,
                     place.row, place.column);
    }
    const sl_caption_place corner = sl_caption_place_of(cases[0].caption),
                           away = sl_caption_place_of(cases[3].caption),
                           below = sl_caption_place_of(cases[7].caption);
    assert_true(sl_caption_place_fits(&corner, 0.9, 0.1, SL_CAPTION_PLACE_SLACK) &&
                sl_caption_place_fits(&corner, 0.63, 0.36, SL_CAPTION_PLACE_SLACK));
    assert_false(sl_caption_place_fits(&corner, 0.5, 0.1, SL_CAPTION_PLACE_SLACK));
    assert_false(sl_caption_place_fits(&corner, 0.63, 0.1, 0));
    assert_true(sl_caption_place_fits(&corner, 0.68, 0.1, 0));
    assert_true(sl_caption_place_fits(&away, -0.2, 0.5, SL_CAPTION_PLACE_SLACK));
    assert_false(sl_caption_place_fits(&away, 0.5, 0.5, SL_CAPTION_PLACE_SLACK));
    /* the beamstop reaches into the frame, the beam does not */
    assert_true(sl_caption_place_fits(&below, 1.1, 0.5, SL_CAPTION_PLACE_SLACK));
    assert_false(sl_caption_place_fits(&below, 0.9, 0.5, SL_CAPTION_PLACE_SLACK));
    const sl_caption_beam known = {0.9, 0.1, 0.99}, elsewhere = {0.1, 0.9, 0.99}, unknown = {0};
    assert_true(sl_caption_place_probability(&corner, &known) > 0.98);
    assert_true(sl_caption_place_probability(&corner, &elsewhere) < 0.02);
    assert_true(isnan(sl_caption_place_probability(&corner, &unknown)));
}

/* Words of little weight and words nobody said are no doubt; the technique's are. */
static void doubts_are_of_what_is_said(void **state) {
    (void)state;
    double evidence[SL_CAPTION_EVIDENCE], doubt[SL_CAPTION_CLAIMS];
    const sl_caption_beam beam = {0.1, 0.9, 0.99};
    for (int k = 0; k < SL_CAPTION_EVIDENCE; k++) evidence[k] = NAN;
    assert_int_equal(sl_caption_doubts("something else", evidence, &beam, doubt), 0);
    assert_int_equal(sl_caption_doubts("SAXS data showing rings with a beamstop at the bottom left", evidence,
                                       &beam, doubt),
                     5);
    assert_true(doubt[SL_CAPTION_PLACE] > 4 && doubt[SL_CAPTION_RINGS] > 0);
    assert_true(fabs(doubt[SL_CAPTION_ARCS]) < 1e-12 && fabs(doubt[SL_CAPTION_GAPS]) < 1e-12);
    assert_true(sl_caption_weight(SL_CAPTION_GRAZING) > 0.3 && sl_caption_weight(SL_CAPTION_PLACE) > 0.3);
    assert_true(fabs(sl_caption_weight(-1)) < 1e-12 && fabs(sl_caption_weight(SL_CAPTION_CLAIMS)) < 1e-12);
    assert_string_equal(sl_caption_claim_text(SL_CAPTION_SPOTS), "spots");
}

/* Severe swaps raise the value beyond all own captions. */
static void other_captions_stand_apart(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    int judged = 0, caught = 0, false_alarms = 0;
    options.measure = true;
    for (uint32_t k = 0; k < 16; k++) {
        sl_physical_result own[SL_PHYSICAL_COUNT], other[SL_PHYSICAL_COUNT];
        sl_physical_blind blind = {0};
        assert_ok(sl_sim_sample_make(415, k, &options, &sample));
        sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_BLIND, NULL);
        input.is_uncalibrated = true;
        input.blind = &blind;
        assert_ok(sl_physical_tests_run(&input, own));
        assert_ok(sl_artefact_inject(SL_ARTEFACT_SWAPPED_CAPTION, 1, &sample));
        assert_ok(sl_physical_tests_run(&input, other));
        assert_int_equal(own[SL_PHYSICAL_CAPTION].applicable, other[SL_PHYSICAL_CAPTION].applicable);
        if (!own[SL_PHYSICAL_CAPTION].applicable) continue;
        judged++;
        false_alarms += own[SL_PHYSICAL_CAPTION].value > 2.5;
        caught += other[SL_PHYSICAL_CAPTION].value > 2.5;
    }
    sl_sim_sample_free(&sample);
    if (judged < 11 || caught < judged - 1 || false_alarms > 1)
        fail_msg("%d judged, %d caught, %d false alarms", judged, caught, false_alarms);
}

static void no_caption_does_not_apply(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_physical_result result[SL_PHYSICAL_COUNT];
    options.measure = true;
    options.size_px = 96;
    assert_ok(sl_sim_sample_make(412, 0, &options, &sample));
    sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_GEOMETRY, NULL);
    assert_ptr_equal(input.caption, sample.caption);
    assert_ok(sl_physical_tests_run(&input, result));
    assert_true(result[SL_PHYSICAL_CAPTION].applicable);
    input.caption = NULL;
    assert_ok(sl_physical_tests_run(&input, result));
    assert_false(result[SL_PHYSICAL_CAPTION].applicable);
    sl_sim_sample_free(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_say_what_they_name), cmocka_unit_test(missing_features_count_as_usual),
        cmocka_unit_test(words_are_told_apart),        cmocka_unit_test(places_are_read),
        cmocka_unit_test(doubts_are_of_what_is_said),  cmocka_unit_test(other_captions_stand_apart),
        cmocka_unit_test(no_caption_does_not_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
