/* A10b: the horizon of a flat sample is a straight line. */
#include "xray/physical/horizon.h"
#include "xray/physical/robust_fit.h"

#include <math.h>
#include <stdio.h>

/* Legendre polynomials at x in -1 .. 1. */
static void legendre(double x, double out[ROBUST_TERMS]) {
    out[0] = 1, out[1] = x;
    for (int k = 2; k < ROBUST_TERMS; k++) out[k] = ((2 * k - 1) * x * out[k - 1] - (k - 1) * out[k - 2]) / k;
}

/* How far the edge swings about a straight line, less what the strips scatter, px; negative where it cannot
 * be said. What jumps from strip to strip is noise, or an arc taken for an edge: only a slow swing counts. */
static double swing(const physical_view *view, const horizon *h) {
    double basis[HORIZON_STRIPS][ROBUST_TERMS], off[HORIZON_STRIPS], weight[HORIZON_STRIPS], c[ROBUST_TERMS],
        spread, square = 0, wide = view->image->width_px / (double)HORIZON_STRIPS;
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        legendre(2 * (s + 0.5) / HORIZON_STRIPS - 1, basis[s]);
        weight[s] = !isnan(h->row_px[s]);
        off[s] = weight[s] > 0 ? h->row_px[s] - h->offset_px - h->slope * (s + 0.5) * wide : 0;
    }
    if (!robust_fit(basis, off, weight, HORIZON_STRIPS, 0.2 * view->unit_px, c, &spread)) return -1;
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        if (weight[s] <= 0) continue;
        double bent = c[2] * basis[s][2] + c[3] * basis[s][3] + c[4] * basis[s][4];
        square += bent * bent / h->seen;
    }
    return fmax(0, sqrt(square) - 2 * spread);
}

sl_status physical_horizon_line(const physical_view *view, sl_physical_result *out) {
    horizon h;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "no horizon is seen" : "not a grazing-incidence image");
    if (!view->is_grazing || !horizon_find(view, &h)) return SL_OK;
    double wide = view->image->width_px / (double)HORIZON_STRIPS, bent = swing(view, &h);
    if (bent < 0) return SL_OK;
    for (int s = 0; s < HORIZON_STRIPS; s++) {
        if (isnan(h.row_px[s])) continue;
        double off = (h.row_px[s] - h.offset_px - h.slope * (s + 0.5) * wide) / view->unit_px;
        physical_mark(view, (sl_mark){SL_MARK_POINT, SL_PHYSICAL_HORIZON_LINE, fabs(off) > 2,
                                      (float)h.row_px[s], (float)((s + 0.5) * wide), 0, 0, 0});
    }
    out->applicable = true;
    /* an arc that crosses part of the image can be taken for an edge: what is seen in few strips counts less
     */
    out->value = bent / view->unit_px * h.seen / HORIZON_STRIPS;
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_HORIZON_LINE, false, (float)h.offset_px, 0,
                                  (float)(h.offset_px + h.slope * view->image->width_px),
                                  (float)view->image->width_px, 0});
    snprintf(out->saw, sizeof out->saw, "edge seen in %d of %d strips, bent by %.2f px", h.seen,
             HORIZON_STRIPS, bent);
    return SL_OK;
}
