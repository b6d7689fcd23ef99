/* Gradient of the weights of a 3x3 convolution of stride 1 by Winograd's minimal filtering (winograd.h): a
 * quarter of the direct products.
 *
 * A task owns a block of input and output channels and a part of the tiles. Some tiles at a time it
 * transforms the inputs to V[36][tile][in] and the gradient of the outputs to W[36][tile][out], and adds W^T
 * V to M[36][out][in]; at the end it transforms M to the nine taps. All three lie in the worker's own memory.
 * Where the tiles are cut into parts, the parts' results are added at the end in fixed order. */
#include "backend/cpu/isa/winograd/winograd.h"

enum {
    BLOCK_TILES = 32,
    BLOCK_IN = 64, /* channels; multiples of VL */
    BLOCK_OUT = 64,
    TASKS_WANTED = 16,
    PART_TILES_MIN = 96,
    TAPS = 9,
};

typedef struct grad_job {
    const sl_cpu_conv_grad *g;
    tile_map input, grad;
    int64_t in_c, out_c, tiles, block_in, block_out, in_blocks, out_blocks, parts;
    float *sums; /* [parts][out][tap][in] where there are several parts */
} grad_job;

/* Nearly equal blocks of at most `most` channels, in whole vectors. */
static int64_t block_size(int64_t channels, int64_t most) {
    return round_up(ceil_div(channels, ceil_div(channels, most)), VL);
}

static grad_job plan_of(const sl_cpu_conv_grad *g) {
    const sl_cpu_conv_shape *s = g->shape;
    grad_job job = {.g = g, .in_c = s->in_c, .out_c = s->out_c, .sums = g->workspace};
    int64_t tiles_y = ceil_div(s->out_h, SIDE), tiles_x = ceil_div(s->out_w, SIDE);
    bool bf16 = g->dtype == SL_BF16;
    job.input =
        (tile_map){.data = g->input, s->in_h, s->in_w, 0, s->pad_top, s->pad_left, tiles_y, tiles_x, bf16};
    job.input.stride = g->input_stride ? g->input_stride : s->in_c;
    job.grad = (tile_map){.data = g->grad_output, s->out_h, s->out_w, 0, 0, 0, tiles_y, tiles_x, bf16};
    job.grad.stride = g->grad_output_stride ? g->grad_output_stride : s->out_c;
    job.tiles = s->batch * tiles_y * tiles_x;
    job.block_in = block_size(s->in_c, BLOCK_IN);
    job.block_out = block_size(s->out_c, BLOCK_OUT);
    job.in_blocks = ceil_div(s->in_c, job.block_in);
    job.out_blocks = ceil_div(s->out_c, job.block_out);
    job.parts =
        min_of(ceil_div(TASKS_WANTED, job.in_blocks * job.out_blocks), max_of(1, job.tiles / PART_TILES_MIN));
    return job;
}

size_t SL_ISA(winograd_grad_bytes)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    return job.parts == 1 ? 0 : (size_t)(job.parts * job.out_c * TAPS * job.in_c) * sizeof(float);
}

/* Distance of two points in V, W and M: of `rows` rows of `width` */
static int64_t point_step(int64_t rows, int64_t width) {
    return rows * width + POINT_GAP;
}

size_t SL_ISA(winograd_grad_worker_bytes)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    int64_t floats = point_step(BLOCK_TILES, job.block_in) + point_step(BLOCK_TILES, job.block_out) +
                     point_step(job.block_out, job.block_in);
    return (size_t)(POINTS * floats) * sizeof(float);
}

/* A dy A^T of a vector of channels; `inside`: all 16 pixels exist and the channels fill the vector. */
SL_INLINE void grad_vector(const tile_map *map, const bool bf16, const bool inside, const tile_place *p,
                           int64_t channel, int64_t lanes, float *w, int64_t step) {
    int64_t corner = tile_corner(map, p) + channel;
    vf half[4][6], line[4], done[6];
#pragma GCC unroll 4
    for (int y = 0; y < 4; y++) {
#pragma GCC unroll 4
        for (int x = 0; x < 4; x++) line[x] = tile_pixel(map, bf16, inside, p, corner, y, x, lanes);
        transform_output_grad(line, half[y]);
    }
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
#pragma GCC unroll 4
        for (int y = 0; y < 4; y++) line[y] = half[y][x];
        transform_output_grad(line, done);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) vf_store(w + (y * 6 + x) * step, done[y]);
    }
}

static void transform_grads(const tile_map *map, range tiles, range channels, float *w, int64_t tile_step,
                            int64_t step) {
    transform_tiles(map, SIDE, grad_vector, tiles, channels, w, tile_step, step);
}

typedef struct grad_block {
    range in, out;
    float *v, *w, *m;
    int64_t v_step, w_step, m_step; /* of points */
} grad_block;

