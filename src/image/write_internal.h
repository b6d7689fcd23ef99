/* Between the writers: each puts coded counts (float32, [height_px, width_px]) and the information in one
 * file. */
#ifndef SL_IMAGE_WRITE_INTERNAL_H
#define SL_IMAGE_WRITE_INTERNAL_H

#include "image/write.h"

sl_status sl_write_tiff(const char *path, const sl_image *image, const float *counts,
                        const sl_write_info *info);
sl_status sl_write_hdf5(const char *path, const sl_image *image, const float *counts,
                        const sl_write_info *info);
sl_status sl_write_npy(const char *path, const sl_image *image, const float *counts,
                       const sl_write_info *info);

/* Provenance as canonical JSON (free()), or NULL where there is none. */
sl_status sl_write_provenance_text(const sl_write_info *info, char **out);

#endif
