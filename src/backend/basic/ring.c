/* Places to rings and back, an image at a time: few numbers for each place, so that memory is the limit. */
#include "backend/basic/basic.h"

/* What a worker needs: what each ring's sum is divided by [R], and where it gathers the sums [R, C]. */
typedef struct room {
    float *weight, *sum;
} room;

static int64_t channels_of(const sl_call *call) {
    return call->in[0].shape.dim[2];
}

static size_t weight_bytes(const sl_call *call) {
    return (size_t)call->attrs->count * sizeof(float);
}

static size_t room_bytes(const sl_call *call) {
    return weight_bytes(call) * (size_t)(channels_of(call) + 1);
}

/* Between which rings a place lies. */
typedef struct between {
    int64_t ring; /* -1: none */
    float share[2];
} between;

static between between_of(const sl_call *call, int64_t place) {
    float at = load_one(&call->in[1], place);
    if (!(at >= 0 && at <= (float)(call->attrs->count - 1))) return (between){.ring = -1};
    int64_t ring = (int64_t)at;
    float share = at - (float)ring;
    return (between){ring, {1 - share, share}};
}

/* The sum of all shares of each ring; 1 where none is asked for, or where it has no share. */
static void find_weights(const sl_call *call, int64_t first, int64_t places, float *weight) {
    int64_t rings = call->attrs->count;
    for (int64_t r = 0; r < rings; r++) weight[r] = call->attrs->mean ? 0 : 1;
    if (!call->attrs->mean) return;
    for (int64_t p = first; p < first + places; p++) {
        between b = between_of(call, p);
        for (int k = 0; k < 2 && b.ring >= 0; k++)
            if (b.share[k] > 0) weight[b.ring + k] += b.share[k];
    }
    for (int64_t r = 0; r < rings; r++)
        if (!(weight[r] > 0)) weight[r] = 1;
}

static room open_room(const sl_call *call, int64_t image, int worker) {
    room w = {.weight = sl_call_worker_scratch(call, worker)};
    w.sum = w.weight + call->attrs->count;
    int64_t places = call->in[1].shape.dim[1];
    find_weights(call, image * places, places, w.weight);
    return w;
}

static void gather_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t places = call->in[1].shape.dim[1], rings = call->attrs->count, channels = channels_of(call);
    room w = open_room(call, image, worker);
    float buffer[BLOCK];
    memset(w.sum, 0, (size_t)(rings * channels) * sizeof *w.sum);
    for (int64_t p = image * places; p < (image + 1) * places; p++) {
        between b = between_of(call, p);
        for (int64_t c = 0; c < channels && b.ring >= 0; c += BLOCK) {
            int64_t count = least(BLOCK, channels - c);
            const float *x = load_block(&call->in[0], p * channels + c, count, buffer);
            for (int k = 0; k < 2; k++) {
                if (!(b.share[k] > 0)) continue;
                float *restrict sum = w.sum + (b.ring + k) * channels + c, share = b.share[k];
                for (int64_t i = 0; i < count; i++) sum[i] += share * x[i];
            }
        }
    }
    for (int64_t r = 0; r < rings; r++)
        for (int64_t c = 0; c < channels; c += BLOCK) {
            int64_t count = least(BLOCK, channels - c), at = (image * rings + r) * channels + c;
            float *to = target_block(&call->out[0], at, buffer), *sum = w.sum + r * channels + c;
            for (int64_t i = 0; i < count; i++) to[i] = sum[i] / w.weight[r];
            store_block(&call->out[0], at, count, to);
        }
}

static void spread_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t places = call->in[1].shape.dim[1], rings = call->attrs->count, channels = channels_of(call);
    room w = open_room(call, image, worker);
    float buffer[2][BLOCK], result[BLOCK];
    for (int64_t p = image * places; p < (image + 1) * places; p++) {
        between b = between_of(call, p);
        int64_t next = b.ring + (b.share[1] > 0), row = image * rings + (b.ring < 0 ? 0 : b.ring);
        float low = b.ring < 0 ? 0 : b.share[0] / w.weight[b.ring];
        float high = b.share[1] > 0 ? b.share[1] / w.weight[next] : 0;
        for (int64_t c = 0; c < channels; c += BLOCK) {
            int64_t count = least(BLOCK, channels - c), at = p * channels + c;
            const float *x = load_block(&call->in[0], row * channels + c, count, buffer[0]);
            const float *y =
                high > 0 ? load_block(&call->in[0], (row + 1) * channels + c, count, buffer[1]) : x;
            float *to = target_block(&call->out[0], at, result);
            for (int64_t i = 0; i < count; i++) to[i] = low * x[i] + high * y[i];
            if (b.ring < 0) memset(to, 0, (size_t)count * sizeof *to);
            store_block(&call->out[0], at, count, to);
        }
    }
}

static sl_status gather_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0], gather_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_ring_gather_avx2 = {.worker_scratch = room_bytes, .run = gather_run};

static sl_status spread_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0], spread_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_ring_spread_avx2 = {.worker_scratch = weight_bytes, .run = spread_run};
