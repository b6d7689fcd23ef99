/* A5: rings stand where one lattice puts them.
 *
 * A lattice with a free scale fits few rings by chance, so a ring speaks against the image only where a
 * lattice holds all the others and the place is empty at which it expects this one. Where no lattice holds
 * the rest (two phases, a lattice that is not listed), nothing is said. */
#include "xray/physical/ring/ring_peak.h"

#include "xray/scatter/lattice.h"
#include "xray/scatter/material.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_RINGS = 4, LEAST_KNOWN = 3, LINES = 40, FIRST_INDICES = 4 };

static const double tolerance = 0.003, /* of q, and */
    tolerance_px = 0.25,               /* of the radius: what a ring may be off its place */
    reach = 0.16,                      /* of q: how far a displaced ring is looked for */
    same_px = 1.5,                     /* peaks nearer than this are one */
    halo = 3,                          /* times as wide as the others: no ring of a lattice */
    clear_height = 4,                  /* of a ring over its error */
    clear_share = 0.2,  /* of its lower neighbour's height: a lower ring does not speak against a lattice */
    whole_share = 0.25, /* of the mean height: what a ring has in most sectors */
    least_evidence = 6,
                    whole_worth = 2, /* evidence that a lattice may have less where it leaves no ring out */
    most_missing = 0.5,        /* share of a lattice's lines up to the last ring that may be too weak; */
    most_missing_of_all = 0.7; /* where it holds all rings */

/* tolerance, half_width: shares of q; clear: high enough to speak against a lattice. */
typedef struct ring_set {
    int count;
    double q[RING_TRACKS], radius[RING_TRACKS], tolerance[RING_TRACKS], half_width[RING_TRACKS];
    bool clear[RING_TRACKS];
} ring_set;

/* What a lattice says of the rings. */
typedef struct reading {
    int matched, missing, odd; /* odd: the ring that has no line */
    double scale, rest,
        away;        /* rest: largest of the matched rings, share of q; away: of the odd one from its line */
    double expected; /* q of the line that has no ring */
    double evidence; /* -ln of the chance that lines so dense meet the matched rings by themselves */
} reading;

/* Radii at which the mean around the beam has a maximum that stands out of its noise. */
static int find_maxima(const polar_map *map, double *out) {
    double v[POLAR_RADII], noise[POLAR_RADII], rise[POLAR_RADII];
    int count = 0;
    for (int r = 0; r < POLAR_RADII; r++) {
        double pixels;
        v[r] = sqrt(fmax(polar_map_mean(map, 0, POLAR_SECTORS, r, &pixels), 0));
        noise[r] = pixels > 20 ? 0.5 / sqrt(pixels) : (double)NAN;
    }
    for (int r = 0; r < POLAR_RADII; r++)
        rise[r] = r < 8 || r + 8 >= POLAR_RADII
                      ? (double)NAN
                      : (v[r - 1] + 2 * v[r] + v[r + 1]) / 4 -
                            fmax((v[r - 4] + v[r + 4]) / 2, (v[r - 6] + v[r + 6]) / 2);
    /* a NaN fails every comparison */
    for (int r = 9; r + 9 < POLAR_RADII && count < RING_TRACKS; r++)
        if (rise[r] > 5 * noise[r] && rise[r] > 0.006 * v[r] && rise[r] > rise[r - 1] &&
            rise[r] >= rise[r + 1])
            out[count++] = r + 0.5;
    return count;
}

static double q_at(const physical_view *view, double radius_px) {
    const sl_geometry *g = view->input->geometry ? &view->projection.geometry : NULL;
    if (!g) return radius_px;
    return 2 * view->projection.k0_per_ang * sin(0.5 * atan(radius_px * g->pixel_m / g->distance_m));
}

/* Peaks that the fit can place, each once. */
static int fit_peaks(const physical_view *view, ring_peak out[RING_TRACKS]) {
    double at[RING_TRACKS];
    int count = find_maxima(&view->polar, at), kept = 0;
    for (int k = 0; k < count; k++) {
        ring_peak peak;
        double room = 14;
        if (k > 0) room = fmin(room, 0.55 * (at[k] - at[k - 1]));
        if (k + 1 < count) room = fmin(room, 0.55 * (at[k + 1] - at[k]));
        if (!ring_peak_fit(&view->polar, 0, POLAR_SECTORS, at[k], fmax(room, 4), &peak) ||
            peak.centre_error > tolerance_px || peak.height < clear_height * peak.height_error)
            continue;
        bool again = kept > 0 && peak.centre - out[kept - 1].centre < same_px;
        if (again && peak.centre_error > out[kept - 1].centre_error) continue;
        out[again ? kept - 1 : kept++] = peak;
    }
    return kept;
}

