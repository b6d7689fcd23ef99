/* Places to rings and back, an image at a time: few numbers for each place, so that memory is the limit. */
#include "backend/basic/basic.h"

/* Sums are kept so many times over, by places in turn: else each waits for the one before it. */
enum { TURNS = 4 };

/* As many channels as radial profiles have by default: the compiler is told, and leaves no loop over them. */
enum { FEW = 4 };

static int64_t channels_of(const sl_call *call) {
    return call->in[0].shape.dim[2];
}

static int64_t turns_of(const sl_call *call) {
    return channels_of(call) == FEW ? TURNS : 1;
}

static size_t table_bytes(const sl_call *call) {
    return (size_t)(call->attrs->count * channels_of(call)) * sizeof(float);
}

static size_t sums_bytes(const sl_call *call) {
    return table_bytes(call) * (size_t)turns_of(call);
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

/* ---- weights ---- */

static size_t shares_bytes(const sl_call *call) {
    return (size_t)(call->attrs->count * TURNS) * sizeof(float);
}

static void weights_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t rings = call->attrs->count, places = call->in[0].shape.dim[1];
    const float *at = (const float *)call->in[0].data + image * places;
    float *sum = sl_call_worker_scratch(call, worker), *to = (float *)call->out[0].data + image * rings;
    memset(sum, 0, shares_bytes(call));
    for (int64_t p = 0; p < places; p++) {
        between b = between_of(at[p], rings);
        float *row = sum + p % TURNS * rings + b.ring;
        for (int k = 0; k < 2 && b.ring >= 0; k++)
            if (b.share[k] > 0) row[k] += b.share[k];
    }
    for (int64_t r = 0; r < rings; r++) {
        float all = (sum[r] + sum[rings + r]) + (sum[2 * rings + r] + sum[3 * rings + r]);
        to[r] = all > 1e-30f ? 1 / all : 1;
    }
}

static sl_status weights_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0], weights_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_ring_weights_avx2 = {.worker_scratch = shares_bytes, .run = weights_run};

/* Of an image's rings; NULL: all of them 1. */
static const float *weights_of(const sl_call *call, int64_t image) {
    return sl_call_has(call, 2) ? (const float *)call->in[2].data + image * call->attrs->count : NULL;
}

static bool accepts(const sl_call *call) {
    return call->in[1].dtype == SL_F32 && (!sl_call_has(call, 2) || call->in[2].dtype == SL_F32);
}

/* ---- to rings ---- */

static inline void add_scaled(const int64_t count, const float *restrict x, float share,
                              float *restrict sum) {
    for (int64_t i = 0; i < count; i++) sum[i] += share * x[i];
}

/* sum[turn][ring][step] += share * x[place][channels] */
static inline void gather_piece(const int64_t channels, const int64_t turns, int64_t places, int64_t rings,
                                const float *at, const float *x, int64_t step, float *sum) {
    for (int64_t p = 0; p < places; p++, x += channels) {
        between b = between_of(at[p], rings);
        if (b.ring < 0) continue;
        float *row = sum + (p % turns * rings + b.ring) * step;
        if (b.share[0] > 0) add_scaled(channels, x, b.share[0], row);
        if (b.share[1] > 0) add_scaled(channels, x, b.share[1], row + step);
    }
}

static void write_means(const sl_call *call, int64_t image, const float *sums) {
    int64_t rings = call->attrs->count, channels = channels_of(call), turns = turns_of(call);
    const float *weight = weights_of(call, image);
    float buffer[BLOCK];
    for (int64_t r = 0; r < rings; r++)
        for (int64_t c = 0; c < channels; c += BLOCK) {
            int64_t count = least(BLOCK, channels - c), at = (image * rings + r) * channels + c;
            float *to = target_block(&call->out[0], at, buffer);
            const float *sum = sums + r * channels + c;
            for (int64_t i = 0; i < count; i++) {
                float all = sum[i];
                for (int64_t t = 1; t < turns; t++) all += sum[t * rings * channels + i];
                to[i] = weight ? all * weight[r] : all;
            }
            store_block(&call->out[0], at, count, to);
        }
}

static void gather_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t rings = call->attrs->count, channels = channels_of(call);
    float buffer[BLOCK], *sum = sl_call_worker_scratch(call, worker);
    memset(sum, 0, sums_bytes(call));
    piece p = first_piece(call, image);
    do {
        const float *at = (const float *)call->in[1].data + p.place;
        const float *x =
            load_block(&call->in[0], p.place * channels + p.channel, p.places * p.channels, buffer);
        if (channels == FEW)
            gather_piece(FEW, TURNS, p.places, rings, at, x, FEW, sum);
        else
            gather_piece(p.channels, 1, p.places, rings, at, x, channels, sum + p.channel);
    } while (next_piece(call, image, &p));
    write_means(call, image, sum);
}

static sl_status gather_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0], gather_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_ring_gather_avx2 = {
    .accepts = accepts, .worker_scratch = sums_bytes, .run = gather_run};

/* ---- and back ---- */

/* An image's rings as wide floats, times their weights: [R, C]. */
static void fill_table(const sl_call *call, int64_t image, float *table) {
    int64_t rings = call->attrs->count, channels = channels_of(call), count = rings * channels;
    const float *weight = weights_of(call, image);
    for (int64_t i = 0; i < count; i += BLOCK) {
        int64_t n = least(BLOCK, count - i);
        const float *y = load_block(&call->in[0], image * count + i, n, table + i);
        if (y != table + i) memcpy(table + i, y, (size_t)n * sizeof *y);
    }
    for (int64_t r = 0; weight && r < rings; r++)
        for (int64_t c = 0; c < channels; c++) table[r * channels + c] *= weight[r];
}

/* What a ring that has no share in a place gives it, whatever it holds: 0 times infinity would be NaN. */
static const float nothing[BLOCK];

/* to[places][channels], from the rows of `table`, which are `step` apart */
static inline void spread_piece(const int64_t channels, int64_t places, int64_t rings, const float *at,
                                const float *table, int64_t step, float *restrict to) {
    for (int64_t p = 0; p < places; p++, to += channels) {
        between b = between_of(at[p], rings);
        if (b.ring < 0) {
            memset(to, 0, (size_t)channels * sizeof *to);
            continue;
        }
        /* the ring above the last one is not read */
        const float *low = table + b.ring * step, *high = b.share[1] > 0 ? low + step : nothing;
        for (int64_t c = 0; c < channels; c++) to[c] = b.share[0] * low[c] + b.share[1] * high[c];
    }
}

static void spread_task(void *context, int64_t image, int worker) {
    const sl_call *call = context;
    int64_t rings = call->attrs->count, channels = channels_of(call);
    float result[BLOCK], *table = sl_call_worker_scratch(call, worker);
    fill_table(call, image, table);
    piece p = first_piece(call, image);
    do {
        const float *at = (const float *)call->in[1].data + p.place;
        int64_t first = p.place * channels + p.channel;
        float *to = target_block(&call->out[0], first, result);
        if (channels == FEW)
            spread_piece(FEW, p.places, rings, at, table, FEW, to);
        else
            spread_piece(p.channels, p.places, rings, at, table + p.channel, channels, to);
        store_block(&call->out[0], first, p.places * p.channels, to);
    } while (next_piece(call, image, &p));
}

static sl_status spread_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0], spread_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_ring_spread_avx2 = {
    .accepts = accepts, .worker_scratch = table_bytes, .run = spread_run};
