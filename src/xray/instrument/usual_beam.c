#include "xray/instrument/usual_beam.h"

#include "xray/caption/place.h"
#include "xray/instrument/usual_beamstop.h"

#include <math.h>
#include <string.h>

/* The rarest words (a beamstop in a corner whose beam is outside, at grazing incidence) come true once in
 * some thousand draws. */
enum { TRIES = 20000 };

static void draw_gisaxs(sl_random *random, double *row, double *column) {
    double kind = sl_random_range(random, 0, 1);
    *row = kind < 0.78  ? sl_random_range(random, 0.72, 0.96)
           : kind < 0.9 ? sl_random_range(random, 0.5, 0.72)
                        : sl_random_range(random, 0.98, 1.06);
    *column = sl_random_chance(random, 0.85) ? sl_random_range(random, 0.36, 0.64)
                                             : sl_random_range(random, 0.1, 0.9);
}

static void draw_giwaxs(sl_random *random, double *row, double *column) {
    *row = sl_random_range(random, 0.82, 1.03);
    double kind = sl_random_range(random, 0, 1);
    *column = kind < 0.6   ? sl_random_range(random, 0.38, 0.62)
              : kind < 0.8 ? sl_random_range(random, -0.04, 0.25)
                           : sl_random_range(random, 0.75, 1.04);
}

static void draw_transmission(sl_random *random, double *row, double *column) {
    if (sl_random_chance(random, 0.85)) {
        *row = sl_random_range(random, 0.28, 0.72);
        *column = sl_random_range(random, 0.28, 0.72);
    } else {
        *row = sl_random_range(random, -0.1, 1.1);
        *column = sl_random_chance(random, 0.5) ? sl_random_range(random, -0.15, 0.25)
                                                : sl_random_range(random, 0.75, 1.15);
    }
}

void sl_usual_beam_draw(sl_technique technique, sl_random *random, double *row, double *column) {
    if (technique == SL_TECHNIQUE_GISAXS)
        draw_gisaxs(random, row, column);
    else if (technique == SL_TECHNIQUE_GIWAXS)
        draw_giwaxs(random, row, column);
    else
        draw_transmission(random, row, column);
}

/* What a caption says of the beam, by itself and by its beamstop. */
typedef struct beam_words {
    sl_caption_place place;
    sl_usual_words beamstop;
} beam_words;

static double within(double share) {
    return fmin(fmax(share, 0), 1);
}

/* Whether the words are true of a beam there; "at the left" is said of a beamstop just outside too. */
static bool are_true(const beam_words *words, double row, double column) {
    bool outside = row < 0 || row > 1 || column < 0 || column > 1;
    bool beamstop = words->beamstop == SL_USUAL_WITH;
    if (beamstop && !sl_usual_beamstop_can_be(row, column)) return false;
    if (words->place.outside && !outside) return false;
    if (!words->place.in_third) return true;
    if (beamstop) row = within(row), column = within(column);
    sl_caption_place third = words->place;
    third.outside = false;
    return sl_caption_place_fits(&third, row, column, 0);
}

bool sl_usual_beam_of_caption(const char *caption, sl_random *random, double *row, double *column) {
    sl_technique technique = sl_technique_of_caption(caption);
    const beam_words words = {sl_caption_place_of(caption), sl_usual_beamstop_words(caption)};
    if (technique == SL_TECHNIQUE_UNKNOWN) return false;
    for (int i = 0; i < TRIES; i++) {
        sl_usual_beam_draw(technique, random, row, column);
        if (!are_true(&words, *row, *column)) continue;
        if (words.beamstop == SL_USUAL_WITH ||
            sl_random_chance(random, sl_usual_beamstop_silence(*row, *column)))
            return true;
    }
    /* no instrument has it there: the middle of that third */
    *row = (words.place.row + 0.5) / 3;
    *column = (words.place.column + 0.5) / 3;
    return !words.place.outside;
}
