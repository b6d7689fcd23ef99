/* Gradient of convolution weights in tiles: for each tap a product over positions (grid.h),
 * grad_w[tap][ic][oc] = sum over p of x[p + tap][ic] * grad_y[p][oc].
 *
 * A task owns some slots (32 input channels under one tap), some panels of 32 output channels and a part of
 * the positions, of which it copies some hundred at a time: x so that positions are the depth, two neighbours
 * a pair, and a tap a shift; grad_y to pairs of positions, with zeros where there is no output. The parts are
 * added in order on the way to the weights. */
#include "backend/cpu/amx/grid.h"
#include "backend/cpu/isa/transpose.h"

enum {
    SLOTS = 18, /* of a task; with its panels sums and copies fit in the second cache */
    PANELS = 6,
    CHUNK_POSITIONS =
        256, /* at least: what a block of channels and a panel take of it fits in the first cache */
    CHUNK_POSITIONS_1 = 512, /* with one tap */
    COPY_POSITIONS = 256,
    TASKS_WANTED = 16,
    PARTS_MAX = 16,
    PART_POSITIONS_MIN = 512,
};

typedef struct grad_job {
    const sl_cpu_conv_grad *g;
    sl_cpu_conv_shape s;
    grid grid;
    int64_t taps, slots, panels, slot_blocks, panel_blocks, parts;
    int64_t positions, farthest; /* to sum over; of the last tap */
    int64_t chunk, x_step;       /* positions copied at a time; between channels of x */
    float *sums;                 /* [parts][slots][BLOCK][panels * BLOCK] */
} grad_job;

/* An odd number of cache lines, so that the rows of a tile spread over all sets. */
static int64_t channel_step(int64_t positions) {
    return (ceil_div(positions, BLOCK) | 1) * BLOCK;
}

static grad_job plan_of(const sl_cpu_conv_grad *g) {
    grad_job job = {.g = g, .s = flattened(g->shape)};
    const sl_cpu_conv_shape *s = &job.s;
    job.taps = s->kernel_h * s->kernel_w;
    conv_tap corners[2] = {forward_tap(s, 0), forward_tap(s, job.taps - 1)};
    job.grid = grid_of(s->batch, s->in_h, s->in_w, s->out_h, s->out_w, s->stride, corners, 2);
    job.slots = ceil_div(s->in_c, BLOCK) * job.taps, job.panels = ceil_div(s->out_c, BLOCK);
    job.slot_blocks = ceil_div(job.slots, SLOTS), job.panel_blocks = ceil_div(job.panels, PANELS);
    job.positions = round_up(job.grid.batch * job.grid.image, BLOCK);
    job.farthest = tap_at(&job.grid, &corners[1]);
    job.chunk = min_of(job.positions, max_of(job.taps > 1 ? CHUNK_POSITIONS : CHUNK_POSITIONS_1,
                                             round_up(2 * job.farthest, BLOCK)));
    job.x_step = channel_step(job.chunk + job.farthest);
    int64_t tasks = job.slot_blocks * job.panel_blocks;
    job.parts = min_of(ceil_div(TASKS_WANTED, tasks), max_of(1, job.positions / PART_POSITIONS_MIN));
    job.parts = min_of(job.parts, PARTS_MAX);
    return job;
}

size_t SL_ISA(conv_grad_bytes)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    return (size_t)(job.parts * job.slots * BLOCK * job.panels * BLOCK) * sizeof(float);
}

/* What a worker holds of one chunk. */
typedef struct chunk_copy {
    uint16_t *x; /* [channels][x_step] */
    unit *y;     /* [panels][chunk / 2][BLOCK] */
} chunk_copy;

/* Most blocks of 32 channels that a task's slots fall into */
static int64_t channel_blocks(const grad_job *job) {
    return ceil_div(ceil_div(job->slots, job->slot_blocks) - 1, job->taps) + 1;
}

static size_t place(const grad_job *job, char *base, chunk_copy *out) {
    size_t x = (size_t)(channel_blocks(job) * BLOCK * job->x_step) * sizeof *out->x;
    size_t y = (size_t)(ceil_div(job->panels, job->panel_blocks) * job->chunk / 2 * BLOCK) * sizeof *out->y;
    if (base) *out = (chunk_copy){(void *)base, (void *)(base + x)};
    return x + y;
}

