/* A13: nothing makes intensity rise at one radius and stay up, or grow towards the border; a ring falls
 * again, a shadow ends where it is known. */
#include "base/sort.h"
#include "xray/physical/robust_fit.h"

#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_RADIUS = 24, REACH = 30, NEAR = 9, ENVELOPE = 7, LEAST_COUNTS = 40, LEAST_BINS = 40 };

/* ln of counts a pixel, the median over the sectors: grains and arcs do not lift it; NaN where there are few.
 */
static void profile_of(const physical_view *view, double *out) {
    for (int r = 0; r < POLAR_RADII; r++) {
        double value[POLAR_SECTORS / 3], counts = 0;
        int seen = 0;
        for (int s = 0; s < POLAR_SECTORS; s += 3) {
            double pixels, mean = polar_map_mean(&view->polar, s, 3, r, &pixels);
            if (pixels < 2) continue;
            value[seen++] = mean;
            counts += mean * pixels;
        }
        out[r] = NAN;
        if (seen < 4 || counts < LEAST_COUNTS) continue;
        double middle = physical_median(value, seen);
        if (middle > 0) out[r] = log(middle);
    }
}

/* The lowest fifth of what is within ENVELOPE of each radius: what lies beneath the rings. */
static void take_envelope(double *profile) {
    double envelope[POLAR_RADII];
    for (int r = 0; r < POLAR_RADII; r++) {
        double near[2 * ENVELOPE + 1];
        int seen = 0;
        for (int k = r - ENVELOPE; k <= r + ENVELOPE; k++)
            if (k >= 0 && k < POLAR_RADII && !isnan(profile[k])) near[seen++] = profile[k];
        envelope[r] = NAN;
        if (isnan(profile[r]) || seen <= ENVELOPE) continue;
        sl_sort_doubles(near, (size_t)seen);
        envelope[r] = near[seen / 5];
    }
    memcpy(profile, envelope, sizeof envelope);
}

static double mean_of(const double *profile, int first, int last) {
    double sum = 0;
    for (int r = first; r <= last; r++) sum += profile[r] / (last - first + 1);
    return sum;
}

/* How high the profile steps up at a radius: a cubic with a step through what is REACH around, rings being
 * outliers of it; NaN where the profile is not known. */
static double step_at(const double *profile, int at) {
    double basis[2 * REACH + 1][ROBUST_TERMS], value[2 * REACH + 1], weight[2 * REACH + 1], c[ROBUST_TERMS],
        spread;
    int seen = 0;
    for (int k = 0; k <= 2 * REACH; k++) {
        int r = at - REACH + k;
        double x = (k - REACH) / (double)REACH, known = r > 0 && r < POLAR_RADII && !isnan(profile[r]);
        /* the step itself may be a few bins wide */
        weight[k] = known > 0 && abs(k - REACH) > 4;
        value[k] = weight[k] > 0 ? profile[r] : 0;
        basis[k][0] = 1, basis[k][1] = x, basis[k][2] = x * x, basis[k][3] = x * x * x;
        basis[k][4] = x > 0;
        seen += weight[k] > 0;
    }
    if (seen < LEAST_BINS || !robust_fit(basis, value, weight, 2 * REACH + 1, 0.02, c, &spread)) return NAN;
    double steep = mean_of(profile, at + 2, at + NEAR) - mean_of(profile, at - NEAR, at - 2);
    return fmin(c[4], 1.2 * (isnan(steep) ? 0 : steep)) - 2 * spread;
}

/* The slope of ln counts over ln radius from a radius to the border: of the lowest fifth in each of 16 parts,
 * so that rings do not count. */
static double slope_beyond(const double *profile, int first, int last) {
    enum { PARTS = 12 };
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int part = 0; part < PARTS; part++) {
        int from = first + (last - first) * part / PARTS, to = first + (last - first) * (part + 1) / PARTS,
            seen = 0;
        double value[POLAR_RADII];
        for (int r = from; r < to; r++)
            if (!isnan(profile[r])) value[seen++] = profile[r];
        if (seen == 0) continue;
        sl_sort_doubles(value, (size_t)seen);
        double u = log((from + to) / 2.0), v = value[seen / 5];
        n++, x += u, y += v, xx += u * u, xy += u * v;
    }
    double determinant = n * xx - x * x;
    return n >= PARTS / 2 && determinant > 0 ? (n * xy - x * y) / determinant : NAN;
}

/* How much the profile grows towards the border, as ln over the outer two fifths of the radius. */
static double growth_of(const double *profile) {
    int last = POLAR_RADII - 1;
    while (last > 0 && isnan(profile[last])) last--;
    int first = (int)(0.6 * last);
    if (last - first < 30) return 0;
    double slope = slope_beyond(profile, first, last);
    return isnan(slope) ? 0 : slope * log(last / (double)first);
}

sl_status physical_fall_off(const physical_view *view, sl_physical_result *out) {
    double profile[POLAR_RADII];
    int looked = 0, at = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "too few counts for a profile");
    if (view->is_grazing) return SL_OK;
    profile_of(view, profile);
    take_envelope(profile);
    for (int r = FIRST_RADIUS; r + REACH < POLAR_RADII; r++) {
        double step = step_at(profile, r);
        if (isnan(step)) continue;
        looked++;
        if (step > out->value) out->value = step, at = r;
    }
    if (looked < 12) return SL_OK;
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "no step up along the radius, no growth towards the border");
    double growth = growth_of(profile);
    if (growth > out->value) {
        out->value = growth;
        snprintf(out->saw, sizeof out->saw, "grows by %.0f %% towards the border", 100 * expm1(growth));
    } else if (out->value > 0) {
        snprintf(out->saw, sizeof out->saw, "rises by %.0f %% at %.0f px from the beam and stays",
                 100 * expm1(out->value), at * view->polar.step_px);
        physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_FALL_OFF, true, (float)view->row_px,
                                      (float)view->column_px, 0, 0, (float)(at * view->polar.step_px)});
    }
    return SL_OK;
}
