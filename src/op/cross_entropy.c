/* loss = sum w[y] (logsumexp(z) - z[y]) / sum w[y];  dz = w[y]/sum w (softmax(z) - onehot(y)). N samples, K
 * classes. */
#include "op/rules.h"

#include <math.h>

static sl_status check(const sl_call *call) {
    SL_TRY(sl_rule_rank(call, 0, 2, 2));
    SL_TRY(sl_rule_shape(call, 1, &SL_SHAPE(call->in[0].shape.dim[0])));
    return sl_rule_vector(call, 2, call->in[0].shape.dim[1]);
}

static sl_status infer(sl_call *call) {
    SL_TRY(check(call));
    sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &(sl_shape){0});
    return SL_OK;
}

static sl_status infer_bwd(sl_call *call) {
    SL_TRY(check(call));
    SL_TRY(sl_rule_rank(call, 3, 0, 0));
    return sl_rule_like_first(call);
}

static double log_sum_exp(const double *z, int64_t K) {
    double highest = -INFINITY, sum = 0;
    for (int64_t k = 0; k < K; k++) highest = fmax(highest, z[k]);
    for (int64_t k = 0; k < K; k++) sum += exp(z[k] - highest);
    return highest + log(sum);
}

static sl_status weight_sum(const sl_call *call, double *const *in, double *out) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double sum = 0;
    for (int64_t n = 0; n < N; n++) {
        if (!(in[1][n] >= 0 && in[1][n] < (double)K))
            return sl_fail(SL_INVALID, "%s: label %.0f, expected 0 to %lld", sl_op_name(call->op), in[1][n],
                           (long long)K - 1);
        sum += in[2] ? in[2][(int64_t)in[1][n]] : 1;
    }
    *out = sum;
    return SL_OK;
}

static sl_status reference(const sl_call *call, double *const *in, double *const *out) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double total, sum = 0;
    SL_TRY(weight_sum(call, in, &total));
    for (int64_t n = 0; n < N; n++) {
        int64_t y = (int64_t)in[1][n];
        sum += (in[2] ? in[2][y] : 1) * (log_sum_exp(in[0] + n * K, K) - in[0][n * K + y]);
    }
    out[0][0] = sum / total;
    return SL_OK;
}

static sl_status reference_bwd(const sl_call *call, double *const *in, double *const *out) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double total;
    SL_TRY(weight_sum(call, in, &total));
    for (int64_t n = 0; n < N; n++) {
        int64_t y = (int64_t)in[1][n];
        double lse = log_sum_exp(in[0] + n * K, K), factor = in[3][0] * (in[2] ? in[2][y] : 1) / total;
        for (int64_t k = 0; k < K; k++) out[0][n * K + k] = factor * (exp(in[0][n * K + k] - lse) - (k == y));
    }
    return SL_OK;
}

static void grad(sl_emitter *emitter, sl_grad_call *call) {
    sl_value weight = call->in_count > 2 ? call->in[2] : SL_NONE;
    sl_value in[] = {call->in[0], call->in[1], weight, call->out_grad[0]};
    if (call->need[0])
        call->in_grad[0] = emitter->emit(emitter, SL_OP_CROSS_ENTROPY_BWD, call->attrs, in, 4, NULL);
}

static double flops(const sl_call *call) {
    return 4.0 * (double)sl_operand_count(&call->in[0]);
}

const sl_op_desc sl_op_desc_CROSS_ENTROPY = {.in_min = 2,
                                             .in_max = 3,
                                             .infer = infer,
                                             .reference = reference,
                                             .grad = grad,
                                             .flops = flops,
                                             .integers = 2};
const sl_op_desc sl_op_desc_CROSS_ENTROPY_BWD = {.in_min = 4,
                                                 .in_max = 4,
                                                 .optional = 4,
                                                 .infer = infer_bwd,
                                                 .reference = reference_bwd,
                                                 .flops = flops,
                                                 .integers = 2};
