#include "xray/physical/least_squares.h"

#include "base/numeric/cholesky.h"

#include <math.h>

void normal_equations_add(normal_equations *equations, const double *derivative, double value,
                          double weight) {
    for (int i = 0; i < equations->n; i++) {
        for (int k = 0; k < equations->n; k++)
            equations->matrix[i][k] += weight * derivative[i] * derivative[k];
        equations->right[i] += weight * derivative[i] * value;
    }
}

/* The factor of the damped matrix; false where that is not positive definite. */
static bool decompose(const normal_equations *e, double damping, double *lower) {
    double least[LEAST_SQUARES_MOST] = {0};
    for (int i = 0; i < e->n; i++) {
        for (int k = 0; k <= i; k++) lower[i * e->n + k] = e->matrix[i][k] * (i == k ? 1 + damping : 1);
        least[i] = 1e-12 * e->matrix[i][i];
    }
    return sl_cholesky_factor(lower, e->n, least) == e->n;
}

bool normal_equations_solve(const normal_equations *equations, double damping, double *parameter,
                            double *variance) {
    double lower[LEAST_SQUARES_MOST * LEAST_SQUARES_MOST];
    int n = equations->n;
    if (!decompose(equations, damping, lower)) return false;
    for (int i = 0; i < n; i++) parameter[i] = equations->right[i];
    sl_cholesky_solve(lower, n, parameter, 1);
    for (int i = 0; i < n && variance; i++) {
        double column[LEAST_SQUARES_MOST] = {0};
        column[i] = 1;
        sl_cholesky_solve(lower, n, column, 1);
        variance[i] = column[i];
    }
    return true;
}

static double misfit(const curve *of, const double *p) {
    double sum = 0, derivative[LEAST_SQUARES_MOST];
    for (int k = 0; k < of->count; k++) {
        double rest = of->value[k] - of->model(of->context, p, k, derivative);
        sum += rest * rest / of->variance[k];
    }
    return sum;
}

static bool find_step(const curve *of, const double *p, double damping, double *step, double *variance) {
    normal_equations e = {.n = of->n};
    double derivative[LEAST_SQUARES_MOST];
    for (int k = 0; k < of->count; k++) {
        double rest = of->value[k] - of->model(of->context, p, k, derivative);
        normal_equations_add(&e, derivative, rest, 1 / of->variance[k]);
    }
    return normal_equations_solve(&e, damping, step, variance);
}

double curve_fit(const curve *of, int rounds, double tolerance, double *p, double *variance) {
    double damping = 0.01, chi = misfit(of, p);
    for (int round = 0; round < rounds; round++) {
        double step[LEAST_SQUARES_MOST], next[LEAST_SQUARES_MOST];
        if (!find_step(of, p, damping, step, variance)) return NAN;
        for (int i = 0; i < of->n; i++) next[i] = p[i] + step[i];
        double now = !of->allow || of->allow(p, next) ? misfit(of, next) : INFINITY;
        if (!(now < chi)) {
            damping *= 8;
            continue;
        }
        bool done = chi - now < tolerance * chi;
        for (int i = 0; i < of->n; i++) p[i] = next[i];
        chi = now, damping *= 0.2;
        if (done) break;
    }
    return chi;
}
