/* A12g: decoders that work in blocks of 8 pixels leave a pattern of that period. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { PERIOD = 8, SAMPLES = 4096, LEAST_SAMPLES = 500 };

/* How far pixel k is from the mean of those `beside` it, as counting noise goes; NaN where it cannot be told.
 */
static double excess_of(const sl_image *image, int64_t k, int64_t beside) {
    if (image->mask[k] | image->mask[k - beside] | image->mask[k + beside]) return NAN;
    double side = ((double)image->value[k - beside] + (double)image->value[k + beside]) / 2;
    return side > 0 ? ((double)image->value[k] - side) / sqrt(side + 0.5) : NAN;
}

/* The usual size of the excess along an axis: 1.2 for counts, another where a detector integrates; 0 with too
 * few pixels. */
static double usual_excess(const sl_image *image, int64_t beside) {
    double size[SAMPLES];
    int64_t first = image->width_px + 1, pixels = (int64_t)image->width_px * image->height_px - 2 * first,
            step = pixels / SAMPLES + 1;
    if (step % PERIOD == 0) step++;
    int n = 0;
    for (int64_t k = 0; k < pixels && n < SAMPLES; k += step) {
        double e = excess_of(image, first + k, beside);
        if (!isnan(e)) size[n++] = fabs(e);
    }
    return n >= LEAST_SAMPLES ? fmax(0.3, physical_median(size, n) / 0.6745) : 0;
}

/* Sum over one line of the excess over the lines beside it, in units of its noise; NaN with too few pixels.
 */
static double line_excess(const sl_image *image, int axis, int32_t line, double usual) {
    int64_t w = image->width_px, beside = axis ? 1 : w;
    int32_t length = axis ? image->height_px : image->width_px;
    double sum = 0, count = 0;
    for (int32_t t = 0; t < length; t++) {
        double e = excess_of(image, axis ? t * w + line : line * w + t, beside) / usual;
        if (!isnan(e)) sum += fmax(-3, fmin(3, e)), count++;
    }
    return count >= 24 ? sum / sqrt(count) : NAN;
}

enum { LINES = 4096 };

/* A grid shows in every eighth line: how far the median over the lines of one phase is from that of all
 * lines, in units of its noise; the largest. NaN with too little to see. */
static double axis_grid(const sl_image *image, int axis) {
    int32_t lines = axis ? image->width_px : image->height_px, total = 0;
    double all[LINES], most = 0, usual_size = usual_excess(image, axis ? 1 : image->width_px);
    if (lines > LINES) lines = LINES;
    if (usual_size <= 0) return NAN;
    for (int32_t line = 1; line + 1 < lines; line++) {
        double e = line_excess(image, axis, line, usual_size);
        if (!isnan(e)) all[total++] = e;
    }
    if (total < 6 * PERIOD) return NAN;
    double usual = physical_median(all, total);
    for (int phase = 0; phase < PERIOD; phase++) {
        double own[LINES / PERIOD + 1];
        int n = 0;
        for (int32_t line = phase ? phase : PERIOD; line + 1 < lines; line += PERIOD) {
            double e = line_excess(image, axis, line, usual_size);
            if (!isnan(e)) own[n++] = e;
        }
        if (n >= 6) most = fmax(most, fabs(physical_median(own, n) - usual) * sqrt(n) / 1.25);
    }
    return most;
}

sl_status physical_noise_grid(const physical_view *view, sl_physical_result *out) {
    double across = axis_grid(view->image, 0), along = axis_grid(view->image, 1);
    snprintf(out->saw, sizeof out->saw, "too few pixels with counts");
    if (isnan(across) && isnan(along)) return SL_OK;
    out->applicable = true;
    out->value = fmax(across, along);
    snprintf(out->saw, sizeof out->saw, "strongest of 8 phases is %.1f sigma", out->value);
    return SL_OK;
}
