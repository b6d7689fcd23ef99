/* ATTENTION and its gradient. */
#include "backend/cpu/isa/run.h"

#include <math.h>

static sl_cpu_attention_shape shape_of(const sl_call *call) {
    const sl_shape *q = &call->in[0].shape, *k = &call->in[1].shape;
    int64_t heads = call->attrs->heads, dim = q->dim[2] / heads;
    return (sl_cpu_attention_shape){q->dim[0],
                                    heads,
                                    q->dim[1],
                                    k->dim[1],
                                    dim,
                                    0,
                                    0,
                                    0,
                                    0,
                                    call->attrs->causal != 0,
                                    (float)(1 / sqrt((double)dim))};
}

static bool accepts(const sl_call *call) {
    sl_cpu_attention_shape s = shape_of(call);
    sl_dtype dtype = call->in[0].dtype;
    int tensors = call->op == SL_OP_ATTENTION ? 3 : 6;
    for (int i = 0; i < tensors; i++)
        if (call->in[i].dtype != (i == 4 ? SL_F32 : dtype)) return false;
    /* causal with more queries than keys is fine, the rest sees them all */
    return can_multiply(dtype) && s.head_dim <= SL_ATTENTION_HEAD_MAX &&
           (dtype == SL_F32 || s.head_dim % 2 == 0);
}

static sl_cpu_attention arguments(const sl_call *call, const sl_cpu_attention_shape *s) {
    return (sl_cpu_attention){s,
                              call->in[0].dtype,
                              call->in[0].data,
                              call->in[1].data,
                              call->in[2].data,
                              call->out[0].data,
                              wanted(call, 1),
                              call->scratch};
}

static size_t scratch(const sl_call *call) {
    sl_cpu_attention_shape s = shape_of(call);
    sl_cpu_attention a = arguments(call, &s);
    return SL_ISA(attention_bytes)(&a);
}

static sl_status run(const sl_call *call) {
    sl_cpu_attention_shape s = shape_of(call);
    sl_cpu_attention a = arguments(call, &s);
    SL_ISA(attention)(&a);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(attention) = {.accepts = accepts, .scratch = scratch, .run = run};

static sl_cpu_attention_grad grad_arguments(const sl_call *call, const sl_cpu_attention_shape *s) {
    const sl_operand *in = call->in;
    return (sl_cpu_attention_grad){
        s,          in[0].dtype, in[0].data,      in[1].data,      in[2].data,      in[3].data,
        in[5].data, in[4].data,  wanted(call, 0), wanted(call, 1), wanted(call, 2), call->scratch};
}

static size_t grad_scratch(const sl_call *call) {
    sl_cpu_attention_shape s = shape_of(call);
    sl_cpu_attention_grad g = grad_arguments(call, &s);
    return SL_ISA(attention_grad_bytes)(&g);
}

static sl_status grad_run(const sl_call *call) {
    sl_cpu_attention_shape s = shape_of(call);
    sl_cpu_attention_grad g = grad_arguments(call, &s);
    SL_ISA(attention_grad)(&g);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(attention_bwd) = {
    .accepts = accepts, .scratch = grad_scratch, .run = grad_run};

#if defined __AVX512BF16__ && !defined SL_ISA_TILES
static bool bf16_accepts(const sl_call *call) {
    return call->in[0].dtype == SL_BF16 && accepts(call);
}

const sl_kernel_code sl_kernel_attention_bwd_bf16 = {
    .accepts = bf16_accepts, .scratch = grad_scratch, .run = grad_run};
#endif
