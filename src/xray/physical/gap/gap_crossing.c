/* A6: what crosses a gap goes on behind it at the same distance from the beam. */
#include "xray/physical/gap/gap_lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of an image of 256: lines beside a gap that are looked at; the largest shift tried, and steps a
 * pixel. */
enum { BINS = 512, EDGE = 3, REACH = 14, STEPS = 2, SHIFTS = 2 * REACH * STEPS + 1, LEAST_BINS = 24 };

/* Places that stick out by more than this many standard deviations lose weight: a grain on one side is no
 * ring. The last is what a profile may change across a gap, of a square root of counts. */
static const double outlier = 4, own_change = 0.03;
/* A shift is possible where the misfit is within so many mean squares of the least; a gap tells something
 * where the possible ones are within so many pixels. */
static const double possible = 30, vague_px = 3, agreement = 0.6, straight_share = 1.3, least_evenness = 0.4;
/* Of the gaps that matter, by what a shift changes the misfit, this share has to be decided. */
static const double least_decided = 0.5;

/* Square roots of counts along one edge of a gap, on both sides of the beam, over the distance from it. */
typedef struct radial {
    double counts[2][BINS], pixels[2][BINS];
} radial;

/* The same along the other edge, pixel by pixel. */
typedef struct along {
    double counts[BINS], pixels[BINS];
} along;

static int32_t edge_of(const physical_view *view) {
    return (int32_t)ceil(EDGE * view->unit_px);
}

static bool pixel_of(const sl_image *image, bool is_column, int32_t line, int32_t t, double *value) {
    int64_t k = is_column ? (int64_t)t * image->width_px + line : (int64_t)line * image->width_px + t;
    *value = (double)image->value[k];
    return !image->mask[k];
}

static double radius_of(const physical_view *view, bool is_column, double line, double t) {
    double radius, azimuth;
    physical_polar(view, is_column ? t : line, is_column ? line : t, &radius, &azimuth);
    return radius / view->polar.step_px;
}

static void take_radial(const physical_view *view, const gap_lines *g, radial *out) {
    int32_t length = g->is_column ? view->image->height_px : view->image->width_px;
    double beam = g->is_column ? view->row_px : view->column_px, value;
    memset(out, 0, sizeof *out);
    for (int32_t line = g->first - edge_of(view); line < g->first; line++)
        for (int32_t t = 0; t < length; t++) {
            if (!pixel_of(view->image, g->is_column, line, t, &value)) continue;
            int bin = (int)fmin(radius_of(view, g->is_column, line + 0.5, t + 0.5), BINS),
                side = t + 0.5 > beam;
            if (bin < BINS) out->counts[side][bin] += value, out->pixels[side][bin]++;
        }
}

static void take_along(const physical_view *view, const gap_lines *g, int32_t first, along *out) {
    int32_t length = g->is_column ? view->image->height_px : view->image->width_px;
    double value;
    memset(out, 0, sizeof *out);
    for (int32_t line = first; line < first + edge_of(view); line++)
        for (int32_t t = 0; t < length; t++) {
            int bin = (int)(t / view->polar.step_px);
            if (bin < BINS && pixel_of(view->image, g->is_column, line, t, &value))
                out->counts[bin] += value, out->pixels[bin]++;
        }
}

/* Square root of the counts at a distance from the beam, and the square of its error; false where it is not
 * known. */
static bool level_at(const radial *r, int side, double radius, double *level, double *error2) {
    int bin = (int)floor(radius - 0.5);
    double share = radius - 0.5 - bin;
    if (bin < 0 || bin + 1 >= BINS || r->pixels[side][bin] < 1 || r->pixels[side][bin + 1] < 1) return false;
    double low = r->counts[side][bin] / r->pixels[side][bin],
           high = r->counts[side][bin + 1] / r->pixels[side][bin + 1];
    *level = sqrt(fmax(0, low + share * (high - low)));
    *error2 = 0.25 / (r->pixels[side][bin] + r->pixels[side][bin + 1]);
    return true;
}

