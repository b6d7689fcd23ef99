/* A10b: the horizon of a flat sample is a straight line. */
#include "xray/physical/grazing/horizon_bend.h"

#include <math.h>
#include <stdio.h>

static const double least_room_px = 6, /* between the horizon and the lower border */
    least_clear = 40,                  /* what a bend would have to cost */
    doubt = 30;                        /* what may be gained by a bend of an image that does not show much */

static void draw(const physical_view *view, const horizon *h, const horizon_bend *bend) {
    double wide = view->image->width_px / (double)HORIZON_STRIPS;
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        double x = (2 * s + 1.0) / HORIZON_STRIPS - 1,
               off = bend->offset_px + (bend->tilt_px + bend->bend_px * x) * x;
        physical_mark(view, (sl_mark){SL_MARK_POINT, SL_PHYSICAL_HORIZON_LINE, fabs(off) > 2 * view->unit_px,
                                      (float)(h->offset_px + h->slope * (s + 0.5) * wide + off),
                                      (float)((s + 0.5) * wide), 0, 0, 0});
    }
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_HORIZON_LINE, false, (float)h->offset_px, 0,
                                  (float)(h->offset_px + h->slope * view->image->width_px),
                                  (float)view->image->width_px, 0});
}

sl_status physical_horizon_line(const physical_view *view, sl_physical_result *out) {
    horizon h;
    horizon_bend bend;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "no horizon is seen" : "not a grazing-incidence image");
    if (!view->is_grazing) return SL_OK;
    if (!horizon_known_or_found(view, &h)) return SL_OK;
    double middle = h.offset_px + h.slope * view->image->width_px / 2;
    if (middle > view->image->height_px - least_room_px * view->unit_px ||
        !horizon_bend_find(view, &h, &bend))
        return SL_OK;
    snprintf(out->saw, sizeof out->saw, "too little stands at the horizon to see a bend");
    if (bend.clear < least_clear) return SL_OK;
    out->applicable = true;
    out->value = bend.gain / (bend.clear + doubt);
    draw(view, &h, &bend);
    snprintf(out->saw, sizeof out->saw, "strips agree best along a horizon bent by %.1f px", bend.bend_px);
    return SL_OK;
}
