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

sl_status physical_mirror(const sl_physical_input *input, sl_physical_result *out) {
    const sl_image *image = input->image;
    snprintf(out->saw, sizeof out->saw, "not a grazing-incidence image");
    if (!input->is_grazing) return SL_OK;
    snprintf(out->saw, sizeof out->saw, "the symmetry axis is too near the border");
    double low = 0.25 * image->width_px, high = 0.75 * image->width_px, step = 8, best = INFINITY, at = 0,
           cells = 0;
    if (input->beam_known) {
        low = input->beam_column_px - 4;
        high = input->beam_column_px + 4;
        step = 1;
    }
    if (low < 0.2 * image->width_px || high > 0.8 * image->width_px) return SL_OK;
    /* from coarse to half pixels */
    for (int round = 0; round < 4; round++) {
        for (double axis = low; axis <= high; axis += step) {
            double n = 0, value = asymmetry(image, axis, &n);
            if (value < best) best = value, at = axis, cells = n;
        }
        if (step <= 0.5) break;
        low = at - step;
        high = at + step;
        step /= 2;
    }
    if (!isfinite(best) || cells < 40) {
        snprintf(out->saw, sizeof out->saw, "too few counts to compare the sides");
        return SL_OK;
    }
    out->applicable = true;
    out->value = sqrt(fmax(best, 0));
    snprintf(out->saw, sizeof out->saw, "sides differ by %.0f %% about column %.1f", 100 * expm1(out->value),
             at);
    return SL_OK;
}
