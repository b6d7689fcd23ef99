/* Element by element. Formulas: src/op/elementwise.c and its neighbours. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_ELEMENTWISE_H
#define SL_BACKEND_CUDA_OWN_BODIES_ELEMENTWISE_H

#include "backend/cuda/own/bodies_common.h"

#define INVERSE_ROOT_2    0.70710678118654752f
#define INVERSE_ROOT_2_PI 0.39894228040143268f
#define ROOT_2_OVER_PI    0.79788456080286536f

/* To two units in the last place, without the rarer cases of an exact division; 0 where the divisor is beyond
 * 2^126, as sigmoids want it. */
PIECE float inverse_of(float x) {
#ifdef __CUDA_ARCH__
    return __fdividef(1, x);
#else
    return 1 / x;
#endif
}

PIECE float sigmoid_of(float x) {
    return inverse_of(1 + expf(-x));
}

PIECE float cdf_of(float x) {
    return 0.5f * (1 + erff(x * INVERSE_ROOT_2));
}

PIECE float gelu_slope_of(float x) {
    return cdf_of(x) + x * expf(-x * x / 2) * INVERSE_ROOT_2_PI;
}

PIECE float gelu_tanh_argument(float x) {
    return tanhf(ROOT_2_OVER_PI * (x + 0.044715f * x * x * x));
}

PIECE float gelu_tanh_slope_of(float x) {
    float t = gelu_tanh_argument(x);
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * ROOT_2_OVER_PI * (1 + 3 * 0.044715f * x * x);
}

PIECE float silu_slope_of(float x) {
    float s = sigmoid_of(x);
    return s * (1 + x * (1 - s));
}

PIECE float quick_gelu_slope_of(float x) {
    float t = sigmoid_of(1.702f * x);
    return t + 1.702f * x * t * (1 - t);
}

/* One choice of operation for a pack: v[i] from x = v[i], and from dy[i] in a backward pass. */
#define OF_PACK(id, formula)                                                                                 \
    case SL_OP_##id:                                                                                         \
        EACH(i) {                                                                                            \
            float x = v[i];                                                                                  \
            v[i] = formula;                                                                                  \
        }                                                                                                    \
        break;

PIECE void unary_values(const sl_cuda_own *c, float *v) {
    float alpha = (float)c->attrs.alpha, beta = (float)c->attrs.beta;
    switch (c->op) {
        OF_PACK(SILU, x * sigmoid_of(x))
        OF_PACK(GELU, x * cdf_of(x))
        OF_PACK(GELU_TANH, 0.5f * x * (1 + gelu_tanh_argument(x)))
        OF_PACK(QUICK_GELU, x * sigmoid_of(1.702f * x))
        OF_PACK(RELU, x < 0 ? 0 : x)
        OF_PACK(SIGMOID, sigmoid_of(x))
        OF_PACK(EXP, expf(x))
        OF_PACK(SQUARE, x * x)
        OF_PACK(ABS, fabsf(x))
        OF_PACK(CLAMP, x < alpha ? alpha : x > beta ? beta : x)
        OF_PACK(SCALE, alpha * x + beta)
    default: /* SL_OP_CAST */
        break;
    }
}

/* Of in[0], the op's input, or its result where backend/ops.def says "y, dy". Where an op passes nothing on,
 * a gradient that is no number is left out too. */
PIECE void unary_gradients(const sl_cuda_own *c, float *v, const float *dy) {
    float alpha = (float)c->attrs.alpha, beta = (float)c->attrs.beta;
    switch (c->op) {
        OF_PACK(SILU_BWD, silu_slope_of(x) * dy[i])
        OF_PACK(GELU_BWD, gelu_slope_of(x) * dy[i])
        OF_PACK(GELU_TANH_BWD, gelu_tanh_slope_of(x) * dy[i])
        OF_PACK(QUICK_GELU_BWD, quick_gelu_slope_of(x) * dy[i])
        OF_PACK(RELU_BWD, x > 0 ? dy[i] : 0)
        OF_PACK(SIGMOID_BWD, x * (1 - x) * dy[i])
        OF_PACK(SQUARE_BWD, 2 * x * dy[i])
        OF_PACK(ABS_BWD, (float)((x > 0) - (x < 0)) * dy[i])
        OF_PACK(CLAMP_BWD, alpha <= x && x <= beta ? dy[i] : 0)
    default:
        break;
    }
}

