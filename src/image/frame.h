/* A frame as a file holds it: its native numbers, and what the file says about the measurement.
 *
 * Reading never trusts the file: sl_frame_read decodes in a child process of its own, limited in memory, time
 * and system calls, so that a damaged or hostile file is one failed call with a clear message. */
#ifndef SL_IMAGE_FRAME_H
#define SL_IMAGE_FRAME_H

#include "base/json.h"
#include "base/status.h"
#include "image/image.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum { SL_DATASET_BYTES = 512 };

/* NAN where the file does not say. The beam centre counts pixels from the outer corner of the top left one.
 */
typedef struct sl_frame_geometry {
    double wavelength_m, distance_m;
    double pixel_x_m, pixel_y_m;
    double beam_x_px, beam_y_px;
    double exposure_s;
} sl_frame_geometry;

typedef struct sl_frame_header {
    sl_dtype dtype;
    int32_t height_px, width_px;
    int64_t frame, frames;          /* which one this is, and how many the file or dataset has */
    char dataset[SL_DATASET_BYTES]; /* HDF5: path inside the file; else "" */
    int has_mask;                   /* 1: the file has one of its own (sl_frame.mask) */
    int is_picture; /* 1: made for the eye (PNG, JPEG): no number of it is a detector's code */
    sl_frame_geometry geometry;
    json_t *metadata; /* object: "text" (keys and values of the file), "provenance" (ours), format-specific
                         notes */
} sl_frame_header;

/* Which image of a file. */
typedef struct sl_frame_request {
    const char *dataset; /* NULL or "": find it */
    int64_t frame;       /* 0 is the first */
} sl_frame_request;

typedef struct sl_frame {
    const char *format; /* "EDF", "TIFF", ...: a name of the formats table, never freed */
    sl_frame_header header;
    void *data;    /* [height_px, width_px] of header.dtype; NULL when only the header was read */
    uint8_t *mask; /* [height_px, width_px] of sl_mask_bit, what the file says besides; NULL: nothing */
    char *source;  /* where it came from: path, or path::dataset[frame] */
} sl_frame;

typedef struct sl_decode_limits {
    double wall_s;        /* 0: the default */
    int64_t memory_bytes; /* beyond what the process has already; 0: the default */
} sl_decode_limits;

/* Splits "file.h5::entry/data/data[3]" into path and request; both parts after the path may be left out
 * ("::[3]",
 * "::data"). Strings live in the arena. A file whose name holds "::" literally is taken as it is. */
sl_status sl_frame_locate(sl_arena *arena, const char *location, const char **out_path,
                          sl_frame_request *out);

/* Reads one image. The format is found by content, and gzip is seen through. `request` may be NULL (first
 * image), `limits` too. SL_FORMAT, SL_UNSUPPORTED, SL_LIMIT, SL_TIMEOUT name the file. After SL_UNSUPPORTED
 * out->format, alone, tells which format the file has: NULL for one that we do not know at all. Free with
 * sl_frame_free. */
sl_status sl_frame_read(const char *path, const sl_frame_request *request, const sl_decode_limits *limits,
                        sl_frame *out);
/* The same without pixels. */
sl_status sl_frame_read_header(const char *path, const sl_frame_request *request,
                               const sl_decode_limits *limits, sl_frame *out);
/* The same from memory (an upload); `name` stands for the path in messages. */
sl_status sl_frame_read_bytes(const void *data, size_t bytes, const char *name,
                              const sl_frame_request *request, const sl_decode_limits *limits, sl_frame *out);
void sl_frame_free(sl_frame *frame);

/* A pixel is masked when it is negative, not finite, or at least 2^32-2 (the codes of detectors for gaps,
 * dead and saturated pixels), or where the file's own mask says that it holds no value. Detectors that count
 * in 16 bits have 2^16-2 and 2^16-1 for codes, cameras have them for pixels that are saturated: they are
 * codes where a whole row or column of the frame is at 2^16-1, as gaps between modules are, and counts
 * elsewhere. */
typedef struct sl_frame_statistics {
    double min, max; /* over all finite values, codes included; NAN if there are none */
    int64_t masked;
    double sum, median,
        p999; /* over the others; median and p999 (99.9th percentile, linear) NAN if there are none */
} sl_frame_statistics;
sl_status sl_frame_measure(const sl_frame *frame, sl_frame_statistics *out);

/* Values as float, masked pixels 0 with SL_MASK_INVALID, or with what the file's own mask says; its bits of
 * pixels that do hold a value (a beamstop's) are kept with the value. */
sl_status sl_frame_to_image(const sl_frame *frame, sl_image *out);

/* Frame and statistics as `scatterloop inspect --json` prints them: format, shape [H,W], dtype (NumPy's
 * name), min, max, masked, sum, median, p999, source. New reference. */
sl_status sl_frame_inspect(const sl_frame *frame, json_t **out);

const char *sl_dtype_numpy(sl_dtype dtype); /* "int32" */

#endif
