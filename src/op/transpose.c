/* Order of axes, and shape. */
#include "op/rules.h"

#include <string.h>

static sl_status infer_transpose(sl_call *call) {
    const sl_shape *x = &call->in[0].shape;
    sl_shape out = {.rank = x->rank};
    unsigned seen = 0;
    for (int i = 0; i < x->rank; i++) {
        int from = call->attrs->perm[i];
        if (from < 0 || from >= x->rank || seen >> from & 1)
            return sl_fail(SL_INVALID, "transpose: axis %d is out of place in an order of %d axes", from,
                           x->rank);
        seen |= 1u << from;
        out.dim[i] = x->dim[from];
    }
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

static sl_status reference_transpose(const sl_call *call, double *const *in, double *const *out) {
    const sl_shape *shape = &call->out[0].shape;
    int64_t stride[SL_RANK_MAX], index[SL_RANK_MAX] = {0}, at = 0;
    sl_rule_strides(&call->in[0].shape, stride);
    do {
        int64_t from = 0;
        for (int i = 0; i < shape->rank; i++) from += index[i] * stride[call->attrs->perm[i]];
        out[0][at++] = in[0][from];
    } while (sl_index_next(shape, index));
    return SL_OK;
}

static void grad_transpose(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {0};
    int rank = emitter->describe(emitter, call->in[0])->shape.rank;
    for (int i = 0; i < rank; i++) attrs.perm[call->attrs->perm[i]] = i;
    call->in_grad[0] = sl_emit1(emitter, SL_OP_TRANSPOSE, &attrs, call->out_grad[0]);
}

static sl_status infer_reshape(sl_call *call) {
    const sl_shape *to = &call->attrs->shape;
    if (sl_shape_count(to) != sl_operand_count(&call->in[0])) {
        sl_shape_text from_text, to_text;
        return sl_fail(SL_INVALID, "reshape: %s to %s", sl_shape_format(&call->in[0].shape, &from_text),
                       sl_shape_format(to, &to_text));
    }
    sl_rule_out(call, call->in[0].dtype, to);
    return SL_OK;
}

static sl_status reference_reshape(const sl_call *call, double *const *in, double *const *out) {
    memcpy(out[0], in[0], (size_t)sl_operand_count(&call->in[0]) * sizeof(double));
    return SL_OK;
}

static void grad_reshape(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {.shape = emitter->describe(emitter, call->in[0])->shape};
    call->in_grad[0] = sl_emit1(emitter, SL_OP_RESHAPE, &attrs, call->out_grad[0]);
}

const sl_op_desc sl_op_desc_TRANSPOSE = {.in_min = 1,
                                         .in_max = 1,
                                         .infer = infer_transpose,
                                         .reference = reference_transpose,
                                         .grad = grad_transpose};
const sl_op_desc sl_op_desc_RESHAPE = {
    .in_min = 1, .in_max = 1, .infer = infer_reshape, .reference = reference_reshape, .grad = grad_reshape};
