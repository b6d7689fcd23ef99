/* The sample's horizon at grazing incidence: where it is, column by column. */
#ifndef SL_XRAY_PHYSICAL_HORIZON_H
#define SL_XRAY_PHYSICAL_HORIZON_H

#include "xray/physical/internal.h"

enum { HORIZON_STRIPS = 48 };

typedef struct horizon {
    double row_px[HORIZON_STRIPS]; /* in strips of equal width: the edge's place; NaN where none is seen */
    double offset_px, slope;       /* the straight line: row = offset + slope * column */
    int seen;                      /* strips with an edge near the line */
} horizon;

/* False where no edge runs across the image; *out is then not to be used. */
bool horizon_find(const physical_view *view, horizon *out);

/* The line that the geometry says, where it and the grazing angles are known; else horizon_find's. */
bool horizon_known_or_found(const physical_view *view, horizon *out);

#endif
