#include "xray/physical/least_squares.h"

#include <math.h>

void normal_equations_add(normal_equations *equations, const double *derivative, double value,
                          double weight) {
    for (int i = 0; i < equations->n; i++) {
        for (int k = 0; k < equations->n; k++)
            equations->matrix[i][k] += weight * derivative[i] * derivative[k];
        equations->right[i] += weight * derivative[i] * value;
    }
}

/* Lower triangle of Cholesky's decomposition; false where the matrix is not positive definite. */
static bool decompose(const normal_equations *e, double damping,
                      double lower[LEAST_SQUARES_MOST][LEAST_SQUARES_MOST]) {
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k <= i; k++) {
            double sum = e->matrix[i][k] * (i == k ? 1 + damping : 1);
            for (int j = 0; j < k; j++) sum -= lower[i][j] * lower[k][j];
            if (i == k && !(sum > 1e-12 * e->matrix[i][i])) return false;
            lower[i][k] = i == k ? sqrt(sum) : sum / lower[k][k];
        }
    return true;
}

static void substitute(int n, double lower[LEAST_SQUARES_MOST][LEAST_SQUARES_MOST], const double *right,
                       double *out) {
    double half[LEAST_SQUARES_MOST];
    for (int i = 0; i < n; i++) {
        half[i] = right[i];
        for (int j = 0; j < i; j++) half[i] -= lower[i][j] * half[j];
        half[i] /= lower[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        out[i] = half[i];
        for (int j = i + 1; j < n; j++) out[i] -= lower[j][i] * out[j];
        out[i] /= lower[i][i];
    }
}

bool normal_equations_solve(const normal_equations *equations, double damping, double *parameter,
                            double *variance) {
    double lower[LEAST_SQUARES_MOST][LEAST_SQUARES_MOST] = {{0}};
    if (!decompose(equations, damping, lower)) return false;
    substitute(equations->n, lower, equations->right, parameter);
    for (int i = 0; i < equations->n && variance; i++) {
        double unit[LEAST_SQUARES_MOST] = {0}, column[LEAST_SQUARES_MOST];
        unit[i] = 1;
        substitute(equations->n, lower, unit, column);
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
