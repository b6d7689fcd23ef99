/* Particles at and below flat boundaries in the distorted-wave Born approximation: the wave that meets a
 * particle, and the one that leaves it, goes up and down in its layer, so four scattering processes add up
 * (Rauscher et al., J. Appl. Phys. 86 (1999) 6763; Renaud, Lazzari and Leroy, Surf. Sci. Rep. 64 (2009) 255;
 * Lazzari, J. Appl. Cryst. 35 (2002) 406). Lengths in the unit of 1/k0. */
#ifndef SL_XRAY_SCATTER_DWBA_H
#define SL_XRAY_SCATTER_DWBA_H

#include "xray/scatter/reflectivity.h"

typedef enum sl_dwba_shape {
    SL_DWBA_SPHEROID, /* radius in the plane, height across */
    SL_DWBA_CYLINDER, /* standing: radius, height */
    SL_DWBA_BOX,      /* sides 2 * radius, width and height, all directions in the plane alike */
    SL_DWBA_SHAPE_COUNT
} sl_dwba_shape;

typedef struct sl_dwba_particle {
    sl_dwba_shape shape;
    double radius, height, width;
} sl_dwba_particle;

/* The four processes at a particle's middle: down-down, up-down, down-up, up-up for the waves in and out. */
typedef struct sl_dwba_waves {
    double complex amplitude[4], qz[4];
} sl_dwba_waves;

/* From the waves in the particle's layer for the angles of incidence and exit, of sl_parratt; `depth` of the
 * particle's middle below the layer's upper boundary. */
sl_dwba_waves sl_dwba_waves_in(const sl_wave *in, const sl_wave *out, double depth);
/* The same above the surface, whose reflected amplitudes are given; `height` of the particle's middle. */
sl_dwba_waves sl_dwba_waves_above(double k0, double sin_incidence, double sin_exit,
                                  double complex reflected_in, double complex reflected_out, double height);

/* |sum of the four|^2 times volume^2. */
double sl_dwba_square(const sl_dwba_waves *waves, const sl_dwba_particle *particle, double q_parallel);
/* The same averaged over `count` waves, 1 or more, that differ little in qz: particles at several depths, a
 * range of exit angles. Only the middle one's qz is used. */
typedef struct sl_dwba_mean {
    double sum, difference; /* mean square amplitude with the sum and with the difference of qz */
    double complex cross, qz[2];
} sl_dwba_mean;
sl_dwba_mean sl_dwba_mean_of(int count, const sl_dwba_waves *waves);
double sl_dwba_square_mean(const sl_dwba_mean *mean, const sl_dwba_particle *particle, double q_parallel);
/* Sum of the four squares, without their interference: for lattices, where each process has peaks of its own.
 */
double sl_dwba_square_apart(const sl_dwba_waves *waves, const sl_dwba_particle *particle, double q_parallel);
/* Deep in a thick medium, where nothing comes back up: |t_in|^2 |t_out|^2 P(q_parallel, Re qz), and how deep
 * it is seen, 1/(2 Im(kappa_in + kappa_out)). 0 below the horizon. `seen` may be NULL. */
double sl_dwba_square_buried(double k0, double sin_incidence, double sin_exit, sl_refraction medium,
                             const sl_dwba_particle *particle, double q_parallel, double *seen);

#endif