PIECE position unary_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void unary_at(const sl_cuda_own *c, position item) {
    float v[PACK];
    int n = flat_n(c, item);
    load_in(c, 0, item * c->step, n, v);
    unary_values(c, v);
    store_out(c, 0, item * c->step, n, v);
}

PIECE position unary_bwd_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void unary_bwd_at(const sl_cuda_own *c, position item) {
    float v[PACK], dy[PACK];
    int n = flat_n(c, item);
    load_in(c, 0, item * c->step, n, v);
    load_in(c, 1, item * c->step, n, dy);
    unary_gradients(c, v, dy);
    store_out(c, 0, item * c->step, n, v);
}

/* ---- broadcast operands: out[0] is [...,columns], parts end in columns or in 1 ---- */

/* Where the part that a row of `full` comes from starts. */
PIECE position broadcast_row(const sl_operand *part, const sl_operand *full, position row) {
    position at = 0, step = columns_of(part);
    for (int d = full->shape.rank - 2, p = part->shape.rank - 2; p >= 0; d--, p--) {
        split s = divide(row, dim_of(full, d));
        if (dim_of(part, p) > 1) at += s.rest * step;
        step *= dim_of(part, p);
        row = s.whole;
    }
    return at;
}

PIECE void load_part(const sl_cuda_own *c, int k, const run *r, float *x) {
    const sl_operand *part = &c->in[k];
    position row = broadcast_row(part, &c->out[0], r->row);
    if (columns_of(part) == 1 && columns_of(&c->out[0]) > 1) {
        float one = in_at(c, k, row);
        EACH(i) x[i] = one;
    } else {
        load_in(c, k, row + r->column, r->n, x);
    }
}

PIECE position binary_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->out[0]), columns_of(&c->out[0]));
}

PIECE void binary_at(const sl_cuda_own *c, position item) {
    position columns = columns_of(&c->out[0]);
    run r = row_run(c, columns, item);
    float a[PACK], b[PACK];
    load_part(c, 0, &r, a);
    load_part(c, 1, &r, b);
    if (c->op == SL_OP_ADD)
        EACH(i) a[i] += b[i];
    else if (c->op == SL_OP_SUB)
        EACH(i) a[i] -= b[i];
    else
        EACH(i) a[i] *= b[i];
    store_out(c, 0, r.row * columns + r.column, r.n, a);
}

PIECE position broadcast_items(const sl_cuda_own *c) {
    return binary_items(c);
}

PIECE void broadcast_at(const sl_cuda_own *c, position item) {
    position columns = columns_of(&c->out[0]);
    run r = row_run(c, columns, item);
    float x[PACK];
    load_part(c, 0, &r, x);
    EACH(i) x[i] *= (float)c->attrs.alpha;
    store_out(c, 0, r.row * columns + r.column, r.n, x);
}

/* ---- GEGLU: rows of 2E, and of E ---- */

PIECE position geglu_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->out[0]), columns_of(&c->out[0]));
}

PIECE void geglu_at(const sl_cuda_own *c, position item) {
    position e = columns_of(&c->out[0]);
    run r = row_run(c, e, item);
    float a[PACK], gate[PACK];
    load_in(c, 0, r.row * 2 * e + r.column, r.n, a);
    load_in(c, 0, r.row * 2 * e + e + r.column, r.n, gate);
    EACH(i) a[i] *= gate[i] * cdf_of(gate[i]);
    store_out(c, 0, r.row * e + r.column, r.n, a);
}