/* One place on the far edge: what is there, and what the near edge lets expect. */
typedef struct place {
    double seen, expected, error2;
} place;

/* The mean square of what differs, over its error, the level free. */
static double misfit_of(const place *list, int count) {
    double up = 0, down = 0, sum = 0;
    for (int k = 0; k < count; k++) {
        up += list[k].seen * list[k].expected / list[k].error2;
        down += list[k].expected * list[k].expected / list[k].error2;
    }
    double scale = down > 0 ? up / down : 1;
    for (int k = 0; k < count; k++) {
        double rest = list[k].seen - scale * list[k].expected, z2 = rest * rest / list[k].error2;
        sum += z2 / (1 + z2 / (outlier * outlier));
    }
    return count ? sum / count : 0;
}

/* How badly the far edge, moved back by `shift` bins, agrees with the near one on one side of the beam, whose
 * level is free; the count of places in *places. */
static double misfit(const physical_view *view, const gap_lines *g, const radial *near, const along *far,
                     int side, double shift, int *places) {
    place list[BINS];
    int count = 0;
    double step = view->polar.step_px, beam = (g->is_column ? view->row_px : view->column_px) / step,
           line = g->end + 0.5 * edge_of(view);
    for (int bin = 0; bin < BINS; bin++) {
        double t = bin + 0.5 - shift, level, error2;
        if (far->pixels[bin] < 1 || (t > beam) != side) continue;
        if (!level_at(near, side, radius_of(view, g->is_column, line, t * step), &level, &error2)) continue;
        double seen = sqrt(fmax(0, far->counts[bin] / far->pixels[bin]));
        list[count++] =
            (place){seen, level, error2 + 0.25 / far->pixels[bin] + own_change * own_change * seen * seen};
    }
    *places = count;
    return misfit_of(list, count);
}

/* The same of the far edge against the near one as they lie beside each other, moved by a few pixels at most:
 * what is straight, as the edge of a shadow, goes on so whatever its distance from the beam. */
static double straight_misfit(const along *near, const along *far) {
    enum { MOST = 2 };
    double best = INFINITY;
    for (int shift = -MOST; shift <= MOST; shift++) {
        place list[BINS];
        int count = 0;
        for (int bin = MOST; bin + MOST < BINS; bin++) {
            if (far->pixels[bin] < 1 || near->pixels[bin + shift] < 1) continue;
            double seen = sqrt(far->counts[bin] / far->pixels[bin]),
                   expected = sqrt(near->counts[bin + shift] / near->pixels[bin + shift]);
            list[count++] = (place){seen, expected,
                                    0.25 / far->pixels[bin] + 0.25 / near->pixels[bin + shift] +
                                        own_change * own_change * seen * seen};
        }
        best = fmin(best, misfit_of(list, count));
    }
    return best;
}

/* The mean misfit over both sides of the beam at each shift; how many places it rests on. */
static int misfits(const physical_view *view, const gap_lines *g, const radial *near, const along *far,
                   double out[SHIFTS]) {
    int least = BINS;
    for (int k = 0; k < SHIFTS; k++) {
        double shift = (double)(k - REACH * STEPS) / STEPS;
        int places[2];
        double before = misfit(view, g, near, far, 0, shift, &places[0]),
               behind = misfit(view, g, near, far, 1, shift, &places[1]);
        int count = places[0] + places[1];
        out[k] = count ? (before * places[0] + behind * places[1]) / count : INFINITY;
        if (count < least) least = count;
    }
    return least;
}

