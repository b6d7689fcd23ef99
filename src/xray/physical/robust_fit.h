/* Least squares that outliers do not pull away. */
#ifndef SL_XRAY_PHYSICAL_ROBUST_FIT_H
#define SL_XRAY_PHYSICAL_ROBUST_FIT_H

#include <stdbool.h>

enum { ROBUST_TERMS = 5 };

/* Fits values[count] by sum over k of out[k] * basis[.][k]; weight 0: not looked at. Values far from the fit
 * lose weight (Huber), four rounds; `rest` is a deviation that counts as none. *spread: robust sigma of what
 * the fit leaves. False where the terms cannot be told apart. count <= 64. */
bool robust_fit(double (*basis)[ROBUST_TERMS], const double *values, const double *weight, int count,
                double rest, double out[ROBUST_TERMS], double *spread);

#endif
