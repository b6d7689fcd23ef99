/* Maximum and mean over windows of [N,H,W,C]. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

static sl_status pooled(const sl_call *call, const sl_shape *x, sl_shape *out) {
    const sl_attrs *a = call->attrs;
    *out = *x;
    for (int i = 0; i < 2; i++) {
        int64_t before = a->pad[2 * i], after = a->pad[2 * i + 1], padded = x->dim[1 + i] + before + after;
        if (a->window[i] < 1 || a->stride[i] < 1 || before < 0 || after < 0 || before >= a->window[i] ||
            after >= a->window[i] || padded < a->window[i]) {
            sl_shape_text text;
            return sl_fail(SL_INVALID, "%s: window %d, stride %d, padding %lld,%lld do not fit %s",
                           sl_op_name(call->op), a->window[i], a->stride[i], (long long)before,
                           (long long)after, sl_shape_format(x, &text));
        }
        out->dim[1 + i] = (padded - a->window[i]) / a->stride[i] + 1;
    }
    return SL_OK;
}

static sl_status infer(sl_call *call) {
    sl_shape out;
    SL_TRY(sl_rule_rank(call, 0, 4, 4));
    SL_TRY(pooled(call, &call->in[0].shape, &out));
    sl_rule_out(call, call->in[0].dtype, &out);
    if (call->op == SL_OP_MAX_POOL) sl_rule_out(call, SL_I32, &out);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    sl_shape dy;
    SL_TRY(pooled(call, &call->attrs->shape, &dy));
    for (int i = 0; i < call->in_count; i++) SL_TRY(sl_rule_shape(call, i, &dy));
    sl_rule_out(call, call->in[0].dtype, &call->attrs->shape);
    return SL_OK;
}

/* The window of output pixel (oh, ow), cut to the image. */
typedef struct window {
    int64_t h0, h1, w0, w1;
} window;

static window window_at(const sl_attrs *a, const sl_shape *x, int64_t oh, int64_t ow) {
    int64_t h = oh * a->stride[0] - a->pad[0], w = ow * a->stride[1] - a->pad[2];
    int64_t h1 = h + a->window[0], w1 = w + a->window[1];
    return (window){h > 0 ? h : 0, h1 < x->dim[1] ? h1 : x->dim[1], w > 0 ? w : 0,
                    w1 < x->dim[2] ? w1 : x->dim[2]};
}

/* Output element i as n, oh, ow, c. */
static void split(const sl_shape *y, int64_t i, int64_t out[4]) {
    out[3] = i % y->dim[3];
    out[2] = i / y->dim[3] % y->dim[2];
    out[1] = i / y->dim[3] / y->dim[2] % y->dim[1];
    out[0] = i / y->dim[3] / y->dim[2] / y->dim[1];
}

static int64_t x_offset(const sl_shape *x, int64_t n, int64_t pixel, int64_t c) {
    return (n * x->dim[1] * x->dim[2] + pixel) * x->dim[3] + c;
}

static sl_status reference_max(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    for (int64_t i = 0, at[4]; i < sl_shape_count(y); i++) {
        split(y, i, at);
        window v = window_at(call->attrs, x, at[1], at[2]);
        int64_t best = v.h0 * x->dim[2] + v.w0;
        for (int64_t h = v.h0; h < v.h1; h++) {
            for (int64_t w = v.w0; w < v.w1; w++) {
                double value = in[0][x_offset(x, at[0], h * x->dim[2] + w, at[3])];
                if (value > in[0][x_offset(x, at[0], best, at[3])] || isnan(value)) best = h * x->dim[2] + w;
            }
        }
        out[0][i] = in[0][x_offset(x, at[0], best, at[3])];
        if (out[1]) out[1][i] = (double)best;
    }
    return SL_OK;
}

static sl_status reference_max_bwd(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *x = &call->out[0].shape, *y = &call->in[0].shape;
    memset(out[0], 0, (size_t)sl_shape_count(x) * sizeof(double));
    for (int64_t i = 0, at[4]; i < sl_shape_count(y); i++) {
        split(y, i, at);
        out[0][x_offset(x, at[0], (int64_t)in[1][i], at[3])] += in[0][i];
    }
    return SL_OK;
}

static sl_status reference_avg(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    for (int64_t i = 0, at[4]; i < sl_shape_count(y); i++) {
        split(y, i, at);
        window v = window_at(call->attrs, x, at[1], at[2]);
        double sum = 0;
        for (int64_t h = v.h0; h < v.h1; h++)
            for (int64_t w = v.w0; w < v.w1; w++) sum += in[0][x_offset(x, at[0], h * x->dim[2] + w, at[3])];
        out[0][i] = sum / (call->attrs->window[0] * call->attrs->window[1]);
    }
    return SL_OK;
}

static sl_status reference_avg_bwd(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *x = &call->out[0].shape, *y = &call->in[0].shape;
    memset(out[0], 0, (size_t)sl_shape_count(x) * sizeof(double));
    for (int64_t i = 0, at[4]; i < sl_shape_count(y); i++) {
        split(y, i, at);
        window v = window_at(call->attrs, x, at[1], at[2]);
        double share = in[0][i] / (call->attrs->window[0] * call->attrs->window[1]);
        for (int64_t h = v.h0; h < v.h1; h++)
            for (int64_t w = v.w0; w < v.w1; w++)
                out[0][x_offset(x, at[0], h * x->dim[2] + w, at[3])] += share;
    }
    return SL_OK;
}

static void grad_max(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = *call->attrs;
    attrs.shape = emitter->describe(emitter, call->in[0])->shape;
    call->in_grad[0] = sl_emit2(emitter, SL_OP_MAX_POOL_BWD, &attrs, call->out_grad[0], call->out[1]);
}

static void grad_avg(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = *call->attrs;
    attrs.shape = emitter->describe(emitter, call->in[0])->shape;
    call->in_grad[0] = sl_emit1(emitter, SL_OP_AVG_POOL_BWD, &attrs, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_MAX_POOL = {
    .in_min = 1, .in_max = 1, .infer = infer, .reference = reference_max, .grad = grad_max};
const sl_op_desc sl_op_desc_MAX_POOL_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_max_bwd, .integers = 2};
const sl_op_desc sl_op_desc_AVG_POOL = {
    .in_min = 1, .in_max = 1, .infer = infer, .reference = reference_avg, .grad = grad_avg};
const sl_op_desc sl_op_desc_AVG_POOL_BWD = {
    .in_min = 1, .in_max = 1, .infer = infer_bwd, .reference = reference_avg_bwd};
