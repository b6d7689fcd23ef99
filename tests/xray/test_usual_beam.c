/* The beam where instruments have it, and where captions ask for it. */
#include "test.h"

#include "xray/caption/place.h"
#include "xray/instrument/usual_beam.h"
#include "xray/simulate.h"

#include <math.h>
#include <string.h>

static void captions_place_the_beam(void **state) {
    (void)state;
    static const char *const captions[] = {
        "SAXS data showing rings with a beamstop in the center",
        "SAXS data showing rings with a beamstop at the top left",
        "WAXS data showing rings; beam outside",
        "GISAXS data showing rods with a beamstop at the bottom left",
        "GIWAXS data showing arcs; beam at the bottom right",
    };
    for (size_t k = 0; k < sizeof captions / sizeof *captions; k++) {
        sl_caption_place told = sl_caption_place_of(captions[k]);
        assert_true(sl_caption_place_said(&told));
        for (uint32_t i = 0; i < 100; i++) {
            sl_random random = sl_random_stream(5, SL_STREAM_BEAM, i), again = random;
            double row, column, same_row, same_column;
            assert_true(sl_usual_beam_of_caption(captions[k], &random, &row, &column));
            assert_true(sl_usual_beam_of_caption(captions[k], &again, &same_row, &same_column));
            /* a beamstop is in the frame whose beam is just outside */
            assert_true(
                sl_caption_place_fits(&told, row, column, strstr(captions[k], "beamstop") ? 0.02 : 0));
            assert_true(row == same_row && column == same_column);
        }
    }
}

static bool is_outside(double row, double column) {
    return row < 0 || row > 1 || column < 0 || column > 1;
}

/* No instrument of the technique has it there: the middle of the third. */
static void unusual_places_are_taken_at_their_word(void **state) {
    (void)state;
    sl_random random = sl_random_stream(5, SL_STREAM_BEAM, 0);
    double row, column;
    assert_true(
        sl_usual_beam_of_caption("GIWAXS data showing arcs; beam at the top left", &random, &row, &column));
    assert_true(fabs(row - 1 / 6.0) < 1e-9 && fabs(column - 1 / 6.0) < 1e-9);
    assert_false(sl_usual_beam_of_caption("a cat", &random, &row, &column));
}

/* Captions name most beamstops, so one that is silent is more often of a beam outside: drawn by captions, as
 * many are outside as were. */
static void as_many_beams_are_outside_as_simulated_ones(void **state) {
    (void)state;
    enum { IMAGES = 1000, DRAWS = 8 };
    const sl_sim_options options = {.size_px = 32, .class_id = SL_SIM_CLASS_ANY};
    sl_sim_sample sample = {0};
    int simulated = 0, drawn = 0;
    for (uint32_t i = 0; i < IMAGES; i++) {
        sl_random random = sl_random_stream(6, SL_STREAM_BEAM, i);
        double row, column;
        assert_ok(sl_sim_sample_make(33, i, &options, &sample));
        simulated += is_outside(sample.beam_row_px / 32, sample.beam_column_px / 32);
        for (int k = 0; k < DRAWS; k++) {
            assert_true(sl_usual_beam_of_caption(sample.caption, &random, &row, &column));
            drawn += is_outside(row, column);
        }
    }
    sl_sim_sample_free(&sample);
    assert_true(simulated > IMAGES / 20);
    assert_true(fabs((double)drawn / DRAWS / simulated - 1) < 0.3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_place_the_beam),
        cmocka_unit_test(unusual_places_are_taken_at_their_word),
        cmocka_unit_test(as_many_beams_are_outside_as_simulated_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
