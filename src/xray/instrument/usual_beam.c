#include "xray/instrument/usual_beam.h"

#include "xray/caption/place.h"

/* The rarest place that a caption tells (a corner, in transmission) turns up once in some sixty draws. */
enum { TRIES = 2000 };

static bool chance(sl_random *random, double probability) {
    return sl_random_uniform(random) < probability;
}

static void draw_gisaxs(sl_random *random, double *row, double *column) {
    double kind = sl_random_range(random, 0, 1);
    *row = kind < 0.78  ? sl_random_range(random, 0.72, 0.96)
           : kind < 0.9 ? sl_random_range(random, 0.5, 0.72)
                        : sl_random_range(random, 0.98, 1.06);
    *column = chance(random, 0.85) ? sl_random_range(random, 0.36, 0.64) : sl_random_range(random, 0.1, 0.9);
}

static void draw_giwaxs(sl_random *random, double *row, double *column) {
    *row = sl_random_range(random, 0.82, 1.03);
    double kind = sl_random_range(random, 0, 1);
    *column = kind < 0.6   ? sl_random_range(random, 0.38, 0.62)
              : kind < 0.8 ? sl_random_range(random, -0.04, 0.25)
                           : sl_random_range(random, 0.75, 1.04);
}

static void draw_transmission(sl_random *random, double *row, double *column) {
    if (chance(random, 0.85)) {
        *row = sl_random_range(random, 0.28, 0.72);
        *column = sl_random_range(random, 0.28, 0.72);
    } else {
        *row = sl_random_range(random, -0.1, 1.1);
        *column =
            chance(random, 0.5) ? sl_random_range(random, -0.15, 0.25) : sl_random_range(random, 0.75, 1.15);
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

bool sl_usual_beam_of_caption(const char *caption, sl_random *random, double *row, double *column) {
    sl_technique technique = sl_technique_of_caption(caption);
    sl_caption_place told = sl_caption_place_of(caption);
    if (technique == SL_TECHNIQUE_UNKNOWN) return false;
    for (int i = 0; i < TRIES; i++) {
        sl_usual_beam_draw(technique, random, row, column);
        if (!told.said || sl_caption_place_fits(&told, *row, *column, 0)) return true;
    }
    /* no instrument has it there: the middle of that third */
    *row = (told.row + 0.5) / 3;
    *column = (told.column + 0.5) / 3;
    return !told.outside;
}
