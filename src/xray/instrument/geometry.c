#include "xray/instrument/geometry.h"

#include <math.h>

/* t = R3 R2 R1 (d1, d2, L): pyFAI's convention, the angles left-handed about axes 1 and 2. */
sl_projection sl_projection_of(const sl_geometry *geometry) {
    double c1 = cos(geometry->rotation_rad[0]), s1 = sin(geometry->rotation_rad[0]);
    double c2 = cos(geometry->rotation_rad[1]), s2 = sin(geometry->rotation_rad[1]);
    double c3 = cos(geometry->rotation_rad[2]), s3 = sin(geometry->rotation_rad[2]);
    /* R2 R1 first: rows of R2 times columns of R1 */
    double m[3][3] = {{c2, s2 * s1, -s2 * c1}, {0, c1, s1}, {s2, -c2 * s1, c2 * c1}};
    sl_projection projection = {.geometry = *geometry, .k0_per_ang = 2 * M_PI / geometry->wavelength_ang};
    for (int j = 0; j < 3; j++) {
        projection.matrix[0][j] = c3 * m[0][j] - s3 * m[1][j];
        projection.matrix[1][j] = s3 * m[0][j] + c3 * m[1][j];
        projection.matrix[2][j] = m[2][j];
    }
    return projection;
}

/* d1, d2 from the point of normal incidence, along rows and columns. */
static inline sl_pixel pixel_at(const sl_projection *projection, double d1, double d2) {
    const sl_geometry *g = &projection->geometry;
    const double(*m)[3] = projection->matrix;
    double d3 = g->distance_m;
    double t1 = m[0][0] * d1 + m[0][1] * d2 + m[0][2] * d3;
    double t2 = m[1][0] * d1 + m[1][1] * d2 + m[1][2] * d3;
    double t3 = m[2][0] * d1 + m[2][1] * d2 + m[2][2] * d3;
    double across = t1 * t1 + t2 * t2, inverse = 1 / sqrt(across + t3 * t3);
    sl_pixel pixel = {.x = t3 * inverse, .y = t2 * inverse, .z = -t1 * inverse};
    pixel.cos_two_theta = pixel.x;
    double sin_squared = across * inverse * inverse;
    /* 1 - cos(2 theta) without cancellation at small angles */
    double versine = pixel.x > 0 ? sin_squared / (1 + pixel.x) : 1 - pixel.x;
    pixel.q_per_ang = projection->k0_per_ang * sqrt(2 * versine);
    double cos_detector = d3 * inverse;
    pixel.solid_angle = cos_detector * cos_detector * cos_detector;
    double sin_squared_cos_two_chi = pixel.y * pixel.y - pixel.z * pixel.z;
    pixel.polarisation = 0.5 * (1 + pixel.x * pixel.x - g->polarisation * sin_squared_cos_two_chi);
    return pixel;
}

sl_pixel sl_projection_pixel(const sl_projection *projection, double row, double column) {
    const sl_geometry *g = &projection->geometry;
    return pixel_at(projection, row * g->pixel_m - g->poni1_m, column * g->pixel_m - g->poni2_m);
}

void sl_projection_row(const sl_projection *projection, double row, int32_t count, sl_pixel *out) {
    const sl_geometry *g = &projection->geometry;
    double d1 = row * g->pixel_m - g->poni1_m;
    for (int32_t j = 0; j < count; j++)
        out[j] = pixel_at(projection, d1, (j + 0.5) * g->pixel_m - g->poni2_m);
}

double sl_pixel_two_theta_rad(const sl_pixel *pixel) {
    return atan2(sqrt(pixel->y * pixel->y + pixel->z * pixel->z), pixel->x);
}

double sl_pixel_chi_rad(const sl_pixel *pixel) {
    return atan2(-pixel->z, pixel->y);
}

bool sl_projection_hit(const sl_projection *projection, double x, double y, double z, double *row,
                       double *column) {
    const sl_geometry *g = &projection->geometry;
    const double(*m)[3] = projection->matrix;
    double t[3] = {-z, y, x}, d[3];
    for (int j = 0; j < 3; j++) d[j] = m[0][j] * t[0] + m[1][j] * t[1] + m[2][j] * t[2];
    if (d[2] <= 1e-9) return false;
    *row = (d[0] / d[2] * g->distance_m + g->poni1_m) / g->pixel_m;
    *column = (d[1] / d[2] * g->distance_m + g->poni2_m) / g->pixel_m;
    return true;
}

bool sl_projection_hit_q(const sl_projection *projection, double q_per_ang, double chi_rad, double *row,
                         double *column) {
    double sin_theta = q_per_ang / (2 * projection->k0_per_ang);
    if (sin_theta >= 1) return false;
    double cos_two_theta = 1 - 2 * sin_theta * sin_theta;
    double sin_two_theta = 2 * sin_theta * sqrt(1 - sin_theta * sin_theta);
    return sl_projection_hit(projection, cos_two_theta, sin_two_theta * cos(chi_rad),
                             -sin_two_theta * sin(chi_rad), row, column);
}

double sl_projection_q_step(const sl_projection *projection, double q_per_ang) {
    double sin_theta = fmin(q_per_ang / (2 * projection->k0_per_ang), 0.99);
    double cos_two_theta = 1 - 2 * sin_theta * sin_theta;
    return projection->k0_per_ang * sqrt(1 - sin_theta * sin_theta) * cos_two_theta * cos_two_theta *
           projection->geometry.pixel_m / projection->geometry.distance_m;
}

sl_grazing sl_grazing_of(double incidence_rad, double roll_rad) {
    return (sl_grazing){incidence_rad,      roll_rad,      sin(incidence_rad),
                        cos(incidence_rad), sin(roll_rad), cos(roll_rad)};
}

sl_grazing_ray sl_grazing_ray_of(const sl_grazing *grazing, double k0_per_ang, const sl_pixel *pixel) {
    double y = grazing->cos_roll * pixel->y + grazing->sin_roll * pixel->z;
    double z = grazing->cos_roll * pixel->z - grazing->sin_roll * pixel->y;
    double sin_exit = z * grazing->cos_incidence - pixel->x * grazing->sin_incidence;
    double forward = pixel->x * grazing->cos_incidence + z * grazing->sin_incidence;
    sl_grazing_ray ray = {.sin_exit = sin_exit,
                          .qx_per_ang = k0_per_ang * (forward - grazing->cos_incidence),
                          .qy_per_ang = k0_per_ang * y,
                          .qz_per_ang = k0_per_ang * (sin_exit + grazing->sin_incidence)};
    ray.q_parallel_per_ang = sqrt(ray.qx_per_ang * ray.qx_per_ang + ray.qy_per_ang * ray.qy_per_ang);
    return ray;
}

void sl_grazing_direction(const sl_grazing *grazing, double exit_rad, double azimuth_rad, double *x,
                          double *y, double *z) {
    double forward = cos(exit_rad) * cos(azimuth_rad), side = cos(exit_rad) * sin(azimuth_rad),
           up = sin(exit_rad);
    *x = forward * grazing->cos_incidence - up * grazing->sin_incidence;
    double z_flat = forward * grazing->sin_incidence + up * grazing->cos_incidence;
    *y = grazing->cos_roll * side - grazing->sin_roll * z_flat;
    *z = grazing->cos_roll * z_flat + grazing->sin_roll * side;
}
