/* Pieces of arrays, pools, resampling, tables. Meanings: backend/ops.def. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_LAYOUT_H
#define SL_BACKEND_CUDA_OWN_BODIES_LAYOUT_H

#include "backend/cuda/own/bodies_common.h"

PIECE int64_t concat_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void concat_at(const sl_cuda_own *c, int64_t i) {
    axis_view to = axis_of(&c->out[0], c->attrs.axis);
    int64_t outer = i / (to.dim * to.inner), at = i / to.inner % to.dim, inner = i % to.inner;
    int k = 0;
    while (at >= c->in[k].shape.dim[c->attrs.axis]) at -= c->in[k++].shape.dim[c->attrs.axis];
    out_to(c, 0, i, in_at(c, k, (outer * c->in[k].shape.dim[c->attrs.axis] + at) * to.inner + inner));
}

PIECE int64_t slice_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void slice_at(const sl_cuda_own *c, int64_t i) {
    axis_view to = axis_of(&c->out[0], c->attrs.axis);
    int64_t outer = i / (to.dim * to.inner), at = i / to.inner % to.dim + c->attrs.start,
            inner = i % to.inner;
    out_to(c, 0, i, in_at(c, 0, (outer * c->in[0].shape.dim[c->attrs.axis] + at) * to.inner + inner));
}

PIECE int64_t pad_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void pad_at(const sl_cuda_own *c, int64_t i) {
    axis_view to = axis_of(&c->out[0], c->attrs.axis);
    int64_t dim = c->in[0].shape.dim[c->attrs.axis];
    int64_t outer = i / (to.dim * to.inner), at = i / to.inner % to.dim - c->attrs.start,
            inner = i % to.inner;
    bool inside = at >= 0 && at < dim;
    out_to(c, 0, i, inside ? in_at(c, 0, (outer * dim + at) * to.inner + inner) : 0);
}

PIECE int64_t transpose_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void transpose_at(const sl_cuda_own *c, int64_t i) {
    int64_t stride[SL_RANK_MAX], step = 1, from = 0, rest = i;
    for (int d = c->in[0].shape.rank - 1; d >= 0; d--) {
        stride[d] = step;
        step *= c->in[0].shape.dim[d];
    }
    for (int d = c->out[0].shape.rank - 1; d >= 0; d--) {
        from += rest % c->out[0].shape.dim[d] * stride[c->attrs.perm[d]];
        rest /= c->out[0].shape.dim[d];
    }
    out_to(c, 0, i, in_at(c, 0, from));
}

/* ---- images [N,H,W,C] ---- */

typedef struct pixel_place {
    int64_t n, h, w, c;
} pixel_place;

PIECE pixel_place pixel_of(const sl_shape *s, int64_t i) {
    pixel_place p;
    p.c = i % s->dim[3];
    p.w = i / s->dim[3] % s->dim[2];
    p.h = i / s->dim[3] / s->dim[2] % s->dim[1];
    p.n = i / s->dim[3] / s->dim[2] / s->dim[1];
    return p;
}

PIECE int64_t offset_of(const sl_shape *s, int64_t n, int64_t h, int64_t w, int64_t c) {
    return ((n * s->dim[1] + h) * s->dim[2] + w) * s->dim[3] + c;
}

PIECE int64_t upsample_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void upsample_at(const sl_cuda_own *c, int64_t i) {
    pixel_place p = pixel_of(&c->out[0].shape, i);
    out_to(c, 0, i, in_at(c, 0, offset_of(&c->in[0].shape, p.n, p.h / 2, p.w / 2, p.c)));
}

PIECE int64_t upsample_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void upsample_bwd_at(const sl_cuda_own *c, int64_t i) {
    pixel_place p = pixel_of(&c->out[0].shape, i);
    float sum = 0;
    for (int k = 0; k < 4; k++)
        sum += in_at(c, 0, offset_of(&c->in[0].shape, p.n, 2 * p.h + k / 2, 2 * p.w + k % 2, p.c));
    out_to(c, 0, i, sum);
}

/* From first to before end. */
typedef struct span {
    int64_t first, end;
} span;

/* The pixels of a window along one axis; axis 0 is down. */
PIECE span window_span(const sl_attrs *a, int axis, int64_t at, int64_t size) {
    span s = {at * a->stride[axis] - a->pad[2 * axis], 0};
    s.end = s.first + a->window[axis];
    if (s.first < 0) s.first = 0;
    if (s.end > size) s.end = size;
    return s;
}

/* The windows that a pixel is in. */
PIECE span windows_over(const sl_attrs *a, int axis, int64_t at, int64_t windows) {
    int64_t place = at + a->pad[2 * axis], before = place - a->window[axis] + 1, stride = a->stride[axis];
    span s = {before > 0 ? (before + stride - 1) / stride : 0, place / stride + 1};
    if (s.end > windows) s.end = windows;
    return s;
}

