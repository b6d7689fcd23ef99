/* Convolution, forward and backward-data, in tiles: the input is copied with zeros around every image
 * (grid.h), then each 32 positions are multiplied with each panel of weights over all taps at once, and
 * finished while the sums are in the nearest cache. A linear layer of whole tiles is read where it is.
 *
 * Backward-data of stride s computes each of the s*s phases of the image with the taps that meet it. */
#include "backend/cpu/amx/grid.h"

enum {
    BLOCK_POSITIONS = 256,    /* of a task, at most */
    GROUP_BYTES = 512 * 1024, /* panels that stay in the second cache while positions pass */
    TASKS_WANTED = 32,
    COPY_POSITIONS = 256,
};

/* One phase of one pass. */
typedef struct conv_job {
    const sl_cpu_conv *conv;
    grid g;
    const conv_tap *taps;
    int64_t tap_count;
    int64_t channels, in_stride; /* elements */
    int64_t units, columns, taps_in_panel;
    const int64_t *a_at, *b_at;
    int64_t outputs; /* positions to compute */
    bool in_place;
    unit *copy;                                   /* [positions][units]; in place: of the last block */
    int64_t out_h, out_w, out_step, out_y, out_x; /* output pixel = grid output * out_step + out_y, out_x */
    conv_end end;
    int64_t block, blocks, groups; /* of positions; of panels */
    int64_t largest;               /* units of the copy, over all phases */
} conv_job;

typedef void (*phase_fn)(conv_job *job);

/* ---- the copy ---- */

static int64_t copied_positions(const conv_job *job) {
    if (job->tap_count == 0) return 0;
    if (job->in_place) return BLOCK;
    const grid *g = &job->g;
    int64_t farthest = 0;
    for (int64_t i = 0; i < job->tap_count; i++) farthest = max_of(farthest, tap_at(g, &job->taps[i]));
    return round_up(job->outputs, BLOCK) * g->step + farthest;
}

static void copy_row(const conv_job *job, int64_t pixel, unit *out) {
    const uint16_t *input = job->conv->input;
    copy_tile_row(pixel < 0 ? NULL : input + pixel * job->in_stride, job->channels, out);
}

static void copy_task(void *context, int64_t task, int worker) {
    (void)worker;
    const conv_job *job = context;
    int64_t pixels[COPY_POSITIONS], begin = task * COPY_POSITIONS,
                                    count = min_of(COPY_POSITIONS, copied_positions(job) - begin);
    int64_t first = job->in_place ? job->outputs / BLOCK * BLOCK : begin;
    find_pixels(&job->g, first, count, pixels);
    for (int64_t i = 0; i < count; i++) copy_row(job, pixels[i], job->copy + (begin + i) * job->units);
}

/* ---- products ---- */

SL_INLINE void finish_rows(const conv_job *job, const bool bf16, const sl_cpu_activation act,
                           const int64_t *pixels, int64_t rows, int64_t column, const float *c) {
    int64_t columns = min_of(BLOCK, job->columns - column);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns && pixels[i] >= 0; j += VL)
            finish_vector(&job->end, bf16, act, column + j, pixels[i], c + i * BLOCK + j,
                          min_of(VL, columns - j));
}

static void finish(const conv_job *job, const int64_t *pixels, int64_t rows, int64_t column, const float *c) {
#define FINISH(bf16, act) finish_rows(job, bf16, act, pixels, rows, column, c)
    FOR_CONV_END(true, job->conv->activation, FINISH)
#undef FINISH
}

/* Pixels of the output of `count` positions */
static void outputs_of(const conv_job *job, int64_t begin, int64_t count, int64_t *pixels) {
    find_outputs(&job->g, begin, count, pixels);
    if (job->out_step == 1) return;
    int64_t in_image = job->g.out_h * job->g.out_w;
    for (int64_t i = 0; i < count; i++) {
        if (pixels[i] < 0) continue;
        int64_t n = pixels[i] / in_image, y = pixels[i] % in_image / job->g.out_w,
                x = pixels[i] % job->g.out_w;
        pixels[i] =
            (n * job->out_h + y * job->out_step + job->out_y) * job->out_w + x * job->out_step + job->out_x;
    }
}

/* The rows of A of the positions from `begin` on */
static const void *rows_from(const conv_job *job, int64_t begin, int64_t *step_bytes) {
    if (job->in_place && begin + BLOCK <= job->outputs) {
        *step_bytes = job->in_stride * 2;
        return (const uint16_t *)job->conv->input + begin * job->in_stride;
    }
    int64_t step = job->g.step * job->units;
    *step_bytes = step * (int64_t)sizeof(unit);
    return job->copy + (job->in_place ? 0 : begin * step);
}

