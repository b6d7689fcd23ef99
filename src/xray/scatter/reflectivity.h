/* X-ray optics of flat surfaces at grazing angles: refraction, Fresnel coefficients, films on a substrate.
 *
 * kappa is the wave vector's component normal to the surface inside a medium of index 1 - delta + i beta, its
 * imaginary part not negative. Waves go as exp(i kappa z). */
#ifndef SL_XRAY_SCATTER_REFLECTIVITY_H
#define SL_XRAY_SCATTER_REFLECTIVITY_H

#include <complex.h>

typedef struct sl_refraction {
    double delta, beta;
} sl_refraction;

/* k0 sqrt(n^2 - cos^2 alpha), without cancellation near the critical angle. */
double complex sl_kappa(double k0, double sin_alpha, sl_refraction medium);
double sl_critical_angle_rad(sl_refraction medium);

/* Downward (transmitted) and upward (reflected) amplitudes in a film on a substrate, at the film's top, for a
 * wave of unit amplitude from vacuum; kappa in the film. */
typedef struct sl_film_wave {
    double complex transmitted, reflected, kappa;
    double reflectivity; /* of the whole, |r|^2 */
} sl_film_wave;
sl_film_wave sl_film_wave_of(double k0, double sin_alpha, sl_refraction film, double thickness,
                             sl_refraction substrate);

/* One layer of a stack below vacuum, from the top down; the last is the substrate. */
typedef struct sl_layer {
    sl_refraction medium;
    double thickness; /* of the substrate: unused */
    double roughness; /* standard deviation of its upper boundary */
} sl_layer;

/* Downward and upward amplitudes at a layer's upper boundary, inside it: at depth D below that they are down
 * * exp(i kappa D) and up * exp(-i kappa D). */
typedef struct sl_wave {
    double complex down, up, kappa;
} sl_wave;

/* Waves of a stack of `count` layers, 1 or more, for a wave of unit amplitude from vacuum (Parratt, Phys.
 * Rev. 95 (1954) 359; boundaries by Nevot and Croce 1980, transmission as in Tolan, X-Ray Scattering from
 * Soft-Matter Thin Films, 1999). Writes wave[count] unless NULL; returns the reflected amplitude. Rising
 * waves only: at sin_alpha <= 0 nothing enters, and -1 returns. Lengths in the unit of 1/k0. */
double complex sl_parratt(double k0, double sin_alpha, int count, const sl_layer *layer, sl_wave *wave);

/* Scattered amplitude |A|^2 of a sphere resting on a substrate, in the distorted-wave Born approximation with
 * its four terms (Rauscher et al. 1999; Renaud, Lazzari and Leroy, Surf. Sci. Rep. 64 (2009) 255), times
 * (volume)^2. */
double sl_island_sphere(double k0, double sin_incidence, double sin_exit, double q_parallel, double radius,
                        sl_refraction substrate);

/* The two complex weights by which |A|^2 = |weight[0] f(q+) + weight[1] f(q-)|^2 for any particle whose
 * amplitude f is real about its middle at height `middle` over a substrate of that roughness: q+- with z
 * parts k0 (sin_exit +- sin_incidence).
 */
void sl_island_weights(double k0, double sin_incidence, double sin_exit, double middle,
                       sl_refraction substrate, double roughness, double complex weight[2]);

#endif
