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

static inline between between_of(float at, int64_t rings) {
    if (!(at >= 0 && at <= (float)(rings - 1))) return (between){.ring = -1};
    int64_t ring = (int64_t)at;
    float share = at - (float)ring;
    return (between){ring, {1 - share, share}};
}

/* What is done at a time: some places with all their channels, or one with some. */
typedef struct piece {
    int64_t place, places, channel, channels;
} piece;

static piece first_piece(const sl_call *call, int64_t image) {
    int64_t channels = channels_of(call), places = call->in[1].shape.dim[1];
    int64_t at_once = channels < BLOCK ? least(BLOCK / channels, places) : 1;
    return (piece){image * places, at_once, 0, least(channels, BLOCK)};
}

/* The piece behind; false: the image is done. */
static bool next_piece(const sl_call *call, int64_t image, piece *at) {
    int64_t channels = channels_of(call), end = (image + 1) * call->in[1].shape.dim[1];
    at->channel += at->channels;
    if (at->channel < channels) {
        at->channels = least(BLOCK, channels - at->channel);
        return true;
    }
    at->channel = 0;
    at->channels = least(channels, BLOCK);
    at->place += at->places;
    at->places = least(at->places, end - at->place);
    return at->places > 0;
}

/* 1 over the sum of all shares of each ring; 1 where none is asked for, or where it has next to none. */
static void find_weights(const sl_call *call, int64_t image, float *weight) {
    int64_t rings = call->attrs->count, places = call->in[1].shape.dim[1];
    float buffer[BLOCK];
    for (int64_t r = 0; r < rings; r++) weight[r] = call->attrs->mean ? 0 : 1;
    if (!call->attrs->mean) return;
    for (int64_t p = 0; p < places; p += BLOCK) {
        int64_t count = least(BLOCK, places - p);
        const float *at = load_block(&call->in[1], image * places + p, count, buffer);
        for (int64_t i = 0; i < count; i++) {
            between b = between_of(at[i], rings);
            for (int k = 0; k < 2 && b.ring >= 0; k++)
                if (b.share[k] > 0) weight[b.ring + k] += b.share[k];
        }
    }
    for (int64_t r = 0; r < rings; r++) weight[r] = weight[r] > 1e-30f ? 1 / weight[r] : 1;
}

static room open_room(const sl_call *call, int64_t image, int worker) {
    room w = {.weight = sl_call_worker_scratch(call, worker)};
    w.sum = w.weight + call->attrs->count;
    find_weights(call, image, w.weight);
    return w;
}

static inline void add_scaled(const int64_t count, const float *restrict x, float share,
                              float *restrict sum) {
    for (int64_t i = 0; i < count; i++) sum[i] += share * x[i];
}

/* sum[ring][step] += share * x[place][channels] */
static inline void gather_piece(const int64_t channels, int64_t places, int64_t rings, const float *at,
                                const float *x, int64_t step, float *sum) {
    for (int64_t p = 0; p < places; p++, x += channels) {
        between b = between_of(at[p], rings);
        if (b.ring < 0) continue;
        float *row = sum + b.ring * step;
        if (b.share[0] > 0) add_scaled(channels, x, b.share[0], row);
        if (b.share[1] > 0) add_scaled(channels, x, b.share[1], row + step);
    }
}

static void write_means(const sl_call *call, int64_t image, const room *w) {
    int64_t rings = call->attrs->count, channels = channels_of(call);
    float buffer[BLOCK];
    for (int64_t r = 0; r < rings; r++)
        for (int64_t c = 0; c < channels; c += BLOCK) {
            int64_t count = least(BLOCK, channels - c), at = (image * rings + r) * channels + c;
            float *to = target_block(&call->out[0], at, buffer), *sum = w->sum + r * channels + c;
            for (int64_t i = 0; i < count; i++) to[i] = sum[i] * w->weight[r];
            store_block(&call->out[0], at, count, to);
        }
}

/* As many channels as radial profiles have by default: the compiler is told, and leaves no loop over them. */
enum { FEW = 4 };

static void gather_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t rings = call->attrs->count, channels = channels_of(call);
    room w = open_room(call, image, worker);
    float buffer[BLOCK], places[BLOCK];
    memset(w.sum, 0, (size_t)(rings * channels) * sizeof *w.sum);
    piece p = first_piece(call, image);
    do {
        const float *at = load_block(&call->in[1], p.place, p.places, places);
        const float *x =
            load_block(&call->in[0], p.place * channels + p.channel, p.places * p.channels, buffer);
        if (channels == FEW)
            gather_piece(FEW, p.places, rings, at, x, FEW, w.sum);
        else
            gather_piece(p.channels, p.places, rings, at, x, channels, w.sum + p.channel);
    } while (next_piece(call, image, &p));
    write_means(call, image, &w);
}

static inline void mix(const int64_t count, const float *restrict x, float low, const float *restrict y,
                       float high, float *restrict to) {
    for (int64_t i = 0; i < count; i++) to[i] = low * x[i] + high * y[i];
}

/* A place's values, from those of its rings. */
static inline void spread_one(const sl_call *call, const int64_t channels, const piece *p, int64_t row0,
                              between b, const float *weight, float *to) {
    float buffer[2][BLOCK];
    if (b.ring < 0) {
        memset(to, 0, (size_t)channels * sizeof *to);
        return;
    }
    int64_t width = channels_of(call), at = (row0 + b.ring) * width + p->channel;
    const float *x = load_block(&call->in[0], at, channels, buffer[0]), *y = x;
    float low = b.share[0] * weight[b.ring], high = 0;
    if (b.share[1] > 0) {
        high = b.share[1] * weight[b.ring + 1];
        y = load_block(&call->in[0], at + width, channels, buffer[1]);
    }
    mix(channels, x, low, y, high, to);
}

static void spread_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t rings = call->attrs->count, channels = channels_of(call), row0 = image * rings;
    room w = open_room(call, image, worker);
    float places[BLOCK], result[BLOCK];
    piece p = first_piece(call, image);
    do {
        const float *at = load_block(&call->in[1], p.place, p.places, places);
        int64_t first = p.place * channels + p.channel;
        float *to = target_block(&call->out[0], first, result);
        for (int64_t i = 0; i < p.places; i++) {
            between b = between_of(at[i], rings);
            if (channels == FEW)
                spread_one(call, FEW, &p, row0, b, w.weight, to + i * FEW);
            else
                spread_one(call, p.channels, &p, row0, b, w.weight, to + i * p.channels);
        }
        store_block(&call->out[0], first, p.places * p.channels, to);
    } while (next_piece(call, image, &p));
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
