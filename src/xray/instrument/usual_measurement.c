#include "xray/instrument/usual_measurement.h"

#include "xray/technique.h"

#include <math.h>
#include <string.h>

/* The rarest level that a caption tells turns up once in some ten draws. */
enum { TRIES = 500 };

/* ---- detector ---- */

const sl_detector *sl_usual_detector(sl_random *random) {
    static const char *const usual[] = {"pilatus-1m",    "pilatus-1m", "pilatus-2m",   "pilatus-2m",
                                        "pilatus-300k",  "pilatus-6m", "eiger-1m",     "eiger-4m",
                                        "eiger2-1m",     "eiger2-4m",  "pilatus-900k", "lambda-750k",
                                        "rayonix-mx225", "perkin-2k"};
    const char *id = usual[sl_random_below(random, sizeof usual / sizeof *usual)];
    const sl_detector *found;
    return sl_detector_find(id, &found) ? sl_detector_at(0) : found;
}

/* A square window of the detector, mostly within it. Small detectors are shown whole, with what lies beyond
 * masked. */
sl_view sl_usual_view(const sl_detector *detector, int32_t size_px, sl_random *random) {
    double shorter = fmin(detector->rows, detector->columns),
           longer = fmax(detector->rows, detector->columns);
    double side = shorter * sl_random_range(random, 0.6, 1);
    if (sl_random_chance(random, 0.12) && longer < 1.7 * shorter) side = longer;
    side = fmax(side, fmin(0.8 * size_px, longer));
    sl_view view = {size_px, size_px, 0, 0, side / size_px};
    double free_rows = detector->rows - side, free_columns = detector->columns - side;
    view.row0 = free_rows > 0 ? sl_random_range(random, 0, free_rows) : free_rows / 2;
    view.column0 = free_columns > 0 ? sl_random_range(random, 0, free_columns) : free_columns / 2;
    return view;
}

/* ---- flaws ---- */

/* One read-out chip of a hybrid detector, two rows of them a module, in the part that is shown. */
static sl_dead_chip draw_dead_chip(const sl_detector *d, const sl_view *view, sl_random *random) {
    bool present = sl_random_chance(random, 0.02) && d->module_rows > 0;
    double side = view->scale * view->height_px;
    double row = view->row0 + sl_random_range(random, 0, side),
           column = view->column0 + sl_random_range(random, 0, side);
    sl_dead_chip chip = {0};
    if (!present) return chip;
    /* modules of Pilatus hold 2 x 8 chips, of Eiger 2 x 4; small ones are one chip */
    int across = d->module_columns < 300 ? 1 : d->module_rows > 300 ? 4 : 8;
    chip.rows = across > 1 ? d->module_rows / 2 : d->module_rows;
    chip.columns = d->module_columns / across;
    double pitch_rows = d->module_rows + d->gap_rows, pitch_columns = d->module_columns + d->gap_columns;
    double module_row = floor(row / pitch_rows) * pitch_rows,
           module_column = floor(column / pitch_columns) * pitch_columns;
    chip.row = (int32_t)(module_row + floor((row - module_row) / chip.rows) * chip.rows);
    chip.column = (int32_t)(module_column + floor((column - module_column) / chip.columns) * chip.columns);
    return chip;
}

void sl_usual_flaws(sl_random *random, sl_measurement *m) {
    if (sl_detector_integrates(m->detector)) {
        m->point_spread_px = sl_random_range(random, 0.3, 0.9);
        m->offset = floor(sl_random_range(random, 0, 12));
        m->read_noise = sl_random_range(random, 0.8, 4);
    } else {
        m->point_spread_px = sl_random_range(random, 0, 0.35);
        m->edge_gain = sl_random_chance(random, 0.15) ? sl_random_range(random, 1.2, 2) : 1;
        m->flat_module = sl_random_range(random, 0, 0.012);
    }
    m->flat_pixel = sl_random_range(random, 0.004, 0.02);
    m->hot_fraction = sl_random_log_range(random, 1e-6, 2e-4);
    m->dead_fraction = sl_random_log_range(random, 1e-6, 1e-4);
    m->cosmic_count = sl_random_log_range(random, 0.05, 3);
    m->dead_chip = draw_dead_chip(m->detector, &m->view, random);
}

sl_measurement sl_usual_measurement(const sl_detector *detector, int32_t height_px, int32_t width_px,
                                    sl_random *random) {
    sl_measurement m = sl_measurement_default(detector, height_px, width_px);
    if (!detector) return m;
    if (height_px == width_px) m.view = sl_usual_view(detector, height_px, random);
    sl_usual_flaws(random, &m);
    return m;
}

