/* The level around the beam at each radius. */
#ifndef SL_XRAY_PHYSICAL_PROFILE_H
#define SL_XRAY_PHYSICAL_PROFILE_H

#include "xray/physical/internal.h"

/* out[POLAR_RADII]: ln of counts a pixel, the median over sixteen sectors, so that grains and arcs do not
 * lift it; NaN where it is seen in few of them or there are few counts. */
void physical_profile(const physical_view *view, double *out);

#endif
