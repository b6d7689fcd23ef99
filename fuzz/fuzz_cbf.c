#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    return sl_fuzz_image(&sl_format_cbf, data, bytes);
}
