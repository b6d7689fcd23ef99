/* Steps of optimisers on storage outside the graph, as train/optimizer.h has them, for where that lies on a
 * device. AdamW: Loshchilov & Hutter, arXiv 1711.05101; the order of operations is PyTorch's. */
#include "op/rules.h"

#include <math.h>

enum {
    ADAMW_SCALE,
    ADAMW_SHARE1,
    ADAMW_BETA2,
    ADAMW_SHARE2,
    ADAMW_RATE,
    ADAMW_ROOT,
    ADAMW_EPSILON,
    ADAMW_KEEP
};
enum { SGD_SCALE, SGD_DECAY, SGD_MOMENTUM, SGD_RATE };

static sl_status infer_adamw(sl_call *call) {
    SL_TRY(sl_rule_vector(call, 1, 8));
    for (int i = 0; i < 3; i++) sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    return SL_OK;
}

static sl_status reference_adamw(const sl_call *call, double *const *in, double *const *out) {
    const double *c = in[1];
    double *x = out[0], *m = out[1], *v = out[2];
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) {
        double g = in[0][i] * c[ADAMW_SCALE];
        m[i] += c[ADAMW_SHARE1] * (g - m[i]);
        v[i] = c[ADAMW_BETA2] * v[i] + c[ADAMW_SHARE2] * g * g;
        x[i] =
            x[i] * c[ADAMW_KEEP] - c[ADAMW_RATE] * (m[i] / (sqrt(v[i]) * c[ADAMW_ROOT] + c[ADAMW_EPSILON]));
    }
    return SL_OK;
}

static sl_status infer_sgd(sl_call *call) {
    SL_TRY(sl_rule_vector(call, 1, 4));
    for (int i = 0; i < 2; i++) sl_rule_out(call, call->in[0].dtype, &call->in[0].shape);
    return SL_OK;
}

static sl_status reference_sgd(const sl_call *call, double *const *in, double *const *out) {
    const double *c = in[1];
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) {
        double g = in[0][i] * c[SGD_SCALE] + c[SGD_DECAY] * out[0][i];
        if (out[1]) g = out[1][i] = c[SGD_MOMENTUM] * out[1][i] + g;
        out[0][i] -= c[SGD_RATE] * g;
    }
    return SL_OK;
}

static sl_status infer_square_sum(sl_call *call) {
    sl_rule_out(call, sl_dtype_wide(call->in[0].dtype), &(sl_shape){0});
    return SL_OK;
}

static sl_status reference_square_sum(const sl_call *call, double *const *in, double *const *out) {
    double sum = 0;
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) sum += in[0][i] * in[0][i];
    out[0][0] = sum;
    return SL_OK;
}

const sl_op_desc sl_op_desc_ADAMW = {
    .in_min = 2, .in_max = 2, .infer = infer_adamw, .reference = reference_adamw, .reads_outputs = true};
const sl_op_desc sl_op_desc_SGD = {
    .in_min = 2, .in_max = 2, .infer = infer_sgd, .reference = reference_sgd, .reads_outputs = true};
const sl_op_desc sl_op_desc_SQUARE_SUM = {
    .in_min = 1, .in_max = 1, .infer = infer_square_sum, .reference = reference_square_sum};
