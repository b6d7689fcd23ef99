/* Other sizes: area average when shrinking, linear interpolation when enlarging, both without the masked
 * pixels; and a frame of any shape fitted into a fixed one. */
#ifndef SL_IMAGE_RESIZE_H
#define SL_IMAGE_RESIZE_H

#include "base/status.h"
#include "image/image.h"

/* Each axis is judged by itself. An output pixel is masked when less
 * than half of its weight comes from good pixels: its mask is then that of all source pixels below it, its
 * value their average. Intensities stay per-pixel values: shrinking averages counts, it does not add them. */
sl_status sl_image_resize(const sl_image *image, int32_t height_px, int32_t width_px, sl_image *out);

typedef struct sl_box {
    int32_t y_px, x_px, height_px, width_px;
} sl_box;

/* The part inside the image. SL_INVALID when the box leaves it. */
sl_status sl_image_crop(const sl_image *image, const sl_box *box, sl_image *out);

typedef enum sl_fit_mode {
    SL_FIT_CROP,      /* largest centred part of the wanted shape, then resized */
    SL_FIT_LETTERBOX, /* all of it, centred between bars masked SL_MASK_INVALID */
} sl_fit_mode;

/* The image brought to height_px x width_px. *out is the caller's (sl_image_free). SL_INVALID for sizes below
 * 1, SL_MEMORY. */
sl_status sl_image_fit(const sl_image *image, sl_fit_mode mode, int32_t height_px, int32_t width_px,
                       sl_image *out);

#endif
