/* CONV2D, LINEAR and their gradients. */
#include "backend/cpu/isa/run_conv.h"

/* Strides leave most of a tile unused. */
static bool fits_stride(const sl_call *call) {
    const int32_t *stride = call->attrs->stride;
    return stride[0] == stride[1] && (!HAS_TILES || stride[0] <= 2);
}

static bool accepts(const sl_call *call) {
    if (!can_multiply(call->in[0].dtype)) return false;
    bool is_conv = call->op == SL_OP_CONV2D || call->op == SL_OP_CONV2D_BWD_DATA;
    return !is_conv || fits_stride(call);
}

static size_t packed(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    return SL_ISA(conv_packed_bytes)(&pack);
}

static sl_status check_half(float value) {
    if (value != value || sl_f16_to_f32(sl_f32_to_f16(value)) == value) return SL_OK;
    return sl_fail(SL_MISMATCH,
                   "%g is no number of 16 bits: weights were changed since a plan was made for those of a "
                   "16-bit file",
                   (double)value);
}

/* Whoever said that these are F16's numbers may not have known of a later change. */
static sl_status check_halves(const sl_operand *weights) {
    const float *value = weights->data;
    int64_t count = sl_operand_count(weights), i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 x = _mm256_loadu_ps(value + i),
               y = _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
        if (!_mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_NEQ_UQ))) continue;
        for (int64_t k = i; k < i + 8; k++) SL_TRY(check_half(value[k]));
    }
    for (; i < count; i++) SL_TRY(check_half(value[i]));
    return SL_OK;
}

static sl_status pack_as(const sl_call *call, sl_cpu_conv_pass pass) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    pack.pass = pass;
    if (pack.half) SL_TRY(check_halves(&call->in[1]));
    SL_ISA(conv_pack)(&pack);
    return SL_OK;
}

static sl_status pack(const sl_call *call) {
    return pack_as(call, pass_of(call));
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

const char SL_ISA(forward_form)[] = "panels of the forward pass";

#define DIRECT(name, its_form)                                                                               \
    const sl_kernel_code SL_ISA_CODE(name) = {.accepts = accepts,                                            \
                                              .scratch = scratch,                                            \
                                              .packed = packed,                                              \
                                              .pack = pack,                                                  \
                                              .form = its_form,                                              \
                                              .run = run};
DIRECT(conv2d, SL_ISA(forward_form))
DIRECT(linear, SL_ISA(forward_form))
DIRECT(conv2d_bwd_data, NULL)
DIRECT(linear_bwd_data, NULL)

/* ---- backward-data of frozen weights, from the forward pass's copy ---- */

#ifndef SL_ISA_TILES

size_t SL_ISA(forward_packed)(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_pack pack = pack_of(call, &s);
    pack.pass = SL_CPU_FORWARD;
    return SL_ISA(conv_packed_bytes)(&pack);
}

sl_status SL_ISA(forward_pack)(const sl_call *call) {
    return pack_as(call, SL_CPU_FORWARD);
}

static bool frozen_accepts(const sl_call *call) {
    return is_shared(call) && accepts(call);
}

static sl_status frozen_run(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    conv.forward_form = true;
    SL_ISA(conv)(&conv);
    return SL_OK;
}

#define FROZEN(name)                                                                                         \
    const sl_kernel_code SL_ISA_CODE(name) = {.accepts = frozen_accepts,                                     \
                                              .packed = SL_ISA(forward_packed),                              \
                                              .pack = SL_ISA(forward_pack),                                  \
                                              .form = SL_ISA(forward_form),                                  \
                                              .run = frozen_run};
FROZEN(conv2d_bwd_data_frozen)
FROZEN(linear_bwd_data_frozen)

#endif

/* ---- gradients of weights and biases ---- */

static bool grad_accepts(const sl_call *call) {
    bool is_conv = call->op == SL_OP_CONV2D_BWD_WEIGHT;
    return can_multiply(call->in[0].dtype) && call->in[1].dtype == call->in[0].dtype &&
           (!is_conv || fits_stride(call));
}

static size_t grad_scratch(const sl_call *call) {
    return scratch_with(call, SL_ISA(conv_grad_bytes));
}

static size_t grad_worker_scratch(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv_grad grad = grad_arguments(call, &s);
    return SL_ISA(conv_grad_worker_bytes)(&grad);
}

static sl_status grad_run(const sl_call *call) {
    return run_with(call, SL_ISA(conv_grad));
}

const sl_kernel_code SL_ISA_CODE(conv2d_bwd_weight) = {
    .accepts = grad_accepts, .scratch = grad_scratch, .worker_scratch = grad_worker_scratch, .run = grad_run};
const sl_kernel_code SL_ISA_CODE(linear_bwd_weight) = {
    .accepts = grad_accepts, .scratch = grad_scratch, .worker_scratch = grad_worker_scratch, .run = grad_run};
