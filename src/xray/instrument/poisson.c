#include "xray/instrument/poisson.h"

#include <math.h>

/* (0,1). 32 bits are enough: what lies beyond them is one count in 10^9. */
static double uniform(sl_random *random) {
    return (sl_random_u32(random) + 0.5) * 0x1p-32;
}

static double by_inversion(sl_random *random, double mean) {
    /* a division would be waited for at every step */
    static const double inverse[25] = {1.0,      1.0,      1.0 / 2,  1.0 / 3,  1.0 / 4,  1.0 / 5,  1.0 / 6,
                                       1.0 / 7,  1.0 / 8,  1.0 / 9,  1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13,
                                       1.0 / 14, 1.0 / 15, 1.0 / 16, 1.0 / 17, 1.0 / 18, 1.0 / 19, 1.0 / 20,
                                       1.0 / 21, 1.0 / 22, 1.0 / 23, 1.0 / 24};
    double u = uniform(random), term = exp(-mean);
    int k = 0;
    while (u >= term && k < 200) {
        u -= term;
        k++;
        term *= k < 25 ? mean * inverse[k] : mean / k;
    }
    return k;
}

/* ln k! : exact below 10, above it Stirling's series, whose error is under 1e-12 there. */
static double log_factorial(double k) {
    static const double small[10] = {0,
                                     0,
                                     0.69314718055994531,
                                     1.79175946922805500,
                                     3.17805383034794562,
                                     4.78749174278204599,
                                     6.57925121201010100,
                                     8.52516136106541430,
                                     10.60460290274525023,
                                     12.80182748008146961};
    if (k < 10) return small[(int)k];
    double n = k + 1, inverse = 1 / n, square = inverse * inverse;
    return (n - 0.5) * log(n) - n + 0.91893853320467274 +
           inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680)));
}

double sl_poisson(sl_random *random, double mean) {
    if (!(mean > 0)) return 0;
    if (mean < 10) return by_inversion(random, mean);
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), accept = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = uniform(random) - 0.5, v = uniform(random), us = 0.5 - fabs(u);
        /* whole part by conversion: floor() of what is negative is rejected anyway */
        double at = (2 * a / us + b) * u + mean + 0.43, k = at < 0 ? -1 : (double)(int64_t)at;
        if (us >= 0.07 && v <= accept) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        if (log(v * inverse_alpha / (a / (us * us) + b)) <= k * log(mean) - mean - log_factorial(k)) return k;
    }
}
