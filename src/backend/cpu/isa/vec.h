/* Vectors of floats of one CPU level: 16 lanes with AVX-512, 8 with AVX2. Only for files in an ISA library,
 * which are compiled once for each level. vf_..._n forms touch the first n lanes' memory alone, n in 0..VL.
 */
#ifndef SL_BACKEND_CPU_ISA_VEC_H
#define SL_BACKEND_CPU_ISA_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Functions of an ISA library carry the level in their names: SL_ISA(gemm) is sl_gemm_avx512. */
#define SL_ISA_JOIN_(name, level) sl_##name##_##level
#define SL_ISA_JOIN(name, level)  SL_ISA_JOIN_(name, level)
#define SL_ISA(name)              SL_ISA_JOIN(name, SL_ISA_LEVEL)

#define SL_INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__

enum { VL = 16 };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

SL_INLINE vf vf_set1(float x) {
    return _mm512_set1_ps(x);
}
SL_INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
SL_INLINE void vf_store(float *p, vf x) {
    _mm512_storeu_ps(p, x);
}
/* The first n lanes */
SL_INLINE vm vm_first(int64_t n) {
    return (vm)((1u << n) - 1);
}
SL_INLINE vf vf_load_n(const float *p, int64_t n) {
    return _mm512_maskz_loadu_ps(vm_first(n), p);
}
SL_INLINE void vf_store_n(float *p, vf x, int64_t n) {
    _mm512_mask_storeu_ps(p, vm_first(n), x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
/* a*b subtracted from c */
SL_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}
/* Where either is NaN: b */
SL_INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
SL_INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
SL_INLINE vf vf_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SL_INLINE vm vf_less(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
SL_INLINE vm vf_is_nan(vf a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
/* mask ? a : b */
SL_INLINE vf vf_select(vm mask, vf a, vf b) {
    return _mm512_mask_blend_ps(mask, b, a);
}
SL_INLINE vi vi_from_f(vf a) {
    return _mm512_cvtps_epi32(a);
}
SL_INLINE vi vi_bits(vf a) {
    return _mm512_castps_si512(a);
}
SL_INLINE vf vf_bits(vi a) {
    return _mm512_castsi512_ps(a);
}
SL_INLINE vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
SL_INLINE vi vi_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
SL_INLINE vi vi_set1(int32_t x) {
    return _mm512_set1_epi32(x);
}
SL_INLINE vi vi_shift_up(vi a, int bits) {
    return _mm512_slli_epi32(a, (unsigned)bits);
}
SL_INLINE vi vi_shift_down(vi a, int bits) {
    return _mm512_srli_epi32(a, (unsigned)bits);
}
SL_INLINE vf vf_load_bf16(const uint16_t *p) {
    __m256i bits = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
SL_INLINE __m256i bf16_bits(vf x) {
#ifdef __AVX512BF16__
    return (__m256i)_mm512_cvtneps_pbh(x);
#else
    vi bits = vi_bits(x);
    vi odd = vi_and(vi_shift_down(bits, 16), vi_set1(1));
    vi rounded = vi_shift_down(vi_add(vi_add(bits, vi_set1(0x7fff)), odd), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, vi_set1(0x7fc0)));
#endif
}
SL_INLINE void vf_store_bf16(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)p, bf16_bits(x));
}

SL_INLINE vf vf_load_bf16_n(const uint16_t *p, int64_t n) {
    __m256i bits = _mm256_maskz_loadu_epi16(vm_first(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
SL_INLINE void vf_store_bf16_n(uint16_t *p, vf x, int64_t n) {
    _mm256_mask_storeu_epi16(p, vm_first(n), bf16_bits(x));
}
/* Pairs of bf16: n of `first` in the lower halves, n of `second` (NULL: zeros) in the upper ones. */
SL_INLINE vi vi_load_pairs(const uint16_t *first, const uint16_t *second, int64_t n) {
    __m512i low = _mm512_setzero_si512(), high = low;
    if (first) low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(vm_first(n), first));
    if (second) high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(vm_first(n), second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

#else

enum { VL = 8 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

SL_INLINE vf vf_set1(float x) {
    return _mm256_set1_ps(x);
}
SL_INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
SL_INLINE void vf_store(float *p, vf x) {
    _mm256_storeu_ps(p, x);
}
SL_INLINE __m256i vi_first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SL_INLINE vm vm_first(int64_t n) {
    return _mm256_castsi256_ps(vi_first(n));
}
/* Masks only where the vector is cut: with them, stores take some CPUs ten times as long. */
SL_INLINE vf vf_load_n(const float *p, int64_t n) {
    return n == VL ? vf_load(p) : _mm256_maskload_ps(p, vi_first(n));
}
SL_INLINE void vf_store_n(float *p, vf x, int64_t n) {
    if (n == VL)
        vf_store(p, x);
    else
        _mm256_maskstore_ps(p, vi_first(n), x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
SL_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return _mm256_fnmadd_ps(a, b, c);
}
SL_INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
SL_INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
SL_INLINE vf vf_round(vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SL_INLINE vm vf_less(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
SL_INLINE vm vf_is_nan(vf a) {
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
SL_INLINE vf vf_select(vm mask, vf a, vf b) {
    return _mm256_blendv_ps(b, a, mask);
}
SL_INLINE vi vi_from_f(vf a) {
    return _mm256_cvtps_epi32(a);
}
SL_INLINE vi vi_bits(vf a) {
    return _mm256_castps_si256(a);
}
SL_INLINE vf vf_bits(vi a) {
    return _mm256_castsi256_ps(a);
}
SL_INLINE vi vi_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
SL_INLINE vi vi_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
SL_INLINE vi vi_set1(int32_t x) {
    return _mm256_set1_epi32(x);
}
SL_INLINE vi vi_shift_up(vi a, int bits) {
    return _mm256_slli_epi32(a, bits);
}
SL_INLINE vi vi_shift_down(vi a, int bits) {
    return _mm256_srli_epi32(a, bits);
}
SL_INLINE vf vf_load_bf16(const uint16_t *p) {
    __m128i bits = _mm_loadu_si128((const __m128i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
SL_INLINE __m128i bf16_bits(vf x) {
    vi bits = vi_bits(x);
    vi odd = vi_and(vi_shift_down(bits, 16), vi_set1(1));
    vi rounded = vi_shift_down(vi_add(vi_add(bits, vi_set1(0x7fff)), odd), 16);
    __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    rounded = _mm256_blendv_epi8(rounded, vi_set1(0x7fc0), _mm256_castps_si256(nan));
    return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
}
SL_INLINE void vf_store_bf16(uint16_t *p, vf x) {
    _mm_storeu_si128((__m128i *)p, bf16_bits(x));
}

SL_INLINE vf vf_load_bf16_n(const uint16_t *p, int64_t n) {
    if (n == VL) return vf_load_bf16(p);
    uint16_t lanes[VL] = {0};
    memcpy(lanes, p, (size_t)n * 2);
    return vf_load_bf16(lanes);
}
SL_INLINE void vf_store_bf16_n(uint16_t *p, vf x, int64_t n) {
    if (n == VL) {
        vf_store_bf16(p, x);
        return;
    }
    uint16_t lanes[VL];
    vf_store_bf16(lanes, x);
    memcpy(p, lanes, (size_t)n * 2);
}

#endif

SL_INLINE vf vf_zero(void) {
    return vf_set1(0);
}
/* Sum and maximum over the lanes, as a binary tree. */
SL_INLINE float lane_sum8(__m256 x) {
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
SL_INLINE float lane_highest8(__m256 x) {
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
#ifdef __AVX512F__
SL_INLINE float vf_sum(vf x) {
    return lane_sum8(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
}
SL_INLINE float vf_highest(vf x) {
    return lane_highest8(_mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
}
#else
SL_INLINE float vf_sum(vf x) {
    return lane_sum8(x);
}
SL_INLINE float vf_highest(vf x) {
    return lane_highest8(x);
}
#endif

#endif
