/* Transposes of blocks in registers. */
#ifndef SL_BACKEND_CPU_ISA_TRANSPOSE_H
#define SL_BACKEND_CPU_ISA_TRANSPOSE_H

#include "backend/cpu/isa/vec.h"

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

#ifdef __AVX512F__
/* A block of 16 x 16 lanes of four bytes, to its transpose. */
SL_INLINE void transpose_units(vi row[VL]) {
    vi pair[VL], quad[VL];
#pragma GCC unroll 8
    for (int i = 0; i < VL; i += 2) {
        pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < VL; i += 4) {
        quad[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
        quad[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
        quad[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
        quad[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
    }
    /* quad[4*g + c] holds column 4*q + c of rows 4*g.. in its quarter q */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        vi a = _mm512_shuffle_i32x4(quad[c], quad[4 + c], 0x44);
        vi b = _mm512_shuffle_i32x4(quad[c], quad[4 + c], 0xee);
        vi d = _mm512_shuffle_i32x4(quad[8 + c], quad[12 + c], 0x44);
        vi e = _mm512_shuffle_i32x4(quad[8 + c], quad[12 + c], 0xee);
        row[c] = _mm512_shuffle_i32x4(a, d, 0x88);
        row[4 + c] = _mm512_shuffle_i32x4(a, d, 0xdd);
        row[8 + c] = _mm512_shuffle_i32x4(b, e, 0x88);
        row[12 + c] = _mm512_shuffle_i32x4(b, e, 0xdd);
    }
}
#endif

#endif
