/* What is lost on the way: in the sample, and what a sensor's thickness does not stop. */
#ifndef SL_XRAY_SCATTER_ABSORPTION_H
#define SL_XRAY_SCATTER_ABSORPTION_H

#include "xray/scatter/reflectivity.h"

/* Linear attenuation coefficient 4 pi beta / wavelength, in 1/m. */
double sl_attenuation_per_m(sl_refraction medium, double wavelength_ang);

/* Share of photons that a sensor of optical depth `depth` = attenuation * thickness stops at incidence angle
 * alpha, over that at normal incidence: slanted rays see a thicker sensor, 1/cos(alpha) in the limit of a
 * thin one. 0 < cos_alpha <= 1. */
double sl_sensor_efficiency(double depth, double cos_alpha);

/* Share of single scattering at 2theta that leaves a slab of optical depth `depth` perpendicular to the beam,
 * averaged over where in the slab it scattered; exp(-depth) forwards. 0 from 90 degrees on: no ray leaves at
 * the far side. */
double sl_slab_transmission(double depth, double cos_two_theta);

#endif
