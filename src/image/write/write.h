/* Image files of our own: whole or absent, readable again, and telling where they come from.
 *
 * Counts go out as float32. Pixels without a value carry detector codes: -1 for SL_MASK_INVALID and
 * SL_MASK_GAP, -2 for SL_MASK_HOT and SL_MASK_DEAD; other masked pixels (beamstop, horizon, saturated) keep
 * what was measured there. HDF5 keeps all mask bits besides, as pixel_mask, which is read again. */
#ifndef SL_IMAGE_WRITE_H
#define SL_IMAGE_WRITE_H

#include "base/json.h"
#include "base/status.h"
#include "image/frame.h"
#include "image/image.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known of a simulated image beyond what was measured; HDF5 keeps it. */
typedef struct sl_write_truth {
    const float *expectation; /* [height_px, width_px] mean counts */
    const char *json, *poni;  /* the sidecar's text; the geometry's as pyFAI reads it */
} sl_write_truth;

typedef struct sl_write_info {
    const json_t *provenance;          /* object; NULL: none */
    const sl_frame_geometry *geometry; /* NULL or NAN fields: not written */
    const sl_write_truth *truth;       /* NULL: none */
    const char *title;                 /* caption; NULL: none */
    bool synthetic;                    /* marks the file as not measured, in every format */
} sl_write_info;

/* SL_WRITE(NAME, "name", "suffix") */
#define SL_WRITE_TABLE                                                                                       \
    SL_WRITE(TIFF, "tiff", "tif")                                                                            \
    SL_WRITE(HDF5, "hdf5", "h5")                                                                             \
    SL_WRITE(NPY, "npy", "npy")

typedef enum sl_write_format {
#define SL_WRITE(name, text, suffix) SL_WRITE_##name,
    SL_WRITE_TABLE
#undef SL_WRITE
        SL_WRITE_COUNT
} sl_write_format;

extern const char sl_write_choices[]; /* "tiff|hdf5|npy" */
const char *sl_write_suffix(sl_write_format format);

/* Counts as float32. TIFF: provenance as JSON in ImageDescription. HDF5: NXsas-like entry with NXdata,
 * provenance as NXprocess with an NXnote; truth as a collection, its expectation a second signal of NXdata.
 * NPY: provenance in a line behind the numbers. */
sl_status sl_image_write(const char *path, sl_write_format format, const sl_image *image,
                         const sl_write_info *info);

/* The same file in memory (*out: sl_free). */
sl_status sl_image_encode(sl_write_format format, const sl_image *image, const sl_write_info *info,
                          void **out, size_t *out_bytes);

/* PNG of 16-bit grey [height, width] or 8-bit RGB [height, width, 3]; provenance in an iTXt chunk. `info` may
 * be NULL. */
sl_status sl_png_write_grey16(const char *path, int32_t height_px, int32_t width_px, const uint16_t *pixels,
                              const sl_write_info *info);
sl_status sl_png_write_rgb8(const char *path, int32_t height_px, int32_t width_px, const uint8_t *pixels,
                            const sl_write_info *info);
/* The same into memory (*out: sl_free). */
sl_status sl_png_encode(int32_t height_px, int32_t width_px, int channels, int bits, const void *pixels,
                        const sl_write_info *info, void **out, size_t *out_bytes);

/* The provenance inside any image file written above (new reference). SL_NOT_FOUND when it has none. Reads in
 * the limited decoder process. */
sl_status sl_image_provenance_read(const char *path, json_t **out);

#endif
