/* Functions of one or two elements at the same place, with broadcasting. */
#include "backend/basic/basic.h"

#include <math.h>

/* out[i] from a[i] and b[i], i < count; operands that the op lacks are NULL. */
typedef void (*map_fn)(const sl_attrs *attrs, const float *a, const float *b, float *out, int64_t count);

/* The result as rows of `inner` elements; along a row each operand advances (step 1) or repeats one element
 * (step 0). */
enum { OPERANDS = 2 };

typedef struct map_job {
    const sl_call *call;
    map_fn map;
    int operands;
    int rank; /* outer axes */
    int64_t dim[SL_RANK_MAX], stride[OPERANDS][SL_RANK_MAX];
    int64_t rows, inner, step[OPERANDS];
    int64_t rows_each, parts; /* rows of a task; or parts of one row */
} map_job;

/* One row or part of it: elements [from, from+count) of the row that starts at `at` (operands: start[k]). */
static void map_row(const map_job *job, int64_t at, const int64_t *start, int64_t from, int64_t count) {
    const sl_call *call = job->call;
    float buffer[OPERANDS][BLOCK], result[BLOCK];
    const float *source[OPERANDS] = {NULL};
    for (int k = 0; k < job->operands; k++) {
        if (job->step[k]) continue;
        float repeated = load_one(&call->in[k], start[k]);
        for (int64_t i = 0; i < least(count, BLOCK); i++) buffer[k][i] = repeated;
        source[k] = buffer[k];
    }
    for (int64_t i = from; i < from + count; i += BLOCK) {
        int64_t n = least(BLOCK, from + count - i);
        for (int k = 0; k < job->operands; k++)
            if (job->step[k]) source[k] = load_block(&call->in[k], start[k] + i, n, buffer[k]);
        job->map(call->attrs, source[0], source[1], target_block(&call->out[0], at + i, result), n);
        store_block(&call->out[0], at + i, n, result);
    }
}

static void map_task(void *context, int64_t task, int worker) {
    const map_job *job = context;
    (void)worker;
    int64_t first = task / job->parts * job->rows_each, part = task % job->parts;
    int64_t size = job->parts == 1 ? job->inner : CHUNK, from = part * size;
    for (int64_t row = first; row < first + job->rows_each && row < job->rows; row++) {
        int64_t start[OPERANDS] = {0}, rest = row;
        for (int i = job->rank - 1; i >= 0; i--) {
            for (int k = 0; k < job->operands; k++) start[k] += rest % job->dim[i] * job->stride[k][i];
            rest /= job->dim[i];
        }
        map_row(job, row * job->inner, start, from, least(size, job->inner - from));
    }
}

/* Fold axes along which all operands go on together, or repeat together, into one; the last one is a row. */
static void fold_axes(map_job *job, const sl_shape *out) {
    int64_t own[OPERANDS] = {1, 1};
    int count = 0;
    int64_t dim[SL_RANK_MAX], stride[OPERANDS][SL_RANK_MAX];
    for (int i = out->rank - 1; i >= 0; i--) { /* from the last axis: position `count` counts from the end */
        if (out->dim[i] == 1) continue;
        int64_t here[OPERANDS];
        bool folds = count > 0;
        for (int k = 0; k < job->operands; k++) {
            const sl_shape *shape = &job->call->in[k].shape;
            int at = i - (out->rank - shape->rank);
            bool repeats = at < 0 || shape->dim[at] == 1;
            here[k] = repeats ? 0 : own[k];
            if (!repeats) own[k] *= shape->dim[at];
            if (count > 0) folds &= here[k] == stride[k][count - 1] * dim[count - 1];
        }
        if (folds) {
            dim[count - 1] *= out->dim[i];
            continue;
        }
        dim[count] = out->dim[i];
        for (int k = 0; k < job->operands; k++) stride[k][count] = here[k];
        count++;
    }
    job->inner = count ? dim[0] : 1;
    job->rows = 1;
    for (int k = 0; k < job->operands; k++) job->step[k] = count ? stride[k][0] : 1;
    for (int i = 1; i < count; i++) {
        int to = count - 1 - i;
        job->dim[to] = dim[i];
        job->rows *= dim[i];
        for (int k = 0; k < job->operands; k++) job->stride[k][to] = stride[k][i];
    }
    job->rank = count > 1 ? count - 1 : 0;
}

