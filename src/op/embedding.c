/* Rows of a table [V,E] by number; backward adds each row's gradient to the table's. */
#include "op/rules.h"

#include <string.h>

static sl_status infer(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, 2));
    SL_TRY(sl_rule_rank(call, 1, 0, SL_RANK_MAX - 1));
    sl_shape out = call->in[1].shape;
    out.dim[out.rank++] = call->in[0].shape.dim[1];
    sl_rule_out(call, call->in[0].dtype, &out);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    sl_shape dy = call->in[0].shape;
    dy.dim[dy.rank++] = call->attrs->shape.dim[1];
    SL_TRY(sl_rule_shape(call, 1, &dy));
    sl_rule_out(call, sl_dtype_wide(call->in[1].dtype), &call->attrs->shape);
    return SL_OK;
}

static sl_status check_id(const sl_call *call, double id, int64_t V) {
    if (id >= 0 && id < (double)V) return SL_OK;
    return sl_fail(SL_INVALID, "%s: id %.0f, expected 0 to %lld", sl_op_name(call->op), id, (long long)V - 1);
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t V = call->in[0].shape.dim[0], E = call->in[0].shape.dim[1];
    for (int64_t i = 0; i < sl_operand_count(&call->in[1]); i++) {
        SL_TRY(check_id(call, in[1][i], V));
        memcpy(out[0] + i * E, in[0] + (int64_t)in[1][i] * E, (size_t)E * sizeof(double));
    }
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t V = call->out[0].shape.dim[0], E = call->out[0].shape.dim[1];
    memset(out[0], 0, (size_t)(V * E) * sizeof(double));
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) {
        SL_TRY(check_id(call, in[0][i], V));
        for (int64_t e = 0; e < E; e++) out[0][(int64_t)in[0][i] * E + e] += in[1][i * E + e];
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_attrs attrs = {.shape = emitter->describe(emitter, call->in[0])->shape};
    if (call->need[0])
        call->in_grad[0] = sl_emit2(emitter, SL_OP_EMBEDDING_BWD, &attrs, call->in[1], call->out_grad[0]);
}

const sl_op_desc sl_op_desc_EMBEDDING = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference, .grad = grad, .integers = 2};
const sl_op_desc sl_op_desc_EMBEDDING_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_bwd, .integers = 1};
