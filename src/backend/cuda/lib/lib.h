/* What the kernels that use the libraries share. */
#ifndef SL_BACKEND_CUDA_LIB_LIB_H
#define SL_BACKEND_CUDA_LIB_LIB_H

#include "backend/cuda/cuda.h"
#include "backend/cuda/lib/pieces.h"

/* Largest alignment, in bytes, that operands promise (64) and libraries ask for (16). */
enum { SL_CUDA_OPERAND_ALIGNMENT = 16 };

static inline size_t sl_cuda_aligned(size_t bytes) {
    return (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
}

/* What addresses so many bytes apart can promise, given an aligned first one. */
static inline int sl_cuda_alignment(int64_t step_bytes) {
    int alignment = SL_CUDA_OPERAND_ALIGNMENT;
    while (step_bytes % alignment) alignment /= 2;
    return alignment;
}

/* The next `bytes` of scratch memory; *room moves past them. */
static inline void *sl_cuda_take(char **room, size_t bytes) {
    char *taken = *room;
    *room += sl_cuda_aligned(bytes);
    return taken;
}

/* The result's address, NULL where nobody wants it. */
static inline void *sl_cuda_wanted(const sl_call *call, int i) {
    return sl_call_wants(call, i) ? call->out[i].data : NULL;
}

static inline bool sl_cuda_can_multiply(sl_dtype dtype) {
    return dtype == SL_F32 || dtype == SL_BF16 || dtype == SL_F16;
}

/* ---- by the module's own kernels ---- */

/* Scratch of sl_cuda_sum_columns. */
size_t sl_cuda_sum_columns_bytes(int64_t rows, int64_t columns);
/* out[c] F32 = sum of x [rows,columns] over its rows, in a fixed order. */
sl_status sl_cuda_sum_columns(const sl_call *call, const sl_operand *x, float *out, void *scratch);

/* y [rows,columns] += bias [columns] */
sl_status sl_cuda_add_bias(const sl_call *call, const sl_operand *y, const sl_operand *bias);

sl_status sl_cuda_convert_array(const sl_call *call, sl_dtype from_dtype, const void *from, sl_dtype to_dtype,
                                void *to, int64_t count);

#endif
