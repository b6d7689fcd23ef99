/* Attention backward in tiles of bf16, with the score matrix turned: keys are rows, queries columns. So the
 * statistics of queries are vectors along a row, and P' and dS' are at once the left side of the sums over
 * queries; for the sum over keys pairs of their rows are the right side:
 *   S' = K Q';  P' = exp(scale S' - lse);  dP' = V dO';  dS' = P' (dP' - D) scale, D_i = sum of dO_i O_i;
 *   dV = P' dO;  dK = dS' Q;  dQ' = K' dS'
 * (Dao et al. 2022, arXiv 2205.14135, appendix B). P and dS are rounded to bf16, sums are in fp32.
 *
 * A task owns a part of one head's keys, so that dK and dV are its own. Where there are few heads their keys
 * are cut into parts, each with its own sum for dQ, which are added in fixed order. */
#include "backend/cpu/isa/attention/attention.h"
#include "backend/cpu/isa/transpose.h"

enum { KEYS = 64, QUERIES = 128, TASKS_WANTED = 16 }; /* of a tile of the score matrix */
_Static_assert(KEYS % BLOCK == 0 && QUERIES % BLOCK == 0, "tiles of the score matrix are whole blocks");

typedef struct grad_job {
    const sl_cpu_attention_grad *g;
    sl_cpu_attention_shape s;
    int64_t units, width, dims;      /* of a head: depth; columns; rows */
    int64_t queries, keys, key_step; /* filled up; elements between rows of k_turned */
    int64_t parts;                   /* of the keys */
    unit *k_rows, *v_rows;           /* [heads][keys][units] */
    uint16_t *k_turned;              /* [heads][dims][key_step] */
    unit *q_columns, *grad_columns;  /* [heads][queries / NR][units][NR] */
    unit *q_pairs, *grad_pairs;      /* [heads][queries / 2][width] */
    float *delta, *lse;              /* [heads][queries], the latter in powers of two */
    float *grad_q;                   /* [heads][parts][dims][queries] */
} grad_job;

static int64_t heads_of(const grad_job *job) {
    return job->s.batch * job->s.heads;
}

static grad_job plan_of(const sl_cpu_attention_grad *g) {
    grad_job job = {.g = g, .s = with_strides(g->shape)};
    const sl_cpu_attention_shape *s = &job.s;
    job.units = head_units(true, s->head_dim);
    job.width = round_up(s->head_dim, VL), job.dims = round_up(s->head_dim, BLOCK);
    job.queries = round_up(s->q_tokens, BLOCK), job.keys = round_up(s->kv_tokens, BLOCK);
    job.key_step = (job.keys / BLOCK | 1) * BLOCK; /* rows of a tile spread over all sets of the cache */
    job.parts = min_of(ceil_div(s->kv_tokens, KEYS), ceil_div(TASKS_WANTED, heads_of(&job)));
    return job;
}

/* Places the parts of the workspace; with base NULL the result tells its size. */
static size_t place(grad_job *job, void *base) {
    size_t at = 0;
    int64_t heads = heads_of(job);
#define PLACE(field, count)                                                                                  \
    (job->field = base ? (void *)((char *)base + at) : NULL,                                                 \
     at += (size_t)round_up(heads * (count) * (int64_t)sizeof *job->field, 64))
    PLACE(k_rows, job->keys * job->units);
    PLACE(v_rows, job->keys * job->units);
    PLACE(k_turned, job->dims * job->key_step);
    PLACE(q_columns, job->queries * job->units);
    PLACE(grad_columns, job->queries * job->units);
    PLACE(q_pairs, job->queries / 2 * job->width);
    PLACE(grad_pairs, job->queries / 2 * job->width);
    PLACE(delta, job->queries);
    PLACE(lse, job->queries);
    PLACE(grad_q, job->parts * job->dims * job->queries);
#undef PLACE
    return at;
}

size_t SL_ISA(attention_grad_bytes)(const sl_cpu_attention_grad *g) {
    grad_job job = plan_of(g);
    return place(&job, NULL);
}

/* ---- copies ---- */

