/* What the two convolutions by Winograd's filtering share: sizes, products at a point, and the way back to
 * outputs. M[36][tile][2 NR] holds the products of two panels of output channels. */
#ifndef SL_BACKEND_CPU_ISA_WINOGRAD_CONV_H
#define SL_BACKEND_CPU_ISA_WINOGRAD_CONV_H

#include "backend/cpu/isa/winograd/winograd.h"

enum {
    BLOCK_TILES = 48, /* at most, of a task */
    PANELS_AT_ONCE = 2,
    POINT_FLOATS = BLOCK_TILES * PANELS_AT_ONCE * NR + POINT_GAP, /* of M */
    PRODUCT_FLOATS = POINTS * POINT_FLOATS,
};

typedef struct winograd_job {
    const sl_cpu_conv *conv;
    tile_map input;
    int64_t depth, out_h, out_w, columns;
    int64_t out_stride, residual_stride;
    int64_t tiles; /* in all images */
    int64_t block_tiles, blocks, groups;
} winograd_job;

/* All but how the work is cut. */
static inline winograd_job winograd_job_of(const sl_cpu_conv *conv) {
    const sl_cpu_conv_shape *s = conv->shape;
    winograd_job job = {.conv = conv, .input = {.data = conv->input, .bf16 = conv->dtype == SL_BF16}};
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
    return job;
}

/* Pairs of panels of output channels. */
SL_INLINE int64_t winograd_pairs(const winograd_job *job) {
    return ceil_div(ceil_div(job->columns, NR), PANELS_AT_ONCE);
}

/* M of one panel at one point, [tile][2 NR], from v[tile][lda] and u[depth][NR]. */
static inline void multiply_point(const float *v, int64_t lda, int64_t tiles, const float *u, int64_t depth,
                                  int nv, bool add, float *m) {
    micro_fn product = micro_for(false, false);
    int64_t parts = ceil_div(tiles, MR);
    for (int64_t i = 0; i < parts; i++) {
        range rows = part_of(tiles, parts, i);
        const unit *a = (const unit *)(const void *)(v + rows.begin * lda);
        micro g = {.a = &a, .lda = lda, .b = (const unit *)(const void *)u, .ldb = NR, .add = add};
        g.count = 1, g.depth = depth;
        g.c = m + rows.begin * PANELS_AT_ONCE * NR;
        g.ldc = PANELS_AT_ONCE * NR;
        product(&g, (int)(rows.end - rows.begin), nv);
    }
}

SL_INLINE void output_vector(const winograd_job *job, const bool bf16, const sl_cpu_activation act,
                             const tile_place *p, int64_t column, const float *m) {
    const sl_cpu_conv *conv = job->conv;
    const int64_t step = POINT_FLOATS, lanes = min_of(VL, job->columns - column);
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
                value = value + vf_get_n(bf16, conv->residual, pixel * job->residual_stride + column, lanes);
            vf_put_n(bf16, conv->output, pixel * job->out_stride + column, value, lanes);
        }
    }
}

SL_INLINE void transform_outputs_of(const winograd_job *job, const bool bf16, const sl_cpu_activation act,
                                    range tiles, int64_t pair, const float *m) {
    const tile_map outputs = {.tiles_y = job->input.tiles_y, .tiles_x = job->input.tiles_x};
    const int64_t first = pair * PANELS_AT_ONCE * NR, end = min_of(first + PANELS_AT_ONCE * NR, job->columns);
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++, m += PANELS_AT_ONCE * NR) {
        tile_place p = place_of(&outputs, tile);
        for (int64_t j = first; j < end; j += VL) output_vector(job, bf16, act, &p, j, m + j - first);
    }
}

/* The outputs of one pair of panels. */
static inline void transform_outputs(const winograd_job *job, range tiles, int64_t pair, const float *m) {
    bool silu = job->conv->activation == SL_ACT_SILU;
    if (job->input.bf16) {
        if (silu)
            transform_outputs_of(job, true, SL_ACT_SILU, tiles, pair, m);
        else
            transform_outputs_of(job, true, SL_ACT_NONE, tiles, pair, m);
    } else if (silu)
        transform_outputs_of(job, false, SL_ACT_SILU, tiles, pair, m);
    else
        transform_outputs_of(job, false, SL_ACT_NONE, tiles, pair, m);
}

/* Of winograd()'s arguments where they have `forward_form` (winograd_made.c). */
size_t SL_ISA(winograd_made_worker_bytes)(const sl_cpu_conv *conv);
void SL_ISA(winograd_made)(const sl_cpu_conv *conv);

#endif
