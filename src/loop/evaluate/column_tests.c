/* What differs, one number at a time. */
#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

#include <math.h>
#include <stdlib.h>

double sl_mean_difference(const sl_points *points, const sl_rows *a, const sl_rows *b) {
    double square = 0;
    int64_t used = 0;
    for (int64_t c = 0; c < points->width; c++) {
        const sl_rows *side[2] = {a, b};
        double mean[2];
        for (int s = 0; s < 2; s++) {
            double sum = 0, n = 0;
            for (int64_t i = 0; i < side[s]->count; i++) {
                double v = sl_points_row(points, side[s]->row[i])[c];
                if (isfinite(v)) sum += v, n++;
            }
            mean[s] = n > 0 ? sum / n : NAN;
        }
        double d = mean[0] - mean[1];
        if (isfinite(d)) square += d * d, used++;
    }
    return used ? sqrt(square / (double)used) : NAN;
}

/* Kolmogorov's series; 2 sum (-1)^(k-1) exp(-2 k^2 lambda^2). */
double sl_kolmogorov_tail(double lambda) {
    double sum = 0, sign = 1;
    if (lambda < 0.2) return 1; /* 1 to 1e-12 */
    for (int k = 1; k <= 100; k++, sign = -sign) {
        double term = exp(-2.0 * k * k * lambda * lambda);
        sum += sign * term;
        if (term < 1e-17) break;
    }
    return fmin(1, fmax(0, 2 * sum));
}

typedef struct weighed {
    double value, weight;
    bool first;
} weighed;

static int by_value(const void *a, const void *b) {
    const weighed *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

static int64_t collect(const sl_points *points, int64_t column, const double *weight, const sl_rows *set,
                       bool first, weighed *out, double *total) {
    int64_t n = 0;
    for (int64_t i = 0; i < set->count; i++) {
        double v = sl_points_row(points, set->row[i])[column];
        if (!isfinite(v)) continue;
        out[n] = (weighed){v, 1 / weight[set->row[i]], first};
        *total += out[n++].weight;
    }
    return n;
}

sl_status sl_ks_test(const sl_points *points, int64_t column, const double *weight, const sl_rows *a,
                     const sl_rows *b, sl_ks *out) {
    weighed *all;
    double total[2] = {0, 0}, sum[2] = {0, 0}, most = 0;
    SL_TRY(sl_alloc(&all, (size_t)(a->count + b->count + 1), sizeof *all));
    int64_t n = collect(points, column, weight, a, true, all, &total[0]);
    n += collect(points, column, weight, b, false, all + n, &total[1]);
    qsort(all, (size_t)n, sizeof *all, by_value);
    for (int64_t i = 0; i < n; i++) {
        sum[!all[i].first] += all[i].weight;
        if (i + 1 < n && all[i + 1].value == all[i].value) continue;
        most = fmax(most, fabs(sum[0] / total[0] - sum[1] / total[1]));
    }
    sl_free(all);
    bool empty = !(total[0] > 0 && total[1] > 0);
    double size = sqrt(total[0] * total[1] / (total[0] + total[1]));
    *out = empty ? (sl_ks){NAN, NAN} : (sl_ks){most, sl_kolmogorov_tail((size + 0.12 + 0.11 / size) * most)};
    return SL_OK;
}

void sl_holm(double *p, int64_t count) {
    int64_t present = 0;
    double floor_p = 0;
    for (int64_t i = 0; i < count; i++) present += isfinite(p[i]);
    /* the smallest not yet adjusted, again and again: counts are small; adjusted ones are kept as -(p + 1) */
    for (int64_t rank = 0; rank < present; rank++) {
        int64_t least = -1;
        for (int64_t i = 0; i < count; i++)
            if (p[i] >= 0 && (least < 0 || p[i] < p[least])) least = i;
        floor_p = fmax(floor_p, fmin(1, p[least] * (double)(present - rank)));
        p[least] = -(floor_p + 1);
    }
    for (int64_t i = 0; i < count; i++)
        if (p[i] < 0) p[i] = -p[i] - 1;
}
