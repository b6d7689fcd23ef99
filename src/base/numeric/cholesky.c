#include "base/numeric/cholesky.h"

#include <math.h>
#include <stdbool.h>

int64_t sl_cholesky_factor(double *a, int64_t n, const double *least) {
    int64_t rank = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = a[i * n + j], pivot = a[j * n + j];
            for (int64_t k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            if (i > j) {
                a[i * n + j] = pivot > 0 ? sum / pivot : 0;
                continue;
            }
            bool is_left = sum > (least ? least[i] : 0);
            a[i * n + i] = is_left ? sqrt(sum) : 0;
            rank += is_left;
        }
    return rank;
}

void sl_cholesky_solve(const double *lower, int64_t n, double *x, int64_t stride) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++) x[i * stride] -= lower[i * n + k] * x[k * stride];
        x[i * stride] /= lower[i * n + i];
    }
    for (int64_t i = n; i-- > 0;) {
        for (int64_t k = i + 1; k < n; k++) x[i * stride] -= lower[k * n + i] * x[k * stride];
        x[i * stride] /= lower[i * n + i];
    }
}
