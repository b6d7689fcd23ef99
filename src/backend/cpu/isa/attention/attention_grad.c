/* Attention backward: the softmax P is made again tile by tile from the kept log-sums (Dao et al. 2022):
 *   D_i = sum of grad_out_i out_i; dP = grad_out v^T; dS = P (dP - D) scale;
 *   grad_v = P^T grad_out; grad_k = dS^T q; grad_q = dS k.
 *
 * A task owns a part of one head's keys, so that grad_k and grad_v are its own. Where there are few heads
 * their keys are cut into parts, each with its own sum for grad_q, which are added in fixed order. Arithmetic
 * is in fp32. */
#include "backend/cpu/isa/attention/attention.h"

enum { TASKS_WANTED = 16 };

typedef struct grad_job {
    const sl_cpu_attention_grad *g;
    sl_cpu_attention_shape s;
    bool bf16;
    int64_t width, kv_blocks, parts;
    int64_t q_rows_units, k_rows_units, k_panels_units;       /* of one head */
    float *q_rows, *grad_rows, *k_rows, *k_panels, *v_panels; /* packed fp32 copies */
    float *delta;                                             /* D[N, heads, q_tokens] */
    float *grad_q;                                            /* [N*heads][parts][q_tokens][width] */
} grad_job;

static grad_job plan_of(const sl_cpu_attention_grad *g) {
    grad_job job = {.g = g, .s = with_strides(g->shape), .bf16 = g->dtype == SL_BF16};
    const sl_cpu_attention_shape *s = &job.s;
    job.width = round_up(s->head_dim, VL);
    job.kv_blocks = ceil_div(s->kv_tokens, KV_BLOCK);
    job.parts = min_of(job.kv_blocks, ceil_div(TASKS_WANTED, s->batch * s->heads));
    job.q_rows_units = s->q_tokens * job.width;
    job.k_rows_units = s->kv_tokens * job.width;
    job.k_panels_units = round_up(s->kv_tokens, NR) * s->head_dim;
    return job;
}

/* Places the parts of the workspace; with base 0 the last pointer tells its size. */
static size_t place(grad_job *job, void *base) {
    int64_t heads = job->s.batch * job->s.heads, at = 0;
    float *floats = base;
#define PLACE(field, count) (job->field = floats ? floats + at : NULL, at += round_up((count), 16))
    PLACE(q_rows, heads * job->q_rows_units);
    PLACE(grad_rows, heads * job->q_rows_units);
    PLACE(k_rows, heads * job->k_rows_units);
    PLACE(k_panels, heads * job->k_panels_units);
    PLACE(v_panels, heads * job->k_panels_units);
    PLACE(delta, heads * job->s.q_tokens);
    PLACE(grad_q, heads * job->parts * job->q_rows_units);
#undef PLACE
    return (size_t)at * sizeof(float);
}

size_t SL_ISA(attention_grad_bytes)(const sl_cpu_attention_grad *g) {
    grad_job job = plan_of(g);
    return place(&job, NULL);
}

/* out[token][width] in fp32, zero beyond dim */
static void to_rows(const grad_job *job, const void *x, int64_t stride, int64_t first, int64_t column,
                    int64_t count, float *out) {
    int64_t dim = job->s.head_dim;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < job->width; j += VL) {
            int64_t n = max_of(0, min_of(VL, dim - j));
            vf_store(out + i * job->width + j, vf_get_n(job->bf16, x, (first + i) * stride + column + j, n));
        }
}

/* out[panel][dim][NR] from rows */
static void to_panels(const grad_job *job, const float *rows, int64_t count, float *out) {
    SL_ISA(attention_pack_columns)(false, rows, job->width, job->s.head_dim, count, (unit *)(void *)out);
}

