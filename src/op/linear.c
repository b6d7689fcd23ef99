/* y = x w' + bias over the last axis; R = rows, I in, O out. */
#include "op/rules.h"

static sl_status infer(sl_call *call) {
    const sl_shape *w = &call->in[1].shape;
    sl_shape y = call->in[0].shape;
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    SL_TRY(sl_rule_rank(call, 1, 2, 2));
    SL_TRY(sl_rule_shape(call, 1, &SL_SHAPE(w->dim[0], y.dim[y.rank - 1])));
    SL_TRY(sl_rule_vector(call, 2, w->dim[0]));
    y.dim[y.rank - 1] = w->dim[0];
    sl_rule_out(call, call->in[0].dtype, &y);
    return SL_OK;
}

static sl_status infer_bwd_data(sl_call *call) {
    const sl_shape *w = &call->in[1].shape;
    sl_shape x = call->in[0].shape;
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    SL_TRY(sl_rule_rank(call, 1, 2, 2));
    SL_TRY(sl_rule_shape(call, 1, &SL_SHAPE(x.dim[x.rank - 1], w->dim[1])));
    x.dim[x.rank - 1] = w->dim[1];
    sl_rule_out(call, call->in[0].dtype, &x);
    return SL_OK;
}

static sl_status infer_bwd_weight(sl_call *call) {
    sl_shape dy = call->in[0].shape;
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    int64_t O = sl_operand_columns(&call->in[1]);
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    dy.dim[dy.rank - 1] = O;
    SL_TRY(sl_rule_shape(call, 1, &dy));
    sl_rule_out(call, wide, &SL_SHAPE(O, sl_operand_columns(&call->in[0])));
    sl_rule_out(call, wide, &SL_SHAPE(O));
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), I = sl_operand_columns(&call->in[0]),
            O = call->in[1].shape.dim[0];
    for (int64_t r = 0; r < R; r++) {
        for (int64_t o = 0; o < O; o++) {
            double sum = in[2] ? in[2][o] : 0;
            for (int64_t i = 0; i < I; i++) sum += in[0][r * I + i] * in[1][o * I + i];
            out[0][r * O + o] = sum;
        }
    }
    return SL_OK;
}

static sl_status reference_bwd_data(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), O = call->in[1].shape.dim[0], I = call->in[1].shape.dim[1];
    for (int64_t r = 0; r < R; r++) {
        for (int64_t i = 0; i < I; i++) out[0][r * I + i] = 0;
        for (int64_t o = 0; o < O; o++)
            for (int64_t i = 0; i < I; i++) out[0][r * I + i] += in[0][r * O + o] * in[1][o * I + i];
    }
    return SL_OK;
}

static sl_status reference_bwd_weight(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), I = sl_operand_columns(&call->in[0]);
    int64_t O = sl_operand_columns(&call->in[1]);
    for (int64_t o = 0; o < O; o++) {
        double bias = 0;
        for (int64_t i = 0; i < I; i++) out[0][o * I + i] = 0;
        for (int64_t r = 0; r < R; r++) {
            double dy = in[1][r * O + o];
            bias += dy;
            for (int64_t i = 0; i < I; i++) out[0][o * I + i] += dy * in[0][r * I + i];
        }
        if (out[1]) out[1][o] = bias;
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value dy = call->out_grad[0], parts[SL_OUTPUTS_MAX];
    const sl_attrs none = {0};
    if (call->need[0]) call->in_grad[0] = sl_emit2(emitter, SL_OP_LINEAR_BWD_DATA, &none, dy, call->in[1]);
    if (call->need[1]) {
        emitter->emit(emitter, SL_OP_LINEAR_BWD_WEIGHT, &none, (sl_value[]){call->in[0], dy}, 2, parts);
        call->in_grad[1] = parts[0];
        call->in_grad[2] = call->need[2] ? parts[1] : SL_NONE;
    } else if (call->need[2]) {
        call->in_grad[2] = sl_emit_reduce_to(emitter, dy, call->in[2]);
    }
}

static double flops(const sl_call *call) {
    double rows = (double)sl_operand_rows(&call->in[0]), columns = (double)sl_operand_columns(&call->in[0]);
    if (call->op == SL_OP_LINEAR) return 2 * rows * columns * (double)call->in[1].shape.dim[0];
    if (call->op == SL_OP_LINEAR_BWD_DATA) return 2 * rows * columns * (double)call->in[1].shape.dim[1];
    return 2 * rows * columns * (double)sl_operand_columns(&call->in[1]);
}

const sl_op_desc sl_op_desc_LINEAR = {
    .in_min = 2, .in_max = 3, .infer = infer, .reference = reference, .grad = grad, .flops = flops};
const sl_op_desc sl_op_desc_LINEAR_BWD_DATA = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd_data, .reference = reference_bwd_data, .flops = flops};
const sl_op_desc sl_op_desc_LINEAR_BWD_WEIGHT = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd_weight, .reference = reference_bwd_weight, .flops = flops};
