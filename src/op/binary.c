/* a + b, a - b, a * b with broadcasting; gradients are summed over the axes that were repeated. */
#include "op/rules.h"

static sl_status infer(sl_call *call) {
    sl_shape out;
    SL_TRY(sl_rule_broadcast(call, &call->in[0].shape, &call->in[1].shape, &out));
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

static double apply(sl_op op, double a, double b) {
    return op == SL_OP_ADD ? a + b : op == SL_OP_SUB ? a - b : a * b;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *shape = &call->out[0].shape;
    int64_t a_stride[SL_RANK_MAX], b_stride[SL_RANK_MAX], index[SL_RANK_MAX] = {0}, at = 0;
    sl_rule_broadcast_strides(&call->in[0].shape, shape, a_stride);
    sl_rule_broadcast_strides(&call->in[1].shape, shape, b_stride);
    do {
        int64_t a = 0, b = 0;
        for (int i = 0; i < shape->rank; i++) {
            a += index[i] * a_stride[i];
            b += index[i] * b_stride[i];
        }
        out[0][at++] = apply(call->op, in[0][a], in[1][b]);
    } while (sl_index_next(shape, index));
    return SL_OK;
}

static void grad_add(sl_emitter *emitter, sl_grad_call *call) {
    for (int i = 0; i < 2; i++)
        if (call->need[i]) call->in_grad[i] = sl_emit_reduce_to(emitter, call->out_grad[0], call->in[i]);
}

static void grad_sub(sl_emitter *emitter, sl_grad_call *call) {
    grad_add(emitter, call);
    if (call->need[1])
        call->in_grad[1] = sl_emit1(emitter, SL_OP_SCALE, &(sl_attrs){.alpha = -1}, call->in_grad[1]);
}

static void grad_mul(sl_emitter *emitter, sl_grad_call *call) {
    for (int i = 0; i < 2; i++) {
        if (!call->need[i]) continue;
        sl_value full = sl_emit2(emitter, SL_OP_MUL, &(sl_attrs){0}, call->out_grad[0], call->in[1 - i]);
        call->in_grad[i] = sl_emit_reduce_to(emitter, full, call->in[i]);
    }
}

const sl_op_desc sl_op_desc_ADD = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference, .grad = grad_add, .in_place = 3};
const sl_op_desc sl_op_desc_SUB = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference, .grad = grad_sub, .in_place = 3};
const sl_op_desc sl_op_desc_MUL = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference, .grad = grad_mul, .in_place = 3};
