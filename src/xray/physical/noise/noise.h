/* Smooth places of an image, where counting statistics can be looked at. */
#ifndef SL_XRAY_PHYSICAL_NOISE_H
#define SL_XRAY_PHYSICAL_NOISE_H

#include "xray/physical/internal.h"

enum { NOISE_BLOCK = 6 }; /* px, side of a place */

typedef struct noise_places {
    int used;               /* smooth places with 1.5 to 150 counts a pixel */
    double variance;        /* median over them, in units of their mean */
    double product, square; /* sums over pairs of neighbours and over pixels, normalised */
} noise_places;

/* Looks at the image; false where it cannot be judged, and why is then in out->saw. */
sl_status noise_places_look(const physical_view *view, noise_places *places, sl_physical_result *out,
                            bool *found);

#endif
