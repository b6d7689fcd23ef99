/* What the blind estimates share: the image averaged over cells, and what is measured on them. */
#ifndef SL_XRAY_BLIND_INTERNAL_H
#define SL_XRAY_BLIND_INTERNAL_H

#include "xray/blind.h"

/* ln(1 + counts) averaged over square cells, scaled to mean 0 and variance 1, and how much of each cell is
 * good. */
typedef struct blind_cells {
    int rows, columns;
    double cell_px;
    double mean, sigma;    /* of ln(1 + counts), which the scaling took off */
    double square;         /* mean square of the values: 1 until some are dropped */
    float *value, *weight; /* [rows, columns]; weight 0 to 1, 0: nothing known */
} blind_cells;

enum { BLIND_LEVELS = 4, BLIND_FINEST = BLIND_LEVELS - 1, BLIND_SIDE = 256 };

/* The image at BLIND_LEVELS sizes, each of at most twice the cells a side of the one before; the last has at
 * most BLIND_SIDE. Pixels without a value, rows and columns of zeros alone (gaps that the file does not mark)
 * and lone hot cells are left out; what a mask says of beamstop and horizon is not looked at, since measured
 * files do not say it. SL_NUMERIC where nothing but a level is there. */
sl_status blind_pyramid_make(const sl_image *image, blind_cells out[BLIND_LEVELS]);
void blind_pyramid_free(blind_cells cells[BLIND_LEVELS]);

enum { BLIND_RADII = 192, BLIND_AXES = 6 };

typedef struct blind_bins {
    struct {
        float sum, weight, filled, unused;
    } bin[BLIND_RADII][BLIND_AXES];
} blind_bins;

/* Share of the variance that remains inside bins of radius and axis (azimuth modulo 180 degrees) about
 * (row, column), in cells: 0 for perfect rings, lobes and fibres, about 1 for anything elsewhere. */
double blind_left_over(const blind_cells *c, blind_bins *b, double row, double column);

/* Drops cells far darker than their bin about (row, column): beamstop, arm, whatever throws a shadow. */
void blind_shadows_drop(blind_cells *c, blind_bins *b, double row, double column);

/* Lets cells count less the farther they are from (row, column): a leaning detector shifts outer rings more
 * than inner ones, and a window's edge has a centre of its own. */
void blind_narrow(blind_cells *c, double row, double column);

typedef struct blind_inversion {
    double correlation; /* of the image with itself turned by 180 degrees, where both are seen; -1 to 1 */
    double share;       /* covariance of the two over the whole image's variance */
    double overlap;     /* part of the image that has a counterpart */
} blind_inversion;

/* Inversion about (twice_row / 2, twice_column / 2), in cells from the corner. */
blind_inversion blind_inversion_at(const blind_cells *c, int twice_row, int twice_column);

/* A dark disc with brighter surroundings on nearly all sides, as of a beamstop; an arm may cover some. */
typedef struct blind_stop {
    double row, column, radius; /* cells */
    double within, around;      /* mean of the disc, and of what surrounds it */
    double contrast;            /* ln of the counts around over those within, beyond the spread */
} blind_stop;

/* The darkest discs, best first, at most `most` of them, none overlapping; returns how many there are. */
int blind_stops_find(const blind_cells *c, int most, blind_stop *out);

/* Drops the cells of a stop found among those of `found_in`: near it and darker than the middle between it
 * and its surroundings, and their neighbours, where its edge is blurred. */
void blind_stop_drop(blind_cells *c, const blind_stop *stop, const blind_cells *found_in);

#endif
