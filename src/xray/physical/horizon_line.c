/* A10b: the horizon of a flat sample is a straight line. */
#include "xray/physical/horizon.h"

#include <math.h>
#include <stdio.h>

sl_status physical_horizon_line(const physical_view *view, sl_physical_result *out) {
    horizon h;
    double step[HORIZON_STRIPS], rest[HORIZON_STRIPS], square = 0, last = NAN;
    int seen = 0, steps = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "no horizon is seen" : "not a grazing-incidence image");
    if (!view->is_grazing || !horizon_find(view, &h)) return SL_OK;
    double wide = view->image->width_px / (double)HORIZON_STRIPS;
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        if (isnan(h.row_px[s])) continue;
        double off = (h.row_px[s] - h.offset_px - h.slope * (s + 0.5) * wide) / view->unit_px;
        if (!isnan(last)) step[steps++] = fabs(off - last);
        rest[seen++] = last = off;
        physical_mark(view, (sl_mark){SL_MARK_POINT, SL_PHYSICAL_HORIZON_LINE, fabs(off) > 2,
                                      (float)h.row_px[s], (float)((s + 0.5) * wide), 0, 0, 0});
    }
    /* what jumps from strip to strip is noise; what swings slowly is the horizon */
    double jump = 1.05 * physical_median(step, steps);
    for (int k = 0; k < seen; k++) square += fmin(rest[k] * rest[k], 64) / seen;
    out->applicable = true;
    /* an arc that crosses part of the image can be taken for an edge: what is seen in few strips counts less
     */
    out->value = sqrt(fmax(0, square - jump * jump)) * pow(seen / (double)HORIZON_STRIPS, 3);
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_HORIZON_LINE, false, (float)h.offset_px, 0,
                                  (float)(h.offset_px + h.slope * view->image->width_px),
                                  (float)view->image->width_px, 0});
    snprintf(out->saw, sizeof out->saw, "edge seen in %d of %d strips, off the line by %.2f px", seen,
             HORIZON_STRIPS, out->value * view->unit_px);
    return SL_OK;
}
