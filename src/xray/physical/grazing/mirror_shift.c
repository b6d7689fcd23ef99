/* Profiles over the height, left and right of the specular plane, and the shift at which they agree best. A
 * shadow or a filter on one side changes their level, not their shift. */
#include "xray/physical/grazing/mirror_shift.h"

#include "base/memory.h"
#include "xray/physical/grazing/height_profile.h"

#include <math.h>

enum { WIDE = 6, FIRST = 5, STRIPS = 24, REACH = 16, LEAST_ROWS = 48, LEAST_PLACES = 150 };

static const double unlike = 0.06, /* what square roots of mirrored places differ by, as a share */
    clear = 8;                     /* by how much more the sides agree, in its spread by chance */

/* The matches of all strips at each shift from -REACH rows on. */
static void match_sides(const physical_view *view, double axis, height_profile side[2],
                        profile_match out[2 * REACH + 1]) {
    double unit = height_profile_step_px(view);
    for (int s = 0; s < STRIPS; s++) {
        double near = (FIRST + s * WIDE) * unit, far = near + WIDE * unit;
        if (far > axis || axis + far > view->image->width_px) break;
        height_profile_fill(view, axis - far, axis - near, &side[0]);
        height_profile_fill(view, axis + near, axis + far, &side[1]);
        for (int k = 0; k <= 2 * REACH; k++) {
            profile_match m = height_profile_match(&side[0], &side[1], REACH, side[0].rows - REACH, k - REACH,
                                                   LEAST_ROWS, unlike);
            out[k].cost += m.cost, out[k].places += m.places;
        }
    }
}

double physical_mirror_shift(const physical_view *view, double axis) {
    profile_match match[2 * REACH + 1] = {{0, 0}};
    height_profile *side;
    if (sl_alloc(&side, 2, sizeof *side)) return 0;
    match_sides(view, axis, side, match);
    sl_free(side);
    int best = REACH;
    double none = match[REACH].cost / match[REACH].places, least = none;
    if (match[REACH].places < LEAST_PLACES) return 0;
    for (int k = 0; k <= 2 * REACH; k++)
        if (match[k].places >= LEAST_PLACES && match[k].cost / match[k].places < least)
            best = k, least = match[k].cost / match[k].places;
    bool at_end = best == 0 || best == 2 * REACH; /* it may be better beyond */
    return !at_end && (none - least) * sqrt(match[REACH].places) > clear
               ? (best - REACH) * height_profile_step_px(view)
               : 0;
}
