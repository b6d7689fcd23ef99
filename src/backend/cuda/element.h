/* Elements of arrays of run-time dtype, one and eight at a time, for bodies that are compiled for devices and
 * for the host: the includer defines PIECE (how functions are declared). Branches on the dtype are the same
 * for all threads, and stand once before eight elements.
 *
 * Positions are 32-bit numbers; compiled with SL_CUDA_WIDE=1 the same bodies count in 64 bits, for calls with
 * more than SL_CUDA_NARROW_MOST elements (launch.h chooses). */
#ifndef SL_BACKEND_CUDA_ELEMENT_H
#define SL_BACKEND_CUDA_ELEMENT_H

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

#if SL_CUDA_WIDE
typedef int64_t position;
typedef uint64_t unsigned_position;
#else
typedef int32_t position;
typedef uint32_t unsigned_position;
#endif

/* Elements that a thread takes at once: 16 bytes of a 16-bit type, twice 16 of F32. */
enum { PACK = 8 };

#ifdef __CUDA_ARCH__
#define EACH(i) _Pragma("unroll") for (int i = 0; i < PACK; i++)
#else
#define EACH(i) for (int i = 0; i < PACK; i++)
#endif

/* ---- positions ---- */

typedef struct split {
    position whole, rest;
} split;

/* Of positions, which are never negative: unsigned division is the shorter one. */
PIECE split divide(position a, position by) {
    split s;
    s.whole = (position)((unsigned_position)a / (unsigned_position)by);
    s.rest = a - s.whole * by;
    return s;
}

PIECE position divided_up(position a, position by) {
    return (position)(((unsigned_position)a + (unsigned_position)by - 1) / (unsigned_position)by);
}

/* Steps of PACK or of 1. */
PIECE position packs_in(position count, int step) {
    return step == PACK ? (count + PACK - 1) / PACK : count;
}

PIECE int at_most(position left, int step) {
    return left < step ? (int)left : step;
}

/* ---- one element ---- */

PIECE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

PIECE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* To nearest, ties to even; NaN stays NaN. */
PIECE uint32_t bf16_of(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits |= 0x00400000u;
    else
        bits += 0x7fffu + (bits >> 16 & 1u);
    return bits >> 16;
}

/* fp16 by the device's own conversions; on the host by operations that round as they do. */
PIECE float float_of_f16(uint32_t half) {
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"((uint16_t)half));
    return value;
#else
    uint32_t sign = (half & 0x8000u) << 16, rest = (half & 0x7fffu) << 13;
    if ((half & 0x7c00u) == 0x7c00u) return float_of(sign | 0x7f800000u | rest);
    return float_of(sign | bits_of(float_of(rest) * 0x1p112f)); /* exact, subnormals too */
#endif
}

/* To nearest, ties to even; infinity from 65520 on; NaN stays NaN. */
PIECE uint32_t f16_of(float value) {
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
        half = bits_of(float_of(size) + 0.5f) - 0x3f000000u;
    else
        half = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    return (bits >> 16 & 0x8000u) | half;
#endif
}

PIECE float get(sl_dtype dtype, const void *data, position i) {
    if (dtype == SL_F32) return ((const float *)data)[i];
    uint32_t half = ((const uint16_t *)data)[i];
    return dtype == SL_F16 ? float_of_f16(half) : float_of(half << 16);
}

PIECE void set(sl_dtype dtype, void *data, position i, float value) {
    if (dtype == SL_F32)
        ((float *)data)[i] = value;
    else
        ((uint16_t *)data)[i] = (uint16_t)(dtype == SL_F16 ? f16_of(value) : bf16_of(value));
}

/* ---- a pack ---- */

typedef struct words {
    uint32_t at[4];
} __attribute__((aligned(16))) words;

/* The host looks at alignment as a device does. */
PIECE words read_words(const char *from) {
#ifdef __CUDA_ARCH__
    return *(const words *)from;
#else
    words w;
    if ((uintptr_t)from % sizeof w) abort();
    memcpy(&w, from, sizeof w);
    return w;
#endif
}

PIECE void write_words(char *to, words w) {
#ifdef __CUDA_ARCH__
    *(words *)to = w;
#else
    if ((uintptr_t)to % sizeof w) abort();
    memcpy(to, &w, sizeof w);
#endif
}

PIECE uint32_t bf16_pair(float low, float high) {
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    return bf16_of(low) | bf16_of(high) << 16;
#endif
}

PIECE uint32_t f16_pair(float low, float high) {
    return f16_of(low) | f16_of(high) << 16;
}

/* x[i] = data[at + i] for i < n, `other` beyond. Where n is PACK, at is a multiple of PACK and data is
 * aligned to 16 bytes: whoever chooses a step sees to that. */
PIECE void load_or(sl_dtype dtype, const void *data, position at, int n, float other, float *x) {
    if (n == PACK && dtype == SL_F32) {
        const char *from = (const char *)data + (int64_t)at * 4;
        words low = read_words(from), high = read_words(from + 16);
        EACH(i) x[i] = float_of(i < 4 ? low.at[i & 3] : high.at[i & 3]);
    } else if (n == PACK && dtype == SL_F16) {
        words w = read_words((const char *)data + (int64_t)at * 2);
        EACH(i) x[i] = float_of_f16(w.at[i / 2] >> 16 * (i % 2) & 0xffffu);
    } else if (n == PACK) {
        words w = read_words((const char *)data + (int64_t)at * 2);
        EACH(i) x[i] = float_of(i % 2 ? w.at[i / 2] & 0xffff0000u : w.at[i / 2] << 16);
    } else {
        EACH(i) x[i] = i < n ? get(dtype, data, at + i) : other;
    }
}

PIECE void load(sl_dtype dtype, const void *data, position at, int n, float *x) {
    load_or(dtype, data, at, n, 0, x);
}

PIECE void store(sl_dtype dtype, void *data, position at, int n, const float *x) {
    if (n == PACK && dtype == SL_F32) {
        char *to = (char *)data + (int64_t)at * 4;
        words low, high;
        memcpy(&low, x, sizeof low);
        memcpy(&high, x + 4, sizeof high);
        write_words(to, low);
        write_words(to + 16, high);
    } else if (n == PACK) {
        words w;
        EACH(i)
        if (i % 2 == 0) w.at[i / 2] = dtype == SL_F16 ? f16_pair(x[i], x[i + 1]) : bf16_pair(x[i], x[i + 1]);
        write_words((char *)data + (int64_t)at * 2, w);
    } else {
        EACH(i) if (i < n) set(dtype, data, at + i, x[i]);
    }
}

/* The same bytes, where both have one dtype. */
PIECE void copy_pack(sl_dtype dtype, void *to, position to_at, const void *from, position from_at) {
    int bytes = dtype == SL_F32 ? 4 : 2;
    const char *source = (const char *)from + (int64_t)from_at * bytes;
    char *target = (char *)to + (int64_t)to_at * bytes;
    write_words(target, read_words(source));
    if (dtype == SL_F32) write_words(target + 16, read_words(source + 16));
}

#endif
