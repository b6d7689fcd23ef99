#include "xray/texture.h"

#include "xray/special.h"

#include <math.h>

static double fibre_pole(double chi, double psi, double kappa) {
    /* far from the circle the density is below any count */
    if (kappa * (1 - cos(chi - psi)) > 40) return 0;
    double cross = kappa * sin(chi) * sin(psi);
    double norm = 2 * kappa / -expm1(-2 * kappa);
    return norm * exp(kappa * (cos(chi) * cos(psi) - 1) + cross) * sl_bessel_i0e(cross);
}

double sl_texture_fibre(double chi_rad, double psi_rad, double sigma_rad) {
    double kappa = 1 / (sigma_rad * sigma_rad);
    return 0.5 * (fibre_pole(chi_rad, psi_rad, kappa) + fibre_pole(chi_rad, M_PI - psi_rad, kappa));
}

double sl_texture_uniaxial(double chi_rad, double kappa) {
    return exp(kappa * (cos(2 * chi_rad) - 1)) / sl_bessel_i0e(kappa);
}
