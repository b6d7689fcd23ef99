/* A1: rings of one pattern share their centre. */
#include "xray/physical/ring/ring_fit.h"

#include <math.h>
#include <stdio.h>

sl_status physical_ring_centre(const physical_view *view, sl_physical_result *out) {
    ring_fit fit[RING_FITS];
    double shift[2] = {0, 0}, step = view->polar.step_px / view->unit_px;
    int rings = ring_fits_to_judge(view, "one ring, and the beam's place is not known", fit, out), odd = 0;
    if (rings == 0) return SL_OK;
    if (!view->input->geometry) ring_fits_common(fit, rings, 1, 0, shift);
    for (int k = 0; k < rings; k++) {
        /* a track that jumped between two rings scatters about any ellipse: what it says counts for less */
        double off = hypot(fit[k].harmonic[1] - shift[0], fit[k].harmonic[2] - shift[1]) - 2 * fit[k].error -
                     2 * fit[k].spread;
        off = fmax(0, off) * step;
        if (off > out->value) out->value = off, odd = k;
    }
    for (int k = 0; k < rings; k++)
        physical_mark_track(view, SL_PHYSICAL_RING_CENTRE, fit[k].track, k == odd && out->value > 0);
    snprintf(out->saw, sizeof out->saw, "%d rings; the one at %.0f px is %.2f px off", rings,
             fit[odd].radius * view->polar.step_px, out->value * view->unit_px);
    return SL_OK;
}
