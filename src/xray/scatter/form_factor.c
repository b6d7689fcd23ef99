#include "xray/scatter/form_factor.h"

#include "xray/scatter/special.h"
#include "xray/scatter/structure_factor.h"

#include <math.h>
#include <stdbool.h>

enum { SIZES_MAX = 200 };

const char *sl_form_kind_id(sl_form_kind kind) {
    static const char *const ids[SL_FORM_KIND_COUNT] = {
        "sphere", "core-shell", "fuzzy-sphere", "cylinder",      "ellipsoid",
        "box",    "coil",       "dab",          "teubner-strey", "guinier-porod"};
    return kind < SL_FORM_KIND_COUNT ? ids[kind] : "?";
}

static double sphere_volume(double radius_ang) {
    return 4 * M_PI / 3 * radius_ang * radius_ang * radius_ang;
}

/* Scattering amplitude of one particle of the given size (before averaging over orientation), and its volume.
 */
static double amplitude(const sl_form *form, double q, double size, double *volume) {
    double contrast = form->sld - form->solvent_sld;
    switch (form->kind) {
    case SL_FORM_CORE_SHELL: {
        double core = sphere_volume(size), outer = size + form->second_ang;
        *volume = sphere_volume(outer);
        return (form->sld - form->shell_sld) * core * sl_sphere_amplitude(q * size) +
               (form->shell_sld - form->solvent_sld) * *volume * sl_sphere_amplitude(q * outer);
    }
    case SL_FORM_FUZZY_SPHERE: {
        double blur = q * form->second_ang;
        *volume = sphere_volume(size);
        return contrast * *volume * sl_sphere_amplitude(q * size) * exp(-blur * blur / 2);
    }
    default:
        *volume = sphere_volume(size);
        return contrast * *volume * sl_sphere_amplitude(q * size);
    }
}

/* Points over [0, 1] for an average over orientation. */
typedef struct orientations {
    int count;
    double u[150], weight[150];
} orientations;

/* count: 12, 20, 40, 76 or 150. */
static const orientations *orientations_of(int count) {
    static _Thread_local orientations sets[5];
    orientations *set = &sets[(count > 12) + (count > 20) + (count > 40) + (count > 76)];
    if (set->count == 0) {
        set->count = count;
        sl_gauss_legendre(count, 0, 1, set->u, set->weight);
    }
    return set;
}

/* 76 are enough while the largest phase stays below 60, else 150. */
static const orientations *orientations_for(double phase) {
    return orientations_of(phase < 60 ? 76 : 150);
}

/* Averages over orientation: the mean square of the amplitude returned, and its mean. */
static double cylinder_square(double contrast, double q, double radius, double length, double *mean,
                              double *volume) {
    const orientations *set = orientations_for(q * fmax(radius, length / 2));
    *volume = M_PI * radius * radius * length;
    double sum = 0, square = 0, scale = contrast * *volume;
    for (int i = 0; i < set->count; i++) {
        double angle = set->u[i] * M_PI / 2, s = sin(angle), weight = set->weight[i] * M_PI / 2 * s;
        double f = sl_disc_amplitude(q * radius * s) * sl_sinc(q * length * cos(angle) / 2);
        sum += weight * f;
        square += weight * f * f;
    }
    *mean = scale * sum;
    return scale * scale * square;
}

static double ellipsoid_square(double contrast, double q, double polar, double equatorial, double *mean,
                               double *volume) {
    const orientations *set = orientations_for(q * fmax(polar, equatorial));
    *volume = 4 * M_PI / 3 * polar * equatorial * equatorial;
    double stretch = polar * polar / (equatorial * equatorial) - 1, sum = 0, square = 0,
           scale = contrast * *volume;
    for (int i = 0; i < set->count; i++) {
        double f = sl_sphere_amplitude(q * equatorial * sqrt(1 + set->u[i] * set->u[i] * stretch));
        sum += set->weight[i] * f;
        square += set->weight[i] * f * f;
    }
    *mean = scale * sum;
    return scale * scale * square;
}

/* Over the cosine to the longest side and the azimuth about it; so many points that the sum has converged. */
static double box_square(const sl_form *form, double q, double side, double *mean, double *volume) {
    double x = q * side / 2, y = q * form->second_ang / 2, z = q * form->third_ang / 2;
    double phase = sqrt(x * x + y * y + z * z), sum = 0, square = 0;
    const orientations *set = orientations_of(phase < 8     ? 12
                                              : phase < 20  ? 20
                                              : phase < 50  ? 40
                                              : phase < 120 ? 76
                                                            : 150);
    double cosine[150], sine[150];
    for (int j = 0; j < set->count; j++) {
        cosine[j] = cos(set->u[j] * M_PI / 2);
        sine[j] = sin(set->u[j] * M_PI / 2);
    }
    for (int i = 0; i < set->count; i++) {
        double across = sqrt(1 - set->u[i] * set->u[i]), along = sl_sinc(z * set->u[i]);
        for (int j = 0; j < set->count; j++) {
            double f = along * sl_sinc(x * across * cosine[j]) * sl_sinc(y * across * sine[j]);
            double weight = set->weight[i] * set->weight[j];
            sum += weight * f;
            square += weight * f * f;
        }
    }
    *volume = side * form->second_ang * form->third_ang;
    double scale = (form->sld - form->solvent_sld) * *volume;
    *mean = scale * sum;
    return scale * scale * square;
}

