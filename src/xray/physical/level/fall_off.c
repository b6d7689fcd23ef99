/* A13g: what lies beneath the rings falls off to the border; nothing makes it grow there for good. A halo or
 * a ring rises and falls again. */
#include "base/numeric/sort.h"
#include "xray/physical/level/profile.h"

#include <math.h>
#include <stdio.h>

enum { FIRST_RADIUS = 24, ROOM = 40, REACH = 7, BORDER = 8, LEAST_RADII = 60 };

/* The radii at which something is known, and the lowest fifth of what is known around each: beneath the
 * rings. */
typedef struct envelope {
    int radius[POLAR_RADII], count;
    double level[POLAR_RADII];
} envelope;

static void take_envelope(const double *profile, envelope *out) {
    out->count = 0;
    for (int r = 0; r < POLAR_RADII; r++) {
        double near[2 * REACH + 1];
        int seen = 0;
        for (int k = r - REACH; k <= r + REACH; k++)
            if (k >= 0 && k < POLAR_RADII && !isnan(profile[k])) near[seen++] = profile[k];
        if (isnan(profile[r]) || seen <= REACH) continue;
        sl_sort_doubles(near, (size_t)seen);
        out->radius[out->count] = r;
        out->level[out->count++] = near[seen / 5];
    }
}

/* Index of the lowest level with room to grow beyond; -1: there is no such place. */
static int lowest(const envelope *e) {
    int best = -1;
    for (int k = 0; k < e->count; k++) {
        if (e->radius[k] < FIRST_RADIUS || e->radius[k] > e->radius[e->count - 1] - ROOM) continue;
        if (best < 0 || e->level[k] < e->level[best]) best = k;
    }
    return best;
}

/* The most that the level falls on its way out from `first`. */
static double largest_fall(const envelope *e, int first) {
    double highest = e->level[first], fall = 0;
    for (int k = first; k < e->count; k++) {
        highest = fmax(highest, e->level[k]);
        fall = fmax(fall, highest - e->level[k]);
    }
    return fall;
}

sl_status physical_fall_off(const physical_view *view, sl_physical_result *out) {
    double profile[POLAR_RADII], border[BORDER];
    envelope e;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "too few counts for a profile");
    if (view->is_grazing) return SL_OK;
    physical_profile(view, profile);
    take_envelope(profile, &e);
    int from = e.count < LEAST_RADII ? -1 : lowest(&e);
    if (from < 0) return SL_OK;
    out->applicable = true;
    for (int k = 0; k < BORDER; k++) border[k] = e.level[e.count - BORDER + k];
    double growth = physical_median(border, BORDER) - e.level[from];
    out->value = fmax(0, growth - largest_fall(&e, from));
    snprintf(out->saw, sizeof out->saw, "no growth towards the border");
    if (out->value <= 0) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "grows by %.0f %% from %.0f px off the beam to the border",
             100 * expm1(growth), e.radius[from] * view->polar.step_px);
    physical_mark(view,
                  (sl_mark){SL_MARK_CIRCLE, SL_PHYSICAL_FALL_OFF, true, (float)view->row_px,
                            (float)view->column_px, 0, 0, (float)(e.radius[from] * view->polar.step_px)});
    return SL_OK;
}
