#include "base/numeric/plain_math.h"

#include <math.h>

/* u = m * 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh((m-1)/(m+1)) as a series whose first omitted
 * term is below 1e-17. */
double sl_plain_log(double u) {
    int exponent;
    double m = frexp(u, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/* Reduced to an eighth of a turn, then Taylor series to 1e-17. */
void sl_plain_cos_sin(double u, double *out_cos, double *out_sin) {
    int quarter = (int)(u * 4 + 0.5);
    double x = (u - quarter * 0.25) * 6.283185307179586, x2 = x * x, c = 0, s = 0;
    for (int k = 18; k >= 2; k -= 2) c = (1 + c) * (-x2 / (k * (k - 1)));
    for (int k = 19; k >= 3; k -= 2) s = (1 + s) * (-x2 / (k * (k - 1)));
    c = 1 + c;
    s = x * (1 + s);
    switch (quarter & 3) {
    case 0:
        *out_cos = c, *out_sin = s;
        break;
    case 1:
        *out_cos = -s, *out_sin = c;
        break;
    case 2:
        *out_cos = -c, *out_sin = -s;
        break;
    default:
        *out_cos = s, *out_sin = -c;
    }
}
