/* CONV2D, LINEAR and their gradients. */
#include "backend/cpu/isa/run.h"

static sl_cpu_conv_shape conv_shape(const sl_attrs *a, const sl_shape *x, const sl_shape *w,
                                    const sl_shape *y) {
    return (sl_cpu_conv_shape){x->dim[0], x->dim[1], x->dim[2],    x->dim[3], y->dim[1], y->dim[2], w->dim[0],
                               w->dim[2], w->dim[3], a->stride[0], 1,         a->pad[0], a->pad[2]};
}

static sl_cpu_conv_shape shape_of(const sl_call *call) {
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

static sl_cpu_conv_pass pass_of(const sl_call *call) {
    bool data = call->op == SL_OP_CONV2D_BWD_DATA || call->op == SL_OP_LINEAR_BWD_DATA;
    return data ? SL_CPU_BACKWARD_DATA : SL_CPU_FORWARD;
}

/* bf16 channels are read in pairs */
static bool accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_dtype dtype = call->in[0].dtype;
    bool odd = pass_of(call) == SL_CPU_FORWARD ? s.in_c % 2 : s.out_c % 2;
    if (!can_multiply(dtype) || (dtype == SL_BF16 && odd)) return false;
    bool is_conv = call->op == SL_OP_CONV2D || call->op == SL_OP_CONV2D_BWD_DATA;
    return !is_conv || call->attrs->stride[0] == call->attrs->stride[1];
}

static sl_cpu_conv_pack pack_of(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv_pack){
        s, pass_of(call), call->in[0].dtype, call->in[1].dtype, call->in[1].data, call->packed};
}

static size_t packed(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    return SL_ISA(conv_packed_bytes)(&pack);
}

static sl_status pack(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    SL_ISA(conv_pack)(&pack);
    return SL_OK;
}

static sl_cpu_conv arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv){.shape = s,
                         .pass = pass_of(call),
                         .dtype = call->in[0].dtype,
                         .input = call->in[0].data,
                         .packed = call->packed,
                         .output = call->out[0].data};
}

static size_t scratch(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    return parameter_room(s.out_c) + SL_ISA(conv_bytes)(&conv);
}

static sl_status run(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    float *room = call->scratch;
    conv.bias = as_floats(call, 2, &room);
    conv.workspace = (char *)call->scratch + parameter_room(s.out_c);
    SL_ISA(conv)(&conv);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(conv2d) = {
    .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack, .run = run};
const sl_kernel_code SL_ISA_CODE(conv2d_bwd_data) = {
    .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack, .run = run};
const sl_kernel_code SL_ISA_CODE(linear) = {
    .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack, .run = run};
const sl_kernel_code SL_ISA_CODE(linear_bwd_data) = {
    .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack, .run = run};

/* ---- 3x3 by Winograd's filtering ---- */

enum { WINOGRAD_SIDE = 32, WINOGRAD_WEIGHTS = 1 << 20 };

/* 3x3 in fp32 without strides, with enough channels for vectors. */
static bool is_winograd_form(const sl_call *call, const sl_cpu_conv_shape *s) {
    const int32_t *stride = call->attrs->stride;
    return s->kernel_h == 3 && s->kernel_w == 3 && stride[0] == 1 && stride[1] == 1 && s->pad_top <= 2 &&
           s->pad_left <= 2 && s->in_c >= 16 && s->out_c >= 16 && call->in[0].dtype == SL_F32 &&
           call->in[1].dtype == SL_F32;
}

/* Where it pays: maps of some tiles and channels, and where the fourfold weights are small or the map is
 * large. */
static bool winograd_accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    bool map = min_of(s.in_h, s.out_h) >= 8 && min_of(s.in_w, s.out_w) >= 8;
    bool large = s.out_h >= WINOGRAD_SIDE && s.out_w >= WINOGRAD_SIDE;
    return is_winograd_form(call, &s) && map && (large || s.in_c * s.out_c * 9 <= WINOGRAD_WEIGHTS);
}

static size_t winograd_packed(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    return SL_ISA(winograd_packed_bytes)(&pack);
}

static sl_status winograd_pack(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    SL_ISA(winograd_pack)(&pack);
    return SL_OK;
}

static size_t winograd_scratch(const sl_call *call) {
    return parameter_room(shape_of(call).out_c);
}

