/* A12: photon counts vary as much as their mean; bright ones a little more where the pixels' gains differ. */
#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

sl_status physical_noise_variance(const physical_view *view, sl_physical_result *out) {
    noise_places places;
    SL_TRY(noise_places_look(view, &places, out, &out->applicable));
    if (!out->applicable) return SL_OK;
    out->value = fmax(0, fmax(-log(fmax(places.variance, 1e-3)), log(fmax(places.reduced_variance, 1e-3))));
    snprintf(out->saw, sizeof out->saw, "variance is %.2f of the mean", places.variance);
    return SL_OK;
}
