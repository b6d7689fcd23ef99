/* Flips and quarter turns of an image, as its geometry allows. */
#ifndef SL_TRAIN_AUGMENT_H
#define SL_TRAIN_AUGMENT_H

#include "base/random/random.h"
#include "base/status.h"

#include <stdint.h>

/* One of the variants that `allowed` (SL_AUGMENT_*) leaves possible, drawn from `random`; 0 is the image as
 * it is. Turns need a square. */
typedef struct sl_variant {
    int flip_left_right, flip_up_down, turns;
} sl_variant;
sl_variant sl_variant_draw(uint32_t allowed, sl_random *random);

/* image [height, width, channels] -> out (another memory). */
void sl_variant_apply(sl_variant variant, const float *image, int height_px, int width_px, int channels,
                      float *out);

#endif
