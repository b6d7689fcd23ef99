/* Texture: azimuthal harmonics 2 and 4 of the intensity in bands of the radius. */
#include "xray/feature/internal.h"

#include <math.h>

enum { SECTORS = 24, LEAST_SECTORS = 18 };

static double harmonic(const double *sum, const double *pixels, int order) {
    double mean = 0, re = 0, im = 0;
    int seen = 0;
    for (int s = 0; s < SECTORS; s++)
        if (pixels[s] >= 4) mean += sum[s] / pixels[s], seen++;
    if (seen < LEAST_SECTORS || !(mean > 0)) return NAN;
    mean /= seen;
    for (int s = 0; s < SECTORS; s++) {
        if (pixels[s] < 4) continue;
        double angle = order * (s + 0.5) * 2 * M_PI / SECTORS, v = sum[s] / pixels[s] - mean;
        re += v * cos(angle);
        im += v * sin(angle);
    }
    return 2 * hypot(re, im) / (seen * mean);
}

void feature_anisotropy(const feature_view *view, double *out) {
    static const double inner = 0.03, outer = 0.6; /* over the side */
    double sum[SL_ANISOTROPY_BANDS][SECTORS] = {{0}}, pixels[SL_ANISOTROPY_BANDS][SECTORS] = {{0}};
    for (int32_t i = 0; i < view->height_px; i++)
        for (int32_t j = 0; j < view->width_px; j++) {
            int64_t k = (int64_t)i * view->width_px + j;
            double y = i + 0.5 - view->beam.row_px, x = j + 0.5 - view->beam.column_px;
            double square = (x * x + y * y) / (view->side_px * view->side_px);
            if (view->bad[k] || square < inner * inner || square >= outer * outer) continue;
            int band = (int)(0.5 * log(square / (inner * inner)) / log(outer / inner) * SL_ANISOTROPY_BANDS);
            int sector = (int)((atan2(y, x) + M_PI) * (SECTORS / (2 * M_PI)));
            if (band >= SL_ANISOTROPY_BANDS) band = SL_ANISOTROPY_BANDS - 1;
            if (sector >= SECTORS) sector = SECTORS - 1;
            sum[band][sector] += (double)view->value[k];
            pixels[band][sector]++;
        }
    for (int b = 0; b < SL_ANISOTROPY_BANDS; b++) {
        out[SL_IMAGE_FEATURE_S2_0 + b] = harmonic(sum[b], pixels[b], 2);
        out[SL_IMAGE_FEATURE_S4_0 + b] = harmonic(sum[b], pixels[b], 4);
    }
}
