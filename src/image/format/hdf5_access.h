/* Small steps over the HDF5 library that the reader is made of. Handles are the caller's to close. */
#ifndef SL_IMAGE_FORMAT_HDF5_ACCESS_H
#define SL_IMAGE_FORMAT_HDF5_ACCESS_H

#include "image/format/format.h"

#include <hdf5.h>

/* The bytes as an HDF5 file, without a copy. Other files (external links, external storage) stay out of
 * reach. */
sl_status sl_hdf5_open(const sl_source *source, hid_t *out_file);

/* SL_FORMAT with `what` and the library's own reason. */
sl_status sl_hdf5_failed(const char *what);

/* Text of an attribute or of a dataset (first element); false if it is absent or no text. */
bool sl_hdf5_attribute_text(hid_t object, const char *name, char *out, size_t capacity);
bool sl_hdf5_dataset_text(hid_t at, const char *path, char **out, size_t *out_bytes); /* *out: sl_free */

/* First element of a numeric dataset, and its unit: attribute "units", or the last word of areaDetector's
 * "NDAttrDescription"; "" if there is none. */
bool sl_hdf5_number(hid_t at, const char *path, double *out, char *unit, size_t capacity);

/* What an image dataset is made of. */
typedef struct sl_hdf5_array {
    int rank; /* 2 to 4 */
    hsize_t dim[4];
    int64_t frames; /* product of all but the last two */
    sl_dtype dtype;
    size_t chunk_bytes; /* 0: not chunked */
} sl_hdf5_array;
/* SL_MISMATCH: it is no image (rank, type); SL_UNSUPPORTED: it may be one but cannot be read (filter,
 * storage). */
sl_status sl_hdf5_array_describe(hid_t dataset, sl_hdf5_array *out);
hid_t sl_hdf5_memory_type(sl_dtype dtype); /* borrowed */

#endif
