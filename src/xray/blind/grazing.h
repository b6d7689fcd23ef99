/* What a surface leaves in an image: the plane of specular reflection, and the horizon. */
#ifndef SL_XRAY_BLIND_GRAZING_H
#define SL_XRAY_BLIND_GRAZING_H

#include "xray/blind/internal.h"

typedef struct blind_mirror {
    double column;      /* cells */
    double correlation; /* of left and right beyond what rows have in common; -1 to 1 */
    double overlap;     /* part of the image that has a counterpart */
} blind_mirror;

/* The upright line about which the image is most its own mirror image. `turned`: the level line, and its row.
 */
blind_mirror blind_mirror_find(const blind_cells *c, bool turned);

typedef struct blind_horizon {
    double row;   /* cells, from the top */
    double step;  /* mean over the columns of what is lost across it, in ln(counts), each within 1.5 */
    double share; /* columns in which something is lost */
    double below; /* mean of all below, in sigma of the image */
} blind_horizon;

/* The level edge with the largest loss downwards, looked for in `coarse` cells and placed in `fine` ones; its
 * row is in coarse cells. */
blind_horizon blind_horizon_find(const blind_cells *coarse, const blind_cells *fine);

#endif
