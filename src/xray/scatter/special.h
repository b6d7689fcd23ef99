/* Special functions of scattering, in double. */
#ifndef SL_XRAY_SCATTER_SPECIAL_H
#define SL_XRAY_SCATTER_SPECIAL_H

#include <complex.h>
#include <math.h>

double sl_sinc(double x);             /* sin(x)/x */
double sl_sphere_amplitude(double x); /* 3 (sin x - x cos x) / x^3, 1 at 0 */
double sl_disc_amplitude(double x);   /* 2 J1(x) / x, 1 at 0 */
double sl_bessel_i0e(double x);       /* exp(-|x|) I0(x) */

/* The same of a complex argument, as q has one inside an absorbing medium. */
double complex sl_sinc_complex(double complex x);
double complex sl_sphere_amplitude_complex(double complex x);

/* Peak of unit area and full width at half maximum `fwhm` at x = 0: `lorentz` of it Lorentzian, the rest
 * Gaussian. */
double sl_pseudo_voigt(double x, double fwhm, double lorentz);

/* Gauss-Legendre points and weights on [low, high], by Newton's method from Tricomi's first guess. */
void sl_gauss_legendre(int count, double low, double high, double *points, double *weights);

/* Cubic (Catmull-Rom) value of table[count] at position x, 0 <= x <= count-1; held at the ends beyond. */
double sl_table_cubic(const float *table, int count, double x);
/* The same by straight lines; in line, since it is called for every pixel many times. */
static inline float sl_table_linear(const float *table, int count, float x) {
    if (!(x > 0)) return table[0];
    if (x >= (float)(count - 1)) return table[count - 1];
    int i = (int)x;
    return table[i] + (x - (float)i) * (table[i + 1] - table[i]);
}

/* Angles good to 1e-4 rad, for tables over an angle that are read for every pixel (Abramowitz and Stegun,
 * Handbook of Mathematical Functions, 4.4.45 and 4.4.49). acos of 0 <= x <= 1. */
static inline float sl_acos_near(float x) {
    return sqrtf(1 - x) * (1.5707288f + x * (-0.2121144f + x * (0.0742610f - 0.0187293f * x)));
}
/* Azimuth of (x, y) in turns, 0 <= value <= 1; 0 at the origin. */
static inline float sl_turns_near(float y, float x) {
    float ax = fabsf(x), ay = fabsf(y), big = ax > ay ? ax : ay, small = ax > ay ? ay : ax;
    if (!(big > 0)) return 0;
    float t = small / big, t2 = t * t;
    float angle =
        t * (0.9998660f + t2 * (-0.3302995f + t2 * (0.1801410f + t2 * (-0.0851330f + t2 * 0.0208351f))));
    angle *= (float)(0.5 / M_PI);
    if (ay > ax) angle = 0.25f - angle;
    if (x < 0) angle = 0.5f - angle;
    return y < 0 ? 1 - angle : angle;
}

#endif
