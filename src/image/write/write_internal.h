/* Between the writers: each adds one file of coded counts (float32, [height_px, width_px]) and the
 * information to a text. */
#ifndef SL_IMAGE_WRITE_INTERNAL_H
#define SL_IMAGE_WRITE_INTERNAL_H

#include "base/text.h"
#include "image/write/write.h"

sl_status sl_encode_tiff(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);
sl_status sl_encode_hdf5(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);
sl_status sl_encode_npy(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);

/* One PNG: rows of height_px x width_px x channels numbers of 8 or 16 bits in the machine's order. One of two
 * files writes it: write_png_libpng.c, or core/write_png.c without compression in a core-only build. */
typedef struct sl_png_job {
    int32_t height_px, width_px;
    int channels, bits;
    const uint8_t *pixels;
    const sl_write_info *info;
    const char *provenance; /* NULL: none */
} sl_png_job;
sl_status sl_png_compress(const sl_png_job *job, sl_text *out);

/* Provenance as canonical JSON (free()), or NULL where there is none. */
sl_status sl_write_provenance_text(const sl_write_info *info, char **out);

#endif
