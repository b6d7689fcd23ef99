/* What bodies share: operands by index, sizes, positions. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_COMMON_H
#define SL_BACKEND_CUDA_OWN_BODIES_COMMON_H

#include "backend/cuda/element.h"
#include "backend/cuda/own/own.h"

#include <math.h>

PIECE int64_t count_of(const sl_operand *x) {
    int64_t count = 1;
    for (int i = 0; i < x->shape.rank; i++) count *= x->shape.dim[i];
    return count;
}

PIECE int64_t columns_of(const sl_operand *x) {
    return x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
}

PIECE int64_t rows_of(const sl_operand *x) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < x->shape.rank; i++) rows *= x->shape.dim[i];
    return rows;
}

PIECE float in_at(const sl_cuda_own *c, int k, int64_t i) {
    return get(c->in[k].dtype, c->in[k].data, i);
}

PIECE void out_to(const sl_cuda_own *c, int k, int64_t i, float value) {
    set(c->out[k].dtype, c->out[k].data, i, value);
}

PIECE int64_t integer_at(const sl_cuda_own *c, int k, int64_t i) {
    return ((const int32_t *)c->in[k].data)[i];
}

PIECE bool has(const sl_cuda_own *c, int k) {
    return k < c->in_count && !(c->in[k].flags & SL_OPERAND_ABSENT);
}

PIECE bool wants(const sl_cuda_own *c, int k) {
    return k < c->out_count && !(c->out[k].flags & SL_OPERAND_ABSENT);
}

PIECE void bad_value(const sl_cuda_own *c) {
    *c->failure = 1u + (uint32_t)c->op;
}

/* An axis as [outer, dim, inner]. */
typedef struct axis_view {
    int64_t outer, dim, inner;
} axis_view;

PIECE axis_view axis_of(const sl_operand *x, int axis) {
    axis_view v = {1, x->shape.dim[axis], 1};
    for (int i = 0; i < axis; i++) v.outer *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++) v.inner *= x->shape.dim[i];
    return v;
}

/* Where element i of `full` comes from in `part`, whose shape is broadcast to it. */
PIECE int64_t broadcast_from(const sl_shape *part, const sl_shape *full, int64_t i) {
    int64_t at = 0, step = 1;
    for (int d = full->rank - 1, p = part->rank - 1; p >= 0; d--, p--) {
        int64_t index = i % full->dim[d];
        i /= full->dim[d];
        if (part->dim[p] > 1) at += index * step;
        step *= part->dim[p];
    }
    return at;
}

#endif
