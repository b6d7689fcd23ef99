/* A13: nothing makes intensity rise at one radius and stay up; a ring falls again, a shadow ends where it is
 * known. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { FIRST_RADIUS = 22, NEAR = 2, INNER = 3, OUTER = 20, LEAST_COUNTS = 60 };

/* ln of counts a pixel over all sectors; NaN where there are few. */
static void profile_of(const physical_view *view, double *out) {
    for (int r = 0; r < POLAR_RADII; r++) {
        double pixels, mean = polar_map_mean(&view->polar, 0, POLAR_SECTORS, r, &pixels);
        out[r] = mean * pixels >= LEAST_COUNTS ? log(mean) : NAN;
    }
}

/* The lowest (sign 1) or highest (-1) value of the profile over first .. last: what stays. */
static double extreme(const double *profile, int first, int last, int sign) {
    double best = NAN;
    for (int r = first; r <= last; r++) {
        if (isnan(profile[r])) return NAN;
        if (isnan(best) || sign * profile[r] < sign * best) best = profile[r];
    }
    return best;
}

sl_status physical_fall_off(const physical_view *view, sl_physical_result *out) {
    double profile[POLAR_RADII];
    int looked = 0, at = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "too few counts for a profile");
    if (view->is_grazing) return SL_OK;
    profile_of(view, profile);
    for (int r = FIRST_RADIUS; r + OUTER < POLAR_RADII; r++) {
        double rise = extreme(profile, r + INNER, r + OUTER, 1) - extreme(profile, r - OUTER, r - INNER, -1);
        double sharp = extreme(profile, r + 1, r + NEAR, 1) - extreme(profile, r - NEAR, r - 1, -1);
        if (isnan(rise) || isnan(sharp)) continue;
        looked++;
        double step = fmin(rise, 2 * sharp);
        if (step > out->value) out->value = step, at = r;
    }
    if (looked < 12) return SL_OK;
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "no step up along the radius");
    if (out->value > 0) {
        snprintf(out->saw, sizeof out->saw, "rises by %.0f %% at %.0f px from the beam and stays",
                 100 * expm1(out->value), at * view->polar.step_px);
        physical_mark(view, (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_FALL_OFF, true, (float)view->row_px,
                                      (float)view->column_px, 0, 0, (float)(at * view->polar.step_px)});
    }
    return SL_OK;
}