/* The smallest shift in pixels that is still possible; NaN where the gap tells nothing. */
static double least_shift(const double misfit_at[SHIFTS], int places, double usual) {
    int best = 0, first, last;
    for (int k = 0; k < SHIFTS; k++)
        if (misfit_at[k] < misfit_at[best]) best = k;
    if (misfit_at[best] > agreement * usual) return NAN;
    double allowed = misfit_at[best] * (1 + possible / places) + 1e-9;
    for (first = best; first > 0 && misfit_at[first - 1] <= allowed;) first--;
    for (last = best; last < SHIFTS - 1 && misfit_at[last + 1] <= allowed;) last++;
    if (first == 0 || last == SHIFTS - 1 || last - first > 2 * vague_px * STEPS) return NAN;
    int middle = REACH * STEPS;
    if (first <= middle && middle <= last) return 0;
    return fmin(abs(first - middle), abs(last - middle)) / STEPS;
}

static double least_of(const double misfit_at[SHIFTS]) {
    double least = INFINITY;
    for (int k = 0; k < SHIFTS; k++) least = fmin(least, misfit_at[k]);
    return least;
}

/* What is found at one gap. */
typedef struct crossing {
    gap_lines gap;
    double shift; /* the smallest one possible, px of an image of 256; NaN: it tells nothing */
    double told;  /* what a shift changes the misfit by */
} crossing;

/* Compares what lies on both sides of the gap; false where too little does. */
static bool compare_gap(const physical_view *view, const gap_lines *g, crossing *out) {
    int32_t lines = g->is_column ? view->image->width_px : view->image->height_px, edge = edge_of(view);
    if (g->first < edge || g->end + edge > lines) return false;
    radial near;
    along beside, far;
    double misfit_at[SHIFTS], sorted[SHIFTS];
    take_radial(view, g, &near);
    take_along(view, g, g->first - edge, &beside);
    take_along(view, g, g->end, &far);
    int places = misfits(view, g, &near, &far, misfit_at);
    if (places < LEAST_BINS) return false;
    memcpy(sorted, misfit_at, sizeof sorted);
    double usual = physical_median(sorted, SHIFTS), least = least_of(misfit_at);
    double shift = least_shift(misfit_at, places, usual) * view->polar.step_px / view->unit_px;
    if (shift > 0 && straight_misfit(&beside, &far) < straight_share * least) shift = 0;
    *out = (crossing){*g, shift, usual - least};
    return true;
}

/* Whether a third of a ring is seen, about as clear all along: what is bright on one side of the beam fixes
 * no distance from it. */
static bool has_ring(const physical_view *view) {
    for (int k = 0; k < view->track_count; k++)
        if (3 * view->track[k].seen >= POLAR_SECTORS && ring_track_evenness(&view->track[k]) > least_evenness)
            return true;
    return false;
}

sl_status physical_gap_crossing(const physical_view *view, sl_physical_result *out) {
    enum { GAPS = 64 };
    crossing list[GAPS];
    int count = 0, crossings = 0;
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "not a transmission image"
                              : "no gap with rings at which a shift could be told");
    if (view->is_grazing || !has_ring(view)) return SL_OK;
    for (gap_lines gap = {0}; count < GAPS && gap_lines_next(view->image, &gap);)
        count += compare_gap(view, &gap, &list[count]);
    gap_say say[GAPS];
    for (int k = 0; k < count; k++) say[k] = (gap_say){list[k].told, !isnan(list[k].shift)};
    out->applicable = gap_says_decide(say, count, least_decided);
    if (!out->applicable) return SL_OK;
    for (int k = 0; k < count; k++) {
        if (isnan(list[k].shift)) continue;
        crossings++;
        out->value = fmax(out->value, list[k].shift);
        gap_lines_mark(view, SL_PHYSICAL_GAP_CROSSING, &list[k].gap, list[k].shift > 2);
    }
    snprintf(out->saw, sizeof out->saw, "%d gaps; behind one all is shifted by %.1f px and more", crossings,
             out->value * view->unit_px);
    if (out->value <= 0)
        snprintf(out->saw, sizeof out->saw, "what meets %d gaps goes on behind them", crossings);
    return SL_OK;
}
