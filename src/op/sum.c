/* Sum over axes, and its opposite: repeat along axes. */
#include "op/rules.h"

#include <string.h>

/* The shape with reduced axes kept as 1. */
static sl_shape kept_shape(const sl_call *call) {
    sl_shape kept = call->in[0].shape;
    for (int i = 0; i < kept.rank; i++)
        if (call->attrs->axes >> i & 1) kept.dim[i] = 1;
    return kept;
}

static sl_status infer_sum(sl_call *call) {
    sl_shape kept = kept_shape(call), out = {0};
    if (call->attrs->axes >> call->in[0].shape.rank)
        return sl_fail(SL_INVALID, "sum: axes mask 0x%x for %d axes", call->attrs->axes,
                       call->in[0].shape.rank);
    for (int i = 0; i < kept.rank; i++)
        if (call->attrs->keep || !(call->attrs->axes >> i & 1)) out.dim[out.rank++] = kept.dim[i];
    sl_rule_out(call, call->attrs->dtype, &out);
    return SL_OK;
}

static sl_status reference_sum(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *shape = &call->in[0].shape;
    sl_shape kept = kept_shape(call);
    int64_t stride[SL_RANK_MAX], index[SL_RANK_MAX] = {0}, at = 0;
    sl_rule_broadcast_strides(&kept, shape, stride);
    memset(out[0], 0, (size_t)sl_operand_count(&call->out[0]) * sizeof(double));
    do {
        int64_t to = 0;
        for (int i = 0; i < shape->rank; i++) to += index[i] * stride[i];
        out[0][to] += call->attrs->alpha * in[0][at++];
    } while (sl_index_next(shape, index));
    return SL_OK;
}

static void grad_sum(sl_emitter *emitter, sl_grad_call *call) {
    const sl_operand x = *emitter->describe(emitter, call->in[0]);
    sl_shape kept = x.shape;
    for (int i = 0; i < kept.rank; i++)
        if (call->attrs->axes >> i & 1) kept.dim[i] = 1;
    sl_value dy = sl_emit1(emitter, SL_OP_CAST, &(sl_attrs){.dtype = x.dtype}, call->out_grad[0]);
    dy = sl_emit1(emitter, SL_OP_RESHAPE, &(sl_attrs){.shape = kept}, dy);
    call->in_grad[0] =
        sl_emit1(emitter, SL_OP_BROADCAST, &(sl_attrs){.shape = x.shape, .alpha = call->attrs->alpha}, dy);
}

static sl_status infer_broadcast(sl_call *call) {
    sl_shape both;
    SL_TRY(sl_rule_broadcast(call, &call->in[0].shape, &call->attrs->shape, &both));
    if (!sl_shape_equal(&both, &call->attrs->shape)) return sl_rule_shape(call, 0, &call->attrs->shape);
    sl_rule_out(call, call->in[0].dtype, &both);
    return SL_OK;
}

static sl_status reference_broadcast(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *shape = &call->out[0].shape;
    int64_t stride[SL_RANK_MAX], index[SL_RANK_MAX] = {0}, at = 0;
    sl_rule_broadcast_strides(&call->in[0].shape, shape, stride);
    do {
        int64_t from = 0;
        for (int i = 0; i < shape->rank; i++) from += index[i] * stride[i];
        out[0][at++] = call->attrs->alpha * in[0][from];
    } while (sl_index_next(shape, index));
    return SL_OK;
}

static void grad_broadcast(sl_emitter *emitter, sl_grad_call *call) {
    sl_value sum = sl_emit_reduce_to(emitter, call->out_grad[0], call->in[0]);
    call->in_grad[0] = sl_emit1(emitter, SL_OP_SCALE, &(sl_attrs){.alpha = call->attrs->alpha}, sum);
}

static double flops(const sl_call *call) {
    return (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_SUM = {.in_min = 1,
                                   .in_max = 1,
                                   .infer = infer_sum,
                                   .reference = reference_sum,
                                   .grad = grad_sum,
                                   .flops = flops};
const sl_op_desc sl_op_desc_BROADCAST = {.in_min = 1,
                                         .in_max = 1,
                                         .infer = infer_broadcast,
                                         .reference = reference_broadcast,
                                         .grad = grad_broadcast};
