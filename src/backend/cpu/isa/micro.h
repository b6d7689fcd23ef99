/* The inner kernel of every matrix product: a tile of C kept in registers.
 *
 * It counts in units of four bytes: one float, or (bf16 form) a pair of neighbouring k as two bfloat16,
 * multiplied and added to C in fp32. */
#ifndef SL_BACKEND_CPU_ISA_MICRO_H
#define SL_BACKEND_CPU_ISA_MICRO_H

#include "backend/cpu/isa/vec.h"

#include <stdbool.h>

/* A tile has one or two vectors of columns; NR is a full tile's columns, MR the rows of a tile with two. */
#ifdef __AVX512F__
enum { NR = 2 * VL, MR = 12, MR_ONE = 12 };
#else
enum { NR = 2 * VL, MR = 6, MR_ONE = 12 };
#endif

typedef uint32_t __attribute__((may_alias)) unit;

/* C[rows][nv*VL] (+)= sum over t < count, k < depth of A_t[row][k] * B_t[k][column].
 * A_t[row][k] is a[t][row*lda + k], or a[t][k*lda + row] in the transposed form; B_t[k] starts at b +
 * t*b_step + k*ldb. rows in 1..MR (nv 2) or 1..MR_ONE (nv 1). */
typedef struct micro {
    const unit *const *a;
    int64_t lda;
    const unit *b;
    int64_t b_step, ldb;
    int64_t count, depth;
    float *c;
    int64_t ldc;
    bool add;
    const float *start; /* [nv*VL] that every row begins with, where nothing is added to; NULL: 0 */
} micro;

typedef void (*micro_fn)(const micro *m, int rows, int nv);

void SL_ISA(micro_rows)(const micro *m, int rows, int nv);
void SL_ISA(micro_transposed)(const micro *m, int rows, int nv);
#ifdef __AVX512BF16__
void SL_ISA(micro_rows_bf16)(const micro *m, int rows, int nv);
void SL_ISA(micro_transposed_bf16)(const micro *m, int rows, int nv);
#endif

/* The row form of a precision; bf16 where the level lacks it is never asked for. */
SL_INLINE micro_fn micro_for(bool bf16, bool transposed) {
#ifdef __AVX512BF16__
    if (bf16) return transposed ? SL_ISA(micro_transposed_bf16) : SL_ISA(micro_rows_bf16);
#endif
    (void)bf16;
    return transposed ? SL_ISA(micro_transposed) : SL_ISA(micro_rows);
}

#endif