/* Where a head's tokens begin in q, k, v or out */
static const uint16_t *head_at(const grad_job *job, const void *x, int64_t head, int64_t tokens,
                               int64_t stride) {
    const sl_cpu_attention_shape *s = &job->s;
    return (const uint16_t *)x + head / s->heads * tokens * stride + head % s->heads * s->head_dim;
}

/* out[rows][units], zero beyond the channels and tokens */
static void to_rows(const grad_job *job, const uint16_t *x, int64_t stride, int64_t tokens, int64_t rows,
                    unit *out) {
    for (int64_t i = 0; i < rows; i++)
        copy_tile_row(i < tokens ? x + i * stride : NULL, job->s.head_dim, out + i * job->units);
}

/* out[channel][key_step]: channels as rows */
static void to_turned(const grad_job *job, const uint16_t *x, int64_t stride, int64_t tokens, uint16_t *out) {
    for (int64_t d = 0; d < job->dims; d += VL) {
        int64_t n = max_of(0, min_of(VL, job->s.head_dim - d));
        for (int64_t j = 0; j < job->keys; j += BLOCK) {
            vi row[VL];
            for (int64_t i = 0; i < VL; i++) {
                int64_t token = j + 2 * i;
                row[i] = vi_load_pairs(n && token < tokens ? x + token * stride + d : NULL,
                                       n && token + 1 < tokens ? x + (token + 1) * stride + d : NULL, n);
            }
            transpose_units(row);
            for (int64_t i = 0; i < VL; i++) _mm512_storeu_si512(out + (d + i) * job->key_step + j, row[i]);
        }
    }
}

static void copy_queries(const grad_job *job, int64_t head) {
    const sl_cpu_attention_shape *s = &job->s;
    const sl_cpu_attention_grad *g = job->g;
    const uint16_t *q = head_at(job, g->q, head, s->q_tokens, s->q_stride),
                   *grad = head_at(job, g->grad_out, head, s->q_tokens, s->out_stride),
                   *out = head_at(job, g->out, head, s->q_tokens, s->out_stride);
    int64_t columns = head * job->queries * job->units, pairs = head * job->queries / 2 * job->width;
    SL_ISA(attention_pack_columns)(true, q, s->q_stride, s->head_dim, s->q_tokens, job->q_columns + columns);
    SL_ISA(attention_pack_columns)
    (true, grad, s->out_stride, s->head_dim, s->q_tokens, job->grad_columns + columns);
    SL_ISA(attention_pack_rows)
    (true, q, s->q_stride, s->head_dim, job->width, s->q_tokens, job->q_pairs + pairs);
    SL_ISA(attention_pack_rows)
    (true, grad, s->out_stride, s->head_dim, job->width, s->q_tokens, job->grad_pairs + pairs);
    float *delta = job->delta + head * job->queries, *lse = job->lse + head * job->queries;
    for (int64_t i = 0; i < job->queries; i++) {
        vf sum = vf_zero();
        for (int64_t j = 0; j < s->head_dim && i < s->q_tokens; j += VL) {
            int64_t n = min_of(VL, s->head_dim - j), at = i * s->out_stride + j;
            sum = vf_fma(vf_load_bf16_n(out + at, n), vf_load_bf16_n(grad + at, n), sum);
        }
        delta[i] = vf_sum(sum);
        lse[i] = i < s->q_tokens ? g->lse[head * s->q_tokens + i] * LOG2_E : 0;
    }
}

static void copy_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / 2, rows = head * job->keys * job->units;
    if (task % 2 == 0) {
        copy_queries(job, head);
        return;
    }
    const uint16_t *k = head_at(job, job->g->k, head, s->kv_tokens, s->k_stride),
                   *v = head_at(job, job->g->v, head, s->kv_tokens, s->v_stride);
    to_rows(job, k, s->k_stride, s->kv_tokens, job->keys, job->k_rows + rows);
    to_rows(job, v, s->v_stride, s->kv_tokens, job->keys, job->v_rows + rows);
    to_turned(job, k, s->k_stride, s->kv_tokens, job->k_turned + head * job->dims * job->key_step);
}

/* ---- tiles of the score matrix ---- */

