/* The file in which a workspace keeps the pixels of an image: exact, small, quick to read.
 *
 * Little endian: "SLPIXEL1", u32 height, u32 width, then one zstd frame of the values (f32, their bytes in
 * four planes, which packs far better) and the mask (u8). Written only by this program; files from outside
 * are read by image/frame.h. */
#ifndef SL_LOOP_PIXELS_H
#define SL_LOOP_PIXELS_H

#include "base/hash.h"
#include "image/image.h"

#include <stddef.h>
#include <stdint.h>

/* *out: sl_free. */
sl_status sl_pixels_encode(const sl_image *image, unsigned char **out, size_t *out_bytes);
/* SL_FORMAT when damaged. */
sl_status sl_pixels_decode(const void *data, size_t bytes, sl_image *out);

/* Hash of size, values and mask: the same for the same image from any file format that keeps all of them (our
 * HDF5). Where a pixel has no value, none counts, since no file keeps it. */
void sl_pixels_hash(const sl_image *image, char out_hash[SL_SHA256_HEX]);

#endif
