#include "xray/reflectivity.h"

#include "xray/special.h"

#include <math.h>

double complex sl_kappa(double k0, double sin_alpha, sl_refraction medium) {
    double real =
        sin_alpha * sin_alpha - 2 * medium.delta + medium.delta * medium.delta - medium.beta * medium.beta;
    double complex root = csqrt(real + I * 2 * medium.beta * (1 - medium.delta));
    return k0 * (cimag(root) < 0 ? -root : root);
}

double complex sl_fresnel(double complex above, double complex below, double roughness) {
    double complex sum = above + below;
    if (cabs(sum) < 1e-30) return 0;
    double complex r = (above - below) / sum;
    return roughness > 0 ? r * cexp(-2 * above * below * roughness * roughness) : r;
}

double sl_critical_angle_rad(sl_refraction medium) {
    return sqrt(2 * medium.delta);
}

sl_film_wave sl_film_wave_of(double k0, double sin_alpha, sl_refraction film, double thickness,
                             sl_refraction substrate) {
    double complex vacuum = k0 * sin_alpha, inside = sl_kappa(k0, sin_alpha, film);
    double complex below = sl_kappa(k0, sin_alpha, substrate);
    double complex r01 = sl_fresnel(vacuum, inside, 0), r12 = sl_fresnel(inside, below, 0);
    double complex turn = r12 * cexp(2 * I * inside * thickness), loop = 1 + r01 * turn;
    sl_film_wave wave = {.transmitted = (1 + r01) / loop, .kappa = inside};
    wave.reflected = wave.transmitted * turn;
    double complex all = (r01 + turn) / loop;
    wave.reflectivity = creal(all) * creal(all) + cimag(all) * cimag(all);
    return wave;
}

void sl_island_weights(double k0, double sin_incidence, double sin_exit, double middle,
                       sl_refraction substrate, double complex weight[2]) {
    double ki = k0 * sin_incidence, kf = k0 * sin_exit;
    double complex ri = sl_fresnel(ki, sl_kappa(k0, sin_incidence, substrate), 0);
    double complex rf = sl_fresnel(kf, sl_kappa(k0, sin_exit, substrate), 0);
    double complex sum = cexp(-I * (kf + ki) * middle), difference = cexp(-I * (kf - ki) * middle);
    weight[0] = sum + ri * rf * conj(sum);
    weight[1] = ri * difference + rf * conj(difference);
}

double sl_island_sphere(double k0, double sin_incidence, double sin_exit, double q_parallel, double radius,
                        sl_refraction substrate) {
    double complex weight[2];
    sl_island_weights(k0, sin_incidence, sin_exit, radius, substrate, weight);
    double plus = k0 * (sin_exit + sin_incidence), minus = k0 * (sin_exit - sin_incidence);
    double volume = 4 * M_PI / 3 * radius * radius * radius;
    double complex amplitude =
        weight[0] * sl_sphere_amplitude(radius * sqrt(q_parallel * q_parallel + plus * plus)) +
        weight[1] * sl_sphere_amplitude(radius * sqrt(q_parallel * q_parallel + minus * minus));
    return volume * volume * (creal(amplitude) * creal(amplitude) + cimag(amplitude) * cimag(amplitude));
}