typedef struct tile {
    float scores[KEYS * QUERIES] __attribute__((aligned(64)));      /* S' */
    float slopes[KEYS * QUERIES] __attribute__((aligned(64)));      /* dP' */
    uint16_t p[KEYS * QUERIES] __attribute__((aligned(64)));        /* P' */
    uint16_t ds[KEYS * QUERIES] __attribute__((aligned(64)));       /* dS' */
    unit ds_pairs[KEYS / 2 * QUERIES] __attribute__((aligned(64))); /* its rows in pairs */
    float grad_k[KEYS * SL_ATTENTION_HEAD_MAX] __attribute__((aligned(64)));
    float grad_v[KEYS * SL_ATTENTION_HEAD_MAX] __attribute__((aligned(64)));
} tile;

/* What P and dS of VL queries need, scores and lse in powers of two. */
typedef struct slopes {
    vf scale, power, lse, delta;
} slopes;

/* Scores and dP of one key and VL queries to P and dS, in bf16; both 0 where the query does not see the key.
 */
SL_INLINE __m256i slope_of(const grad_job *job, tile *t, int64_t at, int64_t key, int64_t query,
                           const slopes *s) {
    /* keys filled up have scores of 0, whatever the others': their weights may be anything but infinite */
    vf weight = vf_min(vf_set1(1), v_exp2_rough(vf_load(t->scores + at) * s->power - s->lse));
    vf slope = weight * (vf_load(t->slopes + at) - s->delta) * s->scale;
    if (job->s.causal && key > query) {
        vm unseen = vm_first(min_of(VL, key - query));
        weight = vf_select(unseen, vf_zero(), weight), slope = vf_select(unseen, vf_zero(), slope);
    }
    vf_store_bf16(t->p + at, weight);
    __m256i bits = bf16_bits(slope);
    _mm256_storeu_si256((__m256i *)(void *)(t->ds + at), bits);
    return bits;
}

