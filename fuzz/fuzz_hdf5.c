#include "fuzz_image.h"

/* libhdf5 itself loses memory on damaged files; in life its process ends with the file. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    return sl_fuzz_image(&sl_format_hdf5, data, bytes);
}