static void find_delta(const grad_job *job, int64_t head, const float *grad_rows) {
    const sl_cpu_attention_shape *s = &job->s;
    int64_t base = head / s->heads * s->q_tokens, column = head % s->heads * s->head_dim;
    for (int64_t i = 0; i < s->q_tokens; i++) {
        vf sum = vf_zero();
        for (int64_t j = 0; j < s->head_dim; j += VL) {
            vf out = vf_get_n(job->bf16, job->g->out, (base + i) * s->out_stride + column + j,
                              min_of(VL, s->head_dim - j));
            sum = vf_fma(out, vf_load(grad_rows + i * job->width + j), sum);
        }
        job->delta[head * s->q_tokens + i] = vf_sum(sum);
    }
}

static void pack_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / 2, n = head / s->heads, column = head % s->heads * s->head_dim;
    if (task % 2 == 0) {
        float *rows = job->grad_rows + head * job->q_rows_units;
        to_rows(job, job->g->q, s->q_stride, n * s->q_tokens, column, s->q_tokens,
                job->q_rows + head * job->q_rows_units);
        to_rows(job, job->g->grad_out, s->out_stride, n * s->q_tokens, column, s->q_tokens, rows);
        find_delta(job, head, rows);
        return;
    }
    /* v first passes through the place of the k rows: only its panels are needed */
    float *rows = job->k_rows + head * job->k_rows_units;
    to_rows(job, job->g->v, s->v_stride, n * s->kv_tokens, column, s->kv_tokens, rows);
    to_panels(job, rows, s->kv_tokens, job->v_panels + head * job->k_panels_units);
    to_rows(job, job->g->k, s->k_stride, n * s->kv_tokens, column, s->kv_tokens, rows);
    to_panels(job, rows, s->kv_tokens, job->k_panels + head * job->k_panels_units);
}

typedef struct tile {
    float weights[Q_BLOCK * KV_BLOCK] __attribute__((aligned(64))); /* scores, then P */
    float slopes[Q_BLOCK * KV_BLOCK] __attribute__((aligned(64)));  /* dP, then dS */
    float grad_k[KV_BLOCK * SL_ATTENTION_HEAD_MAX] __attribute__((aligned(64)));
    float grad_v[KV_BLOCK * SL_ATTENTION_HEAD_MAX] __attribute__((aligned(64)));
} tile;

/* Scores and dP of one row to P and dS; both 0 from `seen` on. In powers of two, as forward. */
static void slope_row(const grad_job *job, tile *t, int64_t row, int64_t seen, int64_t columns, float lse,
                      float delta) {
    float *weights = t->weights + row * KV_BLOCK, *slopes = t->slopes + row * KV_BLOCK;
    const vf scale = vf_set1(job->s.scale), powers = vf_set1(job->s.scale * LOG2_E),
             shift = vf_set1(-lse * LOG2_E), mean = vf_set1(delta);
    for (int64_t j = 0; j < columns; j += VL) {
        vf weight = v_exp2(vf_fma(vf_load(weights + j), powers, shift));
        vf slope = weight * (vf_load(slopes + j) - mean) * scale;
        if (j + VL > seen) {
            vm inside = vm_first(max_of(0, seen - j));
            weight = vf_select(inside, weight, vf_zero());
            slope = vf_select(inside, slope, vf_zero());
        }
        vf_store(weights + j, weight);
        vf_store(slopes + j, slope);
    }
}

static const unit *units_of(const float *x) {
    return (const unit *)(const void *)x;
}

