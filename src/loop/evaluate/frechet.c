#include "base/numeric/cholesky.h"
#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

#include <math.h>

static void measure(const sl_points *points, const sl_rows *set, double *mean, double *covariance) {
    int64_t w = points->width;
    double n = (double)set->count;
    for (int64_t i = 0; i < set->count; i++)
        for (int64_t c = 0; c < w; c++) mean[c] += sl_points_row(points, set->row[i])[c] / n;
    for (int64_t i = 0; i < set->count; i++) {
        const double *x = sl_points_row(points, set->row[i]);
        for (int64_t r = 0; r < w; r++) {
            double left = (x[r] - mean[r]) / (n - 1);
            for (int64_t c = 0; c <= r; c++) covariance[r * w + c] += left * (x[c] - mean[c]);
        }
    }
    for (int64_t r = 0; r < w; r++)
        for (int64_t c = 0; c < r; c++) covariance[c * w + r] = covariance[r * w + c];
}

/* Lower L with L L' = a, in place; what is left of a variance by rounding alone counts as nothing. */
static void factor(double *a, int64_t n, double *least) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, a[i * n + i]);
    for (int64_t i = 0; i < n; i++) least[i] = 1e-13 * largest;
    sl_cholesky_factor(a, n, least);
}

/* out = L' S L */
static void sandwich(const double *l, const double *s, int64_t n, double *room, double *out) {
    for (int64_t i = 0; i < n * n; i++) room[i] = out[i] = 0;
    for (int64_t r = 0; r < n; r++)
        for (int64_t k = 0; k < n; k++)
            for (int64_t c = 0; c <= k; c++) room[r * n + c] += s[r * n + k] * l[k * n + c];
    for (int64_t k = 0; k < n; k++)
        for (int64_t r = 0; r <= k; r++)
            for (int64_t c = 0; c < n; c++) out[r * n + c] += l[k * n + r] * room[k * n + c];
}

sl_status sl_frechet_distance(const sl_points *points, const sl_rows *a, const sl_rows *b, double *out) {
    if (a->count < 2 || b->count < 2)
        return sl_fail(SL_INVALID, "Frechet distance of %lld and %lld images, expected at least 2",
                       (long long)a->count, (long long)b->count);
    int64_t w = points->width;
    size_t square = (size_t)(w * w);
    double *room, sum = 0;
    SL_TRY(sl_alloc(&room, 4 * square + 3 * (size_t)w, sizeof *room));
    double *s1 = room, *s2 = s1 + square, *scratch = s2 + square, *product = scratch + square;
    double *mean1 = product + square, *mean2 = mean1 + w, *values = mean2 + w;
    measure(points, a, mean1, s1);
    measure(points, b, mean2, s2);
    for (int64_t c = 0; c < w; c++)
        sum += (mean1[c] - mean2[c]) * (mean1[c] - mean2[c]) + s1[c * w + c] + s2[c * w + c];
    /* S1^1/2 S2 S1^1/2 has the eigenvalues of S1 S2, and so has L' S2 L with S1 = L L' */
    factor(s1, w, values);
    sandwich(s1, s2, w, scratch, product);
    sl_status status = sl_symmetric_eigenvalues(product, w, values);
    for (int64_t c = 0; !status && c < w; c++) sum -= 2 * sqrt(fmax(0, values[c]));
    sl_free(room);
    if (!status) *out = sum;
    return status;
}
