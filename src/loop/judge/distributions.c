/* The few distributions that intervals need. */
#include "loop/judge/metrics.h"

#include <math.h>

double sl_normal_cdf(double x) {
    return 0.5 * erfc(-x / sqrt(2));
}

/* Bisection: called a few times a round, so that certainty is worth more than speed. */
double sl_normal_quantile(double p) {
    if (!(p > 0)) return -INFINITY;
    if (!(p < 1)) return INFINITY;
    double low = -40, high = 40;
    for (int i = 0; i < 200 && high - low > 1e-14; i++) {
        double middle = 0.5 * (low + high);
        if (sl_normal_cdf(middle) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

/* Continued fraction of the incomplete beta function by Lentz's method (Abramowitz and Stegun 26.5.8). */
static double beta_fraction(double x, double a, double b) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double result = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double terms[2] = {even, odd}, change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + terms[i] * d;
            if (fabs(d) < tiny) d = tiny;
            c = 1 + terms[i] / c;
            if (fabs(c) < tiny) c = tiny;
            d = 1 / d;
            change = c * d;
            result *= change;
        }
        if (fabs(change - 1) < 1e-15) break;
    }
    return result;
}

double sl_beta_cdf(double x, double a, double b) {
    if (!(x > 0)) return 0;
    if (!(x < 1)) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double sl_beta_quantile(double p, double a, double b) {
    double low = 0, high = 1;
    while (high - low > 1e-13) {
        double middle = 0.5 * (low + high);
        if (sl_beta_cdf(middle, a, b) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

/* Gamma(shape, 1) by Marsaglia and Tsang (2000); below 1 through shape + 1. */
static double gamma_draw(sl_random *random, double shape) {
    double boost = 1;
    if (shape < 1) {
        boost = pow(1 - sl_random_uniform(random), 1 / shape);
        shape += 1;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = sl_random_normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log(1 - sl_random_uniform(random)) < 0.5 * x * x + d - d * v + d * log(v)) return boost * d * v;
    }
}

double sl_beta_draw(sl_random *random, double a, double b) {
    double x = gamma_draw(random, a), y = gamma_draw(random, b);
    return x + y > 0 ? x / (x + y) : 0.5;
}
