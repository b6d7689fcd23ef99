/* Colour pictures become grey by their luminance (ITU-R BT.601 weights in thousandths): equal red, green and
 * blue give exactly that value, so a grey picture stored as RGB keeps its numbers. */
#ifndef SL_IMAGE_FORMAT_LUMINANCE_H
#define SL_IMAGE_FORMAT_LUMINANCE_H

#include <stdint.h>

static inline uint32_t sl_luminance(uint32_t red, uint32_t green, uint32_t blue) {
    return (red * 299 + green * 587 + blue * 114 + 500) / 1000;
}

#define SL_LUMINANCE_NOTE "colour converted to luminance (BT.601)"

#endif
