/* Small systems of linear equations, as least squares have them. */
#ifndef SL_XRAY_PHYSICAL_LEAST_SQUARES_H
#define SL_XRAY_PHYSICAL_LEAST_SQUARES_H

#include <stdbool.h>

enum { LEAST_SQUARES_MOST = 9 };

/* The normal equations of a weighted fit of `n` parameters, filled observation by observation. */
typedef struct normal_equations {
    int n;
    double matrix[LEAST_SQUARES_MOST][LEAST_SQUARES_MOST], right[LEAST_SQUARES_MOST];
} normal_equations;

/* Adds an observation: its derivatives by the parameters, its value and its weight (1 / variance). */
void normal_equations_add(normal_equations *equations, const double *derivative, double value, double weight);

/* Solves by Cholesky's decomposition, the diagonal raised by the share `damping` (Levenberg and Marquardt; 0:
 * none). `variance` (may be NULL): of each parameter, for weights that are 1 / variance. False where the
 * parameters are not determined. */
bool normal_equations_solve(const normal_equations *equations, double damping, double *parameter,
                            double *variance);

/* A model of `n` parameters that need not be linear, and the observations that it is fitted to. */
typedef struct curve {
    int n, count;
    const double *value, *variance; /* [count] */
    /* The model's value at observation `at`, and its derivatives by the parameters p. */
    double (*model)(const void *context, const double *p, int at, double *derivative);
    /* May hold the next parameters near those of now; false where there is no such model. NULL: all are. */
    bool (*allow)(const double *now, double *next);
    const void *context;
} curve;

/* Levenberg's and Marquardt's descent from p, which is replaced: at most `rounds` steps, until one lowers chi
 * squared by less than its share `tolerance`. `variance`: of each parameter. Returns chi squared, NaN where
 * the parameters are not determined. */
double curve_fit(const curve *of, int rounds, double tolerance, double *p, double *variance);

#endif
