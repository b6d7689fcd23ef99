/* Softmax over the last axis: y = exp(x - max) / sum;  dx = y (dy - sum(dy y)). */
#include "op/rules.h"

#include <math.h>

static sl_status infer(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    return sl_rule_like_first(call);
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(sl_rule_shape(call, 1, &call->in[0].shape));
    return infer(call);
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    for (int64_t r = 0; r < R; r++) {
        const double *x = in[0] + r * C;
        double highest = -INFINITY, sum = 0;
        for (int64_t c = 0; c < C; c++) highest = fmax(highest, x[c]);
        for (int64_t c = 0; c < C; c++) sum += out[0][r * C + c] = exp(x[c] - highest);
        for (int64_t c = 0; c < C; c++) out[0][r * C + c] /= sum;
    }
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    for (int64_t r = 0; r < R; r++) {
        const double *y = in[0] + r * C, *dy = in[1] + r * C;
        double dot = 0;
        for (int64_t c = 0; c < C; c++) dot += y[c] * dy[c];
        for (int64_t c = 0; c < C; c++) out[0][r * C + c] = y[c] * (dy[c] - dot);
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_SOFTMAX_BWD, call->attrs, call->out[0], call->out_grad[0]);
}

const sl_op_desc sl_op_desc_SOFTMAX = {
    .in_min = 1, .in_max = 1, .infer = infer, .reference = reference, .grad = grad};
const sl_op_desc sl_op_desc_SOFTMAX_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_bwd};
