/* Layer normalisation over the last axis (Ba et al. 2016, arXiv 1607.06450).
 *   xhat = (x - mean) rstd;  y = xhat gamma + beta
 *   dxhat = dy gamma;  dx = rstd (dxhat - mean(dxhat) - xhat mean(dxhat xhat)). R rows of C. */
#include "op/rules.h"

#include <math.h>
#include <string.h>

static sl_status check(const sl_call *call, sl_shape *out_stats) {
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    SL_TRY(sl_rule_vector(call, 1, sl_operand_columns(&call->in[0])));
    *out_stats = call->in[0].shape;
    out_stats->dim[--out_stats->rank] = 0;
    return SL_OK;
}

static sl_status infer(sl_call *call) {
    sl_shape stats;
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    SL_TRY(check(call, &stats));
    SL_TRY(sl_rule_vector(call, 2, sl_operand_columns(&call->in[0])));
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    sl_rule_out(call, wide, &stats);
    sl_rule_out(call, wide, &stats);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    sl_shape stats;
    sl_dtype wide = sl_dtype_wide(call->in[0].dtype);
    SL_TRY(check(call, &stats));
    SL_TRY(sl_rule_shape(call, 2, &stats));
    SL_TRY(sl_rule_shape(call, 3, &stats));
    SL_TRY(sl_rule_shape(call, 4, &call->in[0].shape));
    sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    sl_rule_out(call, wide, &call->in[1].shape);
    sl_rule_out(call, wide, &call->in[1].shape);
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    for (int64_t r = 0; r < R; r++) {
        const double *x = in[0] + r * C;
        double mean = 0, variance = 0;
        for (int64_t c = 0; c < C; c++) mean += x[c] / (double)C;
        for (int64_t c = 0; c < C; c++) variance += (x[c] - mean) * (x[c] - mean) / (double)C;
        double rstd = 1 / sqrt(variance + (double)call->attrs->eps);
        for (int64_t c = 0; c < C; c++) out[0][r * C + c] = (x[c] - mean) * rstd * in[1][c] + in[2][c];
        if (out[1]) out[1][r] = mean;
        if (out[2]) out[2][r] = rstd;
    }
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), C = sl_operand_columns(&call->in[0]);
    for (int i = 1; i < 3; i++)
        if (out[i]) memset(out[i], 0, (size_t)C * sizeof(double));
    for (int64_t r = 0; r < R; r++) {
        const double *x = in[0] + r * C, *gamma = in[1], *dy = in[4] + r * C;
        double mean = in[2][r], rstd = in[3][r], sum = 0, sum_xhat = 0;
        for (int64_t c = 0; c < C; c++) {
            double xhat = (x[c] - mean) * rstd;
            sum += dy[c] * gamma[c];
            sum_xhat += dy[c] * gamma[c] * xhat;
            if (out[1]) out[1][c] += dy[c] * xhat;
            if (out[2]) out[2][c] += dy[c];
        }
        for (int64_t c = 0; out[0] && c < C; c++)
            out[0][r * C + c] =
                rstd * (dy[c] * gamma[c] - (sum + (x[c] - mean) * rstd * sum_xhat) / (double)C);
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value parts[SL_OUTPUTS_MAX];
    sl_value in[] = {call->in[0], call->in[1], call->out[1], call->out[2], call->out_grad[0]};
    emitter->emit(emitter, SL_OP_LAYER_NORM_BWD, call->attrs, in, 5, parts);
    for (int i = 0; i < 3; i++) call->in_grad[i] = call->need[i] ? parts[i] : SL_NONE;
}

static double flops(const sl_call *call) {
    return 8.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_LAYER_NORM = {.in_min = 3,
                                          .in_max = 3,
                                          .infer = infer,
                                          .reference = reference,
                                          .grad = grad,
                                          .flops = flops,
                                          .source = "arXiv 1607.06450"};
const sl_op_desc sl_op_desc_LAYER_NORM_BWD = {
    .in_min = 5, .in_max = 5, .infer = infer_bwd, .reference = reference_bwd, .flops = flops};
