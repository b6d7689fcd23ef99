/* How well an image was reproduced, in numbers that scatterers care for: error, contrast of spots, width of
 * rings.
 *
 * Images [height, width] in the log map's units, 0..1. */
#ifndef SL_TRAIN_QUALITY_H
#define SL_TRAIN_QUALITY_H

#include "base/status.h"

#include <stdint.h>

/* 10 log10(1 / mean square error); 99 for equal images. */
double sl_psnr_db(const float *image, const float *truth, int64_t count);

/* Contrast of a spot: mean of the 3 x 3 pixels at (row, column) over the mean of the border of the 11 x 11
 * around it. */
double sl_spot_contrast(const float *image, int height_px, int width_px, int row, int column);

/* Places of the truth's spots: highest pixel of their 11 x 11 with contrast of at least `least`. Returns how
 * many of at most `limit` were written to out_row, out_column. */
int sl_spots_find(const float *truth, int height_px, int width_px, double least, int limit, int *out_row,
                  int *out_column);

/* Full width at half maximum (px) of the ring of mean radius `radius_px` about (row, column), from the
 * azimuthal mean within the image, over a straight line between the profile's ends at +-reach_px. 0 where no
 * maximum stands there. */
double sl_ring_width_px(const float *image, int height_px, int width_px, double row, double column,
                        double radius_px, double reach_px);

#endif
