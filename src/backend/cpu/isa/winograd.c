/* 3x3 convolution of stride 1 by Winograd's minimal filtering (winograd.h). Backward-data is the same with
 * turned, transposed weights.
 *
 * A task takes a block of 4x4 output tiles and a group of panels of output channels: it transforms the inputs
 * to V[36][tile][channel], multiplies them with the transformed weights U[panel][36][channel][NR] two panels
 * at a time to M[36][tile][2 NR], and transforms that to outputs. V and M lie in the worker's own memory. */
#include "backend/cpu/isa/winograd.h"

enum {
    BLOCK_TILES = 48,
    BLOCK_TILES_FEW = 24,
    PANELS_AT_ONCE = 2,
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

static void pack_panel(void *context, int64_t panel, int worker) {
    (void)worker;
    const pack_job *job = context;
    const float *weights = job->p->weights;
    int64_t count = min_of(NR, job->columns - panel * NR);
    float *out = (float *)job->p->packed + panel * POINTS * job->depth * NR;
    float taps[9][NR] __attribute__((aligned(64)));
    memset(taps, 0, sizeof taps);
    for (int64_t k = 0; k < job->depth; k++) {
        for (int64_t j = 0; j < count; j++) {
            const float *source = weights + k * job->k_step + (panel * NR + j) * job->column_step;
            for (int t = 0; t < 9; t++) taps[t][j] = source[job->turned ? 8 - t : t];
        }
        for (int64_t j = 0; j < NR; j += VL) {
            vf half[3][6], column[6];
            for (int x = 0; x < 3; x++) {
                vf g[3] = {vf_load(taps[x] + j), vf_load(taps[3 + x] + j), vf_load(taps[6 + x] + j)};
                transform_weights(g, half[x]);
            }
            for (int y = 0; y < 6; y++) {
                vf g[3] = {half[0][y], half[1][y], half[2][y]};
                transform_weights(g, column);
                for (int x = 0; x < 6; x++)
                    vf_store(out + ((y * 6 + x) * job->depth + k) * NR + j, column[x]);
            }
        }
    }
}

void SL_ISA(winograd_pack)(const sl_cpu_conv_pack *p) {
    const sl_cpu_conv_shape *s = p->shape;
    pack_job job = {p, s->in_c, s->out_c, 9, s->in_c * 9, false};
    if (p->pass == SL_CPU_BACKWARD_DATA) job = (pack_job){p, s->out_c, s->in_c, s->in_c * 9, 9, true};
    sl_parallel_for(ceil_div(job.columns, NR), pack_panel, &job);
}

/* ---- the convolution ---- */

typedef struct winograd_job {
    const sl_cpu_conv *conv;
    tile_map input;
    int64_t depth, out_h, out_w, columns;
    int64_t out_stride, residual_stride;
    int64_t tiles; /* in all images */
    int64_t block_tiles, blocks, groups;
} winograd_job;

static winograd_job plan_of(const sl_cpu_conv *conv) {
    const sl_cpu_conv_shape *s = conv->shape;
    winograd_job job = {.conv = conv, .input = {.data = conv->input}};
    tile_map *in = &job.input;
    if (conv->pass == SL_CPU_FORWARD) {
        in->h = s->in_h, in->w = s->in_w, job.depth = s->in_c;
        job.out_h = s->out_h, job.out_w = s->out_w, job.columns = s->out_c;
        in->pad_top = s->pad_top, in->pad_left = s->pad_left;
    } else {
        in->h = s->out_h, in->w = s->out_w, job.depth = s->out_c;
        job.out_h = s->in_h, job.out_w = s->in_w, job.columns = s->in_c;
        in->pad_top = 2 - s->pad_top, in->pad_left = 2 - s->pad_left;
    }
    in->stride = conv->input_stride ? conv->input_stride : job.depth;
    job.out_stride = conv->output_stride ? conv->output_stride : job.columns;
    job.residual_stride = conv->residual_stride ? conv->residual_stride : job.columns;
    in->tiles_y = ceil_div(job.out_h, SIDE), in->tiles_x = ceil_div(job.out_w, SIDE);
    job.tiles = s->batch * in->tiles_y * in->tiles_x;
    job.block_tiles = job.tiles >= TASKS_WANTED * BLOCK_TILES ? BLOCK_TILES : BLOCK_TILES_FEW;
    job.blocks = ceil_div(job.tiles, job.block_tiles);
    int64_t pairs = ceil_div(ceil_div(job.columns, NR), PANELS_AT_ONCE);
    job.groups = min_of(pairs, ceil_div(TASKS_WANTED, job.blocks));
    return job;
}

static int64_t product_floats(void) {
    return POINTS * BLOCK_TILES * PANELS_AT_ONCE * NR;
}

size_t SL_ISA(winograd_worker_bytes)(const sl_cpu_conv *conv) {
    winograd_job job = plan_of(conv);
    return (size_t)(POINTS * job.block_tiles * job.depth + product_floats()) * sizeof(float);
}

/* M for up to PANELS_AT_ONCE panels from `panel` on. */
static void multiply(const winograd_job *job, int64_t tiles, int64_t panel, int64_t panels, const float *v,
                     float *m) {
    micro_fn product = micro_for(false, false);
    int64_t parts = ceil_div(tiles, MR);
    for (int64_t point = 0; point < POINTS; point++)
        for (int64_t q = 0; q < panels; q++) {
            const float *u =
                (const float *)job->conv->packed + ((panel + q) * POINTS + point) * job->depth * NR;
            int nv = job->columns - (panel + q) * NR > VL ? 2 : 1;
            for (int64_t k = 0; k < job->depth; k += CHUNK_CHANNELS)
                for (int64_t i = 0; i < parts; i++) {
                    range rows = part_of(tiles, parts, i);
                    const float *from = v + (point * job->block_tiles + rows.begin) * job->depth + k;
                    const unit *a = (const unit *)(const void *)from;
                    micro g = {
                        .a = &a, .lda = job->depth, .b = (const unit *)(const void *)(u + k * NR), .ldb = NR};
                    g.count = 1, g.depth = min_of(CHUNK_CHANNELS, job->depth - k), g.add = k > 0;
                    g.c = m + (point * BLOCK_TILES + rows.begin) * PANELS_AT_ONCE * NR + q * NR;
                    g.ldc = PANELS_AT_ONCE * NR;
                    product(&g, (int)(rows.end - rows.begin), nv);
                }
        }
}

SL_INLINE void output_vector(const winograd_job *job, const sl_cpu_activation act, const tile_place *p,
                             int64_t column, const float *m) {
    const sl_cpu_conv *conv = job->conv;
    const int64_t step = BLOCK_TILES * PANELS_AT_ONCE * NR, lanes = min_of(VL, job->columns - column);
    vf half[6][4], line[6], done[4];
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) line[x] = vf_load(m + (y * 6 + x) * step);
        transform_output(line, half[y]);
    }
    vf bias = conv->bias ? vf_load_n(conv->bias + column, lanes) : vf_zero();