PIECE int64_t max_pool_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void max_pool_at(const sl_cuda_own *c, int64_t i) {
    const sl_shape *x = &c->in[0].shape;
    pixel_place p = pixel_of(&c->out[0].shape, i);
    span down = window_span(&c->attrs, 0, p.h, x->dim[1]), across = window_span(&c->attrs, 1, p.w, x->dim[2]);
    int64_t best = down.first * x->dim[2] + across.first;
    float highest = in_at(c, 0, offset_of(x, p.n, down.first, across.first, p.c));
    for (int64_t h = down.first; h < down.end; h++)
        for (int64_t w = across.first; w < across.end; w++) {
            float value = in_at(c, 0, offset_of(x, p.n, h, w, p.c));
            if (value > highest || isnan(value)) highest = value, best = h * x->dim[2] + w;
        }
    out_to(c, 0, i, highest);
    if (wants(c, 1)) ((int32_t *)c->out[1].data)[i] = (int32_t)best;
}

PIECE int64_t avg_pool_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void avg_pool_at(const sl_cuda_own *c, int64_t i) {
    const sl_shape *x = &c->in[0].shape;
    pixel_place p = pixel_of(&c->out[0].shape, i);
    span down = window_span(&c->attrs, 0, p.h, x->dim[1]), across = window_span(&c->attrs, 1, p.w, x->dim[2]);
    float sum = 0;
    for (int64_t h = down.first; h < down.end; h++)
        for (int64_t w = across.first; w < across.end; w++) sum += in_at(c, 0, offset_of(x, p.n, h, w, p.c));
    out_to(c, 0, i, sum / (float)(c->attrs.window[0] * c->attrs.window[1]));
}

PIECE int64_t pool_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

/* A pixel gathers from the windows that it is in: all of them, or those whose maximum it is. */
PIECE void pool_bwd_at(const sl_cuda_own *c, int64_t i) {
    const sl_shape *x = &c->out[0].shape, *y = &c->in[0].shape;
    bool is_max = c->op == SL_OP_MAX_POOL_BWD;
    pixel_place p = pixel_of(x, i);
    span down = windows_over(&c->attrs, 0, p.h, y->dim[1]),
         across = windows_over(&c->attrs, 1, p.w, y->dim[2]);
    float sum = 0;
    for (int64_t h = down.first; h < down.end; h++)
        for (int64_t w = across.first; w < across.end; w++) {
            int64_t at = offset_of(y, p.n, h, w, p.c);
            if (!is_max || integer_at(c, 1, at) == p.h * x->dim[2] + p.w) sum += in_at(c, 0, at);
        }
    out_to(c, 0, i, is_max ? sum : sum / (float)(c->attrs.window[0] * c->attrs.window[1]));
}

/* ---- tables ---- */

PIECE int64_t embedding_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void embedding_at(const sl_cuda_own *c, int64_t i) {
    int64_t width = columns_of(&c->in[0]), id = integer_at(c, 1, i / width);
    bool good = id >= 0 && id < c->in[0].shape.dim[0];
    if (!good) bad_value(c);
    out_to(c, 0, i, good ? in_at(c, 0, id * width + i % width) : 0);
}

PIECE int64_t embedding_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

/* Each element looks for its id among all: the order of additions is that of the ids. */
PIECE void embedding_bwd_at(const sl_cuda_own *c, int64_t i) {
    int64_t width = columns_of(&c->out[0]), row = i / width, ids = count_of(&c->in[0]);
    float sum = 0;
    for (int64_t k = 0; k < ids; k++) {
        int64_t id = integer_at(c, 0, k);
        if (id == row) sum += in_at(c, 1, k * width + i % width);
        if (i == 0 && (id < 0 || id >= c->out[0].shape.dim[0])) bad_value(c);
    }
    out_to(c, 0, i, sum);
}

PIECE int64_t timestep_items(const sl_cuda_own *c) {
    return c->in[0].shape.dim[0] * (c->attrs.width / 2);
}

/* Rounded to float where src/op/timestep_embedding.c says why. */
PIECE void timestep_at(const sl_cuda_own *c, int64_t item) {
    int64_t width = c->attrs.width, half = width / 2, cosines = c->attrs.flip ? 0 : half;
    int64_t n = item / half, i = item % half;
    float exponent = (float)-9.210340371976184 * (float)i / (float)((double)half - c->attrs.alpha);
    float angle = in_at(c, 0, n) * (float)exp((double)exponent);
    out_to(c, 0, n * width + cosines + i, (float)cos((double)angle));
    out_to(c, 0, n * width + half - cosines + i, (float)sin((double)angle));
}

#endif
