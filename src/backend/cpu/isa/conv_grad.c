/* Gradient of convolution weights: for each tap a product over pixels, grad_w[tap][ic][oc] = sum over p of
 * x[p at tap][ic] * grad_y[p][oc].
 *
 * A task owns a block of input and output channels with all taps, and copies its part of x and grad_y, some
 * hundred pixels at a time, into the order of the kernel; so no task adds to another's results. Where that
 * gives few tasks, the pixels are cut into parts as well, whose sums are added at the end in fixed order.
 * Where a tap's input channels do not fill a tile, the channels of many taps lie side by side, as if they
 * were those of one tap. */
#include "backend/cpu/isa/conv.h"

enum {
    CHUNK_PIXELS = 192, /* copied at a time; even */
    BLOCK_IN = 48,      /* channels of a block with several taps; multiples of MR and NR */
    BLOCK_OUT = 128,
    BLOCK_IN_1 = 192, /* with one tap */
    BLOCK_OUT_1 = 192,
    TAPS_BLOCK = 9, /* taps of a block; larger kernels take several blocks */
    TASKS_WANTED = 32,
    PARTS_MAX = 16,
    PART_PIXELS_MIN = 512,
    AHEAD = 12, /* pixels */
};

typedef struct grad_job {
    const sl_cpu_conv_grad *g;
    sl_cpu_conv_shape s;
    bool bf16, beside; /* the taps lie side by side */
    int64_t x_stride, y_stride;
    int64_t block_in, block_out, block_taps, in_blocks, out_blocks, tap_blocks, parts, pixels;
    int64_t x_panel, x_row; /* units between the copied panels of MR inputs, and between their rows */
    float *sums;            /* [parts][size of weights]; the result itself for one part */
    micro_fn product;
} grad_job;

/* Nearly equal blocks of at most `most` channels, in whole tiles. */
static int64_t block_size(int64_t channels, int64_t most, int64_t tile) {
    return round_up(ceil_div(channels, ceil_div(channels, most)), tile);
}

SL_INLINE int64_t panel_units(const int64_t width) {
    return CHUNK_PIXELS * width + VL;
}

/* Units between rows of taps side by side: an odd number of vectors, so that a column of them spreads over
 * all sets of the cache, and one more than the channels fill, which the last store may run into. */
static int64_t row_units(int64_t channels) {
    return (ceil_div(channels, VL) + 1) / 2 * 2 * VL + VL;
}

static grad_job plan_of(const sl_cpu_conv_grad *g) {
    grad_job job = {.g = g, .s = flattened(g->shape), .bf16 = g->dtype == SL_BF16};
    const sl_cpu_conv_shape *s = &job.s;
    int64_t taps = s->kernel_h * s->kernel_w;
    job.beside = taps > 1 && s->in_c < MR;
    job.x_stride = g->input_stride ? g->input_stride : s->in_c;
    job.y_stride = g->grad_output_stride ? g->grad_output_stride : s->out_c;
    job.block_in = block_size(s->in_c, taps == 1 ? BLOCK_IN_1 : BLOCK_IN, MR);
    job.block_out = block_size(s->out_c, taps == 1 || job.beside ? BLOCK_OUT_1 : BLOCK_OUT, NR);
    job.block_taps = job.beside ? BLOCK_IN_1 / s->in_c : TAPS_BLOCK;
    job.tap_blocks = ceil_div(taps, job.block_taps);
    job.block_taps = ceil_div(taps, job.tap_blocks);
    if (job.beside) job.block_in = job.block_taps * s->in_c;
    job.x_panel = job.beside ? MR : panel_units(MR);
    job.x_row = job.beside ? row_units(job.block_in) : MR;
    job.in_blocks = ceil_div(s->in_c, job.block_in);
    job.out_blocks = ceil_div(s->out_c, job.block_out);
    job.pixels = s->batch * s->out_h * s->out_w;
    int64_t tasks = job.in_blocks * job.out_blocks * job.tap_blocks;
    job.parts = min_of(ceil_div(TASKS_WANTED, tasks), max_of(1, job.pixels / PART_PIXELS_MIN));
    job.parts = min_of(job.parts, PARTS_MAX);
    return job;
}

static int64_t weights_count(const sl_cpu_conv_shape *s) {
    return s->out_c * s->in_c * s->kernel_h * s->kernel_w;
}

size_t SL_ISA(conv_grad_bytes)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    return job.parts == 1 ? 0 : (size_t)(job.parts * weights_count(&job.s)) * sizeof(float);
}

