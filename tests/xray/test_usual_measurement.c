/* Detectors, levels and beamstops where captions ask for them, and where they say nothing. */
#include "test.h"

#include "xray/instrument/usual_beamstop.h"
#include "xray/instrument/usual_measurement.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 200, SIDE = 256 };

static sl_random stream(uint32_t k) {
    return sl_random_stream(7, SL_STREAM_TEST, k);
}

static void captions_name_the_detector(void **state) {
    (void)state;
    static const struct {
        const char *caption, *name;
    } cases[] = {{"SAXS data showing rings on a Pilatus 300k-w detector with gaps", "Pilatus 300k-w"},
                 {"WAXS data showing rings on a Rayonix MX225 detector", "Rayonix MX225"},
                 {"SAXS data showing rings on a Pilatus detector", "Pilatus"},
                 {"SAXS data showing rings on an Eiger detector with gaps", "Eiger"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (uint32_t i = 0; i < DRAWS; i++) {
            sl_random random = stream(i);
            assert_non_null(
                strstr(sl_usual_detector_of_caption(cases[k].caption, &random)->name, cases[k].name));
        }
}

/* What no caption names is drawn: several detectors, none in pieces where there should be no gaps, and none
 * that integrates where so little was counted. */
static void other_detectors_are_drawn(void **state) {
    (void)state;
    bool seen[64] = {false};
    int kinds = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        const sl_detector *d = sl_usual_detector_of_caption("SAXS data showing rings", &random);
        int64_t index = d - sl_detector_at(0);
        kinds += !seen[index];
        seen[index] = true;
        d = sl_usual_detector_of_caption("SAXS data showing rings without gaps", &random);
        assert_int_equal(d->module_rows, 0);
        d = sl_usual_detector_of_caption("SAXS data showing rings; noise high", &random);
        assert_false(sl_detector_integrates(d));
    }
    assert_int_equal(kinds, 12);
}

static void levels_are_what_captions_say(void **state) {
    (void)state;
    const sl_detector *hybrid, *ccd;
    int above = 0;
    assert_ok(sl_detector_find("pilatus-1m", &hybrid));
    assert_ok(sl_detector_find("rayonix-mx225", &ccd));
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        double level = sl_usual_level_of_caption("SAXS data showing rings", hybrid, &random);
        assert_true(level >= 12 && level <= 1e5);
        above += level > 6000;
        level = sl_usual_level_of_caption("SAXS data showing rings; noise high", hybrid, &random);
        assert_true(level >= 12 && level < 60);
        level = sl_usual_level_of_caption("SAXS data showing rings; noise low", NULL, &random);
        assert_true(level > 3000 && level <= 1e5);
        level = sl_usual_level_of_caption("SAXS data showing background only", hybrid, &random);
        assert_true(level >= 3 && level <= 60);
        level = sl_usual_level_of_caption("SAXS data showing rings", ccd, &random);
        assert_true(level >= 400 && level <= 6e4);
        /* taken at its word, although nobody would */
        level = sl_usual_level_of_caption("SAXS data showing rings; noise high", ccd, &random);
        assert_true(level >= 12 && level < 60);
    }
    /* 0.7 ln(1e5 / 6000) / ln(1e5 / 120) = 0.29, half of which would be said, of the 0.75 that say nothing:
     * 0.19 */
    assert_in_range(above, DRAWS / 10, DRAWS * 3 / 10);
}

/* Mean of the logarithms that are drawn for a picture. */
static double drawn_decades(const char *caption, double map_mean, const sl_detector *detector) {
    double sum = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        sum += log10(sl_usual_level_of_picture(caption, map_mean, detector, &random)) / DRAWS;
    }
    return sum;
}

static void levels_suit_the_picture(void **state) {
    (void)state;
    const sl_detector *hybrid;
    const char *caption = "GISAXS data showing rods";
    assert_ok(sl_detector_find("pilatus-1m", &hybrid));
    double dark = drawn_decades(caption, 0.15, hybrid), bright = drawn_decades(caption, 0.6, hybrid);
    assert_true(dark < 2.2 && bright > 3.8);
    /* what the caption says comes first, and pictures that no level suits take the nearest */
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        double level = sl_usual_level_of_picture("SAXS data; noise high", 0.9, hybrid, &random);
        assert_true(level >= 12 && level < SL_USUAL_NOISE_HIGH_BELOW);
    }
    assert_true(drawn_decades(caption, 50, hybrid) > 4.4);
    assert_true(fabs(drawn_decades("rods", 0.15, hybrid) - drawn_decades("rods", 0.6, hybrid)) < 1e-9);
}

/* The levels drawn for simulated images go with their own: as high on the mean, as far spread, and together.
 */
