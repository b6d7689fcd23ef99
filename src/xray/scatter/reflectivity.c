#include "xray/scatter/reflectivity.h"

#include "xray/scatter/special.h"

#include <math.h>

double complex sl_kappa(double k0, double sin_alpha, sl_refraction medium) {
    double real =
        sin_alpha * sin_alpha - 2 * medium.delta + medium.delta * medium.delta - medium.beta * medium.beta;
    double complex root = csqrt(real + I * 2 * medium.beta * (1 - medium.delta));
    return k0 * (cimag(root) < 0 ? -root : root);
}

/* Amplitude reflected at a boundary with Gaussian roughness (Nevot and Croce 1980), from kappa above and
 * below it; lengths in the unit of 1/kappa. */
static double complex reflection(double complex above, double complex below, double roughness) {
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
    double complex r01 = reflection(vacuum, inside, 0), r12 = reflection(inside, below, 0);
    double complex turn = r12 * cexp(2 * I * inside * thickness), loop = 1 + r01 * turn;
    sl_film_wave wave = {.transmitted = (1 + r01) / loop, .kappa = inside};
    wave.reflected = wave.transmitted * turn;
    double complex all = (r01 + turn) / loop;
    wave.reflectivity = creal(all) * creal(all) + cimag(all) * cimag(all);
    return wave;
}

/* Amplitude that passes a rough boundary. */
static double complex transmission(double complex above, double complex below, double roughness) {
    double complex sum = above + below, difference = above - below;
    if (cabs(sum) < 1e-30) return 1;
    double complex t = 2 * above / sum;
    return roughness > 0 ? t * cexp(difference * difference * roughness * roughness / 2) : t;
}

/* From the top down, where wave[].up still holds the ratio of upward to downward amplitude. */
static void descend(double k0, double sin_alpha, int count, const sl_layer *layer, sl_wave *wave) {
    double complex above = k0 * sin_alpha, arriving = 1;
    for (int j = 0; j < count; j++) {
        double complex ratio = wave[j].up, kappa = wave[j].kappa;
        double complex r = reflection(above, kappa, layer[j].roughness);
        wave[j].down = arriving * transmission(above, kappa, layer[j].roughness) / (1 + r * ratio);
        wave[j].up = wave[j].down * ratio;
        arriving = wave[j].down * cexp(I * kappa * layer[j].thickness);
        above = kappa;
    }
}

double complex sl_parratt(double k0, double sin_alpha, int count, const sl_layer *layer, sl_wave *wave) {
    if (!(sin_alpha > 0)) {
        for (int j = 0; wave && j < count; j++)
            wave[j] = (sl_wave){.kappa = sl_kappa(k0, 0, layer[j].medium)};
        return -1;
    }
    /* up over down at the upper boundary of the layer at hand; none comes up from the substrate */
    double complex ratio = 0, below = sl_kappa(k0, sin_alpha, layer[count - 1].medium);
    for (int j = count - 1; j >= 0; j--) {
        double complex above = j > 0 ? sl_kappa(k0, sin_alpha, layer[j - 1].medium) : k0 * sin_alpha;
        if (wave) wave[j] = (sl_wave){.up = ratio, .kappa = below};
        double complex r = reflection(above, below, layer[j].roughness);
        ratio = (r + ratio) / (1 + r * ratio);
        if (j > 0) ratio *= cexp(2 * I * above * layer[j - 1].thickness);
        below = above;
    }
    if (wave) descend(k0, sin_alpha, count, layer, wave);
    return ratio;
}

void sl_island_weights(double k0, double sin_incidence, double sin_exit, double middle,
                       sl_refraction substrate, double roughness, double complex weight[2]) {
    double ki = k0 * sin_incidence, kf = k0 * sin_exit;
    double complex ri = reflection(ki, sl_kappa(k0, sin_incidence, substrate), roughness);
    double complex rf = reflection(kf, sl_kappa(k0, sin_exit, substrate), roughness);
    double complex sum = cexp(-I * (kf + ki) * middle), difference = cexp(-I * (kf - ki) * middle);
    weight[0] = sum + ri * rf * conj(sum);
    weight[1] = ri * difference + rf * conj(difference);
}

double sl_island_sphere(double k0, double sin_incidence, double sin_exit, double q_parallel, double radius,
                        sl_refraction substrate) {
    double complex weight[2];
    sl_island_weights(k0, sin_incidence, sin_exit, radius, substrate, 0, weight);
    double plus = k0 * (sin_exit + sin_incidence), minus = k0 * (sin_exit - sin_incidence);
    double volume = 4 * M_PI / 3 * radius * radius * radius;
    double complex amplitude =
        weight[0] * sl_sphere_amplitude(radius * sqrt(q_parallel * q_parallel + plus * plus)) +
        weight[1] * sl_sphere_amplitude(radius * sqrt(q_parallel * q_parallel + minus * minus));
    return volume * volume * (creal(amplitude) * creal(amplitude) + cimag(amplitude) * cimag(amplitude));
}
