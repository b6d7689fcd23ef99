/* A scientific image: counts (or any intensity) as float, and why a pixel is not to be trusted.
 *
 * Row 0 is the top row as displayed; x runs right, y runs down. */
#ifndef SL_IMAGE_IMAGE_H
#define SL_IMAGE_IMAGE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

/* Bits of the mask; 0 is a good pixel. The value of a masked pixel is meaningless (readers set it to 0). */
typedef enum sl_mask_bit {
    SL_MASK_INVALID =
        1 << 0,           /* the file says so, by a code in place of the value (image/frame.h) or a mask */
    SL_MASK_GAP = 1 << 1, /* between detector modules */
    SL_MASK_BEAMSTOP = 1 << 2,
    SL_MASK_ARM = 1 << 3, /* beamstop holder */
    SL_MASK_HOT = 1 << 4,
    SL_MASK_DEAD = 1 << 5,
    SL_MASK_HORIZON = 1 << 6, /* below the sample horizon */
    SL_MASK_SATURATED = 1 << 7,
} sl_mask_bit;

/* Pixels that hold no measurement at all. Those behind a beamstop, below a horizon or saturated do hold one.
 */
#define SL_MASK_NO_VALUE (SL_MASK_INVALID | SL_MASK_GAP | SL_MASK_HOT | SL_MASK_DEAD)

typedef struct sl_image {
    int32_t height_px, width_px;
    float *value;  /* [height_px, width_px] */
    uint8_t *mask; /* the same shape, sl_mask_bit */
} sl_image;

sl_status sl_image_new(int32_t height_px, int32_t width_px, sl_image *out); /* zeros */
sl_status sl_image_copy(const sl_image *image, sl_image *out);
void sl_image_free(sl_image *image);

#endif