size_t SL_ISA(conv_grad_worker_bytes)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    return place(&job, NULL, NULL);
}

/* ---- copies ---- */

static const uint16_t *row_or_null(const void *base, int64_t row, int64_t stride, int64_t column) {
    return row < 0 ? NULL : (const uint16_t *)base + row * stride + column;
}

/* VL channels of `count` positions: pairs of positions, transposed */
static void copy_channels(const grad_job *job, int64_t channel, const int64_t *pixels, int64_t count,
                          uint16_t *out) {
    int64_t n = max_of(0, min_of(VL, job->s.in_c - channel)),
            stride = job->g->input_stride ? job->g->input_stride : job->s.in_c;
    for (int64_t p = 0; p < count; p += BLOCK) {
        vi row[VL];
        for (int64_t i = 0; i < VL; i++)
            row[i] = vi_load_pairs(row_or_null(job->g->input, pixels[p + 2 * i], stride, channel),
                                   row_or_null(job->g->input, pixels[p + 2 * i + 1], stride, channel), n);
        transpose_units(row);
        for (int64_t i = 0; i < VL; i++) _mm512_storeu_si512(out + i * job->x_step + p, row[i]);
    }
}

static void copy_x(const grad_job *job, int64_t channel0, int64_t channels, int64_t begin, uint16_t *out) {
    int64_t pixels[COPY_POSITIONS];
    for (int64_t p = 0; p < job->x_step; p += COPY_POSITIONS) {
        int64_t count = min_of(COPY_POSITIONS, job->x_step - p);
        find_pixels(&job->grid, begin + p, count, pixels);
        for (int64_t c = 0; c < channels; c += VL)
            copy_channels(job, channel0 + c, pixels, count, out + c * job->x_step + p);
    }
}

/* Where the gradients of positions [begin, begin + count) are, count even; -1: no output. */
static void gradients_of(const grad_job *job, int64_t begin, int64_t count, int64_t *out) {
    int64_t step = job->grid.step, dense[COPY_POSITIONS];
    int64_t first = ceil_div(begin, step), last = ceil_div(begin + count, step);
    find_outputs(&job->grid, first, last - first, dense);
    for (int64_t i = 0; i < count; i++) out[i] = -1;
    for (int64_t q = first; q < last; q++) out[q * step - begin] = dense[q - first];
}

static void copy_y(const grad_job *job, range panels, range positions, unit *out) {
    int64_t rows[COPY_POSITIONS], out_c = job->s.out_c,
                                  stride = job->g->grad_output_stride ? job->g->grad_output_stride : out_c;
    for (int64_t begin = positions.begin; begin < positions.end; begin += COPY_POSITIONS) {
        int64_t count = min_of(COPY_POSITIONS, positions.end - begin), at = begin - positions.begin;
        gradients_of(job, begin, count, rows);
        for (int64_t j = panels.begin * BLOCK; j < panels.end * BLOCK; j += VL) {
            int64_t n = max_of(0, min_of(VL, out_c - j)), from_first = j - panels.begin * BLOCK;
            unit *to = out + (from_first / BLOCK * job->chunk + at) / 2 * BLOCK + from_first % BLOCK;
            for (int64_t p = 0; p < count; p += 2)
                store_units(to + p / 2 * BLOCK,
                            vi_load_pairs(row_or_null(job->g->grad_output, rows[p], stride, j),
                                          row_or_null(job->g->grad_output, rows[p + 1], stride, j), n));
        }
    }
}

/* ---- sums ---- */

static float *sums_of(const grad_job *job, int64_t part, int64_t slot) {
    return job->sums + (part * job->slots + slot) * BLOCK * job->panels * BLOCK;
}

/* What a task owns. */
typedef struct grad_block {
    range slots, panels, positions;
    int64_t part, channel0;
} grad_block;

