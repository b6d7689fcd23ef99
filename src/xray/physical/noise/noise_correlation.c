/* A12: photons of neighbouring pixels know nothing of each other. */
#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

sl_status physical_noise_correlation(const physical_view *view, sl_physical_result *out) {
    noise_places places;
    SL_TRY(noise_places_look(view, &places, out, &out->applicable));
    if (!out->applicable) return SL_OK;
    out->value = fabs(places.correlation);
    snprintf(out->saw, sizeof out->saw, "neighbours correlate by %.3f", places.correlation);
    return SL_OK;
}
