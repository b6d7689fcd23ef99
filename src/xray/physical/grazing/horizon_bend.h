/* How far what stands at the horizon is bent. */
#ifndef SL_XRAY_PHYSICAL_HORIZON_BEND_H
#define SL_XRAY_PHYSICAL_HORIZON_BEND_H

#include "xray/physical/grazing/horizon.h"

/* The curve along which an image agrees best with a horizon: row = line + offset + tilt x + bend x^2, x from
 * -1 at the left border to 1 at the right. What curves are worth is in sigma, by counting noise and what
 * strips may differ by. */
typedef struct horizon_bend {
    double bend_px, tilt_px, offset_px; /* image pixels */
    double gain;                        /* by how much it is worth more than the best straight line */
    double clear; /* by how much it is worth more than curves are on the average: what a bend would cost */
} horizon_bend;

/* False where too little of the image is about the line. */
bool horizon_bend_find(const physical_view *view, const horizon *line, horizon_bend *out);

#endif
