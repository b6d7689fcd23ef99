/* 3x3 convolution of stride 1 by Winograd's minimal filtering (winograd.h). Backward-data is the same with
 * turned, transposed weights.
 *
 * A task takes a block of 4x4 output tiles and a group of panels of output channels: it transforms the inputs
 * to V[36][tile][channel], multiplies them with the transformed weights U[panel][36][channel][NR] two panels
 * at a time to M[36][tile][2 NR], and transforms that to outputs. V and M lie in the worker's own memory. */
#include "backend/cpu/isa/winograd/winograd_conv.h"

enum {
    BLOCK_TILES_FEW = 24,
    CHUNK_CHANNELS = 512,
    TASKS_WANTED = 16,
};

/* ---- weights ---- */

size_t SL_ISA(winograd_packed_bytes)(const sl_cpu_conv_pack *p) {
    bool forward = p->pass == SL_CPU_FORWARD;
    int64_t depth = forward ? p->shape->in_c : p->shape->out_c,
            columns = forward ? p->shape->out_c : p->shape->in_c;
    return (size_t)(ceil_div(columns, NR) * POINTS * depth * NR) * sizeof(float);
}

typedef struct pack_job {
    const sl_cpu_conv_pack *p;
    int64_t depth, columns, k_step, column_step;
    bool turned;
} pack_job;

/* Channel k of a panel's columns by tap. */
SL_INLINE void read_taps(const pack_job *job, const sl_dtype dtype, int64_t panel, int64_t k,
                         float taps[9][NR]) {
    int64_t count = min_of(NR, job->columns - panel * NR);
    for (int64_t j = 0; j < count; j++) {
        int64_t at = k * job->k_step + (panel * NR + j) * job->column_step;
        for (int t = 0; t < 9; t++)
            taps[t][j] = weight_at(dtype, job->p->weights, at + (job->turned ? 8 - t : t));
    }
}

/* For activations in bf16 the weights are too. */
static void round_taps(float taps[9][NR]) {
    for (int t = 0; t < 9; t++)
        for (int64_t j = 0; j < NR; j += VL) {
            uint16_t rounded[VL];
            vf_store_bf16(rounded, vf_load(taps[t] + j));
            vf_store(taps[t] + j, vf_load_bf16(rounded));
        }
}

static void pack_panel(void *context, int64_t panel, int worker) {
    (void)worker;
    const pack_job *job = context;
    float *out = (float *)job->p->packed + panel * POINTS * job->depth * NR;
    float taps[9][NR] __attribute__((aligned(64)));
    memset(taps, 0, sizeof taps);
    for (int64_t k = 0; k < job->depth; k++) {
        if (job->p->weights_dtype == SL_F32)
            read_taps(job, SL_F32, panel, k, taps);
        else
            read_taps(job, job->p->weights_dtype, panel, k, taps);
        if (job->p->dtype == SL_BF16) round_taps(taps);
        const float *rows[9];
        for (int t = 0; t < 9; t++) rows[t] = taps[t];
        transform_taps(rows, 0, out + k * NR, job->depth * NR);
    }
}

void SL_ISA(winograd_pack)(const sl_cpu_conv_pack *p) {
    const sl_cpu_conv_shape *s = p->shape;
    pack_job job = {p, s->in_c, s->out_c, 9, s->in_c * 9, false};
    if (p->pass == SL_CPU_BACKWARD_DATA) job = (pack_job){p, s->out_c, s->in_c, s->in_c * 9, 9, true};
    sl_parallel_for(ceil_div(job.columns, NR), pack_panel, &job);
}

/* ---- the convolution ---- */

static winograd_job plan_of(const sl_cpu_conv *conv) {
    winograd_job job = winograd_job_of(conv);
    job.block_tiles = job.tiles >= TASKS_WANTED * BLOCK_TILES ? BLOCK_TILES : BLOCK_TILES_FEW;
    job.blocks = ceil_div(job.tiles, job.block_tiles);
    job.groups = min_of(winograd_pairs(&job), ceil_div(TASKS_WANTED, job.blocks));
    return job;
}

/* From point to point of V */
SL_INLINE int64_t point_step(const winograd_job *job) {
    return job->block_tiles * job->depth + POINT_GAP;
}

size_t SL_ISA(winograd_worker_bytes)(const sl_cpu_conv *conv) {
    if (conv->forward_form) return SL_ISA(winograd_made_worker_bytes)(conv);
    winograd_job job = plan_of(conv);
    return (size_t)(POINTS * point_step(&job) + PRODUCT_FLOATS) * sizeof(float);
}

/* M for up to PANELS_AT_ONCE panels from `panel` on. */
static void multiply(const winograd_job *job, int64_t tiles, int64_t panel, int64_t panels, const float *v,
                     float *m) {
    for (int64_t point = 0; point < POINTS; point++)
        for (int64_t q = 0; q < panels; q++) {
            const float *u =
                (const float *)job->conv->packed + ((panel + q) * POINTS + point) * job->depth * NR;
            int nv = job->columns - (panel + q) * NR > VL ? 2 : 1;
            for (int64_t k = 0; k < job->depth; k += CHUNK_CHANNELS)
                multiply_point(v + point * point_step(job) + k, job->depth, tiles, u + k * NR,
                               min_of(CHUNK_CHANNELS, job->depth - k), nv, k > 0,
                               m + point * POINT_FLOATS + q * NR);
        }
}

static void winograd_task(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    float *v = (float *)(void *)(job->conv->worker_workspace + (size_t)worker * job->conv->worker_stride);
    float *m = v + POINTS * point_step(job);
    range tiles = part_of(job->tiles, job->blocks, task / job->groups);
    range group = part_of(winograd_pairs(job), job->groups, task % job->groups);
    transform_inputs(&job->input, tiles, (range){0, job->depth}, v, job->depth, point_step(job));
    for (int64_t pair = group.begin; pair < group.end; pair++) {
        int64_t panel = pair * PANELS_AT_ONCE;
        multiply(job, tiles.end - tiles.begin, panel,
                 min_of(PANELS_AT_ONCE, ceil_div(job->columns, NR) - panel), v, m);
        transform_outputs(job, tiles, pair, m);
    }
}

void SL_ISA(winograd)(const sl_cpu_conv *conv) {
    winograd_job job = plan_of(conv);
    if (conv->forward_form)
        SL_ISA(winograd_made)(conv);
    else
        sl_parallel_for(job.blocks * job.groups, winograd_task, &job);
}
