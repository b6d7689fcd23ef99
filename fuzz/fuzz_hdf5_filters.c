/* Chunks for our own HDF5 filters, without the library around them. Bytes 0 to 7: filter, bytes of an
 * element, block in eights, compression, and the chunk's true size (2, little endian) in bytes 4 and 5; the
 * chunk follows. */
#include "image/format/hdf5_filters.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const int filters[] = {32008, 32004, 32015, 32000};
    if (bytes < 9) return 0;
    unsigned values[5] = {0, 4, data[1], data[2] * 8U, data[3]};
    sl_hdf5_filters_expect((size_t)data[4] | (size_t)data[5] << 8);
    void *buffer = H5allocate_memory(bytes - 8, 0);
    if (!buffer) return 0;
    memcpy(buffer, data + 8, bytes - 8);
    sl_hdf5_filters_undo(filters[data[0] % 4], 5, values, bytes - 8, &buffer);
    H5free_memory(buffer);
    return 0;
}
