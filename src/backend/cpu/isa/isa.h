/* For the files of an ISA library: vectors, mathematics, and the declarations of this level's kernels. */
#ifndef SL_BACKEND_CPU_ISA_ISA_H
#define SL_BACKEND_CPU_ISA_ISA_H

#include "backend/cpu/isa/vec.h"
#include "backend/cpu/isa/vmath.h"
#include "backend/cpu/kernels.h"
#include "base/threads.h"

#define SL_CPU_KERNEL(result, name, type) result SL_ISA(name)(const type *arguments);
#include "backend/cpu/kernels.def"
#undef SL_CPU_KERNEL

SL_INLINE int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}
SL_INLINE int64_t max_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}
SL_INLINE int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
SL_INLINE int64_t round_up(int64_t a, int64_t b) {
    return ceil_div(a, b) * b;
}

/* Part i of [0, total) cut into `parts` nearly equal ones. */
typedef struct range {
    int64_t begin, end;
} range;
SL_INLINE range part_of(int64_t total, int64_t parts, int64_t i) {
    return (range){total * i / parts, total * (i + 1) / parts};
}

/* Elements of an activation, as floats. */
SL_INLINE vf vf_get(const bool bf16, const void *base, int64_t i) {
    return bf16 ? vf_load_bf16((const uint16_t *)base + i) : vf_load((const float *)base + i);
}
SL_INLINE vf vf_get_n(const bool bf16, const void *base, int64_t i, int64_t n) {
    return bf16 ? vf_load_bf16_n((const uint16_t *)base + i, n) : vf_load_n((const float *)base + i, n);
}
SL_INLINE void vf_put(const bool bf16, void *base, int64_t i, vf x) {
    if (bf16)
        vf_store_bf16((uint16_t *)base + i, x);
    else
        vf_store((float *)base + i, x);
}
SL_INLINE void vf_put_n(const bool bf16, void *base, int64_t i, vf x, int64_t n) {
    if (bf16)
        vf_store_bf16_n((uint16_t *)base + i, x, n);
    else
        vf_store_n((float *)base + i, x, n);
}

#endif
