#include "train/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REACH = 5, PROFILE_MAX = 256, BINS_A_PIXEL = 4 };

double sl_psnr_db(const float *image, const float *truth, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)image[i] - (double)truth[i];
        sum += d * d;
    }
    return sum > 0 ? 10 * log10((double)count / sum) : 99;
}

double sl_spot_contrast(const float *image, int height_px, int width_px, int row, int column) {
    if (row < REACH || column < REACH || row >= height_px - REACH || column >= width_px - REACH) return 0;
    double inside = 0, border = 0;
    for (int y = -REACH; y <= REACH; y++)
        for (int x = -REACH; x <= REACH; x++) {
            double value = (double)image[(int64_t)(row + y) * width_px + column + x];
            if (abs(y) <= 1 && abs(x) <= 1) inside += value / 9;
            if (abs(y) == REACH || abs(x) == REACH) border += value / (8 * REACH);
        }
    return inside - border;
}

static int is_highest(const float *image, int width_px, int row, int column) {
    float top = image[(int64_t)row * width_px + column];
    for (int y = -REACH; y <= REACH; y++)
        for (int x = -REACH; x <= REACH; x++) {
            float value = image[(int64_t)(row + y) * width_px + column + x];
            int before = y < 0 || (y == 0 && x < 0); /* of equal pixels the first counts */
            if ((y || x) && (value > top || (before && value == top))) return 0;
        }
    return 1;
}

int sl_spots_find(const float *truth, int height_px, int width_px, double least, int limit, int *out_row,
                  int *out_column) {
    int count = 0;
    for (int row = REACH; row < height_px - REACH && count < limit; row++)
        for (int column = REACH; column < width_px - REACH && count < limit; column++) {
            if (!is_highest(truth, width_px, row, column)) continue;
            if (sl_spot_contrast(truth, height_px, width_px, row, column) < least) continue;
            out_row[count] = row;
            out_column[count++] = column;
        }
    return count;
}

/* Where the profile falls to `level` on the way from the top in direction `way`, in bins; -1 if it does not.
 */
static double crossing(const double *profile, int bins, int top, double level, int way) {
    for (int i = top; i + way >= 0 && i + way < bins; i += way) {
        double here = profile[i], next = profile[i + way];
        if (here >= level && next < level) return i + way * (here - level) / (here - next);
    }
    return -1;
}

static double width_of(const double *profile, int bins) {
    double flat[PROFILE_MAX];
    int top = 0;
    for (int i = 0; i < bins; i++) {
        double part = (double)i / (bins - 1);
        flat[i] = profile[i] - (profile[0] * (1 - part) + profile[bins - 1] * part);
        if (flat[i] > flat[top]) top = i;
    }
    if (!(flat[top] > 1e-3)) return 0;
    double left = crossing(flat, bins, top, flat[top] / 2, -1),
           right = crossing(flat, bins, top, flat[top] / 2, 1);
    return left < 0 || right < 0 ? 0 : right - left;
}

double sl_ring_width_px(const float *image, int height_px, int width_px, double row, double column,
                        double radius_px, double reach_px) {
    double sum[PROFILE_MAX] = {0}, count[PROFILE_MAX] = {0};
    double begin = radius_px - reach_px;
    int bins = (int)(2 * reach_px * BINS_A_PIXEL) + 1;
    if (begin < 1 || bins < 8 || bins > PROFILE_MAX) return 0;
    for (int y = 0; y < height_px; y++)
        for (int x = 0; x < width_px; x++) {
            double r = hypot(y + 0.5 - row, x + 0.5 - column);
            double place = (r - begin) * BINS_A_PIXEL;
            int bin = (int)floor(place);
            if (bin < 0 || bin + 1 >= bins) continue;
            double value = (double)image[(int64_t)y * width_px + x], part = place - bin;
            sum[bin] += (1 - part) * value;
            count[bin] += 1 - part;
            sum[bin + 1] += part * value;
            count[bin + 1] += part;
        }
    for (int i = 0; i < bins; i++) {
        if (count[i] < 2) return 0; /* too little of the ring is in the frame */
        sum[i] /= count[i];
    }
    return width_of(sum, bins) / BINS_A_PIXEL;
}
