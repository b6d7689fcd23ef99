/* Convolution, cross-correlation as in every framework:
 *   y[n,oh,ow,o] = bias[o] + sum over c,kh,kw of x[n, oh*stride - top + kh, ow*stride - left + kw, c]
 * w[o,c,kh,kw] */
#include "op/rules.h"

#include <string.h>

static sl_status output_size(const sl_call *call, const sl_shape *x, const sl_shape *w, int64_t out[2]) {
    const sl_attrs *a = call->attrs;
    for (int i = 0; i < 2; i++) {
        int64_t padded = x->dim[1 + i] + a->pad[2 * i] + a->pad[2 * i + 1], kernel = w->dim[2 + i];
        if (a->stride[i] < 1 || a->pad[2 * i] < 0 || a->pad[2 * i + 1] < 0 || padded < kernel) {
            sl_shape_text text_x, text_w;
            return sl_fail(SL_INVALID, "%s: stride %d and padding %d,%d do not fit input %s with weight %s",
                           sl_op_name(call->op), a->stride[i], a->pad[2 * i], a->pad[2 * i + 1],
                           sl_shape_format(x, &text_x), sl_shape_format(w, &text_w));
        }
        out[i] = (padded - kernel) / a->stride[i] + 1;
    }
    return SL_OK;
}

static sl_status check_dy(const sl_call *call, int input, const sl_shape *x, const sl_shape *w) {
    int64_t size[2];
    SL_TRY(output_size(call, x, w, size));
    return sl_rule_shape(call, input, &SL_SHAPE(x->dim[0], size[0], size[1], w->dim[0]));
}

static sl_status infer(sl_call *call) {
    const sl_shape *x = &call->in[0].shape, *w = &call->in[1].shape;
    int64_t size[2];
    SL_TRY(sl_rule_rank(call, 0, 4, 4));
    SL_TRY(sl_rule_rank(call, 1, 4, 4));
    SL_TRY(sl_rule_shape(call, 1, &SL_SHAPE(w->dim[0], x->dim[3], w->dim[2], w->dim[3])));
    SL_TRY(sl_rule_vector(call, 2, w->dim[0]));
    SL_TRY(output_size(call, x, w, size));
    sl_rule_out(call, call->in[0].dtype, &SL_SHAPE(x->dim[0], size[0], size[1], w->dim[0]));
    return SL_OK;
}

static sl_status infer_bwd_data(sl_call *call) {
    const sl_shape *x = &call->attrs->shape;
    SL_TRY(sl_rule_rank(call, 1, 4, 4));
    SL_TRY(check_dy(call, 0, x, &call->in[1].shape));
    sl_rule_out(call, call->in[0].dtype, x);
    return SL_OK;
}

static sl_status infer_bwd_weight(sl_call *call) {
    const sl_shape *w = &call->attrs->shape;
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    SL_TRY(sl_rule_rank(call, 0, 4, 4));
    SL_TRY(check_dy(call, 1, &call->in[0].shape, w));
    sl_rule_out(call, wide, w);
    sl_rule_out(call, wide, &SL_SHAPE(w->dim[0]));
    return SL_OK;
}

/* Calls visit(context, offset in x, offset in w, offset in y) for every product of the convolution: one
 * (n,oh,ow,o), then one tap; channels c = 0..C-1 follow at x + c and w + c*kh*kw. */
typedef void (*visit_fn)(void *context, int64_t x_at, int64_t w_at, int64_t y_at);

static void visit_taps(const sl_attrs *a, const sl_shape *x, const sl_shape *w, const sl_shape *y,
                       visit_fn visit, void *context) {
    int64_t H = x->dim[1], W = x->dim[2], C = x->dim[3], KH = w->dim[2], KW = w->dim[3],
            pixels = y->dim[1] * y->dim[2];
    for (int64_t at = 0; at < y->dim[0] * pixels * y->dim[3]; at++) {
        int64_t o = at % y->dim[3], pixel = at / y->dim[3], n = pixel / pixels;
        int64_t oh = pixel % pixels / y->dim[2], ow = pixel % y->dim[2];
        for (int64_t kh = 0; kh < KH; kh++) {
            for (int64_t kw = 0; kw < KW; kw++) {
                int64_t h = oh * a->stride[0] - a->pad[0] + kh, v = ow * a->stride[1] - a->pad[2] + kw;
                if (h < 0 || h >= H || v < 0 || v >= W) continue;
                visit(context, ((n * H + h) * W + v) * C, (o * C * KH + kh) * KW + kw, at);
            }
        }
    }
}

