/* Join, cut and pad along attrs.axis: views [outer, dim, inner]. */
#include "op/rules.h"

#include <string.h>

static sl_status infer_concat(sl_call *call) {
    SL_TRY(sl_rule_axis(call));
    sl_shape out = call->in[0].shape;
    int axis = call->attrs->axis;
    for (int i = 1; i < call->in_count; i++) {
        sl_shape expected = call->in[0].shape;
        SL_TRY(sl_rule_rank(call, i, expected.rank, expected.rank));
        expected.dim[axis] = call->in[i].shape.dim[axis];
        SL_TRY(sl_rule_shape(call, i, &expected));
        out.dim[axis] += expected.dim[axis];
    }
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

static sl_status check_range(const sl_call *call, int64_t inside, int64_t whole) {
    int64_t start = call->attrs->start;
    if (start >= 0 && inside >= 1 && start <= whole - inside) return SL_OK;
    return sl_fail(SL_INVALID, "%s: elements %lld to %lld of axis %d, which has %lld", sl_op_name(call->op),
                   (long long)start, (long long)(start + inside), call->attrs->axis, (long long)whole);
}

static sl_status infer_slice(sl_call *call) {
    SL_TRY(sl_rule_axis(call));
    sl_shape out = call->in[0].shape;
    SL_TRY(check_range(call, call->attrs->count, out.dim[call->attrs->axis]));
    out.dim[call->attrs->axis] = call->attrs->count;
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

static sl_status infer_pad(sl_call *call) {
    SL_TRY(sl_rule_axis(call));
    sl_shape out = call->in[0].shape;
    SL_TRY(check_range(call, out.dim[call->attrs->axis], call->attrs->count));
    out.dim[call->attrs->axis] = call->attrs->count;
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

/* Copy `count` of from[from_start..] to to[to_start..], each [outer, dim, inner]. */
static void copy_part(const double *from, sl_axis_view from_view, int64_t from_start, double *to,
                      sl_axis_view to_view, int64_t to_start, int64_t count) {
    for (int64_t o = 0; o < to_view.outer; o++)
        memcpy(to + (o * to_view.dim + to_start) * to_view.inner,
               from + (o * from_view.dim + from_start) * from_view.inner,
               (size_t)(count * to_view.inner) * sizeof *to);
}

static sl_status reference_concat(const sl_call *call, double *const *in, double *const *out) {
    sl_axis_view to = sl_rule_axis_view(&call->out[0].shape, call->attrs->axis);
    int64_t start = 0;
    for (int i = 0; i < call->in_count; i++) {
        sl_axis_view from = sl_rule_axis_view(&call->in[i].shape, call->attrs->axis);
        copy_part(in[i], from, 0, out[0], to, start, from.dim);
        start += from.dim;
    }
    return SL_OK;
}

static sl_status reference_slice(const sl_call *call, double *const *in, double *const *out) {
    copy_part(in[0], sl_rule_axis_view(&call->in[0].shape, call->attrs->axis), call->attrs->start, out[0],
              sl_rule_axis_view(&call->out[0].shape, call->attrs->axis), 0, call->attrs->count);
    return SL_OK;
}

static sl_status reference_pad(const sl_call *call, double *const *in, double *const *out) {
    sl_axis_view from = sl_rule_axis_view(&call->in[0].shape, call->attrs->axis);
    memset(out[0], 0, (size_t)sl_operand_count(&call->out[0]) * sizeof(double));
    copy_part(in[0], from, 0, out[0], sl_rule_axis_view(&call->out[0].shape, call->attrs->axis),
              call->attrs->start, from.dim);
    return SL_OK;
}

static void grad_concat(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {.axis = call->attrs->axis};
    for (int i = 0; i < call->in_count; i++) {
        attrs.count = emitter->describe(emitter, call->in[i])->shape.dim[attrs.axis];
        if (call->need[i]) call->in_grad[i] = sl_emit1(emitter, SL_OP_SLICE, &attrs, call->out_grad[0]);
        attrs.start += attrs.count;
    }
}

static void grad_slice(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {.axis = call->attrs->axis, .start = call->attrs->start};
    attrs.count = emitter->describe(emitter, call->in[0])->shape.dim[attrs.axis];
    call->in_grad[0] = sl_emit1(emitter, SL_OP_PAD, &attrs, call->out_grad[0]);
}

static void grad_pad(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {.axis = call->attrs->axis, .start = call->attrs->start};
    attrs.count = emitter->describe(emitter, call->in[0])->shape.dim[attrs.axis];
    call->in_grad[0] = sl_emit1(emitter, SL_OP_SLICE, &attrs, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_CONCAT = {.in_min = 1,
                                      .in_max = SL_INPUTS_MAX,
                                      .infer = infer_concat,
                                      .reference = reference_concat,
                                      .grad = grad_concat};
const sl_op_desc sl_op_desc_SLICE = {
    .in_min = 1, .in_max = 1, .infer = infer_slice, .reference = reference_slice, .grad = grad_slice};
const sl_op_desc sl_op_desc_PAD = {
    .in_min = 1, .in_max = 1, .infer = infer_pad, .reference = reference_pad, .grad = grad_pad};