#pragma GCC unroll 4
    for (int x = 0; x < SIDE; x++) {
        if (p->x + x >= job->out_w) break;
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) line[y] = half[y][x];
        transform_output(line, done);
#pragma GCC unroll 4
        for (int y = 0; y < SIDE; y++) {
            if (p->y + y >= job->out_h) break;
            int64_t pixel = (p->image * job->out_h + p->y + y) * job->out_w + p->x + x;
            vf value = v_activation(act, done[y] + bias);
            if (conv->residual)
                value =
                    value +
                    vf_load_n((const float *)conv->residual + pixel * job->residual_stride + column, lanes);
            vf_store_n((float *)conv->output + pixel * job->out_stride + column, value, lanes);
        }
    }
}

static void transform_outputs(const winograd_job *job, range tiles, int64_t panel, int64_t panels,
                              const float *m) {
    const tile_map outputs = {.tiles_y = job->input.tiles_y, .tiles_x = job->input.tiles_x};
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++) {
        tile_place p = place_of(&outputs, tile);
        const float *from = m + (tile - tiles.begin) * PANELS_AT_ONCE * NR;
        for (int64_t j = 0; j < panels * NR && panel * NR + j < job->columns; j += VL) {
            if (job->conv->activation == SL_ACT_SILU)
                output_vector(job, SL_ACT_SILU, &p, panel * NR + j, from + j);
            else
                output_vector(job, SL_ACT_NONE, &p, panel * NR + j, from + j);
        }
    }
}

static void winograd_task(void *context, int64_t task, int worker) {
    const winograd_job *job = context;
    float *v = (float *)(void *)(job->conv->worker_workspace + (size_t)worker * job->conv->worker_stride);
    float *m = v + POINTS * job->block_tiles * job->depth;
    range tiles = part_of(job->tiles, job->blocks, task / job->groups);
    int64_t all = ceil_div(job->columns, NR), pairs = ceil_div(all, PANELS_AT_ONCE);
    range group = part_of(pairs, job->groups, task % job->groups);
    transform_inputs(&job->input, tiles, (range){0, job->depth}, v, job->depth,
                     job->block_tiles * job->depth);
    for (int64_t pair = group.begin; pair < group.end; pair++) {
        int64_t panel = pair * PANELS_AT_ONCE, panels = min_of(PANELS_AT_ONCE, all - panel);
        multiply(job, tiles.end - tiles.begin, panel, panels, v, m);
        transform_outputs(job, tiles, panel, panels, m);
    }
}

void SL_ISA(winograd)(const sl_cpu_conv *conv) {
    winograd_job job = plan_of(conv);
    sl_parallel_for(job.blocks * job.groups, winograd_task, &job);
}
