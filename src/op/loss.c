/* Mean squared and mean absolute difference, and their gradients. weight [N] belongs to the first axis. */
#include "op/rules.h"

static sl_status check(const sl_call *call, int dloss) {
    SL_TRY(sl_rule_shape(call, 1, &call->in[0].shape));
    if (dloss == 3 || (dloss == 0 && call->op == SL_OP_MSE)) {
        SL_TRY(sl_rule_rank(call, 0, sl_call_has(call, 2) ? 1 : 0, SL_RANK_MAX));
        SL_TRY(sl_rule_vector(call, 2, call->in[0].shape.dim[0]));
    }
    return dloss ? sl_rule_rank(call, dloss, 0, 0) : SL_OK;
}

static sl_status infer(sl_call *call) {
    SL_TRY(check(call, 0));
    sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &(sl_shape){0});
    return SL_OK;
}

static sl_status infer_mse_bwd(sl_call *call) {
    SL_TRY(check(call, 3));
    return sl_rule_like_first(call);
}

static sl_status infer_l1_bwd(sl_call *call) {
    SL_TRY(check(call, 2));
    return sl_rule_like_first(call);
}

/* Weight of element i, 1 where there are none. */
static double weight_at(const sl_call *call, const double *weight, int64_t i, int64_t count) {
    return weight ? weight[i / (count / call->in[0].shape.dim[0])] : 1;
}

static sl_status reference_mse(const sl_call *call, double *const *in, double *const *out) {
    int64_t count = sl_operand_count(&call->in[0]);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = in[0][i] - in[1][i];
        sum += weight_at(call, in[2], i, count) * d * d;
    }
    out[0][0] = sum / (double)count;
    return SL_OK;
}

static sl_status reference_mse_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t count = sl_operand_count(&call->in[0]);
    for (int64_t i = 0; i < count; i++)
        out[0][i] = in[3][0] * 2 / (double)count * weight_at(call, in[2], i, count) * (in[0][i] - in[1][i]);
    return SL_OK;
}

static sl_status reference_l1(const sl_call *call, double *const *in, double *const *out) {
    int64_t count = sl_operand_count(&call->in[0]);
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += in[0][i] > in[1][i] ? in[0][i] - in[1][i] : in[1][i] - in[0][i];
    out[0][0] = sum / (double)count;
    return SL_OK;
}

static sl_status reference_l1_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t count = sl_operand_count(&call->in[0]);
    for (int64_t i = 0; i < count; i++)
        out[0][i] = in[2][0] / (double)count * ((in[0][i] > in[1][i]) - (in[0][i] < in[1][i]));
    return SL_OK;
}

static void finish(sl_emitter *emitter, sl_grad_call *call, sl_value dpred) {
    if (call->need[0]) call->in_grad[0] = dpred;
    if (call->need[1]) call->in_grad[1] = sl_emit1(emitter, SL_OP_SCALE, &(sl_attrs){.alpha = -1}, dpred);
}

static void grad_mse(sl_emitter *emitter, sl_grad_call *call) {
    sl_value weight = call->in_count > 2 ? call->in[2] : SL_NONE;
    sl_value in[] = {call->in[0], call->in[1], weight, call->out_grad[0]};
    finish(emitter, call, emitter->emit(emitter, SL_OP_MSE_BWD, call->attrs, in, 4, NULL));
}

static void grad_l1(sl_emitter *emitter, sl_grad_call *call) {
    sl_value in[] = {call->in[0], call->in[1], call->out_grad[0]};
    finish(emitter, call, emitter->emit(emitter, SL_OP_L1_BWD, call->attrs, in, 3, NULL));
}

static double flops(const sl_call *call) {
    return 3.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_MSE = {
    .in_min = 2, .in_max = 3, .infer = infer, .reference = reference_mse, .grad = grad_mse, .flops = flops};
const sl_op_desc sl_op_desc_MSE_BWD = {.in_min = 4,
                                       .in_max = 4,
                                       .optional = 4,
                                       .infer = infer_mse_bwd,
                                       .reference = reference_mse_bwd,
                                       .flops = flops,
                                       .in_place = 3};
const sl_op_desc sl_op_desc_L1 = {
    .in_min = 2, .in_max = 2, .infer = infer, .reference = reference_l1, .grad = grad_l1, .flops = flops};
const sl_op_desc sl_op_desc_L1_BWD = {.in_min = 3,
                                      .in_max = 3,
                                      .infer = infer_l1_bwd,
                                      .reference = reference_l1_bwd,
                                      .flops = flops,
                                      .in_place = 3};
