/* One element of an array of run-time dtype, for bodies that are compiled for devices and for the host: the
 * includer defines PIECE (how functions are declared). The branch is the same for all threads. */
#ifndef SL_BACKEND_CUDA_ELEMENT_H
#define SL_BACKEND_CUDA_ELEMENT_H

#include "tensor/tensor.h"

#include <string.h>

PIECE float get(sl_dtype dtype, const void *data, int64_t i) {
    if (dtype == SL_F32) return ((const float *)data)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To bf16: to nearest, ties to even; NaN stays NaN. */
PIECE void set(sl_dtype dtype, void *data, int64_t i, float value) {
    if (dtype == SL_F32) {
        ((float *)data)[i] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits |= 0x00400000u;
    else
        bits += 0x7fffu + (bits >> 16 & 1u);
    ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
}

#endif
