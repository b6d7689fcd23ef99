/* Symmetric systems of linear equations by Cholesky's decomposition. */
#ifndef SL_BASE_CHOLESKY_H
#define SL_BASE_CHOLESKY_H

#include <stdint.h>

/* Lower L with L L' = a, in place of the lower half of the symmetric a[n, n]; the upper half is not looked
 * at. A column whose pivot is not above least[column] (NULL: 0) has nothing left and becomes zero, as those
 * of a semi-definite matrix may. Returns how many are left: n where `a` is positive definite. */
int64_t sl_cholesky_factor(double *a, int64_t n, const double *least);

/* Solves L L' x = b for a factor without zero columns; x has b before, and its values are `stride` apart. */
void sl_cholesky_solve(const double *lower, int64_t n, double *x, int64_t stride);

#endif
