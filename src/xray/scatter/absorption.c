#include "xray/scatter/absorption.h"

#include <math.h>

double sl_attenuation_per_m(sl_refraction medium, double wavelength_ang) {
    return 4 * M_PI * medium.beta / (wavelength_ang * 1e-10);
}

double sl_sensor_efficiency(double depth, double cos_alpha) {
    if (depth < 1e-12) return 1 / cos_alpha;
    return expm1(-depth / cos_alpha) / expm1(-depth);
}

double sl_slab_transmission(double depth, double cos_two_theta) {
    if (cos_two_theta <= 0) return 0;
    double longer = depth * (1 / cos_two_theta - 1);
    return exp(-depth) * (longer < 1e-12 ? 1 : -expm1(-longer) / longer);
}