static void conv_task(void *context, int64_t task, int worker) {
    (void)worker;
    const conv_job *job = context;
    float c[BLOCK * BLOCK] __attribute__((aligned(64)));
    int64_t begin = task / job->groups * job->block, end = min_of(job->outputs, begin + job->block);
    range panels = part_of(ceil_div(job->columns, BLOCK), job->groups, task % job->groups);
    int64_t panel_rows = job->taps_in_panel * job->units;
    tiles_begin();
    for (int64_t q = begin; q < end; q += BLOCK) {
        int64_t pixels[BLOCK], rows = min_of(BLOCK, end - q);
        tile_product p = {.b_at = job->b_at, .ldb = BLOCK, .count = job->tap_count, .depth = job->units};
        p.a = rows_from(job, q, &p.lda), p.a_at = job->a_at;
        p.c = c, p.ldc = BLOCK;
        outputs_of(job, q, rows, pixels);
        for (int64_t i = panels.begin; i < panels.end; i++) {
            p.b = (const unit *)job->conv->packed + i * panel_rows * BLOCK;
            tile_multiply(&p, rows, job->columns - i * BLOCK);
            finish(job, pixels, rows, i * BLOCK, c);
        }
    }
    tiles_end();
}

static void cut(conv_job *job) {
    int64_t panels = ceil_div(job->columns, BLOCK),
            panel_bytes = max_of(1, job->tap_count * job->units * BLOCK * (int64_t)sizeof(unit));
    job->groups = ceil_div(panels, max_of(1, GROUP_BYTES / panel_bytes));
    for (job->block = BLOCK_POSITIONS; job->block > 2 * BLOCK; job->block /= 2)
        if (ceil_div(job->outputs, job->block) * job->groups >= TASKS_WANTED) break;
    job->blocks = ceil_div(job->outputs, job->block);
    job->groups = max_of(job->groups, min_of(panels, TASKS_WANTED / job->blocks));
}

static void run_phase(conv_job *job) {
    int64_t count = job->tap_count, a_at[count + 1], b_at[count + 1];
    for (int64_t i = 0; i < count; i++) {
        a_at[i] = tap_at(&job->g, &job->taps[i]) * job->units * (int64_t)sizeof(unit);
        b_at[i] = job->taps[i].index * job->units;
    }
    job->a_at = a_at, job->b_at = b_at;
    cut(job);
    if (!job->in_place || job->outputs % BLOCK)
        sl_parallel_for(ceil_div(copied_positions(job), COPY_POSITIONS), copy_task, job);
    sl_parallel_for(job->blocks * job->groups, conv_task, job);
}

/* ---- passes ---- */

/* Fills in what follows from the job's taps and the images that they read, and goes on with `next`. */
static void phase(conv_job *job, const conv_tap *taps, int64_t count, grid g, phase_fn next) {
    if (g.out_h <= 0 || g.out_w <= 0) return;
    job->taps = taps, job->tap_count = count;
    job->g = g;
    job->outputs = g.batch * g.image / g.step;
    job->in_place = count == 1 && g.step == 1 && g.top == 0 && g.left == 0 && g.rows == g.height &&
                    g.columns == g.width && 2 * job->units == job->channels && g.out_h == g.rows;
    next(job);
}

static void forward(const sl_cpu_conv_shape *s, conv_job *job, phase_fn next) {
    int64_t count = s->kernel_h * s->kernel_w;
    conv_tap taps[count];
    for (int64_t i = 0; i < count; i++) taps[i] = forward_tap(s, i);
    job->out_h = s->out_h, job->out_w = s->out_w, job->out_step = 1;
    phase(job, taps, count, grid_of(s->batch, s->in_h, s->in_w, s->out_h, s->out_w, s->stride, taps, count),
          next);
}

static void backward_phase(const sl_cpu_conv_shape *s, conv_job *job, int64_t y, int64_t x, phase_fn next) {
    conv_tap taps[s->kernel_h * s->kernel_w];
    int64_t count = backward_taps(s, y, x, taps);
    job->out_y = y, job->out_x = x;
    int64_t height = ceil_div(s->in_h - y, s->stride), width = ceil_div(s->in_w - x, s->stride);
    phase(job, taps, count, grid_of(s->batch, s->out_h, s->out_w, height, width, 1, taps, count), next);
}

static void each_phase(const sl_cpu_conv *conv, conv_job *job, phase_fn next) {
    sl_cpu_conv_shape s = flattened(conv->shape);
    bool is_forward = conv->pass == SL_CPU_FORWARD;
    job->conv = conv;
    job->channels = is_forward ? s.in_c : s.out_c, job->columns = is_forward ? s.out_c : s.in_c;
    job->units = tile_units(job->channels);
    job->in_stride = conv->input_stride ? conv->input_stride : job->channels;
    job->taps_in_panel = s.kernel_h * s.kernel_w;
    job->end = conv_end_of(conv, job->columns);
    if (is_forward) {
        forward(&s, job, next);
        return;
    }
    job->out_h = s.in_h, job->out_w = s.in_w, job->out_step = s.stride;
    for (int64_t y = 0; y < s.stride; y++)
        for (int64_t x = 0; x < s.stride; x++) backward_phase(&s, job, y, x, next);
}

static void find_largest(conv_job *job) {
    job->largest = max_of(job->largest, copied_positions(job) * job->units);
}

size_t SL_ISA(conv_bytes)(const sl_cpu_conv *conv) {
    conv_job job = {0};
    each_phase(conv, &job, find_largest);
    return (size_t)job.largest * sizeof(unit);
}

void SL_ISA(conv)(const sl_cpu_conv *conv) {
    conv_job job = {.copy = conv->workspace};
    each_phase(conv, &job, run_phase);
}
