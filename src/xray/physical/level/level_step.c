/* A13: nothing makes the level rise within a few pixels and stay up. A ring falls again, a halo rises over
 * many pixels, a form factor's lobe is round: only where both sides of a rise are straight lines is it a
 * step. */
#include "xray/physical/level/profile.h"

#include <math.h>
#include <stdio.h>

/* Radii, in bins of the polar map: a line on either side of the gap, in which the step itself may be blurred.
 */
enum { FIRST_RADIUS = 24, GAP = 3, INSIDE = 16, OUTSIDE = 20, FAR = 9, LEAST_PLACES = 20 };

/* Sums of both lines' bends at which a place is straight enough to be judged, and what they, rises beside the
 * gap and noise cost. Clean SAXS and WAXS profiles (400 each) decided. */
static const double straight = 0.15, bend_cost = 5, rise_cost = 2, noise_cost = 1.5;
/* What decays as a power goes down from the step outwards: allowed over OUTSIDE. */
static const double decay = 0.35, steepest = -0.08;

typedef struct line {
    double first, last; /* values at its ends */
    double slope;       /* a bin */
    double bend, noise; /* standard deviations: of what is smooth in the rest, of what is not */
} line;

/* Gaps of a few bins are bridged by straight pieces. */
static bool bridge(const double *profile, int first, int count, double *out) {
    int known = 0, before = -1;
    for (int k = 0; k < count; k++) {
        if (isnan(profile[first + k])) continue;
        out[k] = profile[first + k];
        for (int g = before + 1; g < k; g++)
            out[g] = before < 0 ? out[k] : out[before] + (out[k] - out[before]) * (g - before) / (k - before);
        before = k;
        known++;
    }
    for (int g = before + 1; g < count && before >= 0; g++) out[g] = out[before];
    return 4 * known >= 3 * count;
}

static bool fit_line(const double *profile, int first, int count, line *out) {
    double y[OUTSIDE], rest[OUTSIDE], mean = 0, xx = 0, xy = 0, square = 0, rough = 0;
    if (first < 0 || first + count > POLAR_RADII || !bridge(profile, first, count, y)) return false;
    for (int k = 0; k < count; k++) mean += y[k] / count;
    for (int k = 0; k < count; k++) {
        double x = k - 0.5 * (count - 1);
        xx += x * x, xy += x * y[k];
    }
    out->slope = xy / xx;
    for (int k = 0; k < count; k++) {
        rest[k] = y[k] - mean - out->slope * (k - 0.5 * (count - 1));
        square += rest[k] * rest[k] / count;
        if (k) rough += (rest[k] - rest[k - 1]) * (rest[k] - rest[k - 1]) / (2 * (count - 1));
    }
    out->first = mean - out->slope * 0.5 * (count - 1);
    out->last = mean + out->slope * 0.5 * (count - 1);
    out->bend = sqrt(fmax(0, square - rough));
    out->noise = sqrt(rough);
    return true;
}

/* Mean over `count` bins from `first`; NaN where less than half of them is known. */
static double level_near(const double *profile, int first, int count) {
    double sum = 0;
    int seen = 0;
    for (int r = first; r < first + count; r++)
        if (r >= 0 && r < POLAR_RADII && !isnan(profile[r])) sum += profile[r], seen++;
    return 2 * seen >= count ? sum / seen : (double)NAN;
}

/* What rises beside the gap, on either side: there it is no step. */
static double rise_beside(const double *profile, int at, double inner, double outer) {
    double before = level_near(profile, at - GAP - FAR - 3, 4),
           after = level_near(profile, at + GAP + FAR, 4);
    return fmax(0, isnan(before) ? 0 : inner - before) + fmax(0, isnan(after) ? 0 : after - outer);
}

/* How far the profile steps up at a radius, ln; false where its surroundings are not known. */
static bool step_at(const double *profile, int at, double *out, bool *is_straight) {
    line inside, outside;
    if (!fit_line(profile, at - GAP - INSIDE, INSIDE, &inside) ||
        !fit_line(profile, at + GAP + 1, OUTSIDE, &outside))
        return false;
    double inner = level_near(profile, at - GAP - 3, 3), outer = level_near(profile, at + GAP + 1, 3),
           bend = inside.bend + outside.bend,
           falling = fmin(0, fmax(steepest, inside.slope)) * (OUTSIDE + 2 * GAP),
           stays = outside.last - inside.last - falling + decay,
           step = fmin(fmin(outer - inner, outside.first - inside.last), stays);
    *is_straight = bend < straight;
    if (isnan(step)) return false;
    *out = step - rise_cost * rise_beside(profile, at, inner, outer) - bend_cost * bend -
           noise_cost * hypot(inside.noise, outside.noise);
    return true;
}

/* Whether a third of the azimuths is seen at a radius: in the corners, what one thing in the way shades would
 * do. */
static bool is_seen_around(const polar_map *map, int radius) {
    int seen = 0;
    for (int s = 0; s < POLAR_SECTORS; s++) seen += map->pixels[s][radius] > 0;
    return 3 * seen >= POLAR_SECTORS;
}

sl_status physical_level_step(const physical_view *view, sl_physical_result *out) {
    double profile[POLAR_RADII], step;
    int places = 0, at = 0;
    bool is_straight;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image"
                              : "rings or few counts wherever a step could be seen");
    if (view->is_grazing) return SL_OK;
    physical_profile(view, profile);
    for (int r = FIRST_RADIUS; r < POLAR_RADII; r++) {
        if (!is_seen_around(&view->polar, r) || !step_at(profile, r, &step, &is_straight)) continue;
        places += is_straight;
        if (step > out->value) out->value = step, at = r;
    }
    if (places < LEAST_PLACES) {
        out->value = 0;
        return SL_OK;
    }
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "no step up along the radius");
    if (out->value <= 0) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "rises at once by %.0f %% and more, %.0f px from the beam, and stays",
             100 * expm1(out->value), at * view->polar.step_px);
    physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_LEVEL_STEP, true, (float)view->row_px,
                                  (float)view->column_px, 0, 0, (float)(at * view->polar.step_px)});
    return SL_OK;
}