PIECE position geglu_bwd_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->in[1]), columns_of(&c->in[1]));
}

PIECE void geglu_bwd_at(const sl_cuda_own *c, position item) {
    position e = columns_of(&c->in[1]);
    run r = row_run(c, e, item);
    position at = r.row * 2 * e + r.column;
    float a[PACK], gate[PACK], dy[PACK];
    load_in(c, 0, at, r.n, a);
    load_in(c, 0, at + e, r.n, gate);
    load_in(c, 1, r.row * e + r.column, r.n, dy);
    EACH(i) {
        float cdf = cdf_of(gate[i]), slope = cdf + gate[i] * expf(-gate[i] * gate[i] / 2) * INVERSE_ROOT_2_PI;
        a[i] *= dy[i] * slope;
        dy[i] *= gate[i] * cdf;
    }
    store_out(c, 0, at, r.n, dy);
    store_out(c, 0, at + e, r.n, a);
}

/* ---- storage ---- */

PIECE position fill_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void fill_at(const sl_cuda_own *c, position item) {
    float v[PACK];
    EACH(i) v[i] = (float)c->attrs.alpha;
    store_out(c, 0, item * c->step, flat_n(c, item), v);
}

PIECE position update_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void update_at(const sl_cuda_own *c, position item) {
    float was[PACK], v[PACK], alpha = (float)c->attrs.alpha, beta = (float)c->attrs.beta;
    int n = flat_n(c, item);
    load(c->out[0].dtype, c->out[0].data, item * c->step, n, was);
    load_in(c, 0, item * c->step, n, v);
    EACH(i) v[i] = (alpha != 0 ? alpha * was[i] : 0) + beta * v[i];
    store_out(c, 0, item * c->step, n, v);
}

/* ---- optimisers: src/op/optimizer.c ---- */

PIECE position adamw_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void adamw_at(const sl_cuda_own *c, position item) {
    const float *k = (const float *)c->in[1].data;
    float gradient_scale = k[0], part1 = k[1], keep2 = k[2], part2 = k[3], rate = k[4], correction = k[5],
          epsilon = k[6], decay = k[7];
    float g[PACK], x[PACK], m[PACK], v[PACK];
    position at = item * c->step;
    int n = flat_n(c, item);
    load_in(c, 0, at, n, g);
    load(SL_F32, c->out[0].data, at, n, x);
    load(SL_F32, c->out[1].data, at, n, m);
    load(SL_F32, c->out[2].data, at, n, v);
    EACH(i) {
        float d = g[i] * gradient_scale;
        m[i] += part1 * (d - m[i]);
        v[i] = keep2 * v[i] + part2 * d * d;
        x[i] = x[i] * decay - rate * (m[i] / (sqrtf(v[i]) * correction + epsilon));
    }
    store(SL_F32, c->out[0].data, at, n, x);
    store(SL_F32, c->out[1].data, at, n, m);
    store(SL_F32, c->out[2].data, at, n, v);
}

PIECE position sgd_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void sgd_at(const sl_cuda_own *c, position item) {
    const float *k = (const float *)c->in[1].data;
    float gradient_scale = k[0], decay = k[1], momentum = k[2], rate = k[3], g[PACK], x[PACK];
    position at = item * c->step;
    int n = flat_n(c, item);
    load_in(c, 0, at, n, g);
    load(SL_F32, c->out[0].data, at, n, x);
    EACH(i) g[i] = g[i] * gradient_scale + decay * x[i];
    if (wants(c, 1)) {
        float m[PACK];
        load(SL_F32, c->out[1].data, at, n, m);
        EACH(i) g[i] += momentum * m[i];
        store(SL_F32, c->out[1].data, at, n, g);
    }
    EACH(i) x[i] -= rate * g[i];
    store(SL_F32, c->out[0].data, at, n, x);
}

#endif
