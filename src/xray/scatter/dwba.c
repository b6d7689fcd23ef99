#include "xray/scatter/dwba.h"

#include "xray/scatter/special.h"

#include <math.h>

static double square_of(double complex z) {
    return creal(z) * creal(z) + cimag(z) * cimag(z);
}

/* In a thick absorbing layer the upward wave is 0 long before its growth towards the bottom overflows. */
static double complex up_at(const sl_wave *wave, double depth) {
    return square_of(wave->up) > 0 ? wave->up * cexp(-I * wave->kappa * depth) : 0;
}

sl_dwba_waves sl_dwba_waves_in(const sl_wave *in, const sl_wave *out, double depth) {
    double complex in_down = in->down * cexp(I * in->kappa * depth), in_up = up_at(in, depth);
    double complex out_down = out->down * cexp(I * out->kappa * depth), out_up = up_at(out, depth);
    double complex sum = out->kappa + in->kappa, difference = out->kappa - in->kappa;
    return (sl_dwba_waves){{in_down * out_down, in_up * out_down, in_down * out_up, in_up * out_up},
                           {sum, difference, -difference, -sum}};
}

sl_dwba_waves sl_dwba_waves_above(double k0, double sin_incidence, double sin_exit,
                                  double complex reflected_in, double complex reflected_out, double height) {
    const sl_wave in = {1, reflected_in, k0 * sin_incidence};
    const sl_wave out = {sin_exit > 0, sin_exit > 0 ? reflected_out : 0, k0 * sin_exit};
    return sl_dwba_waves_in(&in, &out, -height);
}

/* Mean square over directions in the plane of a box's amplitude there. */
static double box_plane_square(const sl_dwba_particle *p, double q) {
    double a = q * p->radius, b = q * p->width / 2, sum = 0;
    int count = 16 + (int)fmin(2 * (a + b), 2000);
    for (int i = 0; i < count; i++) {
        double azimuth = (i + 0.5) * M_PI / 2 / count;
        double f = sl_sinc(a * cos(azimuth)) * sl_sinc(b * sin(azimuth));
        sum += f * f;
    }
    return sum / count;
}

static double volume_of(const sl_dwba_particle *p) {
    switch (p->shape) {
    case SL_DWBA_CYLINDER:
        return M_PI * p->radius * p->radius * p->height;
    case SL_DWBA_BOX:
        return 2 * p->radius * p->width * p->height;
    default:
        return 4 * M_PI / 3 * p->radius * p->radius * p->height / 2;
    }
}

/* What does not depend on qz, squared. */
static double plane_square(const sl_dwba_particle *p, double q) {
    double f = p->shape == SL_DWBA_CYLINDER ? sl_disc_amplitude(q * p->radius) : 1;
    return p->shape == SL_DWBA_BOX ? box_plane_square(p, q) : f * f;
}

/* What does: a spheroid's amplitude as a whole. Even in qz. */
static double complex vertical(const sl_dwba_particle *p, double q, double complex qz) {
    if (p->shape != SL_DWBA_SPHEROID) return sl_sinc_complex(qz * p->height / 2);
    double across = q * p->radius;
    double complex along = qz * p->height / 2;
    return sl_sphere_amplitude_complex(csqrt(across * across + along * along));
}

/* A particle's amplitude is even in qz, so processes of opposite qz go together. */
sl_dwba_mean sl_dwba_mean_of(int count, const sl_dwba_waves *waves) {
    const sl_dwba_waves *middle = &waves[count / 2];
    sl_dwba_mean mean = {.qz = {middle->qz[0], middle->qz[1]}};
    for (int i = 0; i < count; i++) {
        double complex sum = waves[i].amplitude[0] + waves[i].amplitude[3],
                       difference = waves[i].amplitude[1] + waves[i].amplitude[2];
        mean.sum += square_of(sum) / count;
        mean.difference += square_of(difference) / count;
        mean.cross += sum * conj(difference) / count;
    }
    return mean;
}

double sl_dwba_square_mean(const sl_dwba_mean *mean, const sl_dwba_particle *p, double q) {
    double complex f = vertical(p, q, mean->qz[0]), g = vertical(p, q, mean->qz[1]);
    double volume = volume_of(p), cross = creal(mean->cross * f * conj(g));
    return volume * volume * plane_square(p, q) *
           (mean->sum * square_of(f) + mean->difference * square_of(g) + 2 * cross);
}

double sl_dwba_square(const sl_dwba_waves *waves, const sl_dwba_particle *p, double q) {
    sl_dwba_mean mean = sl_dwba_mean_of(1, waves);
    return sl_dwba_square_mean(&mean, p, q);
}

double sl_dwba_square_apart(const sl_dwba_waves *waves, const sl_dwba_particle *p, double q) {
    double volume = volume_of(p), sum = 0;
    for (int k = 0; k < 4; k++)
        sum += square_of(waves->amplitude[k]) * square_of(vertical(p, q, waves->qz[k]));
    return volume * volume * plane_square(p, q) * sum;
}

double sl_dwba_square_buried(double k0, double sin_incidence, double sin_exit, sl_refraction medium,
                             const sl_dwba_particle *p, double q, double *seen) {
    const sl_layer layer = {.medium = medium};
    sl_wave in, out;
    sl_parratt(k0, sin_incidence, 1, &layer, &in);
    sl_parratt(k0, sin_exit, 1, &layer, &out);
    double volume = volume_of(p);
    if (seen) *seen = 1 / (2 * cimag(in.kappa + out.kappa));
    return volume * volume * square_of(in.down) * square_of(out.down) * plane_square(p, q) *
           square_of(vertical(p, q, creal(in.kappa + out.kappa)));
}
