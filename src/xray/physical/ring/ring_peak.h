/* The profile of one ring across: a Gaussian on a straight background, fitted in a range of azimuth. */
#ifndef SL_XRAY_PHYSICAL_RING_PEAK_H
#define SL_XRAY_PHYSICAL_RING_PEAK_H

#include "xray/physical/internal.h"

/* Lengths in bins of the polar map. */
typedef struct ring_peak {
    double height, centre, ln_width; /* counts a pixel, radius, ln of the full width at half maximum */
    double height_error, centre_error,
        ln_width_error; /* standard errors, of counting and of what the fit leaves */
} ring_peak;

/* Fits the sectors first .. first + count - 1 within `reach` bins of `radius`; false where no peak stands
 * there that the fit can hold. */
bool ring_peak_fit(const polar_map *map, int first, int count, double radius, double reach, ring_peak *out);

/* A ring of the image: where tracks were followed, each radius once. */
typedef struct ring_place {
    double radius, reach;    /* bins; reach: half way to the next ring, at most 45 */
    const ring_track *track; /* the longest of those at this radius */
} ring_place;

/* Sorted by radius; returns how many. Only tracks of `least_sectors` and more are taken. */
int ring_places(const physical_view *view, int least_sectors, ring_place out[RING_TRACKS]);

#endif
