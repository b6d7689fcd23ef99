/* Chunk filters that HDF5 itself does not have, decoded here so that no plugin is ever loaded: bitshuffle
 * (32008, bare or with LZ4 or zstd), LZF (32000), LZ4 (32004) and zstd (32015). */
#ifndef SL_IMAGE_FORMAT_HDF5_FILTERS_H
#define SL_IMAGE_FORMAT_HDF5_FILTERS_H

#include "base/status.h"

#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

/* Registers them with the library; once a process. */
void sl_hdf5_filters_register(void);

/* Bytes of a whole chunk of the dataset about to be read in this thread: a filter that yields another size
 * fails, because the library would trust it and read beyond the buffer. */
void sl_hdf5_filters_expect(size_t chunk_bytes);

/* What the library calls: undoes filter `id` (32000, 32004, 32008, 32015) on a chunk of `bytes` in *buffer,
 * which came from H5allocate_memory and is replaced. Returns the new size, 0 on damage (the buffer then stays
 * as it was). */
size_t sl_hdf5_filters_undo(int id, size_t value_count, const unsigned values[], size_t bytes, void **buffer);

/* Checks a dataset's pipeline: SL_UNSUPPORTED names the first filter that cannot be undone. */
sl_status sl_hdf5_filters_check(hid_t creation_list);

/* Undoes bitshuffle: `count` elements (any number) in blocks of `block` elements, as without compression. For
 * tests and the filter. `in` and `out` are count*element_bytes. */
void sl_bitshuffle_undo(const uint8_t *in, size_t count, size_t element_bytes, size_t block, uint8_t *out);

#endif