/* Copies are on the stack here. */
size_t SL_ISA(conv_grad_worker_bytes)(const sl_cpu_conv_grad *g) {
    (void)g;
    return 0;
}

/* n <= VL channels from `at` on of one unit of pixels: one pixel, or in bf16 two. */
SL_INLINE void copy_vector(const bool bf16, const void *first, const void *second, int64_t at, int64_t n,
                           unit *out) {
    float *to = (float *)(void *)out;
#ifdef __AVX512BF16__
    if (bf16) {
        const uint16_t *low = first, *high = second;
        vf_store(to, vf_bits(vi_load_pairs(low ? low + at : NULL, high ? high + at : NULL, n)));
        return;
    }
#endif
    (void)bf16;
    (void)second;
    vf_store(to, first ? vf_load_n((const float *)first + at, n) : vf_zero());
}

/* Channels [begin, end) of one unit to panels of `width` columns, zero beyond the channels: panel q at
 * out + q*panel_units(width). A store may run over its row's end: into the next row, which is written later,
 * or the slack behind the panel. What lies `ahead` bytes further, some pixels on, is fetched meanwhile:
 * slices of rows are not what the processor would guess. */
SL_INLINE void copy_unit(const bool bf16, const void *first, const void *second, int64_t ahead,
                         range channels, const int64_t width, unit *out) {
    int64_t count = channels.end - channels.begin;
    for (int64_t i = 0; i < count; i += width, out += panel_units(width)) {
        uintptr_t next = (uintptr_t)first + (uintptr_t)(ahead + (channels.begin + i) * (bf16 ? 2 : 4));
        __builtin_prefetch((const void *)next);
        if (width * (bf16 ? 2 : 4) > 64) __builtin_prefetch((const void *)(next + 64));
        if (count - i >= width)
            for (int64_t j = 0; j < width; j += VL)
                copy_vector(bf16, first, second, channels.begin + i + j, min_of(VL, width - j), out + j);
        else
            for (int64_t j = 0; j < width; j += VL)
                copy_vector(bf16, first, second, channels.begin + i + j,
                            max_of(0, min_of(min_of(VL, width - j), count - i - j)), out + j);
    }
}

static const void *grad_row(const grad_job *job, int64_t pixel) {
    return (const char *)job->g->grad_output + (size_t)(pixel * job->y_stride) * (job->bf16 ? 2 : 4);
}

/* Where the first tap of an output pixel falls: y and x may lie outside the image, `at` is the offset in
 * elements. */
typedef struct place {
    int64_t y, x, at;
} place;

static void find_places(const grad_job *job, range pixels, place *out) {
    const sl_cpu_conv_shape *s = &job->s;
    int64_t x = pixels.begin % s->out_w, y = pixels.begin / s->out_w % s->out_h,
            image = pixels.begin / s->out_w / s->out_h;
    for (int64_t p = pixels.begin; p < pixels.end; p++, out++) {
        out->y = y * s->stride - s->pad_top;
        out->x = x * s->stride - s->pad_left;
        out->at = ((image * s->in_h + out->y) * s->in_w + out->x) * job->x_stride;
        if (++x < s->out_w) continue;
        x = 0;
        if (++y < s->out_h) continue;
        y = 0;
        image++;
    }
}

/* The input pixel under a tap, with `width` - 1 pixels to its right; NULL if they do not all exist. */
SL_INLINE const void *input_row(const grad_job *job, const place *p, int64_t dy, int64_t dx, int64_t width) {
    const sl_cpu_conv_shape *s = &job->s;
    if (p->y + dy < 0 || p->y + dy >= s->in_h || p->x + dx < 0 || p->x + dx + width > s->in_w) return NULL;
    int64_t at = p->at + (dy * s->in_w + dx) * job->x_stride;
    return (const char *)job->g->input + at * (job->bf16 ? 2 : 4);
}

SL_INLINE void copy_grad_of(const bool bf16, const grad_job *job, range pixels, range channels, unit *out) {
    const int64_t step = bf16 ? 2 : 1, ahead = AHEAD * job->y_stride * (bf16 ? 2 : 4);
    for (int64_t p = pixels.begin; p < pixels.end; p += step, out += NR) {
        const void *second = bf16 && p + 1 < pixels.end ? grad_row(job, p + 1) : NULL;
        copy_unit(bf16, grad_row(job, p), second, ahead, channels, NR, out);
    }
}

