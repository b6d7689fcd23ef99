/* Attention forward, tiled with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022): the
 * score matrix exists a tile at a time. */
#include "backend/cpu/isa/attention/attention.h"
#include "backend/cpu/isa/transpose.h"

#include <math.h>

/* VL tokens at most, each VL units at most, as columns */
SL_INLINE void pack_block(const unit *source, int64_t step, int64_t tokens, int64_t units, unit *out) {
#ifdef __AVX512F__
    vi row[VL];
    for (int64_t i = 0; i < VL; i++)
        row[i] = i < tokens ? _mm512_maskz_loadu_epi32(vm_first(units), source + i * step)
                            : _mm512_setzero_si512();
    transpose_units(row);
    for (int64_t k = 0; k < units; k++) _mm512_storeu_si512(out + k * NR, row[k]);
#else
    for (int64_t k = 0; k < units; k++)
        for (int64_t i = 0; i < VL; i++) out[k * NR + i] = i < tokens ? source[i * step + k] : 0;
#endif
}

void SL_ISA(attention_pack_columns)(bool bf16, const void *x, int64_t stride, int64_t dim, int64_t count,
                                    unit *out) {
    int64_t units = bf16 ? dim / 2 : dim, step = bf16 ? stride / 2 : stride, rows = head_units(bf16, dim);
    for (int64_t j = 0; j < count; j += NR, out += rows * NR) {
        memset(out + units * NR, 0, (size_t)((rows - units) * NR) * sizeof(unit));
        for (int64_t i = 0; i < NR; i += VL) {
            int64_t first = j + i, tokens = max_of(0, min_of(VL, count - first));
            const unit *source = (const unit *)x + (tokens ? first * step : 0);
            for (int64_t k = 0; k < units; k += VL)
                pack_block(source + k, step, tokens, min_of(VL, units - k), out + k * NR + i);
        }
    }
}

void SL_ISA(attention_pack_rows)(bool bf16, const void *x, int64_t stride, int64_t dim, int64_t width,
                                 int64_t count, unit *out) {
    int64_t rows = bf16 ? round_up(count, TOKEN_STEP) : count;
    for (int64_t token = 0; token < rows; token += bf16 ? 2 : 1, out += width)
        for (int64_t i = 0; i < width; i += VL) {
            int64_t n = max_of(0, min_of(VL, dim - i));
            float *to = (float *)(void *)(out + i);
#ifdef __AVX512BF16__
            if (bf16) {
                const uint16_t *from = (const uint16_t *)x + i;
                vf_store(to,
                         vf_bits(vi_load_pairs(token < count ? from + token * stride : NULL,
                                               token + 1 < count ? from + (token + 1) * stride : NULL, n)));
                continue;
            }
#endif
            vf_store(to, vf_load_n((const float *)x + token * stride + i, n));
        }
}

typedef struct forward_job {
    const sl_cpu_attention *a;
    sl_cpu_attention_shape s; /* strides filled in */
    bool bf16;
    int64_t width;            /* head_dim rounded up to whole vectors */
    int64_t k_units, v_units; /* packed size of one head's k and v */
    int64_t q_blocks;
    unit *k, *v;
} forward_job;

static forward_job plan_of(const sl_cpu_attention *a) {
    forward_job job = {.a = a, .s = with_strides(a->shape), .bf16 = a->dtype == SL_BF16};
    const sl_cpu_attention_shape *s = &job.s;
    job.width = round_up(s->head_dim, VL);
    job.k_units = round_up(s->kv_tokens, NR) * head_units(job.bf16, s->head_dim);
    job.v_units = (job.bf16 ? round_up(s->kv_tokens, TOKEN_STEP) / 2 : s->kv_tokens) * job.width;
    job.k_units = round_up(job.k_units, VL);
    job.q_blocks = ceil_div(s->q_tokens, Q_BLOCK);
    return job;
}

size_t SL_ISA(attention_bytes)(const sl_cpu_attention *a) {
    forward_job job = plan_of(a);
    return (size_t)(a->shape->batch * a->shape->heads * (job.k_units + job.v_units)) * sizeof(unit);
}