/* M += W^T V over some tiles, or M = W^T V for the first. */
static void multiply(const grad_job *job, const grad_block *b, int64_t tiles, bool add) {
    micro_fn product = micro_for(false, true);
    int64_t in = round_up(b->in.end - b->in.begin, VL), out = b->out.end - b->out.begin;
    for (int64_t point = 0; point < POINTS; point++)
        for (int64_t i = 0; i < in; i += NR) {
            int nv = in - i > VL ? 2 : 1;
            int64_t parts = ceil_div(out, nv == 2 ? MR : MR_ONE);
            for (int64_t part = 0; part < parts; part++) {
                range rows = part_of(out, parts, part);
                const unit *a = (const unit *)(const void *)(b->w + point * b->w_step + rows.begin);
                micro g = {.a = &a, .lda = job->block_out, .ldb = job->block_in, .ldc = job->block_in};
                g.b = (const unit *)(const void *)(b->v + point * b->v_step + i);
                g.count = 1, g.depth = tiles, g.add = add;
                g.c = b->m + point * b->m_step + rows.begin * job->block_in + i;
                product(&g, (int)(rows.end - rows.begin), nv);
            }
        }
}

/* G^T m G of a vector of input channels */
SL_INLINE void taps_vector(const float *m, int64_t step, vf taps[TAPS]) {
    vf half[6][3], line[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) line[x] = vf_load(m + (y * 6 + x) * step);
        transform_weight_sums(line, half[y]);
    }
#pragma GCC unroll 3
    for (int x = 0; x < 3; x++) {
        vf done[3];
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) line[y] = half[y][x];
        transform_weight_sums(line, done);
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++) taps[y * 3 + x] = done[y];
    }
}

/* Nine taps of `lanes` input channels to weights[in][tap] */
SL_INLINE void write_weights(const vf taps[TAPS], int64_t lanes, float *weights) {
    float planes[TAPS][VL] __attribute__((aligned(64)));
#pragma GCC unroll 9
    for (int t = 0; t < TAPS; t++) vf_store(planes[t], taps[t]);
    transpose(planes[0], VL, TAPS, lanes, weights, TAPS);
}

static void transform_sums(const grad_job *job, const grad_block *b, int64_t part) {
    for (int64_t o = b->out.begin; o < b->out.end; o++)
        for (int64_t i = b->in.begin; i < b->in.end; i += VL) {
            int64_t lanes = min_of(VL, b->in.end - i);
            vf taps[TAPS];
            taps_vector(b->m + (o - b->out.begin) * job->block_in + i - b->in.begin, b->m_step, taps);
            if (job->parts == 1) {
                write_weights(taps, lanes, job->g->grad_weights + (o * job->in_c + i) * TAPS);
                continue;
            }
            float *sums = job->sums + (part * job->out_c + o) * TAPS * job->in_c + i;
            for (int t = 0; t < TAPS; t++) vf_store_n(sums + t * job->in_c, taps[t], lanes);
        }
}

static void grad_task(void *context, int64_t task, int worker) {
    const grad_job *job = context;
    int64_t part = task % job->parts, block = task / job->parts;
    int64_t in = block % job->in_blocks * job->block_in, out = block / job->in_blocks * job->block_out;
    grad_block b = {.in = {in, min_of(job->in_c, in + job->block_in)},
                    .out = {out, min_of(job->out_c, out + job->block_out)},
                    .v_step = point_step(BLOCK_TILES, job->block_in),
                    .w_step = point_step(BLOCK_TILES, job->block_out),
                    .m_step = point_step(job->block_out, job->block_in)};
    b.v = (float *)(void *)(job->g->worker_workspace + (size_t)worker * job->g->worker_stride);
    b.w = b.v + POINTS * b.v_step, b.m = b.w + POINTS * b.w_step;
    range tiles = part_of(job->tiles, job->parts, part);
    int64_t blocks = ceil_div(tiles.end - tiles.begin, BLOCK_TILES);
    for (int64_t i = 0; i < blocks; i++) {
        range some = part_of(tiles.end - tiles.begin, blocks, i);
        some.begin += tiles.begin, some.end += tiles.begin;
        transform_inputs(&job->input, some, b.in, b.v, job->block_in, b.v_step);
        transform_grads(&job->grad, some, b.out, b.w, job->block_out, b.w_step);
        multiply(job, &b, some.end - some.begin, i > 0);
    }
    transform_sums(job, &b, part);
}

/* Adds the parts of one output channel. */
static void reduce_task(void *context, int64_t o, int worker) {
    (void)worker;
    const grad_job *job = context;
    const int64_t part_step = job->out_c * TAPS * job->in_c;
    for (int64_t i = 0; i < job->in_c; i += VL) {
        int64_t lanes = min_of(VL, job->in_c - i);
        vf taps[TAPS];
        for (int t = 0; t < TAPS; t++) {
            const float *sums = job->sums + (o * TAPS + t) * job->in_c + i;
            taps[t] = vf_zero();
            for (int64_t part = 0; part < job->parts; part++)
                taps[t] = taps[t] + vf_load_n(sums + part * part_step, lanes);
        }
        write_weights(taps, lanes, job->g->grad_weights + (o * job->in_c + i) * TAPS);
    }
}

void SL_ISA(winograd_grad)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    sl_parallel_for(job.in_blocks * job.out_blocks * job.parts, grad_task, &job);
    if (job.parts > 1) sl_parallel_for(job.out_c, reduce_task, &job);
}
