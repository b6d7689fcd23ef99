#include "xray/scatter/power_law.h"

#include <math.h>

double sl_power_law(double q, double prefactor, double exponent) {
    return prefactor * pow(q, -exponent);
}

double sl_unified(double q, int levels, const sl_unified_level *level) {
    double sum = 0;
    for (int i = 0; i < levels; i++) {
        const sl_unified_level *at = &level[i];
        double x = q * at->gyration_ang, end = i + 1 < levels ? q * level[i + 1].gyration_ang : 0;
        sum += at->guinier * exp(-x * x / 3);
        /* erf^3 / q goes to zero with q */
        if (q > 0) sum += at->power * exp(-end * end / 3) * pow(pow(erf(x / sqrt(6)), 3) / q, at->exponent);
    }
    return sum;
}

double sl_broad_peak_intensity(const sl_broad_peak *law, double q) {
    double x = fabs(q - law->position_per_ang) * law->correlation_ang;
    return sl_power_law(q, law->power, law->exponent) + law->peak / (1 + pow(x, law->width));
}
