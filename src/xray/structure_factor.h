/* Structure factors: how particles stand to each other. */
#ifndef SL_XRAY_STRUCTURE_FACTOR_H
#define SL_XRAY_STRUCTURE_FACTOR_H

/* Hard spheres of radius `radius_ang` at volume fraction `fraction` (0 to 0.6): Percus-Yevick, closed form of
 * Wertheim 1963. */
double sl_structure_hard_sphere(double q_per_ang, double radius_ang, double fraction);

/* A stack of `layers` lamellae of thickness `thickness_ang`, repeat `repeat_ang` with Gaussian distance
 * spread `spread` = sigma/repeat, averaged over orientation: intensity in 1/cm for a contrast in
 * 1e-6/angstrom^2 (Nallet, Laversanne and Roux 1993 in the form of Bergstroem, Pedersen et al. 1999). */
double sl_lamellar_paracrystal(double q_per_ang, double thickness_ang, int layers, double repeat_ang,
                               double spread, double contrast);

/* One-dimensional (radial) paracrystal with damping: Re[(1+H)/(1-H)], H = exp(-q^2 sigma^2/2 - D/damping +
 * iqD). */
double sl_structure_radial_paracrystal(double q_per_ang, double distance_ang, double sigma_ang,
                                       double damping_ang);

#endif
