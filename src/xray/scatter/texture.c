#include "xray/scatter/texture.h"

#include "xray/scatter/special.h"

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

double sl_texture_march_dollase(double chi, double march) {
    double c = cos(chi), s = sin(chi);
    return pow(march * march * c * c + s * s / march, -1.5);
}

double sl_texture_march_pole(double chi, double psi, double march) {
    double along = cos(chi) * cos(psi), across = sin(chi) * sin(psi), sum = 0;
    double slope = march * march - 1 / march;
    /* the density's peak about the axis is as narrow as march^(3/2): so many turns resolve it */
    int count = across < 1e-9 ? 1 : 24 + (int)fmin(12 / march + 6 * march, 200);
    /* cosines of even steps, each from the two before it */
    double twice = 2 * cos(M_PI / count), turn = cos(0.5 * M_PI / count), last = turn;
    for (int i = 0; i < count; i++) {
        double c = along + across * turn, base = 1 / march + slope * c * c, next = twice * turn - last;
        sum += 1 / (base * sqrt(base));
        last = turn;
        turn = next;
    }
    return sum / count;
}

double sl_texture_hermans(double kappa) {
    enum { POINTS = 150 };
    double u[POINTS], weight[POINTS], sum = 0, square = 0;
    sl_gauss_legendre(POINTS, 0, 1, u, weight);
    /* cos(2 chi) = 2 u^2 - 1 with u = cos(chi), and sin(chi) d chi = du */
    for (int i = 0; i < POINTS; i++) {
        double density = weight[i] * exp(2 * kappa * (u[i] * u[i] - 1));
        sum += density;
        square += density * u[i] * u[i];
    }
    return (3 * square / sum - 1) / 2;
}

double sl_texture_kappa_of_hermans(double order) {
    double low = 0, high = 100;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (sl_texture_hermans(middle) < order)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
