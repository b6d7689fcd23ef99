/* Profiles over the height, left and right of the specular plane, and the shift at which they agree best. A
 * shadow or a filter on one side changes their level, not their shift. */
#include "xray/physical/mirror_shift.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { ROWS = 1024, WIDE = 6, FIRST = 5, STRIPS = 24, REACH = 16, LEAST_ROWS = 48, LEAST_PLACES = 150 };

static const double unlike = 0.06, /* what the square roots of mirrored places differ by, as a share */
    most = 9,                      /* that one place may tell */
    clear = 8;                     /* by how much more the sides agree, in its spread by chance */

/* Mean counts of one strip, row by row (rows of unit_px), square roots; pixels 0 where nothing is known. */
typedef struct profile {
    double root[ROWS], pixels[ROWS];
} profile;

static int fill_profile(const physical_view *view, double from, double to, profile *out) {
    const sl_image *image = view->image;
    int rows = (int)fmin(ROWS, image->height_px / view->unit_px);
    memset(out, 0, sizeof *out);
    int32_t first = (int32_t)fmax(0, ceil(from - 0.5)),
            last = (int32_t)fmin(image->width_px - 1, ceil(to - 0.5) - 1);
    for (int32_t i = 0; i < image->height_px; i++) {
        int r = (int)((i + 0.5) / view->unit_px);
        for (int32_t j = first; j <= last && r < rows; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (!image->mask[k]) out->root[r] += (double)image->value[k], out->pixels[r]++;
        }
    }
    double least = fmax(1, 0.4 * (to - from) * fmax(1, view->unit_px));
    for (int r = 0; r < rows; r++) {
        if (out->pixels[r] < least) out->pixels[r] = 0;
        if (out->pixels[r] > 0) out->root[r] = sqrt((out->root[r] + 0.25) / out->pixels[r]);
    }
    return rows;
}

/* Adds to *cost and *places how badly the profiles agree with the right one `shift` rows lower; the ratio of
 * their levels is free. */
static void compare(const profile *left, const profile *right, int rows, int shift, double *cost,
                    double *places) {
    double sum[2] = {0, 0};
    int seen = 0;
    for (int r = REACH; r < rows - REACH; r++) {
        if (left->pixels[r] == 0 || right->pixels[r + shift] == 0) continue;
        sum[0] += left->root[r], sum[1] += right->root[r + shift], seen++;
    }
    if (seen < LEAST_ROWS || sum[0] <= 0 || sum[1] <= 0) return;
    double ratio = sqrt(sum[0] / sum[1]);
    for (int r = REACH; r < rows - REACH; r++) {
        if (left->pixels[r] == 0 || right->pixels[r + shift] == 0) continue;
        double a = left->root[r] / ratio, b = right->root[r + shift] * ratio, level = (a + b) / 2,
               variance = 0.25 / left->pixels[r] / (ratio * ratio) +
                          0.25 / right->pixels[r + shift] * ratio * ratio + unlike * unlike * level * level;
        *cost += fmin((a - b) * (a - b) / variance, most);
        *places += 1;
    }
}

double physical_mirror_shift(const physical_view *view, double axis) {
    double cost[2 * REACH + 1] = {0}, places[2 * REACH + 1] = {0}, unit = view->unit_px;
    profile *side;
    if (sl_alloc(&side, 2, sizeof *side)) return 0;
    for (int s = 0; s < STRIPS; s++) {
        double near = (FIRST + s * WIDE) * unit, far = near + WIDE * unit;
        if (far > axis || axis + far > view->image->width_px) break;
        int rows = fill_profile(view, axis - far, axis - near, &side[0]);
        fill_profile(view, axis + near, axis + far, &side[1]);
        for (int d = -REACH; d <= REACH; d++)
            compare(&side[0], &side[1], rows, d, &cost[REACH + d], &places[REACH + d]);
    }
    sl_free(side);
    int best = REACH;
    for (int k = 0; k <= 2 * REACH && places[REACH] >= LEAST_PLACES; k++)
        if (places[k] >= LEAST_PLACES && cost[k] / places[k] < cost[best] / places[best]) best = k;
    double gain = places[REACH] >= LEAST_PLACES ? cost[REACH] / places[REACH] - cost[best] / places[best] : 0;
    bool at_end = best == 0 || best == 2 * REACH; /* it may be better beyond */
    return !at_end && gain * sqrt(places[REACH]) > clear ? (best - REACH) * unit : 0;
}
