/* Elementary functions from additions, multiplications, divisions and square roots alone: the same bits on
 * every machine, whatever the C library. For random numbers and whatever else has to be repeatable
 * everywhere. */
#ifndef SL_BASE_PLAIN_MATH_H
#define SL_BASE_PLAIN_MATH_H

double sl_plain_log(double u); /* natural logarithm, u > 0 and finite; within 1e-16 relative */

/* cos and sin of 2*pi*u, 0 <= u < 2^28, within 1e-15. */
void sl_plain_cos_sin(double u, double *out_cos, double *out_sin);

#endif
