/* Preferred orientation: how a reflection's intensity is spread over directions. */
#ifndef SL_XRAY_SCATTER_TEXTURE_H
#define SL_XRAY_SCATTER_TEXTURE_H

/* Fibre texture about an axis: density at angle chi between q and the axis for a pole at angle psi from the
 * axis with Gaussian spread sigma: a circle smeared on the sphere by the von Mises-Fisher kernel, kappa =
 * 1/sigma^2. Mean over the sphere 1. With Friedel's mate (pi - psi) averaged in. Radians. */
double sl_texture_fibre(double chi_rad, double psi_rad, double sigma_rad);

/* In-plane orientation of a uniaxial sample seen in transmission: azimuth chi from its maximum, mean over
 * azimuth 1. */
double sl_texture_uniaxial(double chi_rad, double kappa);

/* March-Dollase density at angle chi from the axis (Dollase, J. Appl. Cryst. 19 (1986) 267): platelets that
 * lie flat for march < 1, needles for march > 1, none at 1. Mean over the sphere 1. */
double sl_texture_march_dollase(double chi_rad, double march);
/* The same of a pole at angle psi from the crystals' axis that has this density: averaged over turns about
 * that axis. */
double sl_texture_march_pole(double chi_rad, double psi_rad, double march);

/* Hermans' order parameter (3 <cos^2 chi> - 1)/2 of sl_texture_uniaxial, with the sphere's weight sin(chi): 0
 * for kappa 0, 1 in the limit. */
double sl_texture_hermans(double kappa);
/* The kappa that gives an order parameter of 0 to 0.99. */
double sl_texture_kappa_of_hermans(double order);

#endif