/* Mean counts of a sector between two radii, in bins; NaN where little is seen. */
static double sector_mean(const polar_map *map, int sector, double from, double to) {
    double counts = 0, pixels = 0;
    for (int r = (int)fmax(0, floor(from)); r < POLAR_RADII && r < ceil(to); r++)
        counts += map->counts[sector][r], pixels += map->pixels[sector][r];
    return pixels >= 3 ? counts / pixels : NAN;
}

/* Whether the peak is seen on most sides: an arc may be of several reflections, and of no powder. */
static bool is_whole(const polar_map *map, const ring_peak *peak) {
    double half = 0.5 * exp(peak->ln_width), r = peak->centre;
    int seen = 0, high = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) {
        double rise = sector_mean(map, s, r - half, r + half) -
                      0.5 * (sector_mean(map, s, r - 3.5 * half, r - 2 * half) +
                             sector_mean(map, s, r + 2 * half, r + 3.5 * half));
        if (isnan(rise)) continue;
        seen++, high += rise > whole_share * peak->height;
    }
    return 2 * high > seen;
}

/* Height of the lower of a peak's neighbours. */
static double least_beside(const ring_peak *peak, int count, int k) {
    double before = k > 0 ? peak[k - 1].height : INFINITY,
           after = k + 1 < count ? peak[k + 1].height : INFINITY;
    return fmin(before, after);
}

static bool find_rings(const physical_view *view, ring_set *out) {
    ring_peak peak[RING_TRACKS];
    double width[RING_TRACKS], step = view->polar.step_px;
    int count = fit_peaks(view, peak);
    out->count = 0;
    for (int k = 0; k < count; k++) width[k] = exp(peak[k].ln_width);
    double usual = count ? physical_median(width, count) : 0;
    for (int k = 0; k < count; k++) {
        double full = exp(peak[k].ln_width), radius = peak[k].centre * step;
        if (full > halo * usual) continue;
        out->radius[out->count] = radius;
        out->tolerance[out->count] = tolerance + tolerance_px / peak[k].centre;
        out->half_width[out->count] = 0.5 * full / peak[k].centre;
        out->clear[out->count] =
            peak[k].height > clear_share * least_beside(peak, count, k) && is_whole(&view->polar, &peak[k]);
        out->q[out->count++] = q_at(view, radius);
    }
    return out->count >= LEAST_RINGS;
}

/* -ln of the chance that one of the lines lies as near as tolerated to a ring at line `at`. */
static double surprise(const double *line, int lines, int at, double allowed) {
    double low = at > 0 ? line[at] - line[at - 1] : INFINITY,
           high = at + 1 < lines ? line[at + 1] - line[at] : INFINITY,
           usual = fmin(0.5 * (low + high), fmin(low, high) * 2);
    return -log(fmin(1, 2 * allowed * line[at] / fmin(usual, line[at])));
}

/* Compares the rings with lines (ratios or q) times a scale; false unless all clear rings but one have a
 * line, or are of several that overlap. */
static bool read_rings(const ring_set *rings, const double *line, int lines, double scale, reading *out) {
    bool used[LINES] = {false};
    double last = rings->q[rings->count - 1], sum = 0, weight = 0;
    *out = (reading){.odd = -1};
    for (int k = 0; k < rings->count; k++) {
        int best = -1;
        for (int i = 0; i < lines; i++)
            if (best < 0 || fabs(line[i] * scale - rings->q[k]) < fabs(line[best] * scale - rings->q[k]))
                best = i;
        double off = fabs(line[best] * scale / rings->q[k] - 1);
        if (off < rings->tolerance[k]) {
            used[best] = true, out->matched++;
            out->evidence += surprise(line, lines, best, rings->tolerance[k]);
            out->rest = fmax(out->rest, off);
            sum += rings->q[k] / line[best], weight++;
        } else if (off < rings->half_width[k] || !rings->clear[k])
            used[best] |= off < rings->half_width[k];
        else if (out->odd >= 0)
            return false;
        else
            out->odd = k;
    }
    int expected = 0;
    double nearest = reach;
    for (int i = 0; i < lines; i++) {
        double q = line[i] * scale;
        if (q > last * (1 + tolerance) || q < rings->q[0] * (1 - reach)) continue;
        expected++;
        out->missing += !used[i];
        if (used[i] || out->odd < 0) continue;
        double away = fabs(rings->q[out->odd] / q - 1);
        if (away < nearest) nearest = away, out->expected = q, out->away = away;
    }
    out->missing -= out->expected > 0;
    out->scale = weight > 0 ? sum / weight : scale;
    return out->missing <= (out->odd < 0 ? most_missing_of_all : most_missing) * expected &&
           (out->odd < 0 || out->expected > 0);
}

/* Whether `a` explains more than `b`: what holds all rings needs less evidence. */
static bool is_better(const reading *a, const reading *b) {
    double more = a->evidence - b->evidence + whole_worth * ((a->odd < 0) - (b->odd < 0));
    if (fabs(more) > 1e-9) return more > 0;
    return a->missing != b->missing ? a->missing < b->missing : a->rest < b->rest;
}

