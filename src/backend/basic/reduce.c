/* Sums over one run of axes, losses, and small calls on one thread. Partial sums of fixed pieces go to
 * scratch memory and are added in order: the same bits for any number of threads. */
#include "backend/basic/basic.h"

#include <math.h>

enum { LANES = 16 };

/* Sum in double of blocks that are summed in LANES columns. */
static double sum_block(const float *x, int64_t count) {
    float lane[LANES] = {0};
    double sum = 0;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    for (int k = 0; k < LANES; k++) sum += (double)lane[k];
    for (; i < count; i++) sum += (double)x[i];
    return sum;
}

/* ---- sum: x as [A, R, C] -> [A, C] ---- */

typedef struct sum_view {
    int64_t A, R, C, rows_each, pieces; /* R in `pieces` of rows_each rows */
} sum_view;

/* False where the reduced axes are not side by side. */
static bool view_sum(const sl_call *call, sum_view *v) {
    const sl_shape *x = &call->in[0].shape;
    *v = (sum_view){1, 1, 1, 0, 0};
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] == 1) continue;
        if (call->attrs->axes >> i & 1) {
            if (v->C > 1) return false;
            v->R *= x->dim[i];
        } else if (v->R > 1) {
            v->C *= x->dim[i];
        } else {
            v->A *= x->dim[i];
        }
    }
    if (v->R == 1) { /* nothing is reduced: one long row of sums of one */
        v->C = v->A;
        v->A = 1;
    }
    v->rows_each = v->C >= CHUNK ? 1 : CHUNK / v->C;
    v->pieces = chunks_of(v->R, v->rows_each);
    return true;
}

static bool sum_accepts(const sl_call *call) {
    sum_view v;
    return view_sum(call, &v);
}

static size_t sum_scratch(const sl_call *call) {
    sum_view v;
    view_sum(call, &v);
    return (size_t)(v.A * v.pieces * v.C) * sizeof(double);
}

static void sum_piece(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    sum_view v;
    view_sum(call, &v);
    int64_t first = task % v.pieces * v.rows_each, rows = least(v.rows_each, v.R - first);
    int64_t at = (task / v.pieces * v.R + first) * v.C;
    double *sum = (double *)call->scratch + task * v.C;
    float buffer[BLOCK], total[BLOCK];
    (void)worker;
    if (v.C == 1) {
        *sum = 0;
        for (int64_t i = 0; i < rows; i += BLOCK) {
            int64_t count = least(BLOCK, rows - i);
            *sum += sum_block(load_block(&call->in[0], at + i, count, buffer), count);
        }
        return;
    }
    for (int64_t c = 0; c < v.C; c += BLOCK) {
        int64_t count = least(BLOCK, v.C - c);
        memset(total, 0, sizeof total);
        for (int64_t r = 0; r < rows; r++) {
            const float *x = load_block(&call->in[0], at + r * v.C + c, count, buffer);
            for (int64_t i = 0; i < count; i++) total[i] += x[i];
        }
        for (int64_t i = 0; i < count; i++) sum[c + i] = (double)total[i];
    }
}

static void sum_join(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    sum_view v;
    view_sum(call, &v);
    float buffer[BLOCK];
    (void)worker;
    for (int64_t at = task * CHUNK; at < least((task + 1) * CHUNK, v.A * v.C); at += BLOCK) {
        int64_t count = least(BLOCK, least((task + 1) * CHUNK, v.A * v.C) - at);
        float *target = target_block(&call->out[0], at, buffer);
        for (int64_t i = 0; i < count; i++) {
            const double *part =
                (const double *)call->scratch + (at + i) / v.C * v.pieces * v.C + (at + i) % v.C;
            double sum = 0;
            for (int64_t p = 0; p < v.pieces; p++) sum += part[p * v.C];
            target[i] = (float)(sum * call->attrs->alpha);
        }
        store_block(&call->out[0], at, count, buffer);
    }
}

