/* Shared by the files of the convolution. */
#ifndef SL_BACKEND_CPU_ISA_CONV_H
#define SL_BACKEND_CPU_ISA_CONV_H

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/micro.h"

SL_INLINE int64_t depth_units(sl_dtype dtype, int64_t channels) {
    return dtype == SL_BF16 ? (channels + 1) / 2 : channels;
}

/* A 1x1 convolution without stride and padding is one long row of pixels. */
SL_INLINE sl_cpu_conv_shape flattened(const sl_cpu_conv_shape *s) {
    if (s->kernel_h * s->kernel_w != 1 || s->stride != 1 || s->pad_top != 0 || s->pad_left != 0 ||
        s->in_h != s->out_h || s->in_w != s->out_w)
        return *s;
    sl_cpu_conv_shape flat = sl_cpu_linear_shape(s->batch * s->in_h * s->in_w, s->in_c, s->out_c);
    return flat;
}

/* A block of 8x8 floats, rows `from_step` apart, to its transpose */
SL_INLINE void transpose_8x8(const float *from, int64_t from_step, float *to, int64_t to_step) {
    __m256 row[8], pair[8], quad[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) row[i] = _mm256_loadu_ps(from + i * from_step);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * to_step, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_step, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
    }
}

/* to[j*to_step + i] = from[i*from_step + j] for i < rows, j < columns */
SL_INLINE void transpose(const float *from, int64_t from_step, int64_t rows, int64_t columns, float *to,
                         int64_t to_step) {
    for (int64_t i = 0; i < rows; i += 8)
        for (int64_t j = 0; j < columns; j += 8) {
            const float *block = from + i * from_step + j;
            if (i + 8 <= rows && j + 8 <= columns) {
                transpose_8x8(block, from_step, to + j * to_step + i, to_step);
                continue;
            }
            for (int64_t y = 0; y < min_of(8, columns - j); y++)
                for (int64_t x = 0; x < min_of(8, rows - i); x++)
                    to[(j + y) * to_step + i + x] = block[x * from_step + y];
        }
}

#endif