static size_t winograd_worker_scratch(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    return SL_ISA(winograd_worker_bytes)(&conv);
}

static sl_status winograd_run(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    float *room = call->scratch;
    conv.bias = as_floats(call, 2, &room);
    conv.worker_workspace = call->worker_scratch;
    conv.worker_stride = call->worker_scratch_stride;
    SL_ISA(winograd)(&conv);
    return SL_OK;
}

#define WINOGRAD(name)                                                                                       \
    const sl_kernel_code SL_ISA_CODE(name) = {.accepts = winograd_accepts,                                   \
                                              .scratch = winograd_scratch,                                   \
                                              .worker_scratch = winograd_worker_scratch,                     \
                                              .packed = winograd_packed,                                     \
                                              .pack = winograd_pack,                                         \
                                              .run = winograd_run,                                           \
                                              .arithmetic = 36.0 / (16 * 9)}; /* F(4x4, 3x3) */
WINOGRAD(conv2d_winograd)
WINOGRAD(conv2d_bwd_data_winograd)

/* ---- gradients of weights and biases ---- */

static bool grad_accepts(const sl_call *call) {
    bool is_conv = call->op == SL_OP_CONV2D_BWD_WEIGHT;
    return can_multiply(call->in[0].dtype) && call->in[1].dtype == call->in[0].dtype &&
           (!is_conv || call->attrs->stride[0] == call->attrs->stride[1]);
}

static sl_cpu_conv_grad grad_arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_conv_grad){.shape = s,
                              .dtype = call->in[0].dtype,
                              .input = call->in[0].data,
                              .grad_output = call->in[1].data,
                              .grad_weights = wanted(call, 0),
                              .workspace = call->scratch,
                              .worker_workspace = call->worker_scratch,
                              .worker_stride = call->worker_scratch_stride};
}

static sl_cpu_column_sum sum_arguments(const sl_call *call, const sl_cpu_conv_shape *s) {
    return (sl_cpu_column_sum){sl_operand_rows(&call->in[1]),
                               s->out_c,
                               0,
                               call->in[1].dtype,
                               call->in[1].data,
                               wanted(call, 1),
                               call->scratch};
}

/* Gradient of the weights, then that of the bias, in the same memory. */
static size_t scratch_with(const sl_call *call, size_t (*grad_bytes)(const sl_cpu_conv_grad *)) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    sl_cpu_column_sum sum = sum_arguments(call, &s);
    size_t a = grad_bytes(&grad), b = SL_ISA(column_sum_bytes)(&sum);
    return a > b ? a : b;
}

static sl_status run_with(const sl_call *call, void (*weights)(const sl_cpu_conv_grad *)) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    sl_cpu_column_sum sum = sum_arguments(call, &s);
    if (grad.grad_weights) weights(&grad);
    if (sum.sums) SL_ISA(column_sum)(&sum);
    return SL_OK;
}

static size_t grad_scratch(const sl_call *call) {
    return scratch_with(call, SL_ISA(conv_grad_bytes));
}

static sl_status grad_run(const sl_call *call) {
    return run_with(call, SL_ISA(conv_grad));
}

const sl_kernel_code SL_ISA_CODE(conv2d_bwd_weight) = {
    .accepts = grad_accepts, .scratch = grad_scratch, .run = grad_run};
const sl_kernel_code SL_ISA_CODE(linear_bwd_weight) = {
    .accepts = grad_accepts, .scratch = grad_scratch, .run = grad_run};

/* 3x3 of some tiles and channels; the sums by points are kept in one worker's memory whatever the layer */
static bool winograd_grad_accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    return is_winograd_form(call, &s) && min_of(s.out_h, s.out_w) >= 6;
}

static size_t winograd_grad_scratch(const sl_call *call) {
    return scratch_with(call, SL_ISA(winograd_grad_bytes));
}

static size_t winograd_grad_worker_scratch(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    return SL_ISA(winograd_grad_worker_bytes)(&grad);
}

static sl_status winograd_grad_run(const sl_call *call) {
    return run_with(call, SL_ISA(winograd_grad));
}

const sl_kernel_code SL_ISA_CODE(conv2d_bwd_weight_winograd) = {
    .accepts = winograd_grad_accepts,
    .scratch = winograd_grad_scratch,
    .worker_scratch = winograd_grad_worker_scratch,
    .run = winograd_grad_run};
