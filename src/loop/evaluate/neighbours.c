/* Density and coverage, and nearest neighbours. */
#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

#include <math.h>

enum { K_MOST = 32 };

/* Distance of row `i` to its k-th nearest row of the set outside of its group; INFINITY with fewer. */
static double ball_radius(const sl_pairs *distance, const int64_t *group, int64_t i, const sl_rows *set,
                          int k) {
    double near[K_MOST];
    for (int n = 0; n < k; n++) near[n] = INFINITY;
    for (int64_t j = 0; j < set->count; j++) {
        double d = sl_pair(distance, i, set->row[j]);
        if (set->row[j] == i || (group && group[set->row[j]] == group[i]) || d >= near[k - 1]) continue;
        int at = k - 1;
        for (; at > 0 && near[at - 1] > d; at--) near[at] = near[at - 1];
        near[at] = d;
    }
    return near[k - 1];
}

sl_status sl_density_coverage(const sl_pairs *distance, const int64_t *group, const sl_rows *a,
                              const sl_rows *b, int k, double *density, double *coverage) {
    if (k < 1 || k > K_MOST || a->count <= k || b->count < 1)
        return sl_fail(SL_INVALID, "density of %lld images by the %d nearest of %lld, expected more than %d",
                       (long long)b->count, k, (long long)a->count, k);
    double inside = 0, covered = 0;
    for (int64_t i = 0; i < a->count; i++) {
        double radius = ball_radius(distance, group, a->row[i], a, k);
        if (!isfinite(radius))
            return sl_fail(SL_INVALID, "fewer than %d images outside of the group of one", k);
        int64_t hits = 0;
        for (int64_t j = 0; j < b->count; j++) hits += sl_pair(distance, a->row[i], b->row[j]) <= radius;
        inside += (double)hits;
        covered += hits > 0;
    }
    *density = inside / ((double)k * (double)b->count);
    *coverage = covered / (double)a->count;
    return SL_OK;
}

void sl_nearest_two(const sl_pairs *distance, const int64_t *group, const sl_rows *from, const sl_rows *to,
                    double *nearest, double *second) {
    for (int64_t i = 0; i < from->count; i++) {
        nearest[i] = second[i] = INFINITY;
        int64_t row = from->row[i];
        for (int64_t j = 0; j < to->count; j++) {
            int64_t other = to->row[j];
            if (other == row || group[other] == group[row]) continue;
            double d = sl_pair(distance, row, other);
            if (d < nearest[i])
                second[i] = nearest[i], nearest[i] = d;
            else if (d < second[i])
                second[i] = d;
        }
    }
}

double sl_mann_whitney_z(const double *generated, int64_t generated_count, const double *held_out,
                         int64_t held_out_count) {
    double n = (double)generated_count, m = (double)held_out_count, farther = 0;
    if (n < 1 || m < 1) return NAN;
    for (int64_t i = 0; i < generated_count; i++)
        for (int64_t j = 0; j < held_out_count; j++)
            farther += generated[i] > held_out[j] ? 1 : generated[i] == held_out[j] ? 0.5 : 0;
    return (farther - n * m / 2) / sqrt(n * m * (n + m + 1) / 12);
}