/* ---- level ---- */

/* People show the frames they counted long enough. */
double sl_usual_level_counts(const sl_detector *detector, sl_random *random) {
    bool brief = sl_random_chance(random, 0.3);
    double least = brief ? 12 : 120, most = brief ? 400 : 1e5;
    if (sl_detector_integrates(detector)) least = 400, most = 6e4;
    return sl_random_log_range(random, least, most);
}

double sl_usual_empty_level_counts(sl_random *random) {
    return sl_random_log_range(random, 3, 60);
}

/* ---- captions ---- */

/* Whether `words` stands in the text, either case. */
static bool says(const char *text, const char *words) {
    return strcasestr(text, words) != NULL;
}

/* "Pilatus" alone is one of them, "without gaps" is in one piece; a short exposure is none of a CCD. */
static bool fits(const char *caption, const sl_detector *detector) {
    static const char *const makers[] = {"Pilatus", "Eiger"};
    for (int k = 0; k < 2; k++)
        if (says(caption, makers[k]) && !says(detector->name, makers[k])) return false;
    if (says(caption, "without gaps") && detector->module_rows > 0) return false;
    return !sl_detector_integrates(detector) || !says(caption, "noise high");
}

const sl_detector *sl_usual_detector_of_caption(const char *caption, sl_random *random) {
    const sl_detector *found = NULL;
    for (int i = 0; i < sl_detector_count(); i++) {
        const sl_detector *d = sl_detector_at(i);
        /* the longest name wins: "Pilatus 300k-w" holds "Pilatus 300k" */
        if (says(caption, d->name) && (!found || strlen(d->name) > strlen(found->name))) found = d;
    }
    if (found) return found;
    for (int i = 0; i < TRIES; i++) {
        found = sl_usual_detector(random);
        if (fits(caption, found)) break;
    }
    return found;
}

double sl_usual_level_of_caption(const char *caption, const sl_detector *detector, sl_random *random) {
    bool high = says(caption, "noise high"), low = says(caption, "noise low");
    if (sl_technique_shows_nothing(caption)) return sl_usual_empty_level_counts(random);
    for (int i = 0; i < TRIES; i++) {
        double level = sl_usual_level_counts(detector, random);
        bool is_high = level<SL_USUAL_NOISE_HIGH_BELOW, is_low = level> SL_USUAL_NOISE_LOW_ABOVE;
        /* one caption in two says it where it might */
        if (high ? is_high : low ? is_low : !(is_high || is_low) || sl_random_chance(random, 0.5))
            return level;
    }
    /* a CCD, and "noise high": taken at its word */
    return sl_random_log_range(random, 12, SL_USUAL_NOISE_HIGH_BELOW);
}

/* Mean of the log map at a level, which scatters by `deviation`. */
static const struct level_law {
    double at_one_count, per_decade, deviation;
} level_laws[] = {
#define SL_LEVEL_LAW(technique, at_one_count, per_decade, deviation)                                         \
    [SL_TECHNIQUE_##technique] = {at_one_count, per_decade, deviation},
#include "xray/instrument/level_laws.def"
#undef SL_LEVEL_LAW
};

double sl_usual_level_of_picture(const char *caption, double map_mean, const sl_detector *detector,
                                 sl_random *random) {
    enum { LEVELS = 64 };
    sl_technique technique = sl_technique_of_caption(caption);
    double level[LEVELS], suits[LEVELS], best = -INFINITY, sum = 0;
    if (technique == SL_TECHNIQUE_UNKNOWN || sl_technique_shows_nothing(caption))
        return sl_usual_level_of_caption(caption, detector, random);
    const struct level_law *law = &level_laws[technique];
    for (int i = 0; i < LEVELS; i++) {
        level[i] = sl_usual_level_of_caption(caption, detector, random);
        double off = (map_mean - law->at_one_count - law->per_decade * log10(level[i])) / law->deviation;
        suits[i] = -0.5 * off * off;
        best = fmax(best, suits[i]);
    }
    for (int i = 0; i < LEVELS; i++) sum += suits[i] = exp(suits[i] - best);
    double left = sl_random_uniform(random) * sum;
    int drawn = 0;
    while (drawn < LEVELS - 1 && left >= suits[drawn]) left -= suits[drawn++];
    return level[drawn];
}
