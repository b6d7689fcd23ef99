/* Between the writers: each adds one file of coded counts (float32, [height_px, width_px]) and the
 * information to a text. */
#ifndef SL_IMAGE_WRITE_INTERNAL_H
#define SL_IMAGE_WRITE_INTERNAL_H

#include "base/text.h"
#include "image/write.h"

sl_status sl_encode_tiff(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);
sl_status sl_encode_hdf5(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);
sl_status sl_encode_npy(const sl_image *image, const float *counts, const sl_write_info *info, sl_text *out);

/* Provenance as canonical JSON (free()), or NULL where there is none. */
sl_status sl_write_provenance_text(const sl_write_info *info, char **out);

#endif
