#include "xray/physical/robust_fit.h"

#include "base/sort.h"

#include <math.h>

enum { TERMS = ROBUST_TERMS, MOST = 64, ROUNDS = 4 };

static bool solve(double a[TERMS][TERMS + 1]) {
    for (int i = 0; i < TERMS; i++) {
        int pivot = i;
        for (int k = i + 1; k < TERMS; k++)
            if (fabs(a[k][i]) > fabs(a[pivot][i])) pivot = k;
        if (fabs(a[pivot][i]) < 1e-9) return false;
        for (int c = 0; c <= TERMS; c++) {
            double swap = a[i][c];
            a[i][c] = a[pivot][c];
            a[pivot][c] = swap;
        }
        for (int k = 0; k < TERMS; k++) {
            if (k == i) continue;
            double factor = a[k][i] / a[i][i];
            for (int c = i; c <= TERMS; c++) a[k][c] -= factor * a[i][c];
        }
    }
    return true;
}

static double rest_at(const double *basis, double value, const double *out) {
    for (int k = 0; k < TERMS; k++) value -= basis[k] * out[k];
    return value;
}

bool robust_fit(double (*basis)[TERMS], const double *values, const double *weight, int count, double rest,
                double out[TERMS], double *spread) {
    double now[MOST], size[MOST];
    for (int n = 0; n < count; n++) now[n] = weight[n];
    for (int round = 0; round < ROUNDS; round++) {
        double a[TERMS][TERMS + 1] = {{0}};
        int seen = 0;
        for (int n = 0; n < count; n++) {
            if (weight[n] <= 0) continue;
            for (int i = 0; i < TERMS; i++) {
                for (int k = 0; k < TERMS; k++) a[i][k] += now[n] * basis[n][i] * basis[n][k];
                a[i][TERMS] += now[n] * basis[n][i] * values[n];
            }
        }
        if (!solve(a)) return false;
        for (int i = 0; i < TERMS; i++) out[i] = a[i][TERMS] / a[i][i];
        for (int n = 0; n < count; n++)
            if (weight[n] > 0) size[seen++] = fabs(rest_at(basis[n], values[n], out));
        sl_sort_doubles(size, (size_t)seen);
        *spread = 1.48 * size[seen / 2];
        for (int n = 0; n < count; n++)
            if (weight[n] > 0)
                now[n] = weight[n] * fmin(1, 1.5 * (*spread + rest) /
                                                 fmax(fabs(rest_at(basis[n], values[n], out)), 1e-6));
    }
    return true;
}
