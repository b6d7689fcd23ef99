/* What bodies share: operands by index, sizes, packs. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_COMMON_H
#define SL_BACKEND_CUDA_OWN_BODIES_COMMON_H

#include "backend/cuda/element.h"
#include "backend/cuda/own/own.h"

#include <math.h>

PIECE position dim_of(const sl_operand *x, int axis) {
    return (position)x->shape.dim[axis];
}

PIECE position columns_of(const sl_operand *x) {
    return x->shape.rank ? dim_of(x, x->shape.rank - 1) : 1;
}

PIECE position rows_of(const sl_operand *x) {
    position rows = 1;
    for (int i = 0; i + 1 < x->shape.rank; i++) rows *= dim_of(x, i);
    return rows;
}

PIECE position count_of(const sl_operand *x) {
    return rows_of(x) * columns_of(x);
}

PIECE float in_at(const sl_cuda_own *c, int k, position i) {
    return get(c->in[k].dtype, c->in[k].data, i);
}

PIECE void out_to(const sl_cuda_own *c, int k, position i, float value) {
    set(c->out[k].dtype, c->out[k].data, i, value);
}

PIECE void load_in(const sl_cuda_own *c, int k, position at, int n, float *x) {
    load(c->in[k].dtype, c->in[k].data, at, n, x);
}

PIECE void store_out(const sl_cuda_own *c, int k, position at, int n, const float *x) {
    store(c->out[k].dtype, c->out[k].data, at, n, x);
}

/* Elements from one place to another. */
PIECE void move(const sl_cuda_own *c, position to, int k, position from, int n) {
    float x[PACK];
    if (n == PACK && c->in[k].dtype == c->out[0].dtype) {
        copy_pack(c->in[k].dtype, c->out[0].data, to, c->in[k].data, from);
        return;
    }
    load_in(c, k, from, n, x);
    store_out(c, 0, to, n, x);
}

PIECE position integer_at(const sl_cuda_own *c, int k, position i) {
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

/* ---- packs ---- */

typedef struct run {
    position row, column;
    int n;
} run;

/* Of rows: no pack reaches into the next. */
PIECE position row_packs(const sl_cuda_own *c, position rows, position columns) {
    return rows * packs_in(columns, c->step);
}

PIECE run row_run(const sl_cuda_own *c, position columns, position item) {
    run r;
    split s = divide(item, packs_in(columns, c->step));
    r.row = s.whole;
    r.column = s.rest * c->step;
    r.n = at_most(columns - r.column, c->step);
    return r;
}

/* Of a whole array. */
PIECE position flat_packs(const sl_cuda_own *c) {
    return packs_in((position)c->count, c->step);
}

PIECE int flat_n(const sl_cuda_own *c, position item) {
    return at_most((position)c->count - item * c->step, c->step);
}

#endif
