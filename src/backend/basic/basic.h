/* What the basic kernels share: simple operations limited by memory, written plainly for the compiler to
 * vectorise, and compiled for AVX2. Storage is F32 or BF16; arithmetic is in fp32 on blocks of a few hundred
 * elements. */
#ifndef SL_BACKEND_BASIC_H
#define SL_BACKEND_BASIC_H

#include "backend/kernel.h"
#include "base/threads.h"

#include <string.h>

enum {
    BLOCK = 512,   /* elements converted at a time, on the stack */
    CHUNK = 16384, /* elements of one task */
};

static inline int64_t chunks_of(int64_t count, int64_t chunk) {
    return (count + chunk - 1) / chunk;
}

static inline int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline void widen_bf16(const uint16_t *restrict from, float *restrict to, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(&to[i], &bits, sizeof bits);
    }
}

/* Round to nearest even; NaN stays NaN. */
static inline void narrow_bf16(const float *restrict from, uint16_t *restrict to, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
        to[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
    }
}

/* `count` elements from `at` on as fp32: in place for F32, through `buffer` for BF16. */
static inline const float *load_block(const sl_operand *operand, int64_t at, int64_t count, float *buffer) {
    if (operand->dtype == SL_F32) return (const float *)operand->data + at;
    widen_bf16((const uint16_t *)operand->data + at, buffer, count);
    return buffer;
}

static inline float load_one(const sl_operand *operand, int64_t at) {
    float buffer;
    return *load_block(operand, at, 1, &buffer);
}

/* Where to write fp32 results before store_block takes them to the operand. */
static inline float *target_block(const sl_operand *operand, int64_t at, float *buffer) {
    return operand->dtype == SL_F32 ? (float *)operand->data + at : buffer;
}

static inline void store_block(const sl_operand *operand, int64_t at, int64_t count, const float *buffer) {
    if (operand->dtype == SL_BF16) narrow_bf16(buffer, (uint16_t *)operand->data + at, count);
}

/* Loops over elements where results may be written over inputs at the same index. */
#if defined(__clang__)
#define EACH_ELEMENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH_ELEMENT _Pragma("GCC ivdep")
#endif

#endif
