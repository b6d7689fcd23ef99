/* 3x3 CONV2D and its gradients by Winograd's filtering. */
#include "backend/cpu/isa/run_conv.h"

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
