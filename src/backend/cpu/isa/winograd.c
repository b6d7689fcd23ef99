/* 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4,3x3) (Lavin and Gray 2016, arXiv
 * 1509.09308): 36 products for 16 outputs in place of 144. The points are 0, 3/4, -3/4, 3/2, -3/2 and
 * infinity, whose coefficients are exact in fp32 and lose a quarter as much as the usual 1 and 2: its error
 * is at most some 1e-5 of the result's root mean square. Backward-data is the same with turned, transposed
 * weights.
 *
 * A task takes a block of 4x4 output tiles and a group of panels of output channels: it transforms the inputs
 * to V[36][tile][channel], multiplies them with the transformed weights U[panel][36][channel][NR] two panels
 * at a time to M[36][tile][2 NR], and transforms that to outputs. V and M lie in the worker's own memory. */
#include "backend/cpu/isa/conv.h"

enum {
    POINTS = 36,
    SIDE = 4, /* outputs of a tile; it reads SIDE + 2 inputs */
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

/* The points besides 0: A, -A, B, -B */
#define A 0.75f
#define B 1.5f

/* G g, one column of G g G^T from one column of g: g at each point p, over the product of p's distances to
 * the others. */
SL_INLINE void transform_weights(const vf g[3], vf out[6]) {
    const vf scale_a = vf_set1(1 / (2 * A * A * (A * A - B * B))),
             scale_b = vf_set1(1 / (2 * B * B * (B * B - A * A)));
    vf even_a = vf_fma(g[2], vf_set1(A * A), g[0]), even_b = vf_fma(g[2], vf_set1(B * B), g[0]);
    out[0] = g[0] * vf_set1(1 / (A * A * B * B));
    out[1] = vf_fma(g[1], vf_set1(A), even_a) * scale_a;
    out[2] = vf_fnma(g[1], vf_set1(A), even_a) * scale_a;
    out[3] = vf_fma(g[1], vf_set1(B), even_b) * scale_b;
    out[4] = vf_fnma(g[1], vf_set1(B), even_b) * scale_b;
    out[5] = g[2];
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
    int64_t batch, in_h, in_w, depth, out_h, out_w, columns, pad_top, pad_left;
    int64_t in_stride, out_stride, residual_stride;
    int64_t tiles_y, tiles_x, tiles; /* in all images */
    int64_t block_tiles, blocks, groups;
} winograd_job;

static winograd_job plan_of(const sl_cpu_conv *conv) {
    const sl_cpu_conv_shape *s = conv->shape;
    winograd_job job = {.conv = conv, .batch = s->batch};
    if (conv->pass == SL_CPU_FORWARD) {
        job.in_h = s->in_h, job.in_w = s->in_w, job.depth = s->in_c;
        job.out_h = s->out_h, job.out_w = s->out_w, job.columns = s->out_c;
        job.pad_top = s->pad_top, job.pad_left = s->pad_left;
    } else {
        job.in_h = s->out_h, job.in_w = s->out_w, job.depth = s->out_c;
        job.out_h = s->in_h, job.out_w = s->in_w, job.columns = s->in_c;
        job.pad_top = 2 - s->pad_top, job.pad_left = 2 - s->pad_left;
    }
    job.in_stride = conv->input_stride ? conv->input_stride : job.depth;
    job.out_stride = conv->output_stride ? conv->output_stride : job.columns;
    job.residual_stride = conv->residual_stride ? conv->residual_stride : job.columns;
    job.tiles_y = ceil_div(job.out_h, SIDE);
    job.tiles_x = ceil_div(job.out_w, SIDE);
    job.tiles = job.batch * job.tiles_y * job.tiles_x;
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

/* B^T d for one line of six */
SL_INLINE void transform_input(const vf d[6], vf out[6]) {
    const vf aa = vf_set1(A * A), bb = vf_set1(B * B), sum = vf_set1(A * A + B * B),
             product = vf_set1(A * A * B * B);
    vf even_a = vf_fnma(bb, d[2], d[4]), odd_a = vf_fnma(bb, d[1], d[3]);
    vf even_b = vf_fnma(aa, d[2], d[4]), odd_b = vf_fnma(aa, d[1], d[3]);
    out[0] = vf_fma(product, d[0], vf_fnma(sum, d[2], d[4]));
    out[1] = vf_fma(vf_set1(A), odd_a, even_a);
    out[2] = vf_fnma(vf_set1(A), odd_a, even_a);
    out[3] = vf_fma(vf_set1(B), odd_b, even_b);
    out[4] = vf_fnma(vf_set1(B), odd_b, even_b);
    out[5] = vf_fma(product, d[1], vf_fnma(sum, d[3], d[5]));
}

/* A^T m for one line of six */
SL_INLINE void transform_output(const vf m[6], vf out[4]) {
    vf sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + sum_a + sum_b;
    out[1] = vf_fma(vf_set1(A), difference_a, vf_set1(B) * difference_b);
    out[2] = vf_fma(vf_set1(A * A), sum_a, vf_set1(B * B) * sum_b);
    out[3] = vf_fma(vf_set1(A * A * A), difference_a, vf_fma(vf_set1(B * B * B), difference_b, m[5]));
}

typedef struct tile_place {
    int64_t image, y, x; /* first output */
} tile_place;

static tile_place place_of(const winograd_job *job, int64_t tile) {
    int64_t x = tile % job->tiles_x, rest = tile / job->tiles_x;
    return (tile_place){rest / job->tiles_y, rest % job->tiles_y * SIDE, x * SIDE};
}

/* `inside`: all 36 inputs exist and the channels fill the vector. */
SL_INLINE void input_vector(const winograd_job *job, const bool inside, const tile_place *p, int64_t channel,
                            int64_t lanes, float *v, int64_t point_step) {
    const float *input = job->conv->input;
    int64_t y0 = p->y - job->pad_top, x0 = p->x - job->pad_left;
    const float *corner = input + ((p->image * job->in_h + y0) * job->in_w + x0) * job->in_stride + channel;
    vf half[6][6], line[6], done[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) {
            const float *from = corner + (y * job->in_w + x) * job->in_stride;
            bool exists = inside || (y0 + y >= 0 && y0 + y < job->in_h && x0 + x >= 0 && x0 + x < job->in_w);
            line[x] = inside ? vf_load(from) : exists ? vf_load_n(from, lanes) : vf_zero();
        }
        transform_input(line, half[y]);
    }
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) line[y] = half[y][x];
        transform_input(line, done);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) {
            if (inside)
                vf_store(v + (y * 6 + x) * point_step, done[y]);
            else
                vf_store_n(v + (y * 6 + x) * point_step, done[y], lanes);
        }
    }
}

static void transform_inputs(const winograd_job *job, range tiles, float *v) {
    int64_t step = job->block_tiles * job->depth;
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++) {
        tile_place p = place_of(job, tile);
        int64_t y0 = p.y - job->pad_top, x0 = p.x - job->pad_left;
        bool inside = y0 >= 0 && y0 + 6 <= job->in_h && x0 >= 0 && x0 + 6 <= job->in_w;
        float *to = v + (tile - tiles.begin) * job->depth;
        for (int64_t c = 0; c < job->depth; c += VL) {
            int64_t lanes = min_of(VL, job->depth - c);
            if (inside && lanes == VL)
                input_vector(job, true, &p, c, VL, to + c, step);
            else
                input_vector(job, false, &p, c, lanes, to + c, step);
        }
    }
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
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++) {
        tile_place p = place_of(job, tile);
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
    transform_inputs(job, tiles, v);
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
