#include "test.h"

#include "xray/caption_words.h"
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
        cmocka_unit_test(captions_say_what_they_name),
        cmocka_unit_test(missing_features_count_as_usual),
        cmocka_unit_test(words_are_told_apart),
        cmocka_unit_test(no_caption_does_not_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
