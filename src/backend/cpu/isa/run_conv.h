/* Arguments of the kernels of CONV2D, LINEAR and their gradients, from a call. */
#ifndef SL_BACKEND_CPU_ISA_RUN_CONV_H
#define SL_BACKEND_CPU_ISA_RUN_CONV_H

#include "backend/cpu/isa/run.h"

SL_INLINE sl_cpu_conv_shape conv_shape(const sl_attrs *a, const sl_shape *x, const sl_shape *w,
                                       const sl_shape *y) {
    return (sl_cpu_conv_shape){x->dim[0], x->dim[1], x->dim[2],    x->dim[3], y->dim[1], y->dim[2], w->dim[0],
                               w->dim[2], w->dim[3], a->stride[0], 1,         a->pad[0], a->pad[2]};
}

SL_INLINE sl_cpu_conv_shape shape_of(const sl_call *call) {
    const sl_operand *in = call->in, *out = call->out;
    switch (call->op) {
    case SL_OP_CONV2D:
        return conv_shape(call->attrs, &in[0].shape, &in[1].shape, &out[0].shape);
    case SL_OP_CONV2D_BWD_DATA:
        return conv_shape(call->attrs, &out[0].shape, &in[1].shape, &in[0].shape);
    case SL_OP_CONV2D_BWD_WEIGHT:
        return conv_shape(call->attrs, &in[0].shape, &out[0].shape, &in[1].shape);
    case SL_OP_LINEAR_BWD_WEIGHT:
        return sl_cpu_linear_shape(sl_operand_rows(&in[0]), sl_operand_columns(&in[0]),
                                   sl_operand_columns(&in[1]));
    default: /* LINEAR and LINEAR_BWD_DATA: w [O,I] */
        return sl_cpu_linear_shape(sl_operand_rows(&in[0]), in[1].shape.dim[1], in[1].shape.dim[0]);
    }
}

SL_INLINE sl_cpu_conv_pass pass_of(const sl_call *call) {
    bool data = call->op == SL_OP_CONV2D_BWD_DATA || call->op == SL_OP_LINEAR_BWD_DATA;
    return data ? SL_CPU_BACKWARD_DATA : SL_CPU_FORWARD;
}

/* What a plan compares addresses of: weights packed by conv_pack() for the forward pass. One for the level.
 */
extern const char SL_ISA(forward_form)[];

SL_INLINE bool is_frozen(const sl_call *call) {
    return call->in[1].flags & SL_OPERAND_FROZEN;
}

/* One copy of a frozen weight serves both passes of the direct convolution in fp32. */
SL_INLINE bool is_shared(const sl_call *call) {
    return is_frozen(call) && call->in[0].dtype == SL_F32;
}

size_t SL_ISA(forward_packed)(const sl_call *call);
sl_status SL_ISA(forward_pack)(const sl_call *call);

/* Frozen weights that are F16's anyway are kept so. */
SL_INLINE bool is_half(const sl_call *call) {
    const unsigned both = SL_OPERAND_FROZEN | SL_OPERAND_HALF;
    return (call->in[1].flags & both) == both && call->in[0].dtype == SL_F32 && call->in[1].dtype == SL_F32;
}

SL_INLINE sl_cpu_conv_pack pack_of(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv_pack){.shape = s,
                              .pass = pass_of(call),
                              .dtype = call->in[0].dtype,
                              .weights_dtype = call->in[1].dtype,
                              .weights = call->in[1].data,
                              .packed = call->packed,
                              .half = is_half(call)};
}

SL_INLINE sl_cpu_conv arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv){.shape = s,
                         .pass = pass_of(call),
                         .dtype = call->in[0].dtype,
                         .input = call->in[0].data,
                         .packed = call->packed,
                         .output = call->out[0].data,
                         .half = is_half(call)};
}

SL_INLINE sl_cpu_conv_grad grad_arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv_grad){.shape = s,
                              .dtype = call->in[0].dtype,
                              .input = call->in[0].data,
                              .grad_output = call->in[1].data,
                              .grad_weights = wanted(call, 0),
                              .workspace = call->scratch,
                              .worker_workspace = call->worker_scratch,
                              .worker_stride = call->worker_scratch_stride};
}

SL_INLINE sl_cpu_column_sum sum_arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_column_sum){sl_operand_rows(&call->in[1]),
                               s->out_c,
                               0,
                               call->in[1].dtype,
                               call->in[1].data,
                               wanted(call, 1),
                               call->scratch};
}

/* Gradient of the weights, then that of the bias, in the same memory. */
SL_INLINE size_t scratch_with(const sl_call *call, size_t (*grad_bytes)(const sl_cpu_conv_grad *)) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    sl_cpu_column_sum sum = sum_arguments(call, &s);
    size_t a = grad_bytes(&grad), b = SL_ISA(column_sum_bytes)(&sum);
    return a > b ? a : b;
}

SL_INLINE sl_status run_with(const sl_call *call, void (*weights)(const sl_cpu_conv_grad *)) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    sl_cpu_column_sum sum = sum_arguments(call, &s);
    if (grad.grad_weights) weights(&grad);
    if (sum.sums) SL_ISA(column_sum)(&sum);
    return SL_OK;
}

#endif
