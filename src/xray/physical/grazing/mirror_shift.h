/* One side of a grazing-incidence image higher than the other. */
#ifndef SL_XRAY_PHYSICAL_MIRROR_SHIFT_H
#define SL_XRAY_PHYSICAL_MIRROR_SHIFT_H

#include "xray/physical/internal.h"

/* By how many image pixels what is right of `axis` (column, px) stands below what is left of it; 0 where no
 * shift makes them agree clearly better than none does. */
double physical_mirror_shift(const physical_view *view, double axis);

#endif
