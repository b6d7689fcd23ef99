/* 3x3 CONV2D and its gradients by Winograd's filtering. */
#include "backend/cpu/isa/run_conv.h"

enum {
    LEAST_SIDE = 8,  /* of a map: smaller ones leave tiles half empty */
    LARGE_SIDE = 32, /* of a map, beside whose products transforming trained weights at each run is little */
    WEIGHTS_FEW = 1 << 20, /* that are transformed at each run for smaller maps too */
    TILES_KEPT = 1024, /* from which on a frozen layer is faster with its weights kept in transformed form */
    TILE_PX = 4,
};

/* 3x3 without strides, with enough channels for vectors. bf16 is for levels that multiply it: they pack it in
 * pairs of channels. Products are in fp32 for both, which on such vectors is half as fast and four times
 * less. */
static bool is_winograd_form(const sl_call *call, const sl_cpu_conv_shape *s) {
    const int32_t *stride = call->attrs->stride;
    sl_dtype dtype = call->in[0].dtype;
    if (!can_multiply(dtype) || (dtype == SL_F32 && call->in[1].dtype != SL_F32)) return false;
    if (dtype == SL_BF16 && (s->in_c % 2 || s->out_c % 2)) return false;
    return s->kernel_h == 3 && s->kernel_w == 3 && stride[0] == 1 && stride[1] == 1 && s->pad_top <= 2 &&
           s->pad_left <= 2 && s->in_c >= 16 && s->out_c >= 16;
}

static bool has_tiles(const sl_cpu_conv_shape *s) {
    return min_of(s->in_h, s->out_h) >= LEAST_SIDE && min_of(s->in_w, s->out_w) >= LEAST_SIDE;
}

static bool keeps_transformed(const sl_call *call, const sl_cpu_conv_shape *s) {
    bool forward = pass_of(call) == SL_CPU_FORWARD;
    int64_t height = forward ? s->out_h : s->in_h, width = forward ? s->out_w : s->in_w;
    return s->batch * ceil_div(height, TILE_PX) * ceil_div(width, TILE_PX) >= TILES_KEPT;
}

/* With weights transformed once, or before each run where they are trained: fourfold ones, in fp32. */
static bool winograd_accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    if (!is_winograd_form(call, &s) || !has_tiles(&s)) return false;
    if (is_frozen(call)) return keeps_transformed(call, &s);
    bool large = s.out_h >= LARGE_SIDE && s.out_w >= LARGE_SIDE;
    return large || s.in_c * s.out_c * 9 <= WEIGHTS_FEW;
}

/* With weights transformed as they are needed: as fast for few tiles, and a quarter of the memory, or an
 * eighth where they are of 16 bits. */
static bool winograd_made_accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    return is_frozen(call) && is_winograd_form(call, &s) && has_tiles(&s);
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

/* Weights as the direct convolution has them, whose transforms are made as they are needed. */
static size_t winograd_made_worker_scratch(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    conv.forward_form = true;
    return SL_ISA(winograd_worker_bytes)(&conv);
}

static sl_status run_from(const sl_call *call, bool made) {
    sl_cpu_conv_shape s = shape_of(call);
    sl_cpu_conv conv = arguments(call, &s);
    conv.forward_form = made;
    float *room = call->scratch;
    conv.bias = as_floats(call, 2, &room);
    conv.worker_workspace = call->worker_scratch;
    conv.worker_stride = call->worker_scratch_stride;
    SL_ISA(winograd)(&conv);
    return SL_OK;
}

static sl_status winograd_run(const sl_call *call) {
    return run_from(call, false);
}

static sl_status winograd_made_run(const sl_call *call) {
    return run_from(call, true);
}

#define ARITHMETIC (36.0 / (16 * 9)) /* F(4x4, 3x3) */

#define WINOGRAD(name)                                                                                       \
    const sl_kernel_code SL_ISA_CODE(name) = {.accepts = winograd_accepts,                                   \
                                              .scratch = winograd_scratch,                                   \
                                              .worker_scratch = winograd_worker_scratch,                     \
                                              .packed = winograd_packed,                                     \
                                              .pack = winograd_pack,                                         \
                                              .run = winograd_run,                                           \
                                              .arithmetic = ARITHMETIC};
WINOGRAD(conv2d_winograd)
WINOGRAD(conv2d_bwd_data_winograd)

#define WINOGRAD_MADE(name)                                                                                  \
    const sl_kernel_code SL_ISA_CODE(name) = {.accepts = winograd_made_accepts,                              \
                                              .scratch = winograd_scratch,                                   \
                                              .worker_scratch = winograd_made_worker_scratch,                \
                                              .packed = SL_ISA(forward_packed),                              \
                                              .pack = SL_ISA(forward_pack),                                  \
                                              .form = SL_ISA(forward_form),                                  \
                                              .run = winograd_made_run,                                      \
                                              .arithmetic = ARITHMETIC};
WINOGRAD_MADE(conv2d_winograd_made)
WINOGRAD_MADE(conv2d_bwd_data_winograd_made)

/* 3x3 of some tiles and channels; the sums by points are kept in one worker's memory whatever the layer */
static bool winograd_grad_accepts(const sl_call *call) {
    sl_cpu_conv_shape s = shape_of(call);
    return call->in[1].dtype == call->in[0].dtype && is_winograd_form(call, &s) &&
           min_of(s.out_h, s.out_w) >= 6;
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
