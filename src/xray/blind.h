/* What can be told from an image alone: where the beam hit. */
#ifndef SL_XRAY_BLIND_H
#define SL_XRAY_BLIND_H

#include "image/image.h"

typedef struct sl_blind_centre {
    double row_px, column_px; /* counted from the image's corner; may lie outside */
    double explained; /* share of the variance of ln(counts) that symmetry about it explains, 0 to 1 */
} sl_blind_centre;

/* The beam's place of a transmission image: the point about which ln(counts) depends most on radius and on
 * azimuth modulo 180 degrees alone. Searched from coarse to fine, within a quarter of the image's side beyond
 * its borders. SL_NUMERIC where no pixel has counts. */
sl_status sl_blind_centre_find(const sl_image *image, sl_blind_centre *out);

#endif
