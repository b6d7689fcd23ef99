/* A constant, and the update of storage outside the graph. */
#include "op/rules.h"

static sl_status infer_fill(sl_call *call) {
    sl_rule_out(call, call->attrs->dtype, &call->attrs->shape);
    return SL_OK;
}

static sl_status reference_fill(const sl_call *call, double *const *in, double *const *out) {
    (void)in;
    for (int64_t i = 0; i < sl_operand_count(&call->out[0]); i++) out[0][i] = call->attrs->alpha;
    return SL_OK;
}

static sl_status infer_update(sl_call *call) {
    sl_rule_out(call, call->attrs->dtype, &call->in[0].shape);
    return SL_OK;
}

static sl_status reference_update(const sl_call *call, double *const *in, double *const *out) {
    for (int64_t i = 0; i < sl_operand_count(&call->out[0]); i++)
        out[0][i] =
            (call->attrs->alpha != 0 ? call->attrs->alpha * out[0][i] : 0) + call->attrs->beta * in[0][i];
    return SL_OK;
}

const sl_op_desc sl_op_desc_FILL = {.infer = infer_fill, .reference = reference_fill};
const sl_op_desc sl_op_desc_UPDATE = {
    .in_min = 1, .in_max = 1, .infer = infer_update, .reference = reference_update, .reads_outputs = true};
