/* What hides the scattering: horizon, gaps, beamstop. */
#include "xray/feature/internal.h"
#include "xray/quantile.h"

#include <math.h>

/* Largest median over the columns of the step between the rows two above and two below. */
static double horizon_step(const feature_view *view) {
    double most = NAN;
    for (int32_t i = 2; i + 2 < view->height_px; i++) {
        int64_t above = (int64_t)(i - 2) * view->width_px, below = (int64_t)(i + 2) * view->width_px;
        size_t n = 0;
        for (int32_t j = 0; j < view->width_px; j++) {
            if (view->bad[above + j] || view->bad[below + j]) continue;
            view->scratch[n++] = view->display[above + j] - view->display[below + j];
        }
        if (n < (size_t)view->width_px / 2 || n < 8) continue;
        most = fmax(isnan(most) ? 0 : most, fabs(sl_quantile_in_place(view->scratch, n, 0.5)));
    }
    return most;
}

enum { SECTORS = 24, RADII = 64 };

/* Radius, in bins, up to which a sector stays below half of its largest mean; 0: it does not start dark, -1:
 * it is not seen. */
static double dark_radius(const double *sum, const double *pixels) {
    double top = 0, dark = 0;
    for (int r = 0; r < RADII; r++)
        if (pixels[r] > 0) top = fmax(top, sum[r] / pixels[r]);
    for (int r = 0; r < RADII && top > 0; r++) {
        if (!(pixels[r] > 0)) continue;
        if (sum[r] / pixels[r] >= 0.5 * top) return dark;
        dark = r + 1;
    }
    return -1;
}

/* Area around the beam, out to a quarter of the side, before the intensity has reached half of its maximum.
 */
static double dark_area(const feature_view *view) {
    static _Thread_local double sum[SECTORS][RADII], pixels[SECTORS][RADII];
    double step = 0.25 * view->side_px / RADII, area = 0;
    int seen = 0;
    for (int s = 0; s < SECTORS; s++)
        for (int r = 0; r < RADII; r++) sum[s][r] = pixels[s][r] = 0;
    for (int32_t i = 0; i < view->height_px; i++)
        for (int32_t j = 0; j < view->width_px; j++) {
            int64_t k = (int64_t)i * view->width_px + j;
            double y = i + 0.5 - view->beam.row_px, x = j + 0.5 - view->beam.column_px;
            double radius = sqrt(x * x + y * y) / step;
            if (view->bad[k] || radius >= RADII) continue;
            int sector = (int)((atan2(y, x) + M_PI) * (SECTORS / (2 * M_PI)));
            if (sector >= SECTORS) sector = SECTORS - 1;
            sum[sector][(int)radius] += (double)view->value[k];
            pixels[sector][(int)radius]++;
        }
    for (int s = 0; s < SECTORS; s++) {
        double radius = dark_radius(sum[s], pixels[s]);
        if (radius < 0) continue;
        area += radius * radius;
        seen++;
    }
    return seen >= SECTORS / 2 ? M_PI * area / seen * step * step / (view->side_px * view->side_px) : NAN;
}

void feature_shadows(const feature_view *view, double *out) {
    double pixels = (double)view->height_px * view->width_px;
    out[SL_IMAGE_FEATURE_HORIZON] = horizon_step(view);
    out[SL_IMAGE_FEATURE_GAP_SHARE] = 1 - (double)view->good / pixels;
    out[SL_IMAGE_FEATURE_BEAMSTOP_AREA] = dark_area(view);
}