static sl_status sum_run(const sl_call *call) {
    sum_view v;
    view_sum(call, &v);
    sl_parallel_for(v.A * v.pieces, sum_piece, (void *)call);
    sl_parallel_for(chunks_of(v.A * v.C, CHUNK), sum_join, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_sum_avx2 = {.accepts = sum_accepts, .scratch = sum_scratch, .run = sum_run};

/* ---- squared and absolute differences: samples [N] of `size` elements, in pieces of CHUNK ---- */

static int64_t samples_of(const sl_call *call) {
    return call->in[0].shape.rank ? call->in[0].shape.dim[0] : 1;
}

static int64_t pieces_of(const sl_call *call) {
    return chunks_of(sl_operand_count(&call->in[0]) / samples_of(call), CHUNK);
}

static size_t loss_scratch(const sl_call *call) {
    return (size_t)(samples_of(call) * pieces_of(call)) * sizeof(double);
}

static float sample_weight(const sl_call *call, int64_t n) {
    bool weighted = call->op == SL_OP_MSE || call->op == SL_OP_MSE_BWD;
    return weighted && sl_call_has(call, 2) ? load_one(&call->in[2], n) : 1;
}

static void loss_piece(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    int64_t pieces = pieces_of(call), n = task / pieces,
            size = sl_operand_count(&call->in[0]) / samples_of(call);
    int64_t at = n * size + task % pieces * CHUNK, end = least(at + CHUNK, (n + 1) * size);
    float a_buffer[BLOCK], b_buffer[BLOCK], d[BLOCK];
    double sum = 0;
    (void)worker;
    for (; at < end; at += BLOCK) {
        int64_t count = least(BLOCK, end - at);
        const float *a = load_block(&call->in[0], at, count, a_buffer);
        const float *b = load_block(&call->in[1], at, count, b_buffer);
        if (call->op == SL_OP_MSE)
            for (int64_t i = 0; i < count; i++) d[i] = (a[i] - b[i]) * (a[i] - b[i]);
        else
            for (int64_t i = 0; i < count; i++) d[i] = fabsf(a[i] - b[i]);
        sum += sum_block(d, count);
    }
    ((double *)call->scratch)[task] = sum * (double)sample_weight(call, n);
}

static sl_status loss_run(const sl_call *call) {
    int64_t tasks = samples_of(call) * pieces_of(call);
    double sum = 0;
    sl_parallel_for(tasks, loss_piece, (void *)call);
    for (int64_t i = 0; i < tasks; i++) sum += ((const double *)call->scratch)[i];
    *(float *)call->out[0].data = (float)(sum / (double)sl_operand_count(&call->in[0]));
    return SL_OK;
}
const sl_kernel_code sl_kernel_mse_avx2 = {.scratch = loss_scratch, .run = loss_run};
const sl_kernel_code sl_kernel_l1_avx2 = {.scratch = loss_scratch, .run = loss_run};

static void loss_bwd_piece(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    int64_t total = sl_operand_count(&call->in[0]), size = total / samples_of(call);
    int64_t pieces = pieces_of(call), n = task / pieces;
    int64_t at = n * size + task % pieces * CHUNK, end = least(at + CHUNK, (n + 1) * size);
    bool squared = call->op == SL_OP_MSE_BWD;
    double dloss = (double)*(const float *)call->in[squared ? 3 : 2].data;
    float factor = (float)(dloss * (squared ? 2 : 1) * (double)sample_weight(call, n) / (double)total);
    float a_buffer[BLOCK], b_buffer[BLOCK], result[BLOCK];
    (void)worker;
    for (; at < end; at += BLOCK) {
        int64_t count = least(BLOCK, end - at);
        const float *a = load_block(&call->in[0], at, count, a_buffer);
        const float *b = load_block(&call->in[1], at, count, b_buffer);
        float *target = target_block(&call->out[0], at, result);
        if (squared) {
            EACH_ELEMENT
            for (int64_t i = 0; i < count; i++) target[i] = factor * (a[i] - b[i]);
        } else {
            EACH_ELEMENT
            for (int64_t i = 0; i < count; i++) target[i] = factor * (float)((a[i] > b[i]) - (a[i] < b[i]));
        }
        store_block(&call->out[0], at, count, result);
    }
}

static sl_status loss_bwd_run(const sl_call *call) {
    sl_parallel_for(samples_of(call) * pieces_of(call), loss_bwd_piece, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_mse_bwd_avx2 = {.run = loss_bwd_run};
const sl_kernel_code sl_kernel_l1_bwd_avx2 = {.run = loss_bwd_run};

/* ---- cross-entropy: few numbers, on the calling thread, in double ---- */

static double class_weight(const sl_call *call, int64_t n) {
    return sl_call_has(call, 2) ? (double)load_one(&call->in[2], ((const int32_t *)call->in[1].data)[n]) : 1;
}

static sl_status weight_sum(const sl_call *call, double *out) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double sum = 0;
    for (int64_t n = 0; n < N; n++) {
        int32_t label = ((const int32_t *)call->in[1].data)[n];
        if (label < 0 || label >= K)
            return sl_fail(SL_INVALID, "%s: label %d, expected 0 to %lld", sl_op_name(call->op), label,
                           (long long)K - 1);
        sum += class_weight(call, n);
    }
    *out = sum;
    return SL_OK;
}

static double log_sum_exp(const sl_operand *logits, int64_t n, int64_t K) {
    double highest = -INFINITY, sum = 0;
    for (int64_t k = 0; k < K; k++) highest = fmax(highest, (double)load_one(logits, n * K + k));
    for (int64_t k = 0; k < K; k++) sum += exp((double)load_one(logits, n * K + k) - highest);
    return highest + log(sum);
}

static sl_status cross_entropy_run(const sl_call *call) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double total, sum = 0;
    SL_TRY(weight_sum(call, &total));
    for (int64_t n = 0; n < N; n++) {
        double logit = (double)load_one(&call->in[0], n * K + ((const int32_t *)call->in[1].data)[n]);
        sum += class_weight(call, n) * (log_sum_exp(&call->in[0], n, K) - logit);
    }
    *(float *)call->out[0].data = (float)(sum / total);
    return SL_OK;
}
const sl_kernel_code sl_kernel_cross_entropy_avx2 = {.run = cross_entropy_run};

static sl_status cross_entropy_bwd_run(const sl_call *call) {
    int64_t N = call->in[0].shape.dim[0], K = call->in[0].shape.dim[1];
    double total, dloss = (double)*(const float *)call->in[3].data;
    SL_TRY(weight_sum(call, &total));
    for (int64_t n = 0; n < N; n++) {
        int32_t label = ((const int32_t *)call->in[1].data)[n];
        double lse = log_sum_exp(&call->in[0], n, K), factor = dloss * class_weight(call, n) / total;
        for (int64_t k = 0; k < K; k++) {
            float buffer, *target = target_block(&call->out[0], n * K + k, &buffer);
            *target = (float)(factor * (exp((double)load_one(&call->in[0], n * K + k) - lse) - (k == label)));
            store_block(&call->out[0], n * K + k, 1, target);
        }
    }
    return SL_OK;
}
const sl_kernel_code sl_kernel_cross_entropy_bwd_avx2 = {.run = cross_entropy_bwd_run};

/* ---- sinusoids of a timestep ---- */

static sl_status timestep_run(const sl_call *call) {
    int64_t width = call->attrs->width, half = width / 2, cosines = call->attrs->flip ? 0 : half;
    float *out = call->out[0].data;
    for (int64_t n = 0; n < call->in[0].shape.dim[0]; n++) {
        for (int64_t i = 0; i < half; i++) {
            /* rounded to float where the reference says */
            float exponent = (float)-log(10000) * (float)i / (float)((double)half - call->attrs->alpha);
            double angle = (double)((float)load_one(&call->in[0], n) * (float)exp((double)exponent));
            out[n * width + cosines + i] = (float)cos(angle);
            out[n * width + half - cosines + i] = (float)sin(angle);
        }
    }
    return SL_OK;
}
const sl_kernel_code sl_kernel_timestep_embedding_avx2 = {.run = timestep_run};