static void slope_rows(const grad_job *job, tile *t, int64_t head, range q, int64_t key, int64_t rows) {
    const float *lse = job->lse + head * job->queries, *delta = job->delta + head * job->queries;
    slopes s = {.scale = vf_set1(job->s.scale), .power = vf_set1(job->s.scale * LOG2_E)};
    for (int64_t i = q.begin; i < q.end; i += VL) {
        s.lse = vf_load(lse + i), s.delta = vf_load(delta + i);
        for (int64_t j = 0; j < rows; j += 2) {
            int64_t at = j * QUERIES + i - q.begin;
            vi low = _mm512_cvtepu16_epi32(slope_of(job, t, at, key + j, i, &s));
            vi high = _mm512_cvtepu16_epi32(slope_of(job, t, at + QUERIES, key + j + 1, i, &s));
            store_units(t->ds_pairs + j / 2 * QUERIES + i - q.begin,
                        _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

SL_INLINE const unit *units_of(const uint16_t *x) {
    return (const unit *)(const void *)x;
}

/* Keys [key, key + rows), rows in whole BLOCKs, and queries q of a head, in whole BLOCKs */
static void grad_tile(const grad_job *job, tile *t, int64_t head, int64_t part, range q, int64_t key,
                      int64_t rows) {
    int64_t units = job->units, width = job->width, count = q.end - q.begin;
    int64_t row_at = (head * job->keys + key) * units, column_at = (head * job->queries + q.begin) * units,
            pair_at = (head * job->queries + q.begin) / 2 * width;
    product p = {.lda = units, .a_row_step = units, .ldb = NR, .panel_step = units * NR, .ldc = QUERIES};
    p.rows = rows, p.columns = count, p.depth = units;
    p.a = job->k_rows + row_at, p.b = job->q_columns + column_at, p.c = t->scores;
    multiply_blocks(&p);
    p.a = job->v_rows + row_at, p.b = job->grad_columns + column_at, p.c = t->slopes;
    multiply_blocks(&p);
    slope_rows(job, t, head, q, key, rows);
    product down = {
        .lda = QUERIES / 2, .a_row_step = QUERIES / 2, .ldb = width, .panel_step = NR, .add = true};
    down.rows = rows, down.columns = width, down.depth = count / 2, down.ldc = width;
    down.a = units_of(t->p), down.b = job->grad_pairs + pair_at, down.c = t->grad_v;
    multiply_blocks(&down);
    down.a = units_of(t->ds), down.b = job->q_pairs + pair_at, down.c = t->grad_k;
    multiply_blocks(&down);
    product across = {.ldb = QUERIES, .panel_step = NR, .add = true};
    across.lda = across.a_row_step = job->key_step / 2;
    across.rows = job->s.head_dim, across.columns = count, across.depth = rows / 2, across.ldc = job->queries;
    across.a = units_of(job->k_turned + head * job->dims * job->key_step + key), across.b = t->ds_pairs;
    across.c = job->grad_q + (head * job->parts + part) * job->dims * job->queries + q.begin;
    multiply_blocks(&across);
}

static void write_rows(const grad_job *job, const float *rows, int64_t head, int64_t key, int64_t count,
                       void *out, int64_t stride) {
    const sl_cpu_attention_shape *s = &job->s;
    if (!out) return;
    uint16_t *to =
        (uint16_t *)out + (head / s->heads * s->kv_tokens + key) * stride + head % s->heads * s->head_dim;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < s->head_dim; j += VL)
            vf_store_bf16_n(to + i * stride + j, vf_load(rows + i * job->width + j),
                            min_of(VL, s->head_dim - j));
}

static void grad_task(void *context, int64_t task, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / job->parts, part = task % job->parts;
    range blocks = part_of(ceil_div(s->kv_tokens, KEYS), job->parts, part);
    tile t;
    memset(job->grad_q + task * job->dims * job->queries, 0,
           (size_t)(job->dims * job->queries) * sizeof(float));
    tiles_begin();
    for (int64_t b = blocks.begin; b < blocks.end; b++) {
        int64_t key = b * KEYS, count = min_of(KEYS, s->kv_tokens - key), rows = round_up(count, BLOCK);
        memset(t.grad_k, 0, (size_t)(rows * job->width) * sizeof(float));
        memset(t.grad_v, 0, (size_t)(rows * job->width) * sizeof(float));
        for (int64_t i = 0; i < job->queries; i += QUERIES) {
            range q = {i, min_of(i + QUERIES, job->queries)};
            if (!s->causal || q.end > key) grad_tile(job, &t, head, part, q, key, rows);
        }
        write_rows(job, t.grad_k, head, key, count, job->g->grad_k, s->k_stride);
        write_rows(job, t.grad_v, head, key, count, job->g->grad_v, s->v_stride);
    }
    tiles_end();
}

/* dQ: the parts' sums, in order, turned back */
static void sum_task(void *context, int64_t head, int worker) {
    (void)worker;
    const grad_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    const float *sums = job->grad_q + head * job->parts * job->dims * job->queries;
    if (!job->g->grad_q) return;
    uint16_t *to = (uint16_t *)job->g->grad_q + head / s->heads * s->q_tokens * s->q_stride +
                   head % s->heads * s->head_dim;
    for (int64_t i = 0; i < s->q_tokens; i += VL)
        for (int64_t d = 0; d < s->head_dim; d += VL) {
            vi row[VL];
            for (int64_t j = 0; j < VL; j++) {
                vf sum = vf_zero();
                for (int64_t part = 0; part < job->parts; part++)
                    sum = sum + vf_load(sums + (part * job->dims + d + j) * job->queries + i);
                row[j] = vi_bits(sum);
            }
            transpose_units(row);
            for (int64_t j = 0; j < min_of(VL, s->q_tokens - i); j++)
                vf_store_bf16_n(to + (i + j) * s->q_stride + d, vf_bits(row[j]), min_of(VL, s->head_dim - d));
        }
}

void SL_ISA(attention_grad)(const sl_cpu_attention_grad *g) {
    grad_job job = plan_of(g);
    place(&job, g->workspace);
    sl_parallel_for(heads_of(&job) * 2, copy_task, &job);
    sl_parallel_for(heads_of(&job) * job.parts, grad_task, &job);
    sl_parallel_for(heads_of(&job), sum_task, &job);
}