/* Every way to lay the lines on two of the rings; `fixed`: only the given scale, and a hundredth around it.
 */
static void try_lines(const ring_set *rings, const double *line, int lines, bool fixed, reading *best) {
    for (int k = 0; k < rings->count; k++)
        for (int i = 0; i < lines && (fixed || i < FIRST_INDICES + k); i++) {
            double scale = rings->q[k] / line[i];
            reading found;
            if ((fixed && fabs(scale - 1) > 0.01) || !read_rings(rings, line, lines, scale, &found)) continue;
            /* once more with the scale that fits all of them best */
            reading again;
            if (read_rings(rings, line, lines, found.scale, &again) && is_better(&again, &found))
                found = again;
            if (best->matched == 0 || is_better(&found, best)) *best = found;
        }
}

static void try_nano_lattices(const ring_set *rings, reading *best) {
    static const sl_lattice_rule rules[] = {SL_LATTICE_LAMELLAR, SL_LATTICE_HEXAGONAL_2D, SL_LATTICE_BODY,
                                            SL_LATTICE_FACE,     SL_LATTICE_PRIMITIVE,    SL_LATTICE_GYROID};
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
        bool flat = rules[r] == SL_LATTICE_HEXAGONAL_2D;
        sl_cell cell =
            flat ? sl_cell_hexagonal(2 * M_PI, 2 * M_PI, rules[r]) : sl_cell_cubic(2 * M_PI, rules[r]);
        sl_reflection reflection[LINES];
        double line[LINES];
        int lines = sl_lattice_reflections(&cell, NULL, SL_MERGE_POWDER,
                                           rules[r] == SL_LATTICE_LAMELLAR ? 20 : 8, LINES, reflection);
        for (int i = 0; i < lines; i++) line[i] = reflection[i].q_per_ang;
        try_lines(rings, line, lines, false, best);
    }
}

static void try_materials(const ring_set *rings, reading *best) {
    for (int m = 0; m < sl_material_count(); m++) {
        sl_reflection reflection[LINES];
        double line[LINES];
        int lines = sl_lattice_reflections(&sl_material_at(m)->cell, NULL, SL_MERGE_POWDER,
                                           1.2 * rings->q[rings->count - 1], LINES, reflection);
        for (int i = 0; i < lines; i++) line[i] = reflection[i].q_per_ang;
        if (lines > 0) try_lines(rings, line, lines, true, best);
    }
}

/* Whether the reading is more than chance; where the scale is free, all rings but the odd one and one more
 * have to be met before one of them is called odd. */
static bool is_told(const ring_set *rings, const reading *r, bool is_known) {
    if (r->matched < (is_known ? LEAST_KNOWN : LEAST_RINGS) || r->evidence < least_evidence) return false;
    if (!is_known && r->odd >= 0 && r->matched < rings->count - 2) return false;
    return 2 * r->matched >= rings->count;
}

static void draw(const physical_view *view, const ring_set *rings, const reading *best) {
    for (int k = 0; k < rings->count; k++)
        physical_mark(view, (sl_mark){.kind = SL_MARK_CIRCLE,
                                      .test = SL_PHYSICAL_LATTICE_RATIO,
                                      .is_odd = k == best->odd,
                                      .row = (float)view->row_px,
                                      .column = (float)view->column_px,
                                      .size_px = (float)rings->radius[k]});
}

sl_status physical_lattice_ratio(const physical_view *view, sl_physical_result *out) {
    ring_set rings;
    reading best = {.matched = 0};
    bool wide = view->input->technique == SL_TECHNIQUE_WAXS, known = view->input->geometry != NULL;
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "refraction bends rings at grazing incidence"
             : wide && !known ? "the geometry of a wide-angle image is not known"
                              : "fewer than four rings that can be measured");
    if (view->is_grazing || (wide && !known) || !find_rings(view, &rings)) return SL_OK;
    if (wide)
        try_materials(&rings, &best);
    else
        try_nano_lattices(&rings, &best);
    snprintf(out->saw, sizeof out->saw, "%d rings, of no lattice on the list", rings.count);
    if (!is_told(&rings, &best, wide)) return SL_OK;
    out->applicable = true;
    out->value = 100 * (best.odd >= 0 ? best.away : best.rest);
    draw(view, &rings, &best);
    if (best.odd >= 0)
        snprintf(out->saw, sizeof out->saw,
                 "%d rings of one lattice; the one at %.0f px is %.1f %% off its place", rings.count,
                 rings.radius[best.odd], out->value);
    else
        snprintf(out->saw, sizeof out->saw, "%d rings of one lattice, none farther off than %.2f %%",
                 rings.count, out->value);
    return SL_OK;
}