static void levels_are_those_of_simulated_images(void **state) {
    (void)state;
    enum { IMAGES = 240, PIXELS = 128 * 128 };
    const sl_sim_options options = {.size_px = 128, .class_id = SL_SIM_CLASS_ANY};
    sl_sim_sample sample = {0};
    double sum[5] = {0}, n = 0;
    for (uint32_t i = 0; i < IMAGES; i++) {
        sl_random random = stream(i);
        double mean = 0;
        assert_ok(sl_sim_sample_make(31, i, &options, &sample));
        if (strstr(sample.caption, "background only")) continue;
        for (int p = 0; p < PIXELS; p++) mean += (double)sample.log_map[p] / PIXELS;
        double own = log10(sample.level_counts),
               drawn = log10(sl_usual_level_of_picture(sample.caption, mean, NULL, &random));
        const double terms[] = {own, drawn, own * own, drawn * drawn, own * drawn};
        for (int k = 0; k < 5; k++) sum[k] += terms[k];
        n++;
    }
    sl_sim_sample_free(&sample);
    double own = sum[0] / n, drawn = sum[1] / n, own2 = sum[2] / n - own * own,
           drawn2 = sum[3] / n - drawn * drawn, both = sum[4] / n - own * drawn;
    assert_true(n > IMAGES / 2);
    assert_true(fabs(drawn - own) < 0.25);
    assert_true(drawn2 / own2 > 0.7 && drawn2 / own2 < 1.4);
    assert_true(both / sqrt(own2 * drawn2) > 0.5); /* by the caption alone: 0.35 */
}

static void a_beamstop_is_where_the_beam_is(void **state) {
    (void)state;
    const char *with = "SAXS data showing rings with a beamstop in the center";
    bool arms[2] = {false, false};
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        sl_beamstop stop = sl_usual_beamstop_of_caption(with, SIDE, 120, 140, &random);
        assert_int_equal(stop.shape, SL_BEAMSTOP_DISC);
        assert_true(hypot(stop.row_px - 120, stop.column_px - 140) <= 0.43 * stop.half_width_px);
        assert_true(stop.half_width_px >= 0.014 * SIDE && stop.half_width_px <= 0.05 * SIDE);
        arms[stop.has_arm] = true;
        stop = sl_usual_beamstop_of_caption("SAXS data showing rings", SIDE, -20, 140, &random);
        assert_int_equal(stop.shape, SL_BEAMSTOP_NONE);
        stop = sl_usual_beamstop_of_caption("SAXS data without a beamstop", SIDE, 120, 140, &random);
        assert_int_equal(stop.shape, SL_BEAMSTOP_NONE);
    }
    assert_true(arms[0] && arms[1]);
}

/* Where captions do not name one there is one as often as in the simulator's images. */
static void silent_captions_have_beamstops_as_usual(void **state) {
    (void)state;
    enum { IMAGES = 800 };
    const sl_sim_options options = {.size_px = 32, .class_id = SL_SIM_CLASS_ANY};
    sl_sim_sample sample = {0};
    int silent = 0, simulated = 0, drawn = 0;
    for (uint32_t i = 0; i < IMAGES; i++) {
        sl_random random = stream(i);
        assert_ok(sl_sim_sample_make(32, i, &options, &sample));
        if (!strstr(sample.caption, "beamstop")) {
            sl_beamstop stop = sl_usual_beamstop_of_caption(sample.caption, 32, sample.beam_row_px,
                                                            sample.beam_column_px, &random);
            silent++;
            simulated += sample.measurement.beamstop.shape != SL_BEAMSTOP_NONE;
            drawn += stop.shape != SL_BEAMSTOP_NONE;
        }
    }
    sl_sim_sample_free(&sample);
    assert_true(silent > IMAGES / 3);
    assert_true(abs(drawn - simulated) < 4 * sqrt(0.5 * silent)); /* of a difference, four deviations */
}

/* Square images are windows of the detector, others its middle; an ideal detector has nothing. */
static void views_lie_within_the_detector(void **state) {
    (void)state;
    const sl_detector *d;
    assert_ok(sl_detector_find("eiger-4m", &d));
    for (uint32_t i = 0; i < DRAWS; i++) {
        sl_random random = stream(i);
        sl_measurement m = sl_usual_measurement(d, SIDE, SIDE, &random);
        assert_true(m.exposure == 1 && m.beamstop.shape == SL_BEAMSTOP_NONE && m.offset == 0);
        if (m.view.scale * SIDE > d->columns) continue;
        assert_true(m.view.row0 >= 0 && m.view.row0 + m.view.scale * SIDE <= d->rows + 1e-6);
        assert_true(m.view.column0 >= 0 && m.view.column0 + m.view.scale * SIDE <= d->columns + 1e-6);
    }
    sl_random random = stream(0);
    sl_measurement m = sl_usual_measurement(d, SIDE, 2 * SIDE, &random);
    assert_int_equal(m.view.width_px, 2 * SIDE);
    assert_null(sl_usual_measurement(NULL, SIDE, SIDE, &random).detector);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(captions_name_the_detector),
    cmocka_unit_test(other_detectors_are_drawn),
    cmocka_unit_test(levels_are_what_captions_say),
    cmocka_unit_test(levels_suit_the_picture),
    cmocka_unit_test(levels_are_those_of_simulated_images),
    cmocka_unit_test(a_beamstop_is_where_the_beam_is),
    cmocka_unit_test(silent_captions_have_beamstops_as_usual),
    cmocka_unit_test(views_lie_within_the_detector),
};
TEST_MAIN(tests)
