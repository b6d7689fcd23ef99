/* The radial profile: 24 bins of ln(radius), and the exponents of its fall-off. */
#include "xray/feature/internal.h"

#include <math.h>
#include <string.h>

static const double inner = 0.015, outer = 1; /* over the side */

void feature_profile_fill(const feature_view *view, feature_profile *out) {
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < view->height_px; i++)
        for (int32_t j = 0; j < view->width_px; j++) {
            int64_t k = (int64_t)i * view->width_px + j;
            if (view->bad[k]) continue;
            double y = i + 0.5 - view->beam.row_px, x = j + 0.5 - view->beam.column_px;
            double radius = sqrt(x * x + y * y);
            if (radius >= FEATURE_RADII) continue;
            int bin = (int)radius;
            double v = (double)view->value[k];
            out->mean[bin] += v;
            out->error[bin] += v * v;
            out->pixels[bin]++;
            if (bin >= out->count) out->count = bin + 1;
        }
    for (int r = 0; r < out->count; r++) {
        double n = out->pixels[r], mean = n > 0 ? out->mean[r] / n : NAN;
        double variance = n > 1 ? fmax(0, (out->error[r] - n * mean * mean) / (n - 1)) : NAN;
        out->mean[r] = mean;
        out->error[r] = sqrt(variance / n);
    }
}

static void fill_bins(const feature_view *view, const feature_profile *profile, double *out) {
    enum { LEAST_PIXELS = 6 };
    double sum[SL_PROFILE_BINS] = {0}, pixels[SL_PROFILE_BINS] = {0}, total = 0;
    int present = 0;
    for (int r = 0; r < profile->count; r++) {
        double place = log((r + 0.5) / view->side_px / inner) / log(outer / inner) * SL_PROFILE_BINS;
        if (place < 0 || place >= SL_PROFILE_BINS || !(profile->pixels[r] > 0)) continue;
        sum[(int)place] += profile->mean[r] * profile->pixels[r];
        pixels[(int)place] += profile->pixels[r];
    }
    for (int b = 0; b < SL_PROFILE_BINS; b++) {
        /* an empty ring is not infinitely dark: one part in a million of the level */
        sum[b] = log10(fmax(sum[b] / pixels[b], 1e-6 * view->level));
        if (pixels[b] < LEAST_PIXELS) continue;
        total += sum[b];
        present++;
    }
    for (int b = 0; b < SL_PROFILE_BINS; b++)
        if (pixels[b] >= LEAST_PIXELS && present >= SL_PROFILE_BINS / 3)
            out[SL_IMAGE_FEATURE_PROFILE_00 + b] = sum[b] - total / present;
}

/* d ln(mean) / d ln(radius) by least squares, each ring with the same weight in ln(radius). */
static double slope(const feature_view *view, const feature_profile *profile, double low, double high) {
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int r = 0; r < profile->count; r++) {
        double radius = (r + 0.5) / view->side_px;
        if (radius < low || radius >= high || !(profile->pixels[r] > 0) || !(profile->mean[r] > 0)) continue;
        double w = 1.0 / (r + 0.5), x = log(radius), y = log(profile->mean[r]);
        n += w, sx += w * x, sy += w * y, sxx += w * x * x, sxy += w * x * y;
    }
    double spread = n * sxx - sx * sx;
    return spread > 1e-6 * n * n ? (n * sxy - sx * sy) / spread : NAN;
}

void feature_profile_bins(const feature_view *view, const feature_profile *profile, double *out) {
    fill_bins(view, profile, out);
    out[SL_IMAGE_FEATURE_SLOPE_LOW] = slope(view, profile, 0.03, 0.1);
    out[SL_IMAGE_FEATURE_SLOPE_MIDDLE] = slope(view, profile, 0.1, 0.3);
    out[SL_IMAGE_FEATURE_SLOPE_HIGH] = slope(view, profile, 0.3, 0.8);
}
