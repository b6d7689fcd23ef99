/* y = a gelu(b), x = [a, b] along the last axis (Shazeer 2020, arXiv 2002.05202; halves as diffusers has
 * them). */
#include "op/rules.h"

#include <math.h>

static sl_status infer(sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 1, SL_RANK_MAX));
    sl_shape y = call->in[0].shape;
    if (y.dim[y.rank - 1] % 2)
        return sl_fail(SL_INVALID, "geglu: last size %lld is odd", (long long)y.dim[y.rank - 1]);
    y.dim[y.rank - 1] /= 2;
    sl_rule_out(call, call->in[0].dtype, &y);
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(infer(call));
    SL_TRY(sl_rule_shape(call, 1, &call->out[0].shape));
    call->out_count = 0;
    return sl_rule_like_first(call);
}

static double cdf(double x) {
    return 0.5 * (1 + erf(x * sqrt(0.5)));
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), E = sl_operand_columns(&call->in[0]) / 2;
    for (int64_t i = 0; i < R * E; i++) {
        int64_t at = i / E * 2 * E + i % E;
        out[0][i] = in[0][at] * in[0][at + E] * cdf(in[0][at + E]);
    }
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t R = sl_operand_rows(&call->in[0]), E = sl_operand_columns(&call->in[0]) / 2;
    for (int64_t i = 0; i < R * E; i++) {
        int64_t at = i / E * 2 * E + i % E;
        double a = in[0][at], b = in[0][at + E], dy = in[1][i];
        out[0][at] = dy * b * cdf(b);
        out[0][at + E] = dy * a * (cdf(b) + b * exp(-b * b / 2) / sqrt(2 * M_PI));
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    call->in_grad[0] = sl_emit2(emitter, SL_OP_GEGLU_BWD, call->attrs, call->in[0], call->out_grad[0]);
}

static double flops(const sl_call *call) {
    return 10.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_GEGLU = {.in_min = 1,
                                     .in_max = 1,
                                     .infer = infer,
                                     .reference = reference,
                                     .grad = grad,
                                     .flops = flops,
                                     .source = "arXiv 2002.05202"};
const sl_op_desc sl_op_desc_GEGLU_BWD = {
    .in_min = 2, .in_max = 2, .infer = infer_bwd, .reference = reference_bwd, .flops = flops};
