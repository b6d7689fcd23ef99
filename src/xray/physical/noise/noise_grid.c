/* A12g: decoders that work in blocks of 8 pixels leave a pattern of that period. */
#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

enum { PERIOD = 8 };

/* Mean over one line of the normalised difference to the lines beside it; NaN with too few pixels. */
static double line_excess(const sl_image *image, int axis, int32_t line) {
    int64_t w = image->width_px, beside = axis ? 1 : w;
    int32_t length = axis ? image->height_px : image->width_px;
    double sum = 0, count = 0;
    for (int32_t t = 0; t < length; t++) {
        int64_t k = axis ? t * w + line : line * w + t;
        if (image->mask[k] | image->mask[k - beside] | image->mask[k + beside]) continue;
        double side = ((double)image->value[k - beside] + (double)image->value[k + beside]) / 2;
        if (side <= 0) continue;
        sum += fmax(-3, fmin(3, ((double)image->value[k] - side) / sqrt(1.5 * side + 0.5)));
        count++;
    }
    return count >= 24 ? sum / sqrt(count) : NAN;
}

enum { LINES = 4096 };

/* A grid shows in every eighth line: how far the median over the lines of one phase is from that of all
 * lines, in units of its noise; the largest. */
static double axis_grid(const sl_image *image, int axis) {
    int32_t lines = axis ? image->width_px : image->height_px, total = 0;
    double all[LINES], most = 0;
    if (lines > LINES) lines = LINES;
    for (int32_t line = 1; line + 1 < lines; line++) {
        double e = line_excess(image, axis, line);
        if (!isnan(e)) all[total++] = e;
    }
    if (total < 6 * PERIOD) return 0;
    double usual = physical_median(all, total);
    for (int phase = 0; phase < PERIOD; phase++) {
        double own[LINES / PERIOD + 1];
        int n = 0;
        for (int32_t line = phase ? phase : PERIOD; line + 1 < lines; line += PERIOD) {
            double e = line_excess(image, axis, line);
            if (!isnan(e)) own[n++] = e;
        }
        if (n >= 6) most = fmax(most, fabs(physical_median(own, n) - usual) * sqrt(n) / 1.25);
    }
    return most;
}

sl_status physical_noise_grid(const physical_view *view, sl_physical_result *out) {
    noise_places places;
    SL_TRY(noise_places_look(view, &places, out, &out->applicable));
    if (!out->applicable) return SL_OK;
    out->value = fmax(axis_grid(view->image, 0), axis_grid(view->image, 1));
    snprintf(out->saw, sizeof out->saw, "strongest of 8 phases is %.1f sigma", out->value);
    return SL_OK;
}