SL_INLINE void copy_input_of(const bool bf16, const grad_job *job, int64_t pixels, const place *places,
                             int64_t tap, range channels, unit *out) {
    const sl_cpu_conv_shape *s = &job->s;
    const int64_t step = bf16 ? 2 : 1, ahead = AHEAD * job->x_stride * s->stride * (bf16 ? 2 : 4);
    int64_t dy = tap / s->kernel_w * s->dilation, dx = tap % s->kernel_w * s->dilation;
    for (int64_t p = 0; p < pixels; p += step, out += MR) {
        const void *second = bf16 && p + 1 < pixels ? input_row(job, &places[p + 1], dy, dx, 1) : NULL;
        copy_unit(bf16, input_row(job, &places[p], dy, dx, 1), second, ahead, channels, MR, out);
    }
}

/* `count` elements of one unit of pixels, in whole vectors with zeros behind. */
SL_INLINE void copy_run(const bool bf16, const void *first, const void *second, int64_t count, unit *out) {
    for (int64_t i = 0; i < count; i += VL)
        copy_vector(bf16, first, second, i, min_of(VL, count - i), out + i);
}

/* The taps of one unit of pixels side by side. Those of one line are copied together where the input has no
 * gaps there. A store may run over a tap's end: the next one is written later, behind the last lies slack. */
SL_INLINE void copy_taps_of_pixel(const bool bf16, const grad_job *job, const place *first,
                                  const place *second, range taps, unit *out) {
    const sl_cpu_conv_shape *s = &job->s;
    const bool dense = s->dilation == 1 && job->x_stride == s->in_c;
    for (int64_t tap = taps.begin, run; tap < taps.end; tap += run, out += run * s->in_c) {
        int64_t ky = tap / s->kernel_w, kx = tap % s->kernel_w, dy = ky * s->dilation, dx = kx * s->dilation;
        run = min_of(s->kernel_w - kx, taps.end - tap);
        const void *low = dense ? input_row(job, first, dy, dx, run) : NULL, *high = NULL;
        if (second) high = dense ? input_row(job, second, dy, dx, run) : NULL;
        if (low && (high || !second)) {
            copy_run(bf16, low, high, run * s->in_c, out);
            continue;
        }
        for (int64_t i = 0; i < run; i++) {
            low = input_row(job, first, dy, dx + i * s->dilation, 1);
            if (second) high = input_row(job, second, dy, dx + i * s->dilation, 1);
            copy_run(bf16, low, high, s->in_c, out + i * s->in_c);
        }
    }
}

SL_INLINE void copy_taps_of(const bool bf16, const grad_job *job, int64_t pixels, const place *places,
                            range taps, unit *out) {
    for (int64_t p = 0; p < pixels; p += bf16 ? 2 : 1, out += job->x_row)
        copy_taps_of_pixel(bf16, job, &places[p], bf16 && p + 1 < pixels ? &places[p + 1] : NULL, taps, out);
}

static void copy_taps(const grad_job *job, int64_t pixels, const place *places, range taps, unit *out) {
    if (job->bf16)
        copy_taps_of(true, job, pixels, places, taps, out);
    else
        copy_taps_of(false, job, pixels, places, taps, out);
}

static void copy_grad(const grad_job *job, range pixels, range channels, unit *out) {
    if (job->bf16)
        copy_grad_of(true, job, pixels, channels, out);
    else
        copy_grad_of(false, job, pixels, channels, out);
}

static void copy_input(const grad_job *job, int64_t pixels, const place *places, int64_t tap, range channels,
                       unit *out) {
    if (job->bf16)
        copy_input_of(true, job, pixels, places, tap, channels, out);
    else
        copy_input_of(false, job, pixels, places, tap, channels, out);
}

/* c[ic][oc] += products of one chunk; c has block_out columns. */
static void multiply(const grad_job *job, int64_t units, int64_t in_count, int64_t out_count, const unit *x,
                     const unit *y, float *c) {
    for (int64_t o = 0; o < out_count; o += NR) {
        const int nv = out_count - o > VL ? 2 : 1;
        for (int64_t i = 0; i < in_count; i += MR) {
            const unit *a = x + i / MR * job->x_panel;
            micro m = {.a = &a, .lda = job->x_row, .ldb = NR, .count = 1, .depth = units, .add = true};
            m.b = y + o / NR * panel_units(NR);
            m.c = c + i * job->block_out + o;
            m.ldc = job->block_out;
            job->product(&m, (int)min_of(MR, in_count - i), nv);
        }
    }
}

/* What a task owns. In c its tap t begins at t*tap_step. */
typedef struct grad_block {
    range taps, in, out, pixels;
    int64_t tap_step;
} grad_block;

