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

#endif