static const void *token_at(bool bf16, const void *base, int64_t token, int64_t stride, int64_t column) {
    return (const char *)base + (token * stride + column) * (bf16 ? 2 : 4);
}

static void pack_head(void *context, int64_t task, int worker) {
    (void)worker;
    const forward_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / 2, token = head / s->heads * s->kv_tokens, column = head % s->heads * s->head_dim;
    if (task % 2 == 0) SL_ISA(attention_pack_columns)
    (job->bf16, token_at(job->bf16, job->a->k, token, s->k_stride, column), s->k_stride, s->head_dim,
     s->kv_tokens, job->k + head * job->k_units);
    else SL_ISA(attention_pack_rows)(job->bf16, token_at(job->bf16, job->a->v, token, s->v_stride, column),
                                     s->v_stride, s->head_dim, job->width, s->kv_tokens,
                                     job->v + head * job->v_units);
}

/* A tile of queries on its way over the keys. */
typedef struct tile {
    float scores[Q_BLOCK * KV_BLOCK] __attribute__((aligned(64)));
    float out[Q_BLOCK * SL_ATTENTION_HEAD_MAX] __attribute__((aligned(64)));
    uint16_t weights[Q_BLOCK * KV_BLOCK] __attribute__((aligned(64)));
    vf sum[Q_BLOCK];
    float highest[Q_BLOCK]; /* in powers of two */
#ifdef SL_ISA_TILES
    unit queries[Q_BLOCK * SL_ATTENTION_HEAD_MAX / 2] __attribute__((aligned(64)));
#endif
} tile;

#ifdef SL_ISA_TILES
/* Tiles read whole rows and steps of channels: the latter are zeros beyond the head, the former may be
 * anything beyond the last. */
static const unit *copy_queries(const forward_job *job, const unit *from, int64_t step, int64_t rows,
                                unit *out) {
    int64_t width = head_units(true, job->s.head_dim);
    for (int64_t i = 0; i < rows; i++)
        copy_tile_row((const uint16_t *)(const void *)(from + i * step), job->s.head_dim, out + i * width);
    return out;
}
#endif

/* Scores [0, seen) of one row to exponentials, 0 in the rest of its `columns`; the sums and outputs so far
 * are scaled to the new maximum. All in powers of two: `factor` is the scale times log2(e). */
SL_INLINE void soften_row(const bool bf16, const forward_job *job, tile *t, int64_t row, int64_t seen,
                          int64_t columns) {
    float *scores = t->scores + row * KV_BLOCK;
    const float factor = job->s.scale * LOG2_E;
    const vf scale = vf_set1(factor), unseen = vf_set1(factor < 0 ? INFINITY : -INFINITY);
    vf highest = vf_set1(-INFINITY);
    for (int64_t j = seen & -(int64_t)VL; j < columns; j += VL)
        vf_store(scores + j, vf_select(vm_first(max_of(0, seen - j)), vf_load(scores + j), unseen));
    for (int64_t j = 0; j < columns; j += VL) highest = vf_max(highest, vf_load(scores + j) * scale);
    float old = t->highest[row], peak = vf_highest(highest), now = peak > old ? peak : old;
    vf shift = vf_set1(-now), sum = vf_zero();
    for (int64_t j = 0; j < columns; j += VL) {
        vf score = vf_fma(vf_load(scores + j), scale, shift);
        vf weight = bf16 ? v_exp2_rough(score) : v_exp2(score);
        sum = sum + weight;
        if (bf16)
            vf_store_bf16(t->weights + row * KV_BLOCK + j, weight);
        else
            vf_store(scores + j, weight);
    }
    if (now == old) {
        t->sum[row] = t->sum[row] + sum;
        return;
    }
    vf shrink = v_exp2(vf_set1(old - now));
    t->highest[row] = now;
    t->sum[row] = vf_fma(t->sum[row], shrink, sum);
    for (int64_t j = 0; j < job->width; j += VL) {
        float *out = t->out + row * job->width + j;
        vf_store(out, vf_load(out) * shrink);
    }
}

