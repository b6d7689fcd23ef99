/* Fine noise and grey levels of the log display. */
#include "xray/feature/internal.h"
#include "xray/quantile.h"

#include <math.h>

enum { REACH = 2, WINDOW = 25, LEAST_GOOD = 200 };

/* Display less the mean of its 5 x 5 window into scratch; NAN where a pixel of the window is bad. */
static int64_t fill_residual(const feature_view *view) {
    int64_t w = view->width_px, good = 0;
    for (int32_t i = 0; i < view->height_px; i++)
        for (int32_t j = 0; j < w; j++) {
            double sum = 0;
            bool whole =
                i >= REACH && j >= REACH && i + REACH < view->height_px && j + REACH < view->width_px;
            for (int y = -REACH; y <= REACH && whole; y++)
                for (int x = -REACH; x <= REACH; x++) {
                    int64_t k = (i + y) * w + j + x;
                    if (view->bad[k]) whole = false;
                    sum += (double)view->display[k];
                }
            int64_t k = i * w + j;
            view->scratch[k] = whole ? (float)((double)view->display[k] - sum / WINDOW) : NAN;
            good += whole;
        }
    return good;
}

static double robust_sigma(const float *residual, int64_t pixels, float *copy) {
    size_t n = 0;
    for (int64_t k = 0; k < pixels; k++)
        if (!isnan(residual[k])) copy[n++] = fabsf(residual[k]);
    return 1.482602 * sl_quantile_in_place(copy, n, 0.5);
}

static void measure_residual(const feature_view *view, double cut, double *out) {
    double second = 0, fourth = 0, product = 0, square = 0, n = 0;
    const float *v = view->scratch;
    int64_t w = view->width_px;
    for (int32_t i = 0; i < view->height_px; i++)
        for (int32_t j = 0; j < w; j++) {
            int64_t k = i * w + j;
            double here = (double)v[k];
            if (!(fabs(here) <= cut)) continue;
            n++, second += here * here, fourth += here * here * here * here;
            double right = j + 1 < w ? (double)v[k + 1] : NAN,
                   below = i + 1 < view->height_px ? (double)v[k + w] : NAN;
            if (fabs(right) <= cut) product += here * right, square += 0.5 * (here * here + right * right);
            if (fabs(below) <= cut) product += here * below, square += 0.5 * (here * here + below * below);
        }
    if (square > 0) out[SL_IMAGE_FEATURE_NOISE_LAG1] = product / square;
    if (second > 0) out[SL_IMAGE_FEATURE_NOISE_KURTOSIS] = fourth * n / (second * second) - 3;
}

static sl_status noise(const feature_view *view, double *out) {
    int64_t pixels = (int64_t)view->height_px * view->width_px;
    if (fill_residual(view) < LEAST_GOOD) return SL_OK;
    float *copy;
    SL_TRY(sl_alloc(&copy, (size_t)pixels, sizeof *copy));
    out[SL_IMAGE_FEATURE_NOISE_SIGMA] = robust_sigma(view->scratch, pixels, copy);
    size_t n = 0;
    for (int64_t k = 0; k < pixels; k++)
        if (!isnan(view->scratch[k])) copy[n++] = fabsf(view->scratch[k]);
    /* the outermost hundredth is peaks and hot pixels */
    measure_residual(view, sl_quantile_in_place(copy, n, 0.99), out);
    sl_free(copy);
    return SL_OK;
}

static void grey_levels(const feature_view *view, double *out) {
    static const double shares[] = {0.05, 0.25, 0.5, 0.75, 0.95};
    int64_t pixels = (int64_t)view->height_px * view->width_px, top = 0;
    size_t n = 0;
    double largest = 0;
    for (int64_t k = 0; k < pixels; k++)
        if (!view->bad[k]) view->scratch[n++] = view->display[k];
    for (int s = 0; s < 5; s++)
        out[SL_IMAGE_FEATURE_GREY_05 + s] = sl_quantile_in_place(view->scratch, n, shares[s]);
    for (int64_t k = 0; k < pixels; k++)
        if (!view->bad[k]) largest = fmax(largest, (double)view->value[k]);
    for (int64_t k = 0; k < pixels; k++) top += !view->bad[k] && (double)view->value[k] >= 0.999 * largest;
    out[SL_IMAGE_FEATURE_SATURATION] = (double)top / (double)n;
}

sl_status feature_grey(const feature_view *view, double *out) {
    SL_TRY(noise(view, out));
    grey_levels(view, out);
    return SL_OK;
}
