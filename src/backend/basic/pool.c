/* Maximum and mean over windows of [N,H,W,C], a pixel's channels at a time. Backward gathers: each pixel of
 * dx looks at the windows that hold it, in order, so that tasks never write to the same place. */
#include "backend/basic/basic.h"

#include <math.h>

typedef struct range {
    int64_t first, end;
} range;

/* Positions of the input that output `o` sees along an axis (0: down, 1: across). */
static range window_range(const sl_attrs *a, int axis, int64_t o, int64_t size) {
    int64_t first = o * a->stride[axis] - a->pad[2 * axis], end = first + a->window[axis];
    return (range){first > 0 ? first : 0, least(end, size)};
}

/* Outputs whose window holds input `i`. */
static range holder_range(const sl_attrs *a, int axis, int64_t i, int64_t outputs) {
    int64_t padded = i + a->pad[2 * axis], lowest = padded - a->window[axis] + 1;
    int64_t first = lowest > 0 ? (lowest + a->stride[axis] - 1) / a->stride[axis] : 0;
    return (range){first, least(padded / a->stride[axis] + 1, outputs)};
}

/* A block of channels of one output pixel of image n. */
static void max_pixel(const sl_call *call, int64_t n, range h, range w, int64_t at, int64_t c,
                      int64_t count) {
    const sl_shape *x = &call->in[0].shape;
    float best[BLOCK], buffer[BLOCK];
    int32_t index[BLOCK];
    for (int64_t i = 0; i < count; i++) {
        best[i] = -INFINITY;
        index[i] = (int32_t)(h.first * x->dim[2] + w.first);
    }
    for (int64_t r = h.first; r < h.end; r++) {
        for (int64_t s = w.first; s < w.end; s++) {
            int64_t pixel = r * x->dim[2] + s;
            const float *v =
                load_block(&call->in[0], (n * x->dim[1] * x->dim[2] + pixel) * x->dim[3] + c, count, buffer);
            for (int64_t i = 0; i < count; i++) {
                bool better = v[i] > best[i] || v[i] != v[i];
                best[i] = better ? v[i] : best[i];
                index[i] = better ? (int32_t)pixel : index[i];
            }
        }
    }
    memcpy(target_block(&call->out[0], at, best), best, (size_t)count * sizeof *best);
    store_block(&call->out[0], at, count, best);
    if (sl_call_wants(call, 1))
        memcpy((int32_t *)call->out[1].data + at, index, (size_t)count * sizeof *index);
}

static void mean_pixel(const sl_call *call, int64_t n, range h, range w, int64_t at, int64_t c,
                       int64_t count) {
    const sl_shape *x = &call->in[0].shape;
    float sum[BLOCK] = {0}, buffer[BLOCK],
          share = 1 / (float)(call->attrs->window[0] * call->attrs->window[1]);
    for (int64_t r = h.first; r < h.end; r++) {
        for (int64_t s = w.first; s < w.end; s++) {
            const float *v = load_block(&call->in[0], ((n * x->dim[1] + r) * x->dim[2] + s) * x->dim[3] + c,
                                        count, buffer);
            for (int64_t i = 0; i < count; i++) sum[i] += v[i];
        }
    }
    float *target = target_block(&call->out[0], at, buffer);
    for (int64_t i = 0; i < count; i++) target[i] = sum[i] * share;
    store_block(&call->out[0], at, count, buffer);
}

/* One row of the result: task = n*OH + oh. */
static void forward_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    int64_t n = task / y->dim[1], C = x->dim[3];
    range h = window_range(call->attrs, 0, task % y->dim[1], x->dim[1]);
    (void)worker;
    for (int64_t ow = 0; ow < y->dim[2]; ow++) {
        range w = window_range(call->attrs, 1, ow, x->dim[2]);
        for (int64_t c = 0; c < C; c += BLOCK)
            (call->op == SL_OP_MAX_POOL ? max_pixel : mean_pixel)(
                call, n, h, w, (task * y->dim[2] + ow) * C + c, c, least(BLOCK, C - c));
    }
}

static sl_status forward_run(const sl_call *call) {
    sl_parallel_for(call->out[0].shape.dim[0] * call->out[0].shape.dim[1], forward_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_max_pool_avx2 = {.run = forward_run};
const sl_kernel_code sl_kernel_avg_pool_avx2 = {.run = forward_run};

/* A block of channels of pixel `pixel` of image n of dx. */
static void gather_pixel(const sl_call *call, int64_t n, int64_t pixel, range oh, range ow, int64_t c,
                         int64_t count) {
    const sl_shape *x = &call->out[0].shape, *y = &call->in[0].shape;
    float sum[BLOCK] = {0}, buffer[BLOCK],
          share = 1 / (float)(call->attrs->window[0] * call->attrs->window[1]);
    int64_t at = (n * x->dim[1] * x->dim[2] + pixel) * x->dim[3] + c;
    bool is_max = call->op == SL_OP_MAX_POOL_BWD;
    for (int64_t r = oh.first; r < oh.end; r++) {
        for (int64_t s = ow.first; s < ow.end; s++) {
            int64_t from = ((n * y->dim[1] + r) * y->dim[2] + s) * y->dim[3] + c;
            const float *dy = load_block(&call->in[0], from, count, buffer);
            if (is_max) {
                const int32_t *index = (const int32_t *)call->in[1].data + from;
                for (int64_t i = 0; i < count; i++) sum[i] += index[i] == (int32_t)pixel ? dy[i] : 0;
            } else {
                for (int64_t i = 0; i < count; i++) sum[i] += dy[i] * share;
            }
        }
    }
    memcpy(target_block(&call->out[0], at, sum), sum, (size_t)count * sizeof *sum);
    store_block(&call->out[0], at, count, sum);
}

/* One row of dx: task = n*H + h. */
static void backward_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_shape *x = &call->out[0].shape, *y = &call->in[0].shape;
    int64_t n = task / x->dim[1], h = task % x->dim[1];
    range oh = holder_range(call->attrs, 0, h, y->dim[1]);
    (void)worker;
    for (int64_t w = 0; w < x->dim[2]; w++) {
        range ow = holder_range(call->attrs, 1, w, y->dim[2]);
        for (int64_t c = 0; c < x->dim[3]; c += BLOCK)
            gather_pixel(call, n, h * x->dim[2] + w, oh, ow, c, least(BLOCK, x->dim[3] - c));
    }
}

static sl_status backward_run(const sl_call *call) {
    sl_parallel_for(call->out[0].shape.dim[0] * call->out[0].shape.dim[1], backward_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_max_pool_bwd_avx2 = {.run = backward_run};
const sl_kernel_code sl_kernel_avg_pool_bwd_avx2 = {.run = backward_run};
