/* A5: rings stand where one lattice puts them.
 *
 * A lattice with a free scale fits few rings by chance, so a ring speaks against the image only where a
 * lattice holds all the others and the place is empty at which it expects this one. Where no lattice holds
 * the rest (two phases, a lattice that is not listed), nothing is said. */
#include "xray/physical/ring_peak.h"

#include "xray/lattice.h"
#include "xray/material.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_RINGS = 4, LINES = 40, FIRST_INDICES = 4 };

static const double tolerance = 0.003, /* of q, and */
    tolerance_px = 0.25,               /* of the radius: what a ring may be off its place */
    reach = 0.16,                      /* of q: how far a displaced ring is looked for */
    most_missing = 0.5; /* share of a lattice's lines up to the last ring that may be too weak */

typedef struct ring_set {
    int count;
    double q[RING_TRACKS], radius[RING_TRACKS], tolerance[RING_TRACKS]; /* tolerance: share of q */
} ring_set;

/* What a lattice says of the rings. */
typedef struct reading {
    int matched, missing, odd; /* odd: the ring that has no line */
    double scale, rest,
        away;        /* rest: largest of the matched rings, share of q; away: of the odd one from its line */
    double expected; /* q of the line that has no ring */
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

static bool find_rings(const physical_view *view, ring_set *out) {
    double at[RING_TRACKS];
    const sl_geometry *g = view->input->geometry ? &view->projection.geometry : NULL;
    int count = find_maxima(&view->polar, at);
    out->count = 0;
    for (int k = 0; k < count; k++) {
        ring_peak peak;
        double room = 14;
        if (k > 0) room = fmin(room, 0.55 * (at[k] - at[k - 1]));
        if (k + 1 < count) room = fmin(room, 0.55 * (at[k + 1] - at[k]));
        if (!ring_peak_fit(&view->polar, 0, POLAR_SECTORS, at[k], fmax(room, 4), &peak) ||
            peak.centre_error > tolerance_px || peak.height < 6 * peak.height_error)
            continue;
        double radius = peak.centre * view->polar.step_px;
        out->radius[out->count] = radius;
        out->tolerance[out->count] = tolerance + tolerance_px / peak.centre;
        out->q[out->count++] =
            g ? 2 * view->projection.k0_per_ang * sin(0.5 * atan(radius * g->pixel_m / g->distance_m))
              : radius;
    }
    return out->count >= LEAST_RINGS;
}

/* Compares the rings with lines (ratios or q) times a scale; false unless all rings but one have a line. */
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
            out->rest = fmax(out->rest, off);
            sum += rings->q[k] / line[best], weight++;
        } else if (out->odd >= 0)
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
    return out->missing <= most_missing * expected && (out->odd < 0 || out->expected > 0);
}

/* Whether `a` explains more than `b`. */
static bool is_better(const reading *a, const reading *b) {
    if (a->matched != b->matched) return a->matched > b->matched;
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
        sl_reflection reflection[24];
        double line[24];
        int lines = sl_lattice_reflections(&cell, NULL, SL_MERGE_POWDER,
                                           rules[r] == SL_LATTICE_LAMELLAR ? 20 : 6, 24, reflection);
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
    if (best.matched < LEAST_RINGS || best.matched < rings.count - 1) return SL_OK;
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
