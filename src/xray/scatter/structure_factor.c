#include "xray/scatter/structure_factor.h"

#include "xray/scatter/special.h"

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

/* Points that resolve an angle of `width` over a half turn. */
static int angles_for(double width, int most) {
    return (int)fmax(160, fmin(80 / width, most));
}

double sl_structure_plane_paracrystal(double q, double distance, double angle, double sigma, double damping) {
    enum { MOST = 6000 };
    double loss = q * q * sigma * sigma / 2 + (damping > 0 ? distance / damping : 0);
    double h = exp(-loss), top = -expm1(-2 * loss), phase = q * distance, sum = 0;
    if (phase <= 0) return top > 0 ? 1 : 0;
    int count = angles_for(loss / phase, MOST);
    for (int i = 0; i < count; i++) {
        double azimuth = i * M_PI / count;
        double first = 1 - 2 * h * cos(phase * cos(azimuth)) + h * h;
        double second = 1 - 2 * h * cos(phase * cos(azimuth - angle)) + h * h;
        sum += top * top / (first * second);
    }
    return sum / count;
}

/* One orientation; v: the vector q in units of 1/angstrom. */
static double cubic_paracrystal(sl_cubic lattice, const double v[3], double distance, double spread) {
    double x = v[0], y = v[1], z = v[2], a[3], edge = distance, product = 1, sum = 0;
    if (lattice == SL_CUBIC_BODY) {
        edge = distance * 2 / sqrt(3);
        a[0] = (y + z - x) / 2, a[1] = (x - y + z) / 2, a[2] = (x + y - z) / 2;
    } else if (lattice == SL_CUBIC_FACE) {
        edge = distance * sqrt(2);
        a[0] = (x + y) / 2, a[1] = (x + z) / 2, a[2] = (y + z) / 2;
    } else {
        a[0] = x, a[1] = y, a[2] = z;
    }
    for (int k = 0; k < 3; k++) sum += a[k] * a[k];
    double loss = distance * distance * spread * spread * sum / 2, h = exp(-loss), top = -expm1(-2 * loss);
    for (int k = 0; k < 3; k++) product *= top / (1 - 2 * h * cos(edge * a[k]) + h * h);
    return product;
}

double sl_structure_cubic_paracrystal(sl_cubic lattice, double q, double distance, double spread) {
    enum { MOST = 1200 };
    double u[MOST], weight[MOST], sum = 0;
    int count = angles_for(spread * spread * distance * q, MOST);
    sl_gauss_legendre(count, 0, 1, u, weight);
    /* the half sphere; q and -q scatter alike */
    for (int i = 0; i < count; i++) {
        double across = q * sqrt(1 - u[i] * u[i]), ring = 0;
        for (int j = 0; j < count; j++) {
            double azimuth = j * 2 * M_PI / count,
                   v[3] = {across * cos(azimuth), across * sin(azimuth), q * u[i]};
            ring += cubic_paracrystal(lattice, v, distance, spread);
        }
        sum += weight[i] * ring / count;
    }
    return sum;
}
