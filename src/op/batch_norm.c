/* Batch normalisation over all axes but the last (Ioffe and Szegedy 2015, arXiv 1502.03167).
 *   y = (x - mean) rstd gamma + beta, statistics of the batch (training) or running ones
 *   training: dx = rstd gamma (dy - mean(dy) - xhat mean(dy xhat));  else dx = rstd gamma dy. R rows of C. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

static sl_status check(const sl_call *call, int vectors) {
    SL_TRY(sl_rule_rank(call, 0, 2, SL_RANK_MAX));
    for (int i = 1; i <= vectors; i++) SL_TRY(sl_rule_vector(call, i, sl_operand_columns(&call->in[0])));
    return SL_OK;
}

static sl_status infer(sl_call *call) {
    SL_TRY(check(call, 4));
    sl_shape stats = SL_SHAPE(sl_operand_columns(&call->in[0]));
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    for (int i = 0; i < 3; i++) sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &stats);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(check(call, 3));
    SL_TRY(sl_rule_shape(call, 4, &call->in[0].shape));
    sl_shape stats = SL_SHAPE(sl_operand_columns(&call->in[0]));
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    for (int i = 0; i < 2; i++) sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &stats);
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    for (int64_t c = 0; c < C; c++) {
        double mean = in[3][c], variance = in[4][c], squares = 0;
        if (call->attrs->training) {
            mean = 0;
            for (int64_t r = 0; r < R; r++) mean += in[0][r * C + c] / (double)R;
            for (int64_t r = 0; r < R; r++) squares += (in[0][r * C + c] - mean) * (in[0][r * C + c] - mean);
            variance = squares / (double)R;
        }
        double rstd = 1 / sqrt(variance + (double)call->attrs->eps);
        for (int64_t r = 0; r < R; r++)
            out[0][r * C + c] = (in[0][r * C + c] - mean) * rstd * in[1][c] + in[2][c];
        if (out[1]) out[1][c] = mean;
        if (out[2]) out[2][c] = rstd;
        if (out[3]) out[3][c] = call->attrs->training && R > 1 ? squares / (double)(R - 1) : variance;
    }
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    const double *x = in[0], *dy = in[4];
    for (int64_t c = 0; c < C; c++) {
        double mean = in[2][c], rstd = in[3][c], sum = 0, sum_xhat = 0;
        for (int64_t r = 0; r < R; r++) {
            sum += dy[r * C + c];
            sum_xhat += dy[r * C + c] * (x[r * C + c] - mean) * rstd;
        }
        if (out[1]) out[1][c] = sum_xhat;
        if (out[2]) out[2][c] = sum;
        if (!call->attrs->training) sum = sum_xhat = 0;
        for (int64_t r = 0; out[0] && r < R; r++) {
            double xhat = (x[r * C + c] - mean) * rstd;
            out[0][r * C + c] = rstd * in[1][c] * (dy[r * C + c] - (sum + xhat * sum_xhat) / (double)R);
        }
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value parts[SL_OUTPUTS_MAX];
    sl_value in[] = {call->in[0], call->in[1], call->out[1], call->out[2], call->out_grad[0]};
    emitter->emit(emitter, SL_OP_BATCH_NORM_BWD, call->attrs, in, 5, parts);
    for (int i = 0; i < 3; i++) call->in_grad[i] = call->need[i] ? parts[i] : SL_NONE;
}

static double flops(const sl_call *call) {
    return 8.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_BATCH_NORM = {.in_min = 5,
                                          .in_max = 5,
                                          .infer = infer,
                                          .reference = reference,
                                          .grad = grad,
                                          .flops = flops,
                                          .source = "arXiv 1502.03167"};
const sl_op_desc sl_op_desc_BATCH_NORM_BWD = {
    .in_min = 5, .in_max = 5, .infer = infer_bwd, .reference = reference_bwd, .flops = flops};
