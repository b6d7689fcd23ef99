/* Scattering geometry: from a pixel to the direction of the scattered ray and what follows from it.
 *
 * Units: metres for lengths of the instrument, angstrom and 1/angstrom for structure, radians for angles.
 * Rows run down (row 0 on top), columns run right; pixel (row, column) has its centre at (row + 1/2, column +
 * 1/2). Distance, point of normal incidence and three rotations are pyFAI's ("PONI", orientation 3), so a
 * .poni file can be taken over as it is. The laboratory frame of a ray is x along the direct beam, y
 * horizontal to the right, z up. */
#ifndef SL_XRAY_INSTRUMENT_GEOMETRY_H
#define SL_XRAY_INSTRUMENT_GEOMETRY_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sl_geometry {
    double distance_m;
    double poni1_m, poni2_m; /* along rows (down) and along columns (right), from the corner of pixel (0,0) */
    double rotation_rad[3];
    double pixel_m;
    double wavelength_ang;
    double polarisation; /* (Ih - Iv) / (Ih + Iv): 0 for a tube, 0.9 to 0.99 at a synchrotron */
} sl_geometry;

/* Which part of a detector an image shows: image pixel (i, j) covers `scale` x `scale` detector pixels from
 * (row0 + i*scale, column0 + j*scale). It may reach beyond the detector. */
typedef struct sl_view {
    int32_t height_px, width_px;
    double row0, column0, scale;
} sl_view;

/* A geometry made ready for use pixel by pixel. */
typedef struct sl_projection {
    sl_geometry geometry;
    double matrix[3][3]; /* R3 R2 R1 */
    double k0_per_ang;   /* 2 pi / wavelength */
} sl_projection;
sl_projection sl_projection_of(const sl_geometry *geometry);

typedef struct sl_pixel {
    double x, y, z;       /* unit vector to the pixel: along the beam, right, up */
    double q_per_ang;     /* 4 pi / wavelength * sin(theta) */
    double cos_two_theta; /* equals x */
    double solid_angle;   /* relative to a pixel at normal incidence: cos^3 of the angle on the detector */
    double polarisation;  /* factor of the scattered intensity */
} sl_pixel;
/* `row` and `column` count from the corner: the centre of pixel (i, j) is (i + 0.5, j + 0.5). */
sl_pixel sl_projection_pixel(const sl_projection *projection, double row, double column);
/* The same for the centres of the first `count` pixels of a row, whose own centre is at `row`. */
void sl_projection_row(const sl_projection *projection, double row, int32_t count, sl_pixel *out);

double sl_pixel_two_theta_rad(const sl_pixel *pixel);
double sl_pixel_chi_rad(const sl_pixel *pixel); /* pyFAI's: atan2(down, right) */

/* Where the ray (x, y, z), of any length, meets the detector plane; false where it never does. */
bool sl_projection_hit(const sl_projection *projection, double x, double y, double z, double *row,
                       double *column);
/* The same for the ray scattered by q at azimuth chi (pyFAI's). */
bool sl_projection_hit_q(const sl_projection *projection, double q_per_ang, double chi_rad, double *row,
                         double *column);

/* Change of q over one pixel outwards from the beam, at scattering vector q. */
double sl_projection_q_step(const sl_projection *projection, double q_per_ang);

/* Grazing incidence: a flat sample at angle `incidence_rad` to the beam, its surface turned by `roll_rad`
 * about it. */
typedef struct sl_grazing {
    double incidence_rad, roll_rad;
    double sin_incidence, cos_incidence, sin_roll, cos_roll;
} sl_grazing;
sl_grazing sl_grazing_of(double incidence_rad, double roll_rad);

typedef struct sl_grazing_ray {
    double sin_exit; /* sine of the exit angle; negative below the horizon */
    double qx_per_ang, qy_per_ang, qz_per_ang;
    double q_parallel_per_ang; /* sqrt(qx^2 + qy^2), never negative */
} sl_grazing_ray;
sl_grazing_ray sl_grazing_ray_of(const sl_grazing *grazing, double k0_per_ang, const sl_pixel *pixel);

/* The ray that leaves the sample at exit angle `exit_rad` and in-plane angle `azimuth_rad`, in the laboratory
 * frame. */
void sl_grazing_direction(const sl_grazing *grazing, double exit_rad, double azimuth_rad, double *x,
                          double *y, double *z);

static inline double sl_wavelength_of_energy_ang(double energy_kev) {
    return 12.39842 / energy_kev;
}

#endif
