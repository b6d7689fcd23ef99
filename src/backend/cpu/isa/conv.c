/* Direct convolution, forward and backward-data, as products of tiles of pixels with panels of packed
 * weights.
 *
 * A tile is up to MR neighbouring pixels of one output row: their inputs under one tap are rows of A at a
 * fixed distance, so nothing is padded, and nothing copied but odd channels of bf16: under a tap that leaves
 * the image the tile is cut. Backward-data of stride s computes each of the s*s phases of the image with the
 * taps that meet it. */
#include "backend/cpu/isa/panels.h"

enum {
    BLOCK_PIXELS = 128, /* of a task; C of one panel is BLOCK_PIXELS x NR on the stack */
    CHUNK_UNITS = 512,  /* depth of one pass over the tiles: keeps its part of a panel in the caches */
    TAPS_MAX = 64,      /* in one chunk */
    TASKS_WANTED = 64,
};

/* One phase of one pass: a grid of outputs with the taps that reach them. */
typedef struct conv_job {
    const sl_cpu_conv *conv;
    int64_t batch, in_h, in_w, grid_h, grid_w;    /* outputs of this phase */
    int64_t in_step;                              /* input pixels between neighbouring outputs */
    int64_t out_h, out_w, out_step, out_y, out_x; /* output pixel = grid index * out_step + out_y, out_x */
    panel_set weights;
    int64_t in_stride; /* in units */
    conv_end end;
    const conv_tap *taps;
    int64_t tap_count;
    int64_t rows_per_block, row_blocks, segments, groups;
    bool flat;   /* one tap, under which every tile lies inside */
    bool direct; /* and nothing to be done at the end but the bias: sums are formed in the output */
    micro_fn product;
} conv_job;

typedef struct tile {
    int64_t y, x, c_row;
    int rows;
} tile;

typedef struct block {
    int64_t image, tile_count, pixels;
    tile tiles[BLOCK_PIXELS];
} block;

static void add_row(block *b, int64_t y, range x, int64_t rows_max) {
    int64_t width = x.end - x.begin, parts = ceil_div(width, rows_max);
    for (int64_t i = 0; i < parts; i++) {
        range part = part_of(width, parts, i);
        b->tiles[b->tile_count++] = (tile){y, x.begin + part.begin, b->pixels, (int)(part.end - part.begin)};
        b->pixels += part.end - part.begin;
    }
}

/* The tiles of task part `index`: some whole rows of an image, or a segment of one row. */
static void block_of(const conv_job *job, int64_t index, block *b) {
    int64_t segment = index % job->segments, rest = index / job->segments;
    range rows = part_of(job->grid_h, job->row_blocks, rest % job->row_blocks);
    range x = part_of(job->grid_w, job->segments, segment);
    b->image = rest / job->row_blocks;
    b->tile_count = b->pixels = 0;
    for (int64_t y = rows.begin; y < rows.end; y++) add_row(b, y, x, MR);
}

/* Rows of the tile whose input column exists under the tap; false where the input row does not. */
static bool rows_inside(const conv_job *job, const tile *t, const conv_tap *tap, range *rows) {
    int64_t y = t->y * job->in_step + tap->dy, x = t->x * job->in_step + tap->dx, step = job->in_step;
    if (y < 0 || y >= job->in_h) return false;
    rows->begin = x < 0 ? ceil_div(-x, step) : 0;
    rows->end = x < job->in_w ? min_of(t->rows, ceil_div(job->in_w - x, step)) : 0;
    return rows->begin < rows->end;
}

static const unit *input_at(const conv_job *job, int64_t image, const tile *t, const conv_tap *tap,
                            int64_t row) {
    int64_t y = t->y * job->in_step + tap->dy, x = (t->x + row) * job->in_step + tap->dx;
    return (const unit *)job->conv->input + ((image * job->in_h + y) * job->in_w + x) * job->in_stride;
}

/* Part of the depth: taps [tap0, tap1) and of each the units [k0, k1), with their weights [k1 - k0][NR]. */
typedef struct chunk {
    int64_t tap0, tap1, k0, k1;
    const unit *weights[TAPS_MAX];
} chunk;

static void next_chunk(const conv_job *job, chunk *part) {
    int64_t count = max_of(1, min_of(TAPS_MAX, CHUNK_UNITS / job->weights.depth));
    if (part->k1 < job->weights.depth) {
        part->k0 = part->k1;
    } else {
        part->k0 = 0;
        part->tap0 = part->tap1;
        part->tap1 = min_of(job->tap_count, part->tap0 + count);
    }
    part->k1 = min_of(job->weights.depth, part->k0 + CHUNK_UNITS);
}

static void find_weights(const conv_job *job, int64_t panel, chunk *part, float *room) {
    int64_t step = (part->k1 - part->k0) * NR;
    for (int64_t i = part->tap0; i < part->tap1; i++, room += step)
        part->weights[i - part->tap0] =
            panel_rows(&job->weights, panel, job->taps[i].index, part->k0, part->k1, room);
}

