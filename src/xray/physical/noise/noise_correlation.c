/* A12: photons of neighbouring pixels know nothing of each other. */
#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

sl_status physical_noise_correlation(const physical_view *view, sl_physical_result *out) {
    enum { SIDE = NOISE_BLOCK };
    noise_places places;
    SL_TRY(noise_places_look(view, &places, out, &out->applicable));
    if (!out->applicable) return SL_OK;
    /* as many neighbour pairs as pixels, twice, less those across the border; the mean taken off costs 1/36
     */
    double rho =
        places.product / places.square * (SIDE * SIDE) / (2.0 * SIDE * (SIDE - 1)) + 1.0 / (SIDE * SIDE);
    out->value = fabs(rho);
    snprintf(out->saw, sizeof out->saw, "neighbours correlate by %.3f", rho);
    return SL_OK;
}