/* Mean amplitude, mean square amplitude and volume of one size. */
static void moments(const sl_form *form, double q, double size, double *mean, double *square,
                    double *volume) {
    double contrast = form->sld - form->solvent_sld;
    if (form->kind == SL_FORM_CYLINDER) {
        *square = cylinder_square(contrast, q, size, form->second_ang, mean, volume);
    } else if (form->kind == SL_FORM_ELLIPSOID) {
        *square = ellipsoid_square(contrast, q, size, form->second_ang, mean, volume);
    } else if (form->kind == SL_FORM_BOX) {
        *square = box_square(form, q, size, mean, volume);
    } else {
        *mean = amplitude(form, q, size, volume);
        *square = *mean * *mean;
    }
}

static double coil(double q, double gyration_ang) {
    double x = q * q * gyration_ang * gyration_ang;
    return x < 1e-3 ? 1 - x / 3 + x * x / 12 : 2 * (expm1(-x) + x) / (x * x);
}

static double teubner_strey(double q, double repeat_ang, double correlation_ang) {
    double k = 2 * M_PI / repeat_ang, inverse = 1 / correlation_ang;
    double sum = k * k + inverse * inverse, a2 = sum * sum, c1 = 2 * (inverse * inverse - k * k);
    return a2 / (a2 + c1 * q * q + q * q * q * q);
}

static double guinier_porod(double q, double gyration_ang, double exponent) {
    double q1 = sqrt(1.5 * exponent) / gyration_ang;
    if (q <= q1) return exp(-q * q * gyration_ang * gyration_ang / 3);
    return exp(-exponent / 2) * pow(q1 / q, exponent);
}

/* Models that give an intensity at once; false for particles. */
static int plain_intensity(const sl_form *form, double q, double *out) {
    switch (form->kind) {
    case SL_FORM_COIL:
        *out = coil(q, form->size_ang);
        return 1;
    case SL_FORM_DAB: {
        double x = q * form->size_ang, d = 1 + x * x;
        *out = 1 / (d * d);
        return 1;
    }
    case SL_FORM_TEUBNER_STREY:
        *out = teubner_strey(q, form->size_ang, form->second_ang);
        return 1;
    case SL_FORM_GUINIER_POROD:
        *out = guinier_porod(q, form->size_ang, form->second_ang);
        return 1;
    default:
        return 0;
    }
}

double sl_form_intensity_single(const sl_form *form, double q) {
    double value, mean, square, volume;
    if (plain_intensity(form, q, &value)) return value;
    moments(form, q, form->size_ang, &mean, &square, &volume);
    return 1e-4 * square / volume;
}

/* Points within 3 sigma and their weights; sizes are kept positive. */
static int spread_sizes(const sl_form *form, double *size, double *weight) {
    if (form->spread <= 0) {
        size[0] = form->size_ang;
        weight[0] = 1;
        return 1;
    }
    int used = 0;
    double sigma = form->spread * form->size_ang;
    double log_sigma = sqrt(log1p(form->spread * form->spread));
    double z = 1 / (form->spread * form->spread) - 1;
    for (int i = 0; i < form->spread_points; i++) {
        double t = -3 + 6.0 * i / (form->spread_points - 1);
        double r = form->spread_kind == SL_SPREAD_LOG_NORMAL ? form->size_ang * exp(t * log_sigma)
                                                             : form->size_ang + t * sigma;
        if (r <= 0) continue;
        double x = r / form->size_ang;
        size[used] = r;
        /* log-normal: points equal in log r, so the weight of the density times r is the Gaussian itself */
        weight[used] = form->spread_kind == SL_SPREAD_SCHULZ
                           ? exp((z + 1) * log(z + 1) + z * log(x) - (z + 1) * x - lgamma(z + 1))
                           : exp(-t * t / 2);
        used++;
    }
    return used;
}

static double interaction(const sl_form *form, double q, double scale) {
    if (form->volume_fraction <= 0) return 1;
    return sl_structure_hard_sphere(q, form->interaction_ang * scale, form->volume_fraction);
}

/* Sums over the sizes at one q. */
static double spread_intensity(const sl_form *form, double q, int sizes, const double *size,
                               const double *weight) {
    double sum_mean = 0, sum_square = 0, sum_volume = 0, sum_weight = 0;
    bool local = form->coupling == SL_COUPLING_LOCAL;
    for (int i = 0; i < sizes; i++) {
        double mean, square, volume;
        moments(form, q, size[i], &mean, &square, &volume);
        if (local) square *= interaction(form, q, size[i] / form->size_ang);
        sum_mean += weight[i] * mean;
        sum_square += weight[i] * square;
        sum_volume += weight[i] * volume;
        sum_weight += weight[i];
    }
    if (local) return 1e-4 * sum_square / sum_volume;
    double beta = sum_square > 0 ? sum_mean * sum_mean / (sum_square * sum_weight) : 0;
    return 1e-4 * sum_square / sum_volume * (1 + beta * (interaction(form, q, 1) - 1));
}

sl_status sl_form_intensity(const sl_form *form, int count, const double *q, double *out) {
    if (form->spread > 0 && (form->spread_points < 2 || form->spread_points > SIZES_MAX))
        return sl_fail(SL_LIMIT, "%d points of size, expected 2 to %d", form->spread_points, SIZES_MAX);
    double size[SIZES_MAX], weight[SIZES_MAX];
    int sizes = spread_sizes(form, size, weight);
    for (int k = 0; k < count; k++) {
        if (plain_intensity(form, q[k], &out[k]))
            out[k] *= interaction(form, q[k], 1);
        else
            out[k] = spread_intensity(form, q[k], sizes, size, weight);
    }
    return SL_OK;
}
