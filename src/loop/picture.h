/* Images of a workspace by their id, and pictures of any image for the eye. */
#ifndef SL_LOOP_PICTURE_H
#define SL_LOOP_PICTURE_H

#include "image/image.h"
#include "image/write/write.h"
#include "loop/workspace.h"

/* The pixels of image `id`; *out: sl_image_free. */
sl_status sl_picture_load(const sl_workspace *workspace, sl_id id, sl_image *out);

/* 16-bit grey PNG: log scale from 0 to the 99.9th percentile of the unmasked pixels, masked ones black. */
sl_status sl_picture_write_png(const char *path, const sl_image *image, const sl_write_info *info);

/* The same in memory; *out: sl_free. */
sl_status sl_picture_encode_png(const sl_image *image, const sl_write_info *info, void **out,
                                size_t *out_bytes);

/* 8-bit colour PNG in memory at most `side_px` on a side, for reports; *out: sl_free. */
sl_status sl_picture_thumbnail(const sl_image *image, int32_t side_px, void **out, size_t *out_bytes);

#endif
