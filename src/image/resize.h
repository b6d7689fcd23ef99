/* Other sizes: area average when shrinking, interpolation when enlarging, both without the masked pixels; and
 * how a frame of any shape is fitted into a fixed one, recorded so that positions can be followed. */
#ifndef SL_IMAGE_RESIZE_H
#define SL_IMAGE_RESIZE_H

#include "base/json.h"
#include "base/status.h"
#include "image/image.h"

typedef enum sl_resize_filter {
    SL_RESIZE_BILINEAR,
    SL_RESIZE_BICUBIC /* Catmull-Rom, held to the source's range */
} sl_resize_filter;

/* The filter counts for enlarging only; each axis is judged by itself. An output pixel is masked when less
 * than half of its weight comes from good pixels: its mask is then that of all source pixels below it, its
 * value their average. Intensities stay per-pixel values: shrinking averages counts, it does not add them. */
sl_status sl_image_resize(const sl_image *image, int32_t height_px, int32_t width_px, sl_resize_filter filter,
                          sl_image *out);

typedef struct sl_box {
    int32_t y_px, x_px, height_px, width_px;
} sl_box;

/* The part inside the image. SL_INVALID when the box leaves it. */
sl_status sl_image_crop(const sl_image *image, const sl_box *box, sl_image *out);

typedef enum sl_fit_mode {
    SL_FIT_CROP,      /* largest centred part of the wanted shape, then resized */
    SL_FIT_LETTERBOX, /* all of it, centred between bars masked SL_MASK_INVALID */
    SL_FIT_STRETCH    /* all of it, both axes by themselves: changes angles */
} sl_fit_mode;

/* Pixel (x, y) of the source goes to placed.x + (x - taken.x) * placed.width / taken.width, y likewise (both
 * measured from the outer corner of the first pixel). */
typedef struct sl_fit {
    sl_fit_mode mode;
    sl_resize_filter filter;
    int32_t source_height_px, source_width_px, height_px, width_px;
    sl_box taken;  /* of the source */
    sl_box placed; /* in the result */
} sl_fit;

/* The image brought to height_px x width_px; what it does not cover is masked SL_MASK_INVALID. *out is the
 * caller's (sl_image_free); *record, where it is not NULL, tells where pixels went. SL_INVALID for sizes
 * below 1, SL_MEMORY. */
sl_status sl_image_fit(const sl_image *image, sl_fit_mode mode, sl_resize_filter filter, int32_t height_px,
                       int32_t width_px, sl_image *out, sl_fit *record);
void sl_fit_point(const sl_fit *fit, double x_px, double y_px, double *out_x_px, double *out_y_px);

json_t *sl_fit_to_json(const sl_fit *fit); /* new reference */
sl_status sl_fit_from_json(const json_t *object, sl_fit *out);

#endif