static grad_block block_of(const grad_job *job, int64_t task) {
    grad_block b = {.part = task % job->parts};
    int64_t block = task / job->parts;
    b.slots = part_of(job->slots, job->slot_blocks, block % job->slot_blocks);
    b.panels = part_of(job->panels, job->panel_blocks, block / job->slot_blocks);
    range blocks = part_of(job->positions / BLOCK, job->parts, b.part);
    b.positions = (range){blocks.begin * BLOCK, blocks.end * BLOCK};
    b.channel0 = b.slots.begin / job->taps * BLOCK;
    return b;
}

/* The slots of one block of channels with one panel after another: what a product reads, all taps read. */
static void multiply_chunk(const grad_job *job, const grad_block *b, const chunk_copy *copy, int64_t count,
                           bool add) {
    tile_product p = {.lda = job->x_step * 2, .ldb = BLOCK, .count = 1, .ldc = job->panels * BLOCK};
    p.depth = count / 2;
    p.add = add;
    for (int64_t first = b->slots.begin, last; first < b->slots.end; first = last) {
        int64_t channel = first / job->taps * BLOCK;
        last = min_of(b->slots.end, (first / job->taps + 1) * job->taps);
        for (int64_t i = b->panels.begin; i < b->panels.end; i++) {
            p.b = copy->y + (i - b->panels.begin) * job->chunk / 2 * BLOCK;
            for (int64_t slot = first; slot < last; slot++) {
                conv_tap tap = forward_tap(&job->s, slot % job->taps);
                p.a = copy->x + (channel - b->channel0) * job->x_step + tap_at(&job->grid, &tap);
                p.c = sums_of(job, b->part, slot) + i * BLOCK;
                tile_multiply(&p, job->s.in_c - channel, job->s.out_c - i * BLOCK);
            }
        }
    }
}

static void grad_task(void *context, int64_t task, int worker) {
    const grad_job *job = context;
    grad_block b = block_of(job, task);
    chunk_copy copy = {NULL, NULL};
    place(job, job->g->worker_workspace + (size_t)worker * job->g->worker_stride, &copy);
    int64_t channels = ((b.slots.end - 1) / job->taps + 1) * BLOCK - b.channel0;
    tiles_begin();
    for (int64_t p = b.positions.begin; p < b.positions.end; p += job->chunk) {
        int64_t count = min_of(job->chunk, b.positions.end - p);
        copy_x(job, b.channel0, channels, p, copy.x);
        copy_y(job, b.panels, (range){p, p + count}, copy.y);
        multiply_chunk(job, &b, &copy, count, p > b.positions.begin);
    }
    tiles_end();
}

/* The sum over the parts, in order, of one input channel of a block and one tap, and of VL output channels */
static vf sum_parts(const grad_job *job, int64_t in, int64_t channel, int64_t tap, int64_t out) {
    int64_t slot = in / BLOCK * job->taps + tap, columns = job->panels * BLOCK;
    vf sum = vf_zero();
    for (int64_t part = 0; part < job->parts; part++)
        sum = sum + vf_load(sums_of(job, part, slot) + channel * columns + out);
    return sum;
}

/* The weights of 32 input channels and 16 output channels, which lie [oc][ic][tap]: 16 of (ic, tap) at a time
 * are transposed. */
static void reduce_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    int64_t vectors = ceil_div(job->s.out_c, VL), in = task / vectors * BLOCK, out = task % vectors * VL;
    int64_t count = min_of(BLOCK, job->s.in_c - in) * job->taps, step = job->s.in_c * job->taps;
    for (int64_t r = 0; r < count; r += VL) {
        vi row[VL];
        for (int64_t i = 0; i < VL; i++) {
            int64_t at = min_of(r + i, count - 1);
            row[i] = vi_bits(sum_parts(job, in, at / job->taps, at % job->taps, out));
        }
        transpose_units(row);
        float *to = job->g->grad_weights + out * step + in * job->taps + r;
        for (int64_t i = 0; i < min_of(VL, job->s.out_c - out); i++)
            vf_store_n(to + i * step, vf_bits(row[i]), min_of(VL, count - r));
    }
}

void SL_ISA(conv_grad)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    job.sums = g->workspace;
    sl_parallel_for(job.slot_blocks * job.panel_blocks * job.parts, grad_task, &job);
    sl_parallel_for(ceil_div(job.s.in_c, BLOCK) * ceil_div(job.s.out_c, VL), reduce_task, &job);
}
