/* Smooth places of an image, where counting statistics can be looked at. */
#ifndef SL_XRAY_PHYSICAL_NOISE_H
#define SL_XRAY_PHYSICAL_NOISE_H

#include "xray/physical/internal.h"

enum { NOISE_BLOCK = 6 }; /* px, side of a block */

typedef struct noise_places {
    int used;                /* smooth places: a block, or faint ones together until they hold 54 counts */
    double variance;         /* median over them, in units of their mean */
    double reduced_variance; /* the same without what an uncorrected flat field may add at most */
    double correlation;      /* of neighbouring pixels, median: 0 for independent ones */
} noise_places;

/* Looks at the image; false where it cannot be judged, and why is then in out->saw. */
sl_status noise_places_look(const physical_view *view, noise_places *places, sl_physical_result *out,
                            bool *found);

#endif
