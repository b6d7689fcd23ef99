/* A6: the level goes on behind a gap. */
#include "xray/physical/gap/gap_lines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BINS = 512, SKIP = 1, EDGE = 4, LEAST_COUNTS = 25, LEAST_PIECES = 6 };

static const double usual = 0.03; /* ln: what gains of modules differ by, and rings cut obliquely */

static const double vague =
    0.3; /* ln: with such an error, a half tells nothing of a step by a factor of two */

/* Counts on one side of a gap over the distance from the beam, before the beam and behind it apart. */
typedef struct side_profile {
    double counts[2][BINS], pixels[2][BINS];
} side_profile;

/* The line beside a gap is left out: pixels there are larger on many detectors. */
static void fill_side(const physical_view *view, bool is_column, int32_t from, int32_t to,
                      side_profile *out) {
    const sl_image *image = view->image;
    int32_t length = is_column ? image->height_px : image->width_px;
    double beam = is_column ? view->row_px : view->column_px;
    memset(out, 0, sizeof *out);
    for (int32_t line = from; line < to; line++)
        for (int32_t t = 0; t < length; t++) {
            int32_t i = is_column ? t : line, j = is_column ? line : t;
            int64_t k = (int64_t)i * image->width_px + j;
            double radius, azimuth;
            if (image->mask[k]) continue;
            physical_polar(view, i + 0.5, j + 0.5, &radius, &azimuth);
            int bin = (int)fmin(radius / view->polar.step_px, BINS), half = t + 0.5 > beam;
            if (bin < BINS) out->counts[half][bin] += (double)image->value[k], out->pixels[half][bin]++;
        }
}

/* ln of the two sides' ratio in pieces of radius with enough counts; returns how many there are. */
static int ratios(const side_profile *a, const side_profile *b, int half, double *out) {
    int count = 0;
    double counts[2] = {0, 0}, pixels = 0;
    for (int r = 0; r < BINS; r++) {
        double n = a->pixels[half][r], m = b->pixels[half][r];
        if (n < 1 || m < 1) continue;
        /* as many pixels of each radius on either side, so that a steep decay weighs alike */
        double least = fmin(n, m);
        counts[0] += a->counts[half][r] * least / n;
        counts[1] += b->counts[half][r] * least / m;
        pixels += least;
        if (fmin(counts[0], counts[1]) < LEAST_COUNTS || pixels < 2 * EDGE) continue;
        out[count++] = log(counts[0] / counts[1]);
        counts[0] = counts[1] = pixels = 0;
    }
    return count;
}

/* Median of the ratios of one half, and its standard error; false with too few. */
static bool step_of_half(const side_profile *a, const side_profile *b, int half, double *step,
                         double *error) {
    double all[BINS], off[BINS];
    int count = ratios(a, b, half, all);
    if (count < LEAST_PIECES) return false;
    *step = physical_median(all, count);
    for (int k = 0; k < count; k++) off[k] = fabs(all[k] - *step);
    *error = 1.4826 * physical_median(off, count) * 1.25 / sqrt(count);
    return true;
}

/* The step from the inner strip of one side to that of the other, in standard errors; what the level changes
 * within each side, from its inner strip to its outer one, it may also change across the gap. */
static double step_of_strips(side_profile strip[2][2], int half, double *step) {
    double inside[2], error, unused;
    if (!step_of_half(&strip[0][0], &strip[1][0], half, step, &error)) return NAN;
    for (int side = 0; side < 2; side++)
        if (!step_of_half(&strip[side][0], &strip[side][1], half, &inside[side], &unused)) return NAN;
    error = hypot(hypot(error, usual), 1.5 * fmax(fabs(inside[0]), fabs(inside[1])));
    return error > vague ? (double)NAN : fabs(*step) / error;
}

/* The step of the level across the gap in lines first .. end - 1, in its standard errors; NaN where too
 * little is seen. */
static double step_across(const physical_view *view, bool is_column, int32_t first, int32_t end,
                          double *step) {
    const sl_image *image = view->image;
    int32_t lines = is_column ? image->width_px : image->height_px,
            skip = (int32_t)ceil(SKIP * view->unit_px), edge = (int32_t)ceil(EDGE * view->unit_px);
    if (first - skip - 2 * edge < 0 || end + skip + 2 * edge > lines) return NAN;
    side_profile(*strip)[2];
    if (sl_alloc(&strip, 2, sizeof *strip)) return NAN;
    for (int k = 0; k < 2; k++) {
        fill_side(view, is_column, first - skip - (k + 1) * edge, first - skip - k * edge, &strip[0][k]);
        fill_side(view, is_column, end + skip + k * edge, end + skip + (k + 1) * edge, &strip[1][k]);
    }
    double steps[2], value[2];
    for (int half = 0; half < 2; half++) value[half] = step_of_strips(strip, half, &steps[half]);
    sl_free(strip);
    if (isnan(value[0]) || isnan(value[1])) {
        int known = isnan(value[0]);
        *step = steps[known];
        return value[known];
    }
    /* a texture that changes around the beam steps up in one half and down in the other; a level that steps
     * does the same in both */
    int less = value[0] > value[1];
    *step = steps[less];
    return steps[0] * steps[1] > 0 ? value[less] : 0;
}

sl_status physical_gap_level(const physical_view *view, sl_physical_result *out) {
    int gaps = 0;
    double worst = 0;
    snprintf(out->saw, sizeof out->saw,
             view->is_grazing ? "not a transmission image" : "no gap with enough counts on both sides");
    if (view->is_grazing) return SL_OK;
    for (gap_lines gap = {0}; gap_lines_next(view->image, &gap);) {
        double step = 0, value = step_across(view, gap.is_column, gap.first, gap.end, &step);
        if (isnan(value)) continue;
        gaps++;
        if (value > out->value) out->value = value, worst = step;
        gap_lines_mark(view, SL_PHYSICAL_GAP_LEVEL, &gap, value > 3);
    }
    if (gaps == 0) return SL_OK;
    out->applicable = true;
    snprintf(out->saw, sizeof out->saw, "%d gaps; the level changes by %.0f %% across one", gaps,
             100 * (exp(fabs(worst)) - 1));
    return SL_OK;
}
