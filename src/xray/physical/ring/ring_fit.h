/* Rings whose radius is seen around at least half of the circle, and what their radius does with the azimuth.
 */
#ifndef SL_XRAY_PHYSICAL_RING_FIT_H
#define SL_XRAY_PHYSICAL_RING_FIT_H

#include "xray/physical/internal.h"

enum { RING_FITS = 10 };

/* r = a0 + a1 cos + b1 sin + a2 cos 2 + b2 sin 2 of the azimuth, in bins of the polar map. */
typedef struct ring_fit {
    const ring_track *track;
    double radius, harmonic[5];
    double spread; /* robust sigma of what the fit leaves */
    double error;  /* of a harmonic */
    double wobble; /* root mean square of what the fit leaves and what is no noise: slow, higher harmonics */
} ring_fit;

/* The strongest rings of tracks[count]; returns how many. */
int ring_fits(const ring_track *tracks, int count, ring_fit out[RING_FITS]);

/* The rings that a test of rings judges: 0 where there are none, or one alone and no geometry to hold it
 * against; why is then in result->saw, with `unknown` for the latter. */
int ring_fits_to_judge(const physical_view *view, const char *unknown, ring_fit out[RING_FITS],
                       sl_physical_result *result);

/* Weighted mean over the rings of harmonics i and i+1, as share of radius^power. */
void ring_fits_common(const ring_fit *fit, int rings, int i, int power, double out[2]);

#endif
