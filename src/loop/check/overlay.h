/* A picture of an image with what the physical tests saw drawn over it. */
#ifndef SL_LOOP_CHECK_OVERLAY_H
#define SL_LOOP_CHECK_OVERLAY_H

#include "image/image.h"
#include "xray/physical_test.h"

/* Writes an 8-bit colour PNG: the image on a grey log scale, small ones enlarged; marks blue, odd ones of
 * tests that fail orange. fails[SL_PHYSICAL_COUNT] says which tests do. */
sl_status sl_overlay_write(const char *path, const sl_image *image, const sl_drawing *drawing,
                           const bool *fails);

#endif