/* Where the sums of a panel are formed: in rows of a block, or in those of the output. */
typedef struct sums {
    float *at;
    int64_t step;
    const float *start; /* what they begin with; NULL: 0 */
} sums;

static sums sums_of(const conv_job *job, int64_t panel, float *c) {
    const float *bias = job->conv->bias;
    if (!job->direct) return (sums){c, NR, NULL};
    return (sums){(float *)job->conv->output + panel * NR, job->end.out_stride,
                  bias ? bias + panel * NR : NULL};
}

/* Adds one chunk's products of one tile. Taps under which the whole tile lies inside go to the kernel
 * together, as long as their weights are equally far apart. */
static void tile_chunk(const conv_job *job, const block *b, const tile *t, const chunk *part, int nv,
                       const sums *to) {
    const unit *inputs[TAPS_MAX];
    float *c = to->at + (job->direct ? t->x : t->c_row) * to->step;
    micro m = {.a = inputs, .lda = job->in_step * job->in_stride, .ldb = NR, .ldc = to->step};
    m.start = to->start;
    m.depth = part->k1 - part->k0;
    m.b_step = (panels_lie_ready(&job->weights) ? job->weights.depth : m.depth) * NR;
    m.add = !job->flat || part->k0 > 0;
    for (int64_t i = part->tap0; i < part->tap1; i++) {
        const conv_tap *tap = &job->taps[i];
        range rows;
        bool inside = rows_inside(job, t, tap, &rows), whole = inside && rows.end - rows.begin == t->rows;
        const unit *weights = part->weights[i - part->tap0];
        bool next = m.count > 0 && weights == m.b + m.count * m.b_step;
        if (m.count > 0 && !(whole && next)) {
            job->product(&m, t->rows, nv);
            m.count = 0;
        }
        if (!inside) continue;
        if (m.count == 0) m.b = weights;
        inputs[m.count++] = input_at(job, b->image, t, tap, rows.begin) + part->k0;
        m.c = c;
        if (whole) continue;
        m.c += rows.begin * to->step;
        job->product(&m, (int)(rows.end - rows.begin), nv);
        m.count = 0;
    }
    if (m.count > 0) job->product(&m, t->rows, nv);
}

SL_INLINE void finish_panel(const conv_job *job, const bool bf16, const sl_cpu_activation act, const block *b,
                            int64_t column0, const float *c) {
    for (int64_t i = 0; i < b->tile_count; i++) {
        const tile *t = &b->tiles[i];
        int64_t y = t->y * job->out_step + job->out_y;
        for (int64_t row = 0; row < t->rows; row++) {
            int64_t x = (t->x + row) * job->out_step + job->out_x;
            int64_t pixel = (b->image * job->out_h + y) * job->out_w + x;
            for (int64_t j = 0; j < NR && column0 + j < job->weights.columns; j += VL)
                finish_vector(&job->end, bf16, act, column0 + j, pixel, c + (t->c_row + row) * NR + j,
                              min_of(VL, job->weights.columns - column0 - j));
        }
    }
}

static void finish(const conv_job *job, const block *b, int64_t column0, const float *c) {
#define FINISH(bf16, act) finish_panel(job, bf16, act, b, column0, c)
    FOR_CONV_END(job->conv->dtype == SL_BF16, job->conv->activation, FINISH)
#undef FINISH
}

static void conv_task(void *context, int64_t task, int worker) {
    (void)worker;
    const conv_job *job = context;
    block b;
    float c[BLOCK_PIXELS * NR] __attribute__((aligned(64)));
    float room[CHUNK_UNITS * NR] __attribute__((aligned(64)));
    block_of(job, task / job->groups, &b);
    range panels = part_of(ceil_div(job->weights.columns, NR), job->groups, task % job->groups);
    for (int64_t p = panels.begin; p < panels.end; p++) {
        int nv = job->weights.columns - p * NR > VL ? 2 : 1;
        sums to = sums_of(job, p, c);
        if (!job->flat) memset(c, 0, (size_t)(b.pixels * NR) * sizeof(float));
        chunk part = {.k1 = job->weights.depth};
        while (part.tap1 < job->tap_count || part.k1 < job->weights.depth) {
            next_chunk(job, &part);
            find_weights(job, p, &part, room);
            for (int64_t i = 0; i < b.tile_count; i++) tile_chunk(job, &b, &b.tiles[i], &part, nv, &to);
        }
        if (!job->direct) finish(job, &b, p * NR, c);
    }
}

/* Blocks of about BLOCK_PIXELS pixels, smaller ones and groups of panels where there would be few tasks. */
static void run_job(conv_job *job) {
    int64_t panels = ceil_div(job->weights.columns, NR), pixels = BLOCK_PIXELS;
    if (job->grid_h * job->grid_w == 0) return;
    for (;; pixels /= 2) {
        job->segments = ceil_div(job->grid_w, pixels);
        int64_t rows = max_of(1, pixels / job->grid_w);
        job->row_blocks = ceil_div(job->grid_h, rows);
        int64_t blocks = job->batch * job->row_blocks * job->segments;
        job->groups = min_of(panels, ceil_div(TASKS_WANTED, blocks));
        if (blocks * job->groups >= TASKS_WANTED / 4 || pixels <= 4 * MR) break;
    }
    sl_parallel_for(job->batch * job->row_blocks * job->segments * job->groups, conv_task, job);
}

