/* U-statistics over pairs: KID and the energy distance. */
#include "loop/evaluate/set_metrics.h"

#include <math.h>

static double mean_within(const sl_pairs *pairs, const int64_t *group, const sl_rows *a) {
    double sum = 0, n = 0;
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t j = 0; j < i; j++) {
            if (group && group[a->row[i]] == group[a->row[j]]) continue;
            sum += sl_pair(pairs, a->row[i], a->row[j]);
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

static double mean_between(const sl_pairs *pairs, const sl_rows *a, const sl_rows *b) {
    double sum = 0;
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t j = 0; j < b->count; j++) sum += sl_pair(pairs, a->row[i], b->row[j]);
    return sum / ((double)a->count * (double)b->count);
}

double sl_kid(const sl_pairs *kernel, const int64_t *group, const sl_rows *a, const sl_rows *b) {
    if (a->count < 2 || b->count < 2) return NAN;
    return mean_within(kernel, group, a) + mean_within(kernel, group, b) - 2 * mean_between(kernel, a, b);
}

double sl_energy_distance(const sl_pairs *distance, const int64_t *group, const sl_rows *a,
                          const sl_rows *b) {
    return -sl_kid(distance, group, a, b);
}