static void write_block(const grad_job *job, int64_t part, const grad_block *b, const float *c) {
    const sl_cpu_conv_shape *s = &job->s;
    int64_t all = s->kernel_h * s->kernel_w, rows = b->in.end - b->in.begin;
    float *to = job->sums + part * weights_count(s) + (b->out.begin * s->in_c + b->in.begin) * all;
    if (all == 1) {
        transpose(c, job->block_out, rows, b->out.end - b->out.begin, to, s->in_c);
        return;
    }
    for (int64_t o = b->out.begin; o < b->out.end; o++, c++, to += s->in_c * all)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t t = b->taps.begin; t < b->taps.end; t++)
                to[i * all + t] = c[(t - b->taps.begin) * b->tap_step + i * job->block_out];
}

static grad_block block_of(const grad_job *job, int64_t task) {
    const sl_cpu_conv_shape *s = &job->s;
    int64_t part = task % job->parts, block = task / job->parts;
    int64_t tap = block % job->tap_blocks * job->block_taps,
            in = block / job->tap_blocks % job->in_blocks * job->block_in,
            out = block / job->tap_blocks / job->in_blocks * job->block_out;
    return (grad_block){.taps = {tap, min_of(s->kernel_h * s->kernel_w, tap + job->block_taps)},
                        .in = {in, min_of(s->in_c, in + job->block_in)},
                        .out = {out, min_of(s->out_c, out + job->block_out)},
                        .pixels = part_of(job->pixels, job->parts, part),
                        .tap_step = (job->beside ? s->in_c : job->block_in) * job->block_out};
}

/* Adds the products of one chunk of pixels, copied to x and y, to c. */
static void add_chunk(const grad_job *job, const grad_block *b, range chunk, unit *x, unit *y, float *c) {
    place places[CHUNK_PIXELS];
    int64_t pixels = chunk.end - chunk.begin, units = depth_units(job->bf16 ? SL_BF16 : SL_F32, pixels),
            in_count = b->in.end - b->in.begin, out_count = b->out.end - b->out.begin;
    find_places(job, chunk, places);
    copy_grad(job, chunk, b->out, y);
    if (job->beside) {
        copy_taps(job, pixels, places, b->taps, x);
        multiply(job, units, (b->taps.end - b->taps.begin) * in_count, out_count, x, y, c);
        return;
    }
    for (int64_t t = b->taps.begin; t < b->taps.end; t++, c += b->tap_step) {
        copy_input(job, pixels, places, t, b->in, x);
        multiply(job, units, in_count, out_count, x, y, c);
    }
}

static void grad_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    enum {
        C_MAX = TAPS_BLOCK * BLOCK_IN * BLOCK_OUT,    /* more than BLOCK_IN_1 * BLOCK_OUT_1 */
        X_MAX = CHUNK_PIXELS * (BLOCK_IN_1 + 3 * VL), /* with rows of taps side by side */
        Y_MAX = BLOCK_OUT_1 / NR * (CHUNK_PIXELS * NR + VL)
    };
    float c[C_MAX] __attribute__((aligned(64)));
    unit x[X_MAX] __attribute__((aligned(64))), y[Y_MAX] __attribute__((aligned(64)));
    grad_block b = block_of(job, task);
    int64_t planes = job->beside ? 1 : b.taps.end - b.taps.begin;
    memset(c, 0, (size_t)(planes * job->block_in * job->block_out) * sizeof(float));
    for (int64_t p = b.pixels.begin; p < b.pixels.end; p += CHUNK_PIXELS)
        add_chunk(job, &b, (range){p, min_of(p + CHUNK_PIXELS, b.pixels.end)}, x, y, c);
    write_block(job, task % job->parts, &b, c);
}

static void reduce_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    int64_t count = weights_count(&job->s), begin = task * 4096, end = min_of(count, begin + 4096);
    for (int64_t i = begin; i < end; i += VL) {
        int64_t lanes = min_of(VL, end - i);
        vf sum = vf_zero();
        for (int64_t part = 0; part < job->parts; part++)
            sum = sum + vf_load_n(job->sums + part * count + i, lanes);
        vf_store_n(job->g->grad_weights + i, sum, lanes);
    }
}

void SL_ISA(conv_grad)(const sl_cpu_conv_grad *g) {
    grad_job job = plan_of(g);
    job.sums = job.parts == 1 ? g->grad_weights : g->workspace;
    job.product = micro_for(job.bf16, true);
    sl_parallel_for(job.in_blocks * job.out_blocks * job.tap_blocks * job.parts, grad_task, &job);
    if (job.parts > 1) sl_parallel_for(ceil_div(weights_count(&job.s), 4096), reduce_task, &job);
}
