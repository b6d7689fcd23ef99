/* SOFTMAX, GEGLU and the activations, with their gradients. */
#include "backend/cpu/isa/run.h"

static bool accepts(const sl_call *call) {
    return is_type(call, 1, call->in[0].dtype);
}

static sl_status softmax_run(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    const void *grad = sl_call_has(call, 1) ? call->in[1].data : NULL;
    SL_ISA(softmax)
    (&(sl_cpu_softmax){sl_operand_rows(x), sl_operand_columns(x), x->dtype, x->data, grad,
                       call->out[0].data});
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(softmax) = {.run = softmax_run};
const sl_kernel_code SL_ISA_CODE(softmax_bwd) = {.accepts = accepts, .run = softmax_run};

static sl_status geglu_run(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    const void *grad = sl_call_has(call, 1) ? call->in[1].data : NULL;
    SL_ISA(geglu)
    (&(sl_cpu_geglu){sl_operand_rows(x), sl_operand_columns(x) / 2, x->dtype, x->data, grad,
                     call->out[0].data});
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(geglu) = {.run = geglu_run};
const sl_kernel_code SL_ISA_CODE(geglu_bwd) = {.accepts = accepts, .run = geglu_run};

static sl_cpu_activation kind_of(sl_op op) {
    switch (op) {
    case SL_OP_SILU:
    case SL_OP_SILU_BWD:
        return SL_ACT_SILU;
    case SL_OP_GELU:
    case SL_OP_GELU_BWD:
        return SL_ACT_GELU;
    case SL_OP_GELU_TANH:
    case SL_OP_GELU_TANH_BWD:
        return SL_ACT_GELU_TANH;
    case SL_OP_QUICK_GELU:
    case SL_OP_QUICK_GELU_BWD:
        return SL_ACT_QUICK_GELU;
    case SL_OP_SIGMOID:
    case SL_OP_SIGMOID_BWD:
        return SL_ACT_SIGMOID;
    default:
        return SL_ACT_NONE;
    }
}

static sl_status activation_run(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    const void *grad = sl_call_has(call, 1) ? call->in[1].data : NULL;
    SL_ISA(activate)
    (&(sl_cpu_activate){sl_operand_count(x), x->dtype, kind_of(call->op), x->data, grad, call->out[0].data});
    return SL_OK;
}

#define ACTIVATION(name)                                                                                     \
    const sl_kernel_code SL_ISA_CODE(name) = {.run = activation_run};                                        \
    const sl_kernel_code SL_ISA_CODE(name##_bwd) = {.accepts = accepts, .run = activation_run};
ACTIVATION(silu)
ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(quick_gelu)
ACTIVATION(sigmoid)
