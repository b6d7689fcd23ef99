/* The few distributions that intervals and spacings need. */
#ifndef SL_BASE_DISTRIBUTIONS_H
#define SL_BASE_DISTRIBUTIONS_H

#include "base/random.h"

double sl_normal_cdf(double x);
double sl_normal_quantile(double p); /* -+INFINITY at 0 and 1 */

double sl_beta_cdf(double x, double a, double b);      /* regularised incomplete beta function */
double sl_beta_quantile(double p, double a, double b); /* by bisection, to 1e-12 */
double sl_beta_draw(sl_random *random, double a, double b);

#endif
