#include "xray/scatter/special.h"

#include <math.h>

double sl_sinc(double x) {
    return fabs(x) < 1e-4 ? 1 - x * x / 6 : sin(x) / x;
}

double sl_sphere_amplitude(double x) {
    double x2 = x * x;
    if (fabs(x) < 0.05) return 1 - x2 / 10 * (1 - x2 / 28 * (1 - x2 / 54));
    return 3 * (sin(x) - x * cos(x)) / (x2 * x);
}

double complex sl_sinc_complex(double complex x) {
    return cabs(x) < 1e-4 ? 1 - x * x / 6 : csin(x) / x;
}

double complex sl_sphere_amplitude_complex(double complex x) {
    double complex x2 = x * x;
    if (cabs(x) < 0.05) return 1 - x2 / 10 * (1 - x2 / 28 * (1 - x2 / 54));
    return 3 * (csin(x) - x * ccos(x)) / (x2 * x);
}

double sl_disc_amplitude(double x) {
    return fabs(x) < 1e-4 ? 1 - x * x / 8 : 2 * j1(x) / x;
}

/* Power series below 20, where all its terms are positive; the asymptotic series above (Abramowitz and
 * Stegun 9.7.1). */
double sl_bessel_i0e(double x) {
    x = fabs(x);
    double sum = 1, term = 1;
    if (x < 20) {
        double quarter = x * x / 4;
        for (int k = 1; k < 80 && term > 1e-17 * sum; k++) {
            term *= quarter / ((double)k * k);
            sum += term;
        }
        return sum * exp(-x);
    }
    for (int k = 1; k < 30 && term > 1e-17; k++) {
        double odd = 2 * k - 1;
        term *= odd * odd / (8 * k * x);
        sum += term;
    }
    return sum / sqrt(2 * M_PI * x);
}

double sl_pseudo_voigt(double x, double fwhm, double lorentz) {
    double u = 2 * x / fwhm;
    double value = lorentz * 2 / (M_PI * fwhm) / (1 + u * u);
    if (lorentz < 1 && u * u < 100)
        value += (1 - lorentz) * 2 / fwhm * sqrt(M_LN2 / M_PI) * exp(-M_LN2 * u * u);
    return value;
}

void sl_gauss_legendre(int count, double low, double high, double *points, double *weights) {
    for (int i = 0; i < (count + 1) / 2; i++) {
        double x = cos(M_PI * (i + 0.75) / (count + 0.5)), derivative = 1;
        for (int iteration = 0; iteration < 50; iteration++) {
            double p0 = 1, p1 = x;
            for (int k = 2; k <= count; k++) {
                double p2 = ((2 * k - 1) * x * p1 - (k - 1) * p0) / k;
                p0 = p1;
                p1 = p2;
            }
            derivative = count * (x * p1 - p0) / (x * x - 1);
            double step = p1 / derivative;
            x -= step;
            if (fabs(step) < 1e-15) break;
        }
        double weight = 2 / ((1 - x * x) * derivative * derivative);
        double middle = (low + high) / 2, half = (high - low) / 2;
        points[i] = middle - half * x;
        points[count - 1 - i] = middle + half * x;
        weights[i] = weights[count - 1 - i] = weight * half;
    }
}

double sl_table_cubic(const float *table, int count, double x) {
    if (!(x > 0)) return (double)table[0];
    if (x >= count - 1) return (double)table[count - 1];
    int i = (int)x;
    double t = x - i, b = (double)table[i], c = (double)table[i + 1];
    double a = i > 0 ? (double)table[i - 1] : 2 * b - c, d = i + 2 < count ? (double)table[i + 2] : 2 * c - b;
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}
