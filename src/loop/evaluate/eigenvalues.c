#include "base/memory.h"
#include "base/numeric/sort.h"
#include "loop/evaluate/set_metrics.h"

#include <math.h>

/* One Householder reflection that clears row i left of its sub-diagonal: A <- H A H on the leading i rows and
 * columns. Returns the sub-diagonal element. */
static double reflect(double *a, int64_t n, int64_t i, double *v, double *p) {
    double norm = 0, *row = a + i * n;
    for (int64_t k = 0; k < i; k++) norm += row[k] * row[k];
    norm = sqrt(norm);
    if (norm == 0) return 0;
    double alpha = row[i - 1] > 0 ? -norm : norm, square = 0, dot = 0;
    for (int64_t k = 0; k < i; k++) v[k] = row[k];
    v[i - 1] -= alpha;
    for (int64_t k = 0; k < i; k++) square += v[k] * v[k];
    /* A - v w' - w v' with w = p - v (v.p)/|v|^2, p = 2 A v / |v|^2 */
    for (int64_t r = 0; r < i; r++) {
        double sum = 0;
        for (int64_t k = 0; k < i; k++) sum += a[r * n + k] * v[k];
        p[r] = 2 * sum / square;
        dot += p[r] * v[r];
    }
    for (int64_t r = 0; r < i; r++) p[r] -= v[r] * dot / square;
    for (int64_t r = 0; r < i; r++)
        for (int64_t k = 0; k < i; k++) a[r * n + k] -= v[r] * p[k] + p[r] * v[k];
    return alpha;
}

/* One implicit QL step on rows l..m of the tridiagonal matrix (Golub and Van Loan, Matrix Computations, 8.3).
 */
static void ql_step(double *d, double *e, int64_t l, int64_t m) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]), root = hypot(g, 1);
    g = d[m] - d[l] + e[l] / (g + copysign(root, g));
    double s = 1, c = 1, shifted = 0;
    for (int64_t i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i];
        double r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= shifted;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - shifted;
        r = (d[i] - g) * s + 2 * c * b;
        shifted = s * r;
        d[i + 1] = g + shifted;
        g = c * r - b;
    }
    d[l] -= shifted;
    e[l] = g;
    e[m] = 0;
}

static sl_status iterate(double *d, double *e, int64_t n) {
    enum { STEPS = 60 };
    for (int64_t l = 0; l < n; l++)
        for (int step = 0;; step++) {
            int64_t m = l;
            for (; m + 1 < n; m++)
                if (fabs(e[m]) <= 1e-15 * (fabs(d[m]) + fabs(d[m + 1]))) break;
            if (m == l) break;
            if (step == STEPS)
                return sl_fail(SL_NUMERIC, "eigenvalue %lld of %lld does not converge", (long long)l,
                               (long long)n);
            ql_step(d, e, l, m);
        }
    return SL_OK;
}

sl_status sl_symmetric_eigenvalues(double *a, int64_t n, double *values) {
    double *room;
    if (n < 1) return SL_OK;
    SL_TRY(sl_alloc(&room, 3 * (size_t)n, sizeof *room));
    double *e = room, *v = room + n, *p = room + 2 * n;
    for (int64_t i = n - 1; i >= 1; i--) {
        double below = reflect(a, n, i, v, p);
        values[i] = a[i * n + i];
        e[i - 1] = below;
    }
    values[0] = a[0];
    sl_status status = iterate(values, e, n);
    sl_free(room);
    if (!status) sl_sort_doubles(values, (size_t)n);
    return status;
}
