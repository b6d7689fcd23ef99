/* One element of an array of run-time dtype, for bodies that are compiled for devices and for the host: the
 * includer defines PIECE (how functions are declared). The branch is the same for all threads. */
#ifndef SL_BACKEND_CUDA_ELEMENT_H
#define SL_BACKEND_CUDA_ELEMENT_H

#include "tensor/tensor.h"

#include <string.h>

PIECE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

PIECE float value_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- fp16: by the device's own conversions; on the host by multiplications that round as they do ---- */

PIECE float from_f16(uint16_t half) {
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
#else
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = (uint32_t)(half & 0x7fffu) << 13;
    if ((half & 0x7c00u) == 0x7c00u) return value_of(sign | 0x7f800000u | rest);
    return value_of(sign | bits_of(value_of(rest) * 0x1p112f)); /* exact, subnormals too */
#endif
}

/* To nearest, ties to even; infinity from 65520 on; NaN stays NaN. */
PIECE uint16_t to_f16(float value) {
#ifdef __CUDA_ARCH__
    uint16_t half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
#else
    uint32_t bits = bits_of(value), size = bits & 0x7fffffffu, half;
    if (size > 0x7f800000u)
        half = 0x7e00u;
    else if (size >= 0x477ff000u)
        half = 0x7c00u;
    else if (size < 0x38800000u) /* the sum's last place is that of subnormals: the addition rounds */
        half = bits_of(value_of(size) + 0.5f) - 0x3f000000u;
    else
        half = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    return (uint16_t)((bits >> 16 & 0x8000u) | half);
#endif
}

/* ---- any ---- */

PIECE float get(sl_dtype dtype, const void *data, int64_t i) {
    if (dtype == SL_F32) return ((const float *)data)[i];
    uint16_t half = ((const uint16_t *)data)[i];
    return dtype == SL_F16 ? from_f16(half) : value_of((uint32_t)half << 16);
}

/* To 16 bits: to nearest, ties to even; NaN stays NaN. */
PIECE void set(sl_dtype dtype, void *data, int64_t i, float value) {
    if (dtype == SL_F32) {
        ((float *)data)[i] = value;
        return;
    }
    if (dtype == SL_F16) {
        ((uint16_t *)data)[i] = to_f16(value);
        return;
    }
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits |= 0x00400000u;
    else
        bits += 0x7fffu + (bits >> 16 & 1u);
    ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
}

#endif
