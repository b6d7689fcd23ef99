/* Images for the eye: counts through an intensity map to 16-bit grey, or 8-bit colour. */
#ifndef SL_IMAGE_DISPLAY_H
#define SL_IMAGE_DISPLAY_H

#include "image/colormap.h"
#include "image/intensity_map.h"

/* What masked pixels look like. */
typedef struct sl_display_settings {
    sl_colormap colormap;
    uint8_t masked_rgb[3];
} sl_display_settings;

/* [height, width]: -1..1 of the map becomes 0..65535, rounded; masked pixels 0. Counts what is clipped in the
 * map. */
sl_status sl_display_grey16(sl_intensity_map *map, const sl_image *image, uint16_t *out);

/* [height, width, 3]. */
sl_status sl_display_rgb8(sl_intensity_map *map, const sl_image *image, const sl_display_settings *settings,
                          uint8_t *out);

#endif
