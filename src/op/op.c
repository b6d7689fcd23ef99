#include "op/op.h"

#include <string.h>

#define SL_OP(id, name) extern const sl_op_desc sl_op_desc_##id;
#include "backend/ops.def"
#undef SL_OP

static const sl_op_desc *const table[SL_OP_COUNT] = {
#define SL_OP(id, name) &sl_op_desc_##id,
#include "backend/ops.def"
#undef SL_OP
};

const sl_op_desc *sl_op_describe(sl_op op) {
    return table[op];
}

static sl_status check_input(const sl_call *call, const sl_op_desc *desc, int i) {
    const sl_operand *input = &call->in[i];
    if (input->flags & SL_OPERAND_ABSENT) {
        if (i < desc->in_min && !(desc->optional >> i & 1))
            return sl_fail(SL_INVALID, "%s: input %d is missing", sl_op_name(call->op), i);
        return SL_OK;
    }
    bool integer = desc->integers >> i & 1;
    if (integer ? input->dtype == SL_I32 : sl_dtype_is_float(input->dtype)) return SL_OK;
    return sl_fail(SL_INVALID, "%s: input %d is %s, expected %s", sl_op_name(call->op), i,
                   sl_dtype_name(input->dtype), integer ? "I32" : "F32, BF16 or F16");
}

sl_status sl_op_infer(sl_call *call) {
    const sl_op_desc *desc = sl_op_describe(call->op);
    if (call->in_count < desc->in_min || call->in_count > desc->in_max)
        return sl_fail(SL_INVALID, "%s: %d inputs, expected %d to %d", sl_op_name(call->op), call->in_count,
                       desc->in_min, desc->in_max);
    for (int i = 0; i < call->in_count; i++) SL_TRY(check_input(call, desc, i));
    call->out_count = 0;
    SL_TRY(desc->infer(call));
    for (int i = 0; i < call->out_count; i++) {
        int64_t count;
        SL_TRY(sl_context(sl_shape_check(&call->out[i].shape, (int64_t)1 << 40, &count), "%s: result",
                          sl_op_name(call->op)));
    }
    return SL_OK;
}

double sl_op_flops(const sl_call *call) {
    const sl_op_desc *desc = sl_op_describe(call->op);
    return desc->flops ? desc->flops(call) : (double)sl_operand_count(&call->out[0]);
}

static size_t block_bytes(const sl_operand *operand) {
    size_t bytes = (size_t)sl_operand_count(operand) * sizeof(double);
    return (bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
}

size_t sl_op_reference_scratch(const sl_call *call) {
    size_t bytes = 0;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i)) bytes += block_bytes(&call->in[i]);
    for (int i = 0; i < call->out_count; i++)
        if (sl_call_wants(call, i)) bytes += block_bytes(&call->out[i]);
    return bytes;
}

static double *widen(const sl_operand *operand, char **scratch, bool read) {
    double *wide = (double *)(void *)*scratch;
    *scratch += block_bytes(operand);
    if (read) sl_convert(operand->dtype, operand->data, SL_F64, wide, (size_t)sl_operand_count(operand));
    return wide;
}

sl_status sl_op_reference(const sl_call *call) {
    double *in[SL_INPUTS_MAX] = {NULL}, *out[SL_OUTPUTS_MAX] = {NULL};
    char *scratch = call->scratch;
    bool reads = sl_op_describe(call->op)->reads_outputs;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i)) in[i] = widen(&call->in[i], &scratch, true);
    for (int i = 0; i < call->out_count; i++)
        if (sl_call_wants(call, i)) out[i] = widen(&call->out[i], &scratch, reads);
    SL_TRY(sl_op_describe(call->op)->reference(call, in, out));
    for (int i = 0; i < call->out_count; i++)
        if (out[i])
            sl_convert(SL_F64, out[i], call->out[i].dtype, call->out[i].data,
                       (size_t)sl_operand_count(&call->out[i]));
    return SL_OK;
}
