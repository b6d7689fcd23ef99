/* Left against right of a grazing-incidence image. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { CELL = 4, COLUMNS_MAX = 1024 };

/* Mean squared difference of ln(counts) between mirrored cells beyond counting noise, about `axis` (columns).
 */
static double asymmetry(const sl_image *image, double axis, double *out_cells) {
    double sum = 0, weight = 0;
    int32_t reach = (int32_t)fmin(axis, image->width_px - axis) - CELL;
    for (int32_t i = 0; i + CELL <= image->height_px; i += CELL)
        for (int32_t d = 2; d + CELL <= reach; d += CELL) {
            double left = 0, right = 0;
            int good = 0;
            for (int32_t y = i; y < i + CELL; y++)
                for (int32_t x = d; x < d + CELL; x++) {
                    int64_t a = (int64_t)y * image->width_px + (int32_t)floor(axis - 0.5 - x);
                    int64_t b = (int64_t)y * image->width_px + (int32_t)floor(axis + 0.5 + x);
                    if (image->mask[a] || image->mask[b]) continue;
                    left += (double)image->value[a], right += (double)image->value[b], good++;
                }
            if (good < 8 || left + right < 24) continue;
            double difference = log((left + 0.5) / (right + 0.5)),
                   noise = 1 / (left + 0.5) + 1 / (right + 0.5);
            /* strong cells count more, but none alone decides */
            double w = 1 / (noise + 0.02);
            sum += w * fmin(difference * difference - noise, 4);
            weight += w;
            (*out_cells)++;
        }
    return weight > 0 ? sum / weight : NAN;
}

/* The axis about which the sides agree best, to half a pixel, between low and high; its asymmetry and cells.
 */
typedef struct axis {
    double column, value, cells;
    double usual; /* median asymmetry about all axes that were tried at first */
} axis;

static axis find_axis(const sl_image *image, double low, double high, double step) {
    axis best = {0, INFINITY, 0, 0};
    for (bool first = true;; first = false) {
        double seen[COLUMNS_MAX];
        int count = 0;
        for (double at = low; at <= high && count < COLUMNS_MAX; at += step) {
            double n = 0, value = asymmetry(image, at, &n);
            if (isnan(value)) continue;
            seen[count++] = value;
            if (value < best.value) best.column = at, best.value = value, best.cells = n;
        }
        if (first && count > 0) best.usual = physical_median(seen, count);
        if (step <= 0.5) return best;
        low = best.column - step;
        high = best.column + step;
        step /= 2;
    }
}

sl_status physical_mirror(const physical_view *view, sl_physical_result *out) {
    const sl_image *image = view->image;
    double nearest = 0.2 * image->width_px, farthest = 0.8 * image->width_px;
    axis found;
    snprintf(out->saw, sizeof out->saw, "not a grazing-incidence image");
    if (!view->is_grazing) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "the symmetry axis is too near the border");
    if (view->centre_known) {
        if (view->column_px - 4 < nearest || view->column_px + 4 > farthest) return SL_OK;
        found = find_axis(image, view->column_px - 4, view->column_px + 4, 1);
    } else {
        double step = 4 * view->unit_px;
        found = find_axis(image, nearest, farthest, step);
        if (found.column < nearest + step || found.column > farthest - step) return SL_OK;
        snprintf(out->saw, sizeof out->saw, "no column is clearly the symmetry axis");
        if (isfinite(found.value) && found.value > 0.4 * found.usual) return SL_OK;
    }
    snprintf(out->saw, sizeof out->saw, "too few counts to compare the sides");
    if (!isfinite(found.value) || found.cells < 40) return SL_OK;
    out->applicable = true;
    out->value = sqrt(fmax(found.value, 0));
    physical_mark(view, (sl_mark){SL_MARK_LINE, SL_PHYSICAL_MIRROR, false, 0, (float)found.column,
                                  (float)image->height_px, (float)found.column, 0});
    snprintf(out->saw, sizeof out->saw, "sides differ by %.0f %% about column %.1f", 100 * expm1(out->value),
             found.column);
    return SL_OK;
}
