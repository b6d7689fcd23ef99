/* A14: a ring is as wide on all sides. */
#include "xray/physical/ring/ring_peak.h"

#include <math.h>
#include <stdio.h>

enum {
    STEP = 2,
    GROUPS = POLAR_SECTORS / STEP,
    WIDE = 4,
    LEAST_GROUPS = 4,
    LEAST_SECTORS = 6,
    LEAST_REACH = 5,
    BESIDE = 8 /* bins: what is nearer belongs to the ring */
};

static const double usual = 0.1; /* what widths differ by for reasons of the detector, ln */

/* A ring's width around the beam, in overlapping ranges of WIDE sectors. */
typedef struct widths {
    bool known[GROUPS];
    double ln_width[GROUPS], error[GROUPS];
    double middle; /* median */
    int count;
} widths;

static bool measure_within(const physical_view *view, double radius, double reach, widths *out) {
    double seen[GROUPS];
    *out = (widths){.count = 0};
    for (int g = 0; g < GROUPS; g++) {
        ring_peak peak;
        out->known[g] = ring_peak_fit(&view->polar, g * STEP, WIDE, radius, reach, &peak) &&
                        peak.ln_width_error < 0.3 && peak.height > 5 * peak.height_error;
        if (!out->known[g]) continue;
        out->ln_width[g] = peak.ln_width;
        out->error[g] = peak.ln_width_error;
        seen[out->count++] = peak.ln_width;
    }
    if (out->count < LEAST_GROUPS) return false;
    out->middle = physical_median(seen, out->count);
    return true;
}

/* First near the ring; then with room for three times its width. */
static bool measure(const physical_view *view, const ring_place *place, widths *out) {
    double near = fmin(place->reach, 14);
    if (near < LEAST_REACH || !measure_within(view, place->radius, near, out)) return false;
    double room = fmin(place->reach, fmax(8, 3.2 * exp(out->middle)));
    return measure_within(view, place->radius, room, out);
}

/* Whether the other ridges are even around the beam: in a fibre or among grains, arcs side by side may look
 * like one that is wider. The ring itself may be uneven by the very fault. */
static bool others_are_even(const physical_view *view, double radius) {
    ring_track others[RING_TRACKS];
    int count = 0;
    for (int k = 0; k < view->track_count; k++)
        if (fabs(ring_track_radius(&view->track[k]) - radius) > BESIDE) others[count++] = view->track[k];
    return count == 0 || ring_tracks_evenness(others, count) >= rings_even;
}

/* How far two neighbouring ranges lie to the same side of the ring's usual width, the nearer of the two, in
 * standard errors; `at` is the first of the two farthest. */
static double unevenness(const widths *w, int *at) {
    double z[GROUPS], most = 0;
    for (int g = 0; g < GROUPS; g++)
        z[g] = w->known[g] ? (w->ln_width[g] - w->middle) / hypot(w->error[g], usual) : 0;
    for (int g = 0; g < GROUPS; g++) {
        double next = z[(g + 1) % GROUPS], both = z[g] * next > 0 ? fmin(fabs(z[g]), fabs(next)) : 0;
        if (both > most) most = both, *at = g;
    }
    return most;
}

static void draw(const physical_view *view, const ring_place *place, const widths *w, int odd) {
    for (int g = 0; g < GROUPS; g++) {
        double azimuth = (g * STEP + WIDE / 2) * 2 * M_PI / POLAR_SECTORS - M_PI,
               half = 0.5 * exp(w->ln_width[g]), row[2], column[2], step = view->polar.step_px;
        if (!w->known[g] ||
            !physical_position(view, (place->radius - half) * step, azimuth, &row[0], &column[0]) ||
            !physical_position(view, (place->radius + half) * step, azimuth, &row[1], &column[1]))
            continue;
        physical_mark(view, (sl_mark){.kind = SL_MARK_LINE,
                                      .test = SL_PHYSICAL_RING_WIDTH,
                                      .is_odd = g == odd || g == (odd + 1) % GROUPS,
                                      .row = (float)row[0],
                                      .column = (float)column[0],
                                      .row2 = (float)row[1],
                                      .column2 = (float)column[1]});
    }
}

sl_status physical_ring_width(const physical_view *view, sl_physical_result *out) {
    ring_place place[RING_TRACKS];
    widths w[RING_TRACKS];
    int odd_ring = -1, odd = -1, rings = 0, count = ring_places(view, LEAST_SECTORS, place);
    bool judged[RING_TRACKS] = {false};
    snprintf(out->saw, sizeof out->saw, "%s",
             view->is_grazing ? "refraction bends rings at grazing incidence"
                              : "no ring whose width is clear among even ones");
    if (view->is_grazing) return SL_OK;
    for (int k = 0; k < count; k++) {
        int at = 0;
        judged[k] = others_are_even(view, place[k].radius) && measure(view, &place[k], &w[k]);
        if (!judged[k]) continue;
        rings++;
        double value = unevenness(&w[k], &at);
        if (odd_ring >= 0 && value <= out->value) continue;
        out->value = value, odd_ring = k, odd = at;
    }
    if (rings == 0) return SL_OK;
    out->applicable = true;
    for (int k = 0; k < count; k++)
        if (judged[k]) draw(view, &place[k], &w[k], k == odd_ring ? odd : -2);
    double there = w[odd_ring].known[odd] ? w[odd_ring].ln_width[odd] : w[odd_ring].middle;
    snprintf(out->saw, sizeof out->saw, "%d rings; the one at %.0f px is %.1f px wide, at one place %.1f px",
             rings, place[odd_ring].radius * view->polar.step_px,
             exp(w[odd_ring].middle) * view->polar.step_px, exp(there) * view->polar.step_px);
    return SL_OK;
}
