/* Winograd's filtering of frozen weights that are kept as the direct convolution has them, a quarter as many:
 * they are transformed as they are needed, by each task anew.
 *
 * A task takes a block of tiles and a group of panels of output channels. Of CHUNK channels at a time it
 * transforms the inputs to V[36][tile][CHUNK], and for each panel the weights to U[36][CHUNK][NR], and adds
 * their products to M[pair of panels][36][tile][2 NR]: V and U stay in the caches. */
#include "backend/cpu/isa/panels.h"
#include "backend/cpu/isa/winograd/winograd_conv.h"

enum {
    CHUNK = 128, /* a multiple of NR */
    U_STEP = CHUNK * NR + POINT_GAP,
    TASKS_WANTED = 8, /* few: each transforms all inputs of its tiles */
};

static winograd_job plan_of(const sl_cpu_conv *conv) {
    winograd_job job = winograd_job_of(conv);
    job.blocks = ceil_div(job.tiles, BLOCK_TILES);
    job.block_tiles = ceil_div(job.tiles, job.blocks);
    job.groups = min_of(winograd_pairs(&job), ceil_div(TASKS_WANTED, job.blocks));
    return job;
}

SL_INLINE int64_t v_step(const winograd_job *job) {
    return job->block_tiles * CHUNK + POINT_GAP;
}

/* A worker's memory: V, U, the nine taps that U is made of, M. */
typedef struct room {
    float *v, *u, *taps, *m;
} room;

static size_t room_floats(const winograd_job *job, float *base, room *out) {
    int64_t sizes[] = {POINTS * v_step(job), POINTS * U_STEP, 9 * CHUNK * NR,
                       ceil_div(winograd_pairs(job), job->groups) * PRODUCT_FLOATS};
    float **parts[] = {&out->v, &out->u, &out->taps, &out->m};
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        *parts[i] = base ? base + at : NULL;
        at += (size_t)round_up(sizes[i], 16);
    }
    return at;
}

size_t SL_ISA(winograd_made_worker_bytes)(const sl_cpu_conv *conv) {
    winograd_job job = plan_of(conv);
    room none;
    return room_floats(&job, NULL, &none) * sizeof(float);
}

/* U of channels [k.begin, k.end) of a panel; backward-data's taps are turned. */
static void make_weights(const panel_set *weights, int64_t panel, range k, const room *w) {
    const float *rows[9];
    for (int64_t t = 0; t < 9; t++) {
        int64_t tap = weights->turned ? 8 - t : t;
        rows[t] = (const float *)(const void *)panel_rows(weights, panel, tap, k.begin, k.end,
                                                          w->taps + t * CHUNK * NR);
    }
    for (int64_t i = 0; i < k.end - k.begin; i++) transform_taps(rows, i * NR, w->u + i * NR, U_STEP);
}

static void add_chunk(const winograd_job *job, const panel_set *weights, int64_t tiles, range pairs, range k,
                      const room *w) {
    int64_t last = min_of(pairs.end * PANELS_AT_ONCE, ceil_div(job->columns, NR));
    for (int64_t q = pairs.begin * PANELS_AT_ONCE; q < last; q++) {
        int64_t place = q - pairs.begin * PANELS_AT_ONCE;
        int nv = job->columns - q * NR > VL ? 2 : 1;
        float *m = w->m + place / PANELS_AT_ONCE * PRODUCT_FLOATS + place % PANELS_AT_ONCE * NR;
        make_weights(weights, q, k, w);
        for (int64_t point = 0; point < POINTS; point++)
            multiply_point(w->v + point * v_step(job), CHUNK, tiles, w->u + point * U_STEP, k.end - k.begin,
                           nv, k.begin > 0, m + point * POINT_FLOATS);
    }
}

static void made_task(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    const sl_cpu_conv *conv = job->conv;
    range tiles = part_of(job->tiles, job->blocks, task / job->groups);
    range pairs = part_of(winograd_pairs(job), job->groups, task % job->groups);
    panel_set weights = panels_of(conv, 9, job->depth, job->columns);
    weights.pairs = conv->dtype == SL_BF16;
    room w;
    room_floats(job, (float *)(void *)(conv->worker_workspace + (size_t)worker * conv->worker_stride), &w);
    for (range k = {0, 0}; k.end < job->depth;) {
        k = (range){k.end, min_of(job->depth, k.end + CHUNK)};
        transform_inputs(&job->input, tiles, k, w.v, CHUNK, v_step(job));
        add_chunk(job, &weights, tiles.end - tiles.begin, pairs, k, &w);
    }
    for (int64_t pair = pairs.begin; pair < pairs.end; pair++)
        transform_outputs(job, tiles, pair, w.m + (pair - pairs.begin) * PRODUCT_FLOATS);
}

void SL_ISA(winograd_made)(const sl_cpu_conv *conv) {
    winograd_job job = plan_of(conv);
    sl_parallel_for(job.blocks * job.groups, made_task, &job);
}