static void forward(const sl_cpu_conv_shape *s, conv_job *job) {
    int64_t count = s->kernel_h * s->kernel_w;
    conv_tap taps[count];
    for (int64_t i = 0; i < count; i++) taps[i] = forward_tap(s, i);
    job->in_h = s->in_h, job->in_w = s->in_w;
    job->grid_h = job->out_h = s->out_h, job->grid_w = job->out_w = s->out_w;
    job->in_step = s->stride, job->out_step = 1;
    job->taps = taps, job->tap_count = count;
    run_job(job);
}

static void backward_phase(const sl_cpu_conv_shape *s, conv_job *job, int64_t phase_y, int64_t phase_x) {
    conv_tap taps[s->kernel_h * s->kernel_w];
    int64_t count = backward_taps(s, phase_y, phase_x, taps);
    job->grid_h = max_of(0, ceil_div(s->in_h - phase_y, s->stride));
    job->grid_w = max_of(0, ceil_div(s->in_w - phase_x, s->stride));
    job->out_y = phase_y, job->out_x = phase_x;
    job->taps = taps, job->tap_count = count;
    run_job(job);
}

static void backward_data(const sl_cpu_conv_shape *s, conv_job *job) {
    job->in_h = s->out_h, job->in_w = s->out_w;
    job->out_h = s->in_h, job->out_w = s->in_w;
    job->in_step = 1, job->out_step = s->stride;
    for (int64_t y = 0; y < s->stride; y++)
        for (int64_t x = 0; x < s->stride; x++) backward_phase(s, job, y, x);
}

/* ---- bf16 is read in pairs of channels: an odd number is filled up by a zero, in a copy ---- */

enum { PIXELS_AT_ONCE = 4096 };

static int64_t input_channels(const sl_cpu_conv *conv) {
    return conv->pass == SL_CPU_FORWARD ? conv->shape->in_c : conv->shape->out_c;
}

static int64_t input_pixels(const sl_cpu_conv *conv) {
    const sl_cpu_conv_shape *s = conv->shape;
    return s->batch * (conv->pass == SL_CPU_FORWARD ? s->in_h * s->in_w : s->out_h * s->out_w);
}

static bool is_odd(const sl_cpu_conv *conv) {
    return conv->dtype == SL_BF16 && input_channels(conv) % 2;
}

static void fill_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_conv *conv = context;
    int64_t channels = input_channels(conv), stride = conv->input_stride ? conv->input_stride : channels;
    int64_t first = task * PIXELS_AT_ONCE, end = min_of(input_pixels(conv), first + PIXELS_AT_ONCE);
    const uint16_t *from = (const uint16_t *)conv->input + first * stride;
    uint16_t *to = (uint16_t *)conv->workspace + first * (channels + 1);
    for (int64_t i = first; i < end; i++, from += stride, to += channels + 1) {
        for (int64_t c = 0; c < channels; c++) to[c] = from[c];
        to[channels] = 0;
    }
}

size_t SL_ISA(conv_bytes)(const sl_cpu_conv *conv) {
    if (!is_odd(conv)) return 0;
    return (size_t)(input_pixels(conv) * (input_channels(conv) + 1)) * sizeof(uint16_t);
}

static sl_cpu_conv filled(const sl_cpu_conv *conv) {
    sl_cpu_conv copy = *conv;
    sl_parallel_for(ceil_div(input_pixels(conv), PIXELS_AT_ONCE), fill_task, &copy);
    copy.input = conv->workspace, copy.input_stride = input_channels(conv) + 1;
    return copy;
}

/* ---- both passes ---- */

void SL_ISA(conv)(const sl_cpu_conv *given) {
    const sl_cpu_conv copy = is_odd(given) ? filled(given) : *given, *conv = &copy;
    sl_cpu_conv_shape s = flattened(conv->shape);
    bool is_forward = conv->pass == SL_CPU_FORWARD;
    int64_t in = input_channels(conv), out = is_forward ? s.out_c : s.in_c;
    int64_t in_stride = conv->input_stride ? conv->input_stride : in;
    conv_job job = {.conv = conv, .batch = s.batch};
    job.weights = panels_of(conv, s.kernel_h * s.kernel_w, depth_units(conv->dtype, in), out);
    job.in_stride = conv->dtype == SL_BF16 ? in_stride / 2 : in_stride;
    job.end = conv_end_of(conv, out);
    job.product = micro_for(conv->dtype == SL_BF16, false);
    job.flat = s.batch == 1 && s.in_h == 1 && s.kernel_h * s.kernel_w == 1 && s.stride == 1 &&
               s.pad_top == 0 && s.pad_left == 0 && s.in_w == s.out_w && s.out_h == 1;
    job.direct = job.flat && conv->dtype == SL_F32 && conv->activation == SL_ACT_NONE && !conv->residual &&
                 out % VL == 0;
    if (is_forward)
        forward(&s, &job);
    else
        backward_data(&s, &job);
}
