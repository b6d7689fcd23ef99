#include "backend/cpu/isa/micro.h"

typedef enum micro_form { ROWS, TRANSPOSED } micro_form;
typedef enum precision { FP32, BF16 } precision;

SL_INLINE vf multiply_add(const precision kind, unit a, vf b, vf c) {
#ifdef __AVX512BF16__
    if (kind == BF16) return _mm512_dpbf16_ps(c, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)vi_bits(b));
#endif
    (void)kind;
    float value;
    memcpy(&value, &a, sizeof value);
    return vf_fma(vf_set1(value), b, c);
}

/* Rows of A go three to a base pointer, since an x86 address is base + {1,2,4,8}*index. */
SL_INLINE void micro_body(const int rows, const int nv, const micro_form form, const precision kind,
                          const micro *m) {
    vf acc[MR_ONE][2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) {
        vf start = m->start ? vf_load(m->start + j * VL) : vf_zero();
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) acc[i][j] = m->add ? vf_load(m->c + i * m->ldc + j * VL) : start;
    }
    const int64_t lda = m->lda, ldb = m->ldb;
    for (int64_t t = 0; t < m->count; t++) {
        const unit *a = m->a[t], *b = m->b + t * m->b_step;
        const unit *group[4] = {a, a + 3 * lda, a + 6 * lda, a + 9 * lda};
        for (int64_t k = 0; k < m->depth; k++) {
            vf bv[2];
#pragma GCC unroll 2
            for (int j = 0; j < nv; j++) bv[j] = vf_load((const float *)(const void *)(b + j * VL));
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                unit value = form == TRANSPOSED ? a[i] : group[i / 3][(i % 3) * lda];
#pragma GCC unroll 2
                for (int j = 0; j < nv; j++) acc[i][j] = multiply_add(kind, value, bv[j], acc[i][j]);
            }
            b += ldb;
            if (form == TRANSPOSED) a += lda;
#pragma GCC unroll 4
            for (int g = 0; g < 4; g++) group[g]++;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) vf_store(m->c + i * m->ldc + j * VL, acc[i][j]);
}

#define CASE(rows, nv, form, kind)                                                                           \
    case rows:                                                                                               \
        micro_body(rows, nv, form, kind, m);                                                                 \
        break;
#define CASES_6(...)                                                                                         \
    CASE(1, __VA_ARGS__)                                                                                     \
    CASE(2, __VA_ARGS__)                                                                                     \
    CASE(3, __VA_ARGS__)                                                                                     \
    CASE(4, __VA_ARGS__)                                                                                     \
    CASE(5, __VA_ARGS__)                                                                                     \
    CASE(6, __VA_ARGS__)
#define CASES_12(...)                                                                                        \
    CASES_6(__VA_ARGS__)                                                                                     \
    CASE(7, __VA_ARGS__)                                                                                     \
    CASE(8, __VA_ARGS__)                                                                                     \
    CASE(9, __VA_ARGS__)                                                                                     \
    CASE(10, __VA_ARGS__)                                                                                    \
    CASE(11, __VA_ARGS__)                                                                                    \
    CASE(12, __VA_ARGS__)
#ifdef __AVX512F__
#define CASES_MR CASES_12
#else
#define CASES_MR CASES_6
#endif

#define MICRO(name, form, kind)                                                                              \
    void SL_ISA(name)(const micro *m, int rows, int nv) {                                                    \
        if (nv == 2) switch (rows) {                                                                         \
                CASES_MR(2, form, kind)                                                                      \
            }                                                                                                \
        else                                                                                                 \
            switch (rows) { CASES_12(1, form, kind) }                                                        \
    }

MICRO(micro_rows, ROWS, FP32)
MICRO(micro_transposed, TRANSPOSED, FP32)
#ifdef __AVX512BF16__
MICRO(micro_rows_bf16, ROWS, BF16)
MICRO(micro_transposed_bf16, TRANSPOSED, BF16)
#endif