/* One tile: queries [q.begin, q.end) with keys [kv, kv + count) of a head. */
static void grad_tile(const grad_job *job, tile *t, int64_t head, int64_t part, range q, int64_t kv,
                      int64_t count) {
    const sl_cpu_attention_shape *s = &job->s;
    int64_t rows = q.end - q.begin, width = job->width, dim = s->head_dim, columns = round_up(count, VL);
    int64_t q_at = head * job->q_rows_units + q.begin * width,
            panel_at = head * job->k_panels_units + kv * dim;
    const unit *queries = units_of(job->q_rows + q_at), *grads = units_of(job->grad_rows + q_at);
    product p = {.lda = width, .a_row_step = width, .ldb = NR, .panel_step = dim * NR};
    p.rows = rows, p.columns = columns, p.depth = dim, p.ldc = KV_BLOCK;
    p.a = queries, p.b = units_of(job->k_panels + panel_at), p.c = t->weights;
    multiply_blocks(&p);
    p.a = grads, p.b = units_of(job->v_panels + panel_at), p.c = t->slopes;
    multiply_blocks(&p);
    for (int64_t i = 0; i < rows; i++) {
        int64_t token = head * s->q_tokens + q.begin + i;
        slope_row(job, t, i, s->causal ? min_of(count, max_of(0, q.begin + i - kv + 1)) : count, columns,
                  job->g->lse[token], job->delta[token]);
    }
    product down = {.transposed = true, .lda = KV_BLOCK, .a_row_step = 1, .ldb = width, .panel_step = NR};
    down.rows = count, down.columns = width, down.depth = rows, down.ldc = width, down.add = true;
    down.a = units_of(t->weights), down.b = grads, down.c = t->grad_v;
    multiply_blocks(&down);
    down.a = units_of(t->slopes), down.b = queries, down.c = t->grad_k;
    multiply_blocks(&down);
    product across = {.lda = KV_BLOCK, .a_row_step = KV_BLOCK, .ldb = width, .panel_step = NR};
    across.rows = rows, across.columns = width, across.depth = count, across.ldc = width, across.add = true;
    across.a = units_of(t->slopes);
    across.b = units_of(job->k_rows + head * job->k_rows_units + kv * width);
    across.c = job->grad_q + (head * job->parts + part) * job->q_rows_units + q.begin * width;
    multiply_blocks(&across);
}

static void write_rows(const grad_job *job, const float *rows, int64_t count, void *out, int64_t stride,
                       int64_t first, int64_t column) {
    int64_t dim = job->s.head_dim;
    if (!out) return;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < dim; j += VL)
            vf_put_n(job->bf16, out, (first + i) * stride + column + j, vf_load(rows + i * job->width + j),
                     min_of(VL, dim - j));
}

static void grad_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / job->parts, part = task % job->parts, column = head % s->heads * s->head_dim;
    range blocks = part_of(job->kv_blocks, job->parts, part);
    tile t;
    memset(job->grad_q + (head * job->parts + part) * job->q_rows_units, 0,
           (size_t)job->q_rows_units * sizeof(float));
    for (int64_t b = blocks.begin; b < blocks.end; b++) {
        int64_t kv = b * KV_BLOCK, count = min_of(KV_BLOCK, s->kv_tokens - kv),
                q_parts = ceil_div(s->q_tokens, Q_BLOCK);
        memset(t.grad_k, 0, (size_t)(count * job->width) * sizeof(float));
        memset(t.grad_v, 0, (size_t)(count * job->width) * sizeof(float));
        for (int64_t i = 0; i < q_parts; i++) {
            range q = part_of(s->q_tokens, q_parts, i);
            if (!s->causal || q.end > kv) grad_tile(job, &t, head, part, q, kv, count);
        }
        int64_t first = head / s->heads * s->kv_tokens + kv;
        write_rows(job, t.grad_k, count, job->g->grad_k, s->k_stride, first, column);
        write_rows(job, t.grad_v, count, job->g->grad_v, s->v_stride, first, column);
    }
}

/* grad_q: the parts' sums, in order */
static void sum_task(void *context, int64_t head, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    float *sum = job->grad_q + head * job->parts * job->q_rows_units;
    for (int64_t part = 1; part < job->parts; part++)
        for (int64_t i = 0; i < job->q_rows_units; i += VL)
            vf_store(sum + i, vf_load(sum + i) + vf_load(sum + part * job->q_rows_units + i));
    write_rows(job, sum, s->q_tokens, job->g->grad_q, s->q_stride, head / s->heads * s->q_tokens,
               head % s->heads * s->head_dim);
}

void SL_ISA(attention_grad)(const sl_cpu_attention_grad *g) {
    grad_job job = plan_of(g);
    int64_t heads = g->shape->batch * g->shape->heads;
    place(&job, g->workspace);
    sl_parallel_for(heads * 2, pack_task, &job);
    sl_parallel_for(heads * job.parts, grad_task, &job);
    sl_parallel_for(heads, sum_task, &job);
}
