/* Element by element, and copies in another order. Formulas: src/op/elementwise.c and their neighbours there.
 */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_ELEMENTWISE_H
#define SL_BACKEND_CUDA_OWN_BODIES_ELEMENTWISE_H

#include "backend/cuda/own/bodies_common.h"

#define INVERSE_ROOT_2    0.70710678118654752f
#define INVERSE_ROOT_2_PI 0.39894228040143268f
#define ROOT_2_OVER_PI    0.79788456080286536f

PIECE float sigmoid_of(float x) {
    return 1 / (1 + expf(-x));
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

PIECE float silu_slope_of(float x) {
    float s = sigmoid_of(x);
    return s * (1 + x * (1 - s));
}

PIECE float unary_value(const sl_cuda_own *c, float x) {
    switch (c->op) {
    case SL_OP_SILU:
        return x * sigmoid_of(x);
    case SL_OP_GELU:
        return x * cdf_of(x);
    case SL_OP_GELU_TANH:
        return 0.5f * x * (1 + gelu_tanh_argument(x));
    case SL_OP_QUICK_GELU:
        return x * sigmoid_of(1.702f * x);
    case SL_OP_RELU:
        return x < 0 ? 0 : x;
    case SL_OP_SIGMOID:
        return sigmoid_of(x);
    case SL_OP_EXP:
        return expf(x);
    case SL_OP_SQUARE:
        return x * x;
    case SL_OP_ABS:
        return fabsf(x);
    case SL_OP_CLAMP:
        return x < (float)c->attrs.alpha  ? (float)c->attrs.alpha
               : x > (float)c->attrs.beta ? (float)c->attrs.beta
                                          : x;
    case SL_OP_SCALE:
        return (float)c->attrs.alpha * x + (float)c->attrs.beta;
    default:
        return x; /* SL_OP_CAST */
    }
}

/* Of in[0]: the op's input, or its result where backend/ops.def says "y, dy". */
PIECE float unary_slope(const sl_cuda_own *c, float x) {
    float t;
    switch (c->op) {
    case SL_OP_SILU_BWD:
        return silu_slope_of(x);
    case SL_OP_GELU_BWD:
        return gelu_slope_of(x);
    case SL_OP_GELU_TANH_BWD:
        t = gelu_tanh_argument(x);
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * ROOT_2_OVER_PI * (1 + 3 * 0.044715f * x * x);
    case SL_OP_QUICK_GELU_BWD:
        t = sigmoid_of(1.702f * x);
        return t + 1.702f * x * t * (1 - t);
    case SL_OP_RELU_BWD:
        return x > 0;
    case SL_OP_SIGMOID_BWD:
        return x * (1 - x);
    case SL_OP_SQUARE_BWD:
        return 2 * x;
    case SL_OP_ABS_BWD:
        return (float)((x > 0) - (x < 0));
    default:
        return (float)c->attrs.alpha <= x && x <= (float)c->attrs.beta; /* SL_OP_CLAMP_BWD */
    }
}

PIECE int64_t unary_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void unary_at(const sl_cuda_own *c, int64_t i) {
    out_to(c, 0, i, unary_value(c, in_at(c, 0, i)));
}

PIECE int64_t unary_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void unary_bwd_at(const sl_cuda_own *c, int64_t i) {
    out_to(c, 0, i, in_at(c, 1, i) * unary_slope(c, in_at(c, 0, i)));
}

PIECE int64_t binary_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void binary_at(const sl_cuda_own *c, int64_t i) {
    float a = in_at(c, 0, broadcast_from(&c->in[0].shape, &c->out[0].shape, i)),
          b = in_at(c, 1, broadcast_from(&c->in[1].shape, &c->out[0].shape, i));
    out_to(c, 0, i, c->op == SL_OP_ADD ? a + b : c->op == SL_OP_SUB ? a - b : a * b);
}

PIECE int64_t geglu_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void geglu_at(const sl_cuda_own *c, int64_t i) {
    int64_t e = columns_of(&c->out[0]), at = i / e * 2 * e + i % e;
    float gate = in_at(c, 0, at + e);
    out_to(c, 0, i, in_at(c, 0, at) * gate * cdf_of(gate));
}

PIECE int64_t geglu_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->in[1]);
}

PIECE void geglu_bwd_at(const sl_cuda_own *c, int64_t i) {
    int64_t e = columns_of(&c->in[1]), at = i / e * 2 * e + i % e;
    float a = in_at(c, 0, at), gate = in_at(c, 0, at + e), dy = in_at(c, 1, i);
    out_to(c, 0, at, dy * gate * cdf_of(gate));
    out_to(c, 0, at + e, dy * a * gelu_slope_of(gate));
}

PIECE int64_t fill_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void fill_at(const sl_cuda_own *c, int64_t i) {
    out_to(c, 0, i, (float)c->attrs.alpha);
}

PIECE int64_t update_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void update_at(const sl_cuda_own *c, int64_t i) {
    float was = get(c->out[0].dtype, c->out[0].data, i);
    out_to(c, 0, i, (float)c->attrs.alpha * was + (float)c->attrs.beta * in_at(c, 0, i));
}

PIECE int64_t broadcast_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void broadcast_at(const sl_cuda_own *c, int64_t i) {
    out_to(c, 0, i,
           (float)c->attrs.alpha * in_at(c, 0, broadcast_from(&c->in[0].shape, &c->out[0].shape, i)));
}

/* ---- optimisers: src/op/optimizer.c ---- */

PIECE int64_t adamw_items(const sl_cuda_own *c) {
    return count_of(&c->in[0]);
}

PIECE void adamw_at(const sl_cuda_own *c, int64_t i) {
    const float *k = (const float *)c->in[1].data;
    float *x = (float *)c->out[0].data, *m = (float *)c->out[1].data, *v = (float *)c->out[2].data;
    float g = in_at(c, 0, i) * k[0], first = m[i] + k[1] * (g - m[i]), second = k[2] * v[i] + k[3] * g * g;
    m[i] = first;
    v[i] = second;
    x[i] = x[i] * k[7] - k[4] * (first / (sqrtf(second) * k[5] + k[6]));
}

PIECE int64_t sgd_items(const sl_cuda_own *c) {
    return count_of(&c->in[0]);
}

PIECE void sgd_at(const sl_cuda_own *c, int64_t i) {
    const float *k = (const float *)c->in[1].data;
    float *x = (float *)c->out[0].data, g = in_at(c, 0, i) * k[0] + k[1] * x[i];
    if (wants(c, 1)) {
        float *m = (float *)c->out[1].data;
        g = k[2] * m[i] + g;
        m[i] = g;
    }
    x[i] -= k[3] * g;
}

#endif
