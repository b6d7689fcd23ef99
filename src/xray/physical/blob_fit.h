/* Compact patches that stand out of their surroundings on all sides, each with an elliptic Gaussian fitted.
 */
#ifndef SL_XRAY_PHYSICAL_BLOB_FIT_H
#define SL_XRAY_PHYSICAL_BLOB_FIT_H

#include "xray/physical/internal.h"

enum { BLOBS = 96 };

/* Lengths in image pixels. */
typedef struct blob {
    double row, column;          /* of its middle */
    double wide, narrow;         /* sigma along its axes */
    double spread[3];            /* its covariance: rows, rows with columns, columns; square pixels */
    double height, height_error; /* counts a pixel above the ground, and standard error */
    double ground;               /* counts a pixel */
    double misfit;               /* rms of what the fit leaves beyond counting noise, over the height */
} blob;

/* Looks for patches of sigma 1.5 to 10 pixels (of 256); returns how many, at most BLOBS, from small to large.
 * Allocates and frees its maps. */
sl_status blobs_find(const physical_view *view, blob out[BLOBS], int *count);

#endif