static sl_status map_all(const sl_call *call, map_fn map, int operands) {
    map_job job = {.call = call, .map = map, .operands = operands};
    fold_axes(&job, &call->out[0].shape);
    job.parts = chunks_of(job.inner, CHUNK);
    job.rows_each = job.parts > 1 || job.inner >= CHUNK ? 1 : CHUNK / job.inner;
    sl_parallel_for(chunks_of(job.rows, job.rows_each) * job.parts, map_task, &job);
    return SL_OK;
}

/* expression in a (and b), and the parameters alpha and beta as fp32 */
#define MAP(name, operands, expression)                                                                      \
    static void name##_block(const sl_attrs *attrs, const float *pa, const float *pb, float *out,            \
                             int64_t count) {                                                                \
        const float alpha = (float)attrs->alpha, beta = (float)attrs->beta;                                  \
        (void)alpha;                                                                                         \
        (void)beta;                                                                                          \
        (void)pb;                                                                                            \
        EACH_ELEMENT                                                                                         \
        for (int64_t i = 0; i < count; i++) {                                                                \
            float a = pa[i], b = operands > 1 ? pb[i] : 0;                                                   \
            (void)a;                                                                                         \
            (void)b;                                                                                         \
            out[i] = expression;                                                                             \
        }                                                                                                    \
    }                                                                                                        \
    static sl_status name##_run(const sl_call *call) {                                                       \
        return map_all(call, name##_block, operands);                                                        \
    }                                                                                                        \
    const sl_kernel_code sl_kernel_##name##_avx2 = {.run = name##_run};

MAP(add, 2, a + b)
MAP(sub, 2, a - b)
MAP(mul, 2, a *b)
MAP(scale, 1, alpha *a + beta)
MAP(cast, 1, a)
MAP(broadcast, 1, alpha *a)
MAP(exp, 1, expf(a))
MAP(square, 1, a *a)
MAP(square_bwd, 2, 2 * a * b)
MAP(abs, 1, fabsf(a))
MAP(abs_bwd, 2, b *(float)((a > 0) - (a < 0)))
MAP(clamp, 1, a<alpha ? alpha : a> beta ? beta : a)
MAP(clamp_bwd, 2, a >= alpha && a <= beta ? b : 0)
MAP(relu, 1, a < 0 ? 0 : a)
MAP(relu_bwd, 2, a > 0 ? b : 0)

/* ---- storage that is written without operands, or read and written ---- */

static void fill_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_operand *out = &call->out[0];
    float buffer[BLOCK];
    (void)worker;
    for (int64_t at = task * CHUNK, end = least(at + CHUNK, sl_operand_count(out)); at < end; at += BLOCK) {
        float *target = target_block(out, at, buffer);
        int64_t count = least(BLOCK, end - at);
        for (int64_t i = 0; i < count; i++) target[i] = (float)call->attrs->alpha;
        store_block(out, at, count, buffer);
    }
}

static sl_status fill_run(const sl_call *call) {
    sl_parallel_for(chunks_of(sl_operand_count(&call->out[0]), CHUNK), fill_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_fill_avx2 = {.run = fill_run};

static void update_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_operand *in = &call->in[0], *out = &call->out[0];
    const float alpha = (float)call->attrs->alpha, beta = (float)call->attrs->beta;
    float value_buffer[BLOCK], old_buffer[BLOCK];
    (void)worker;
    for (int64_t at = task * CHUNK, end = least(at + CHUNK, sl_operand_count(out)); at < end; at += BLOCK) {
        int64_t count = least(BLOCK, end - at);
        const float *value = load_block(in, at, count, value_buffer);
        const float *old = load_block(out, at, count, old_buffer);
        float *target = target_block(out, at, old_buffer);
        if (alpha != 0) {
            EACH_ELEMENT
            for (int64_t i = 0; i < count; i++) target[i] = alpha * old[i] + beta * value[i];
        } else {
            EACH_ELEMENT
            for (int64_t i = 0; i < count; i++) target[i] = beta * value[i];
        }
        store_block(out, at, count, old_buffer);
    }
}

static sl_status update_run(const sl_call *call) {
    sl_parallel_for(chunks_of(sl_operand_count(&call->out[0]), CHUNK), update_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_update_avx2 = {.run = update_run};
