/* Left against right, and point symmetry about the beam (Friedel's law). */
#include "xray/feature/internal.h"

#include <math.h>

enum { CELL = 4, CELL_PIXELS = CELL * CELL, LEAST_PIXELS = 8, LEAST_CELLS = 40 };

typedef struct cell {
    double sum, squares;
    int pixels;
} cell;

static void add_pixel(const feature_view *view, double row, double column, cell *out) {
    int32_t i = (int32_t)floor(row), j = (int32_t)floor(column);
    if (i < 0 || j < 0 || i >= view->height_px || j >= view->width_px) return;
    int64_t k = (int64_t)i * view->width_px + j;
    if (view->bad[k]) return;
    double v = (double)view->value[k];
    out->sum += v, out->squares += v * v, out->pixels++;
}

/* Mean, and the relative variance of the mean from the spread within the cell: no unit of counts is assumed.
 */
static double relative_variance(const cell *c, double mean) {
    double variance = fmax(0, c->squares / c->pixels - mean * mean) / (c->pixels - 1);
    return variance / (mean * mean);
}

/* rms of ln(a/b) beyond noise over cells on one side and their images under the symmetry. */
static double asymmetry(const feature_view *view, bool point) {
    double sum = 0, weight = 0, y0 = view->beam.row_px, x0 = view->beam.column_px;
    int cells = 0;
    for (double top = y0 - CELL * floor(y0 / CELL); top + CELL <= view->height_px; top += CELL)
        for (double left = x0 + 2; left + CELL <= view->width_px; left += CELL) {
            cell a = {0}, b = {0};
            for (int k = 0; k < CELL_PIXELS; k++) {
                double row = top + k / CELL + 0.5, column = left + k % CELL + 0.5;
                add_pixel(view, row, column, &a);
                add_pixel(view, point ? 2 * y0 - row : row, 2 * x0 - column, &b);
            }
            if (a.pixels < LEAST_PIXELS || b.pixels < LEAST_PIXELS || !(a.sum > 0) || !(b.sum > 0)) continue;
            double mean_a = a.sum / a.pixels, mean_b = b.sum / b.pixels, d = log(mean_a / mean_b);
            double noise = relative_variance(&a, mean_a) + relative_variance(&b, mean_b),
                   w = 1 / (noise + 0.02);
            /* strong cells count more, but none alone decides */
            sum += w * fmin(d * d - noise, 4);
            weight += w;
            cells++;
        }
    return cells >= LEAST_CELLS ? sqrt(fmax(0, sum / weight)) : NAN;
}

void feature_symmetry(const feature_view *view, double *out) {
    out[SL_IMAGE_FEATURE_MIRROR] = asymmetry(view, false);
    out[SL_IMAGE_FEATURE_FRIEDEL] = asymmetry(view, true);
}
