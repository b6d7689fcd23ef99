/* Structure factors: how particles stand to each other. */
#ifndef SL_XRAY_SCATTER_STRUCTURE_FACTOR_H
#define SL_XRAY_SCATTER_STRUCTURE_FACTOR_H

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

/* Two-dimensional paracrystal, averaged over directions in the plane: two lattice vectors of length
 * `distance_ang` at `angle_rad` to each other, Gaussian spread and damping along each as above; the product
 * of both (Hosemann and Bagchi 1962). */
double sl_structure_plane_paracrystal(double q_per_ang, double distance_ang, double angle_rad,
                                      double sigma_ang, double damping_ang);

typedef enum sl_cubic { SL_CUBIC_SIMPLE, SL_CUBIC_BODY, SL_CUBIC_FACE } sl_cubic;

/* Three-dimensional cubic paracrystal of nearest neighbours at `distance_ang` with Gaussian spread `spread` =
 * sigma/distance, averaged over orientation (Matsuoka, Tanaka, Hashimoto and Ishinabe, Phys. Rev. B 36 (1987)
 * 1754). Peaks span an angle of spread^2 distance q: the average holds to 1e-6 where that is above 0.07, and
 * is coarse below; it takes up to 1200 x 1200 orientations. */
double sl_structure_cubic_paracrystal(sl_cubic lattice, double q_per_ang, double distance_ang, double spread);

#endif
