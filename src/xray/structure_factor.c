#include "xray/structure_factor.h"

#include "xray/special.h"

#include <math.h>

double sl_structure_hard_sphere(double q, double radius, double eta) {
    double a = 2 * q * radius, d = pow(1 - eta, -4);
    double alpha = (1 + 2 * eta) * (1 + 2 * eta) * d, beta = -6 * eta * (1 + eta / 2) * (1 + eta / 2) * d;
    double gamma = eta * alpha / 2, g;
    if (a < 0.1) {
        /* the three integrals of x^2, x^3 and x^5 times sin(ax)/(ax), to second order in a */
        double a2 = a * a;
        g = a * (alpha * (1.0 / 3 - a2 / 30) + beta * (1.0 / 4 - a2 / 36) + gamma * (1.0 / 6 - a2 / 48));
    } else {
        double s = sin(a), c = cos(a), a2 = a * a, a3 = a2 * a;
        g = alpha * (s - a * c) / a2 + beta * (2 * a * s + (2 - a2) * c - 2) / a3 +
            gamma * (-a2 * a2 * c + 4 * ((3 * a2 - 6) * c + (a3 - 6 * a) * s + 6)) / (a3 * a2);
    }
    return 1 / (1 + 24 * eta * g / a);
}

double sl_lamellar_paracrystal(double q, double thickness, int layers, double repeat, double spread,
                               double contrast) {
    double blur = q * spread * repeat, w = exp(-blur * blur / 2), w2 = w * w, n = layers;
    double c = cos(q * repeat), denominator = 1 + w2 - 2 * w * c;
    double a = 4 * w2 - 2 * (w2 * w + w) * c - 4 * pow(w, n + 2) * cos(n * q * repeat) +
               2 * pow(w, n + 3) * cos((n - 1) * q * repeat) + 2 * pow(w, n + 1) * cos((n + 1) * q * repeat);
    double z = (1 - w2) / denominator + a / (n * denominator * denominator);
    double form = sl_sinc(q * thickness / 2);
    return 2 * M_PI * contrast * contrast * form * form * z / (q * q) * 1e-4;
}

double sl_structure_radial_paracrystal(double q, double distance, double sigma, double damping) {
    double h = exp(-q * q * sigma * sigma / 2 - (damping > 0 ? distance / damping : 0)),
           c = cos(q * distance);
    return (1 - h * h) / (1 - 2 * h * c + h * h);
}
