/* A2: rings are circles of the geometry; what a tilt explains stretches all of them alike. */
#include "xray/physical/ring/ring_fit.h"

#include <math.h>
#include <stdio.h>

sl_status physical_ring_shape(const physical_view *view, sl_physical_result *out) {
    ring_fit fit[RING_FITS];
    double stretch[2] = {0, 0}, step = view->polar.step_px / view->unit_px;
    int rings = ring_fits_to_judge(view, "one ring, and the detector's tilt is not known", fit, out),
        bent = 0;
    if (rings == 0) return SL_OK;
    if (!view->input->geometry) ring_fits_common(fit, rings, 3, 1, stretch);
    for (int k = 0; k < rings; k++) {
        double oval = hypot(fit[k].harmonic[3] - stretch[0] * fit[k].radius,
                            fit[k].harmonic[4] - stretch[1] * fit[k].radius) -
                      2 * fit[k].error;
        double wobble = fmax(0, fit[k].wobble - 0.3);
        oval = hypot(fmax(0, oval), wobble) * step;
        if (oval > out->value) out->value = oval, bent = k;
    }
    for (int k = 0; k < rings; k++)
        physical_mark_track(view, SL_PHYSICAL_RING_SHAPE, fit[k].track, k == bent && out->value > 0);
    snprintf(out->saw, sizeof out->saw, "%d rings; the one at %.0f px is out of round by %.2f px", rings,
             fit[bent].radius * view->polar.step_px, out->value * view->unit_px);
    return SL_OK;
}
