#include "xray/physical/robust_fit.h"

#include "base/numeric/sort.h"
#include "xray/physical/least_squares.h"

#include <math.h>

enum { TERMS = ROBUST_TERMS, MOST = 64, ROUNDS = 4 };

static double rest_at(const double *basis, double value, const double *out) {
    for (int k = 0; k < TERMS; k++) value -= basis[k] * out[k];
    return value;
}

bool robust_fit(double (*basis)[TERMS], const double *values, const double *weight, int count, double rest,
                double out[TERMS], double *spread) {
    double now[MOST], size[MOST];
    for (int n = 0; n < count; n++) now[n] = weight[n];
    for (int round = 0; round < ROUNDS; round++) {
        normal_equations equations = {.n = TERMS};
        int seen = 0;
        for (int n = 0; n < count; n++)
            if (weight[n] > 0) normal_equations_add(&equations, basis[n], values[n], now[n]);
        if (!normal_equations_solve(&equations, 0, out, NULL)) return false;
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