typedef struct arrays {
    double *x, *w, *y;
    int64_t channels, taps;
} arrays;

static void add_forward(void *context, int64_t x_at, int64_t w_at, int64_t y_at) {
    arrays *m = context;
    double sum = 0;
    for (int64_t c = 0; c < m->channels; c++) sum += m->x[x_at + c] * m->w[w_at + c * m->taps];
    m->y[y_at] += sum;
}

static void add_data(void *context, int64_t x_at, int64_t w_at, int64_t y_at) {
    arrays *m = context;
    for (int64_t c = 0; c < m->channels; c++) m->x[x_at + c] += m->y[y_at] * m->w[w_at + c * m->taps];
}

static void add_weight(void *context, int64_t x_at, int64_t w_at, int64_t y_at) {
    arrays *m = context;
    for (int64_t c = 0; c < m->channels; c++) m->w[w_at + c * m->taps] += m->y[y_at] * m->x[x_at + c];
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *w = &call->in[1].shape, *y = &call->out[0].shape;
    arrays m = {in[0], in[1], out[0], w->dim[1], w->dim[2] * w->dim[3]};
    for (int64_t i = 0; i < sl_shape_count(y); i++) out[0][i] = in[2] ? in[2][i % y->dim[3]] : 0;
    visit_taps(call->attrs, &call->in[0].shape, w, y, add_forward, &m);
    return SL_OK;
}

static sl_status reference_bwd_data(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *w = &call->in[1].shape, *x = &call->out[0].shape;
    arrays m = {out[0], in[1], in[0], w->dim[1], w->dim[2] * w->dim[3]};
    memset(out[0], 0, (size_t)sl_shape_count(x) * sizeof(double));
    visit_taps(call->attrs, x, w, &call->in[0].shape, add_data, &m);
    return SL_OK;
}

static sl_status reference_bwd_weight(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *w = &call->attrs->shape, *y = &call->in[1].shape;
    arrays m = {in[0], out[0], in[1], w->dim[1], w->dim[2] * w->dim[3]};
    memset(out[0], 0, (size_t)sl_shape_count(w) * sizeof(double));
    visit_taps(call->attrs, &call->in[0].shape, w, y, add_weight, &m);
    if (!out[1]) return SL_OK;
    memset(out[1], 0, (size_t)w->dim[0] * sizeof(double));
    for (int64_t i = 0; i < sl_shape_count(y); i++) out[1][i % w->dim[0]] += in[1][i];
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value dy = call->out_grad[0], parts[SL_OUTPUTS_MAX];
    sl_attrs attrs = *call->attrs;
    if (call->need[0]) {
        attrs.shape = emitter->describe(emitter, call->in[0])->shape;
        call->in_grad[0] = sl_emit2(emitter, SL_OP_CONV2D_BWD_DATA, &attrs, dy, call->in[1]);
    }
    if (call->need[1]) {
        attrs.shape = emitter->describe(emitter, call->in[1])->shape;
        emitter->emit(emitter, SL_OP_CONV2D_BWD_WEIGHT, &attrs, (sl_value[]){call->in[0], dy}, 2, parts);
        call->in_grad[1] = parts[0];
        call->in_grad[2] = call->need[2] ? parts[1] : SL_NONE;
    } else if (call->need[2]) {
        call->in_grad[2] = sl_emit_reduce_to(emitter, dy, call->in[2]);
    }
}

static double flops(const sl_call *call) {
    const sl_shape *w = call->op == SL_OP_CONV2D_BWD_WEIGHT ? &call->attrs->shape : &call->in[1].shape;
    const sl_shape *y = call->op == SL_OP_CONV2D            ? &call->out[0].shape
                        : call->op == SL_OP_CONV2D_BWD_DATA ? &call->in[0].shape
                                                            : &call->in[1].shape;
    return 2.0 * (double)sl_shape_count(y) * (double)(w->dim[1] * w->dim[2] * w->dim[3]);
}

#define SOURCE "Dumoulin and Visin 2016, arXiv 1603.07285"
const sl_op_desc sl_op_desc_CONV2D = {.in_min = 2,
                                      .in_max = 3,
                                      .infer = infer,
                                      .reference = reference,
                                      .grad = grad,
                                      .flops = flops,
                                      .source = SOURCE};
const sl_op_desc sl_op_desc_CONV2D_BWD_DATA = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd_data, .reference = reference_bwd_data, .flops = flops};
const sl_op_desc sl_op_desc_CONV2D_BWD_WEIGHT = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd_weight, .reference = reference_bwd_weight, .flops = flops};