static void soften_tile(const forward_job *job, tile *t, range q, int64_t kv, int64_t count,
                        int64_t columns) {
    for (int64_t i = 0; i < q.end - q.begin; i++) {
        int64_t seen = job->s.causal ? min_of(count, max_of(0, q.begin + i - kv + 1)) : count;
        if (job->bf16)
            soften_row(true, job, t, i, seen, columns);
        else
            soften_row(false, job, t, i, seen, columns);
    }
}

static void write_row(const forward_job *job, const tile *t, int64_t row, int64_t head, int64_t token) {
    const sl_cpu_attention_shape *s = &job->s;
    float sum = vf_sum(t->sum[row]);
    vf factor = vf_set1(1 / sum);
    int64_t at = (head / s->heads * s->q_tokens + token) * s->out_stride + head % s->heads * s->head_dim;
    for (int64_t j = 0; j < s->head_dim; j += VL)
        vf_put_n(job->bf16, job->a->out, at + j, vf_load(t->out + row * job->width + j) * factor,
                 min_of(VL, s->head_dim - j));
    if (job->a->lse) job->a->lse[head * s->q_tokens + token] = (t->highest[row] + log2f(sum)) * 0.693147181f;
}

static void forward_task(void *context, int64_t task, int worker) {
    (void)worker;
    const forward_job *job = context;
    const sl_cpu_attention_shape *s = &job->s;
    int64_t head = task / job->q_blocks;
    range q = part_of(s->q_tokens, job->q_blocks, task % job->q_blocks);
    int64_t rows = q.end - q.begin, dim = head_units(job->bf16, s->head_dim);
    tile t;
    memset(t.out, 0, (size_t)(rows * job->width) * sizeof(float));
    for (int64_t i = 0; i < rows; i++) t.sum[i] = vf_zero(), t.highest[i] = -INFINITY;
    product scores = {.bf16 = job->bf16, .ldb = NR, .panel_step = dim * NR, .rows = rows, .depth = dim};
    scores.a = token_at(job->bf16, job->a->q, head / s->heads * s->q_tokens + q.begin, s->q_stride,
                        head % s->heads * s->head_dim);
    scores.lda = scores.a_row_step = job->bf16 ? s->q_stride / 2 : s->q_stride;
#ifdef SL_ISA_TILES
    scores.a = copy_queries(job, scores.a, scores.lda, rows, t.queries);
    scores.lda = scores.a_row_step = dim;
    tiles_begin();
#endif
    scores.c = t.scores, scores.ldc = KV_BLOCK;
    product values = {
        .bf16 = job->bf16, .ldb = job->width, .panel_step = NR, .rows = rows, .columns = job->width};
    values.a = job->bf16 ? (const unit *)(const void *)t.weights : (const unit *)(const void *)t.scores;
    values.lda = values.a_row_step = job->bf16 ? KV_BLOCK / 2 : KV_BLOCK;
    values.c = t.out, values.ldc = job->width, values.add = true;
    int64_t tokens = s->causal ? min_of(s->kv_tokens, q.end) : s->kv_tokens;
    for (int64_t kv = 0; kv < tokens; kv += KV_BLOCK) {
        int64_t count = min_of(KV_BLOCK, tokens - kv), columns = round_up(count, TOKEN_STEP);
        scores.b = job->k + head * job->k_units + kv * dim;
        scores.columns = columns;
        multiply_blocks(&scores);
        soften_tile(job, &t, q, kv, count, columns);
        values.b = job->v + head * job->v_units + (job->bf16 ? kv / 2 : kv) * job->width;
        values.depth = job->bf16 ? columns / 2 : count;
        multiply_blocks(&values);
    }
#ifdef SL_ISA_TILES
    tiles_end();
#endif
    for (int64_t i = 0; i < rows; i++) write_row(job, &t, i, head, q.begin + i);
}

void SL_ISA(attention)(const sl_cpu_attention *a) {
    forward_job job = plan_of(a);
    int64_t heads = a->shape->batch * a->shape->heads;
    job.k = a->workspace;
    job.v = job.k + heads * job.k_units;
    sl_parallel_for(heads * 2, pack_head, &job);
    sl_parallel_for(heads * job.q_blocks, forward_task, &job);
}
