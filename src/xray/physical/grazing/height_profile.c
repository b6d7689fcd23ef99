#include "xray/physical/grazing/height_profile.h"

#include <math.h>
#include <string.h>

static const double most = 9; /* that one place may tell */

double height_profile_step_px(const physical_view *view) {
    return fmax(1, view->unit_px);
}

void height_profile_fill(const physical_view *view, double from, double to, height_profile *out) {
    const sl_image *image = view->image;
    double step = height_profile_step_px(view), least = fmax(1, 0.4 * (to - from) * step);
    memset(out, 0, sizeof *out);
    out->rows = (int)fmin(PROFILE_ROWS, image->height_px / step);
    int32_t first = (int32_t)fmax(0, ceil(from - 0.5)),
            last = (int32_t)fmin(image->width_px - 1, ceil(to - 0.5) - 1);
    for (int32_t i = 0; i < image->height_px; i++) {
        int r = (int)((i + 0.5) / step);
        for (int32_t j = first; j <= last && r < out->rows; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (!image->mask[k]) out->root[r] += (double)image->value[k], out->pixels[r]++;
        }
    }
    for (int r = 0; r < out->rows; r++) {
        if (out->pixels[r] < least) out->pixels[r] = 0;
        out->root[r] = out->pixels[r] > 0 ? sqrt(fmax(0, out->root[r] + 0.25) / out->pixels[r]) : 0;
    }
}

bool height_profile_sides(const height_profile *p, int row, int first, int last, double *above, double *below,
                          double *error) {
    double counts[2] = {0, 0}, pixels[2] = {0, 0};
    int seen[2] = {0, 0};
    for (int k = first; k <= last; k++) {
        int at[2] = {row - k, row + k - 1};
        for (int side = 0; side < 2; side++) {
            if (at[side] < 0 || at[side] >= p->rows || p->pixels[at[side]] == 0) continue;
            double root = p->root[at[side]];
            counts[side] += root * root * p->pixels[at[side]], pixels[side] += p->pixels[at[side]];
            seen[side]++;
        }
    }
    if (2 * seen[0] <= last - first || 2 * seen[1] <= last - first) return false;
    *above = sqrt(counts[0] / pixels[0]), *below = sqrt(counts[1] / pixels[1]);
    *error = 0.5 * sqrt(1 / pixels[0] + 1 / pixels[1]);
    return true;
}

profile_match height_profile_match(const height_profile *a, const height_profile *b, int first, int last,
                                   int shift, int least, double unlike) {
    profile_match out = {0, 0};
    double sum[2] = {0, 0};
    int seen = 0;
    first = (int)fmax(fmax(first, 0), -shift), last = (int)fmin(fmin(last, a->rows), b->rows - shift);
    for (int r = first; r < last; r++) {
        if (a->pixels[r] == 0 || b->pixels[r + shift] == 0) continue;
        sum[0] += a->root[r], sum[1] += b->root[r + shift], seen++;
    }
    if (seen < least || sum[0] <= 0 || sum[1] <= 0) return out;
    double ratio = sqrt(sum[0] / sum[1]), inverse = 1 / ratio;
    for (int r = first; r < last; r++) {
        double n = a->pixels[r], m = b->pixels[r + shift];
        if (n == 0 || m == 0) continue;
        /* both brought to one level; all over n * m, for one division */
        double x = a->root[r] * inverse, y = b->root[r + shift] * ratio, level = unlike * (x + y) / 2,
               variance = 0.25 * (m * inverse * inverse + n * ratio * ratio) + n * m * level * level;
        out.cost += fmin((x - y) * (x - y) * n * m / variance, most);
        out.places++;
    }
    return out;
}
