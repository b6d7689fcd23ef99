/* Operations that only move elements: join, cut, pad, reorder, look up, enlarge. */
#include "backend/basic/basic.h"

enum { COPY_BYTES = 65536 };

/* ---- strips: `rows` pieces of `bytes`, at distances ---- */

typedef struct strips {
    char *to;
    const char *from; /* NULL: zeros */
    int64_t rows, bytes, to_step, from_step;
    int64_t rows_each, parts;
} strips;

static void strip_task(void *context, int64_t task, int worker) {
    const strips *s = context;
    (void)worker;
    int64_t first = task / s->parts * s->rows_each, size = s->parts == 1 ? s->bytes : COPY_BYTES;
    int64_t from = task % s->parts * size, bytes = least(size, s->bytes - from);
    for (int64_t row = first; row < first + s->rows_each && row < s->rows; row++) {
        if (s->from)
            memcpy(s->to + row * s->to_step + from, s->from + row * s->from_step + from, (size_t)bytes);
        else
            memset(s->to + row * s->to_step + from, 0, (size_t)bytes);
    }
}

static void copy_strips(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t rows,
                        int64_t bytes) {
    if (rows == 0 || bytes == 0) return;
    strips s = {
        .to = to, .from = from, .rows = rows, .bytes = bytes, .to_step = to_step, .from_step = from_step};
    s.parts = chunks_of(bytes, COPY_BYTES);
    s.rows_each = bytes >= COPY_BYTES ? 1 : COPY_BYTES / bytes;
    sl_parallel_for(chunks_of(rows, s.rows_each) * s.parts, strip_task, &s);
}

/* x as [outer, dim, inner] around the axis; sizes in bytes. */
typedef struct view {
    int64_t outer, dim, inner;
} view;

static view view_of(const sl_operand *x, int axis) {
    view v = {1, x->shape.dim[axis], (int64_t)sl_dtype_bytes(x->dtype)};
    for (int i = 0; i < axis; i++) v.outer *= x->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++) v.inner *= x->shape.dim[i];
    return v;
}

static bool same_dtypes(const sl_call *call) {
    for (int i = 0; i < call->in_count; i++)
        if (call->in[i].dtype != call->out[0].dtype) return false;
    return true;
}

static sl_status concat_run(const sl_call *call) {
    view to = view_of(&call->out[0], call->attrs->axis);
    char *at = call->out[0].data;
    for (int i = 0; i < call->in_count; i++) {
        view from = view_of(&call->in[i], call->attrs->axis);
        int64_t bytes = from.dim * from.inner;
        copy_strips(at, to.dim * to.inner, call->in[i].data, bytes, from.outer, bytes);
        at += bytes;
    }
    return SL_OK;
}
const sl_kernel_code sl_kernel_concat_avx2 = {.accepts = same_dtypes, .run = concat_run};

static sl_status slice_run(const sl_call *call) {
    view from = view_of(&call->in[0], call->attrs->axis), to = view_of(&call->out[0], call->attrs->axis);
    copy_strips(call->out[0].data, to.dim * to.inner,
                (const char *)call->in[0].data + call->attrs->start * from.inner, from.dim * from.inner,
                to.outer, to.dim * to.inner);
    return SL_OK;
}
const sl_kernel_code sl_kernel_slice_avx2 = {.run = slice_run};

static sl_status pad_run(const sl_call *call) {
    view from = view_of(&call->in[0], call->attrs->axis), to = view_of(&call->out[0], call->attrs->axis);
    int64_t before = call->attrs->start * to.inner, inside = from.dim * from.inner, step = to.dim * to.inner;
    char *out = call->out[0].data;
    copy_strips(out, step, NULL, 0, to.outer, before);
    copy_strips(out + before, step, call->in[0].data, inside, to.outer, inside);
    copy_strips(out + before + inside, step, NULL, 0, to.outer, step - before - inside);
    return SL_OK;
}
const sl_kernel_code sl_kernel_pad_avx2 = {.run = pad_run};

/* ---- transpose ---- */

/* After folding axes that stay together: dim and source stride of each result axis, in elements. */
typedef struct reorder {
    const sl_call *call;
    int rank, from_last; /* from_last: the result axis that is last in the source */
    int64_t dim[SL_RANK_MAX], stride[SL_RANK_MAX], step[SL_RANK_MAX]; /* step: in the result */
    int64_t planes, planes_each, strips; /* strips of one plane, or planes of one task */
} reorder;

enum { TILE = 32 };

static void fold_transpose(reorder *r) {
    const sl_shape *x = &r->call->in[0].shape, *y = &r->call->out[0].shape;
    int64_t source[SL_RANK_MAX], step = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        source[i] = step;
        step *= x->dim[i];
    }
    for (int i = 0; i < y->rank; i++) {
        int64_t stride = source[r->call->attrs->perm[i]];
        if (y->dim[i] == 1) continue;
        if (r->rank && r->stride[r->rank - 1] == stride * y->dim[i]) {
            r->dim[r->rank - 1] *= y->dim[i];
            r->stride[r->rank - 1] = stride;
        } else {
            r->dim[r->rank] = y->dim[i];
            r->stride[r->rank++] = stride;
        }
    }
    step = 1;
    for (int i = r->rank - 1; i >= 0; i--) {
        r->step[i] = step;
        step *= r->dim[i];
        if (r->stride[i] == 1) r->from_last = i;
    }
}

/* Offsets of plane `index` over the axes other than the last and `other`. */
static void plane_offsets(const reorder *r, int64_t index, int other, int64_t *from, int64_t *to) {
    *from = *to = 0;
    for (int i = r->rank - 2; i >= 0; i--) {
        if (i == other) continue;
        *from += index % r->dim[i] * r->stride[i];
        *to += index % r->dim[i] * r->step[i];
        index /= r->dim[i];
    }
}

/* The last axis stays: runs of elements. */
static void run_task(void *context, int64_t task, int worker) {
    const reorder *r = context;
    int64_t from, to, size = (int64_t)sl_dtype_bytes(r->call->in[0].dtype), run = r->dim[r->rank - 1] * size;
    int64_t each = run >= COPY_BYTES ? 1 : COPY_BYTES / run;
    (void)worker;
    for (int64_t i = task * each; i < (task + 1) * each && i < r->planes; i++) {
        plane_offsets(r, i, -1, &from, &to);
        memcpy((char *)r->call->out[0].data + to * size, (const char *)r->call->in[0].data + from * size,
               (size_t)run);
    }
}

/* out[i*to_step + k] = in[i + k*from_step], i < rows, k < columns */
#define TRANSPOSE_PLANE(type)                                                                                \
    static void transpose_##type(const type *in, int64_t from_step, type *out, int64_t to_step,              \
                                 int64_t rows, int64_t columns) {                                            \
        for (int64_t k0 = 0; k0 < columns; k0 += TILE) {                                                     \
            int64_t k1 = least(k0 + TILE, columns);                                                          \
            for (int64_t i = 0; i < rows; i++)                                                               \
                for (int64_t k = k0; k < k1; k++) out[i * to_step + k] = in[i + k * from_step];              \
        }                                                                                                    \
    }
TRANSPOSE_PLANE(uint16_t)
TRANSPOSE_PLANE(uint32_t)

/* Rows first..first+rows-1 of a plane. */
static void transpose_rows(const reorder *r, int64_t plane, int64_t first, int64_t rows) {
    int other = r->from_last, last = r->rank - 1;
    int64_t from, to;
    plane_offsets(r, plane, other, &from, &to);
    from += first;
    to += first * r->step[other];
    if (r->call->in[0].dtype == SL_BF16)
        transpose_uint16_t((const uint16_t *)r->call->in[0].data + from, r->stride[last],
                           (uint16_t *)r->call->out[0].data + to, r->step[other], rows, r->dim[last]);
    else
        transpose_uint32_t((const uint32_t *)r->call->in[0].data + from, r->stride[last],
                           (uint32_t *)r->call->out[0].data + to, r->step[other], rows, r->dim[last]);
}

/* A strip of a large plane, or some small planes. */
static void plane_task(void *context, int64_t task, int worker) {
    const reorder *r = context;
    int64_t rows = r->dim[r->from_last];
    (void)worker;
    if (r->strips > 1) {
        int64_t first = task % r->strips * TILE;
        transpose_rows(r, task / r->strips, first, least(TILE, rows - first));
        return;
    }
    for (int64_t i = task * r->planes_each; i < (task + 1) * r->planes_each && i < r->planes; i++)
        transpose_rows(r, i, 0, rows);
}

static void transpose_planes(reorder *r, int64_t count) {
    int64_t plane = r->dim[r->rank - 1] * r->dim[r->from_last];
    r->planes = count / plane;
    r->planes_each = plane < CHUNK ? CHUNK / plane : 1;
    r->strips = plane < CHUNK ? 1 : chunks_of(r->dim[r->from_last], TILE);
    sl_parallel_for(chunks_of(r->planes, r->planes_each) * r->strips, plane_task, r);
}

static sl_status transpose_run(const sl_call *call) {
    reorder r = {.call = call};
    int64_t count = sl_operand_count(&call->in[0]), size = (int64_t)sl_dtype_bytes(call->in[0].dtype);
    fold_transpose(&r);
    if (r.rank <= 1) {
        copy_strips(call->out[0].data, 0, call->in[0].data, 0, 1, count * size);
    } else if (r.from_last == r.rank - 1) {
        int64_t run = r.dim[r.rank - 1] * size;
        r.planes = count / r.dim[r.rank - 1];
        sl_parallel_for(chunks_of(r.planes, run >= COPY_BYTES ? 1 : COPY_BYTES / run), run_task, &r);
    } else {
        transpose_planes(&r, count);
    }
    return SL_OK;
}
const sl_kernel_code sl_kernel_transpose_avx2 = {.run = transpose_run};

/* ---- nearest neighbour, twice the size ---- */

/* One row of the small image: task = n*H + h. */
static void upsample_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_shape *x = &call->in[0].shape;
    int64_t W = x->dim[2], bytes = x->dim[3] * (int64_t)sl_dtype_bytes(call->in[0].dtype);
    const char *from = (const char *)call->in[0].data + task * W * bytes;
    char *to = (char *)call->out[0].data + task * 4 * W * bytes;
    (void)worker;
    for (int64_t w = 0; w < W; w++) {
        memcpy(to + 2 * w * bytes, from + w * bytes, (size_t)bytes);
        memcpy(to + (2 * w + 1) * bytes, from + w * bytes, (size_t)bytes);
    }
    memcpy(to + 2 * W * bytes, to, (size_t)(2 * W * bytes));
}

static sl_status upsample_run(const sl_call *call) {
    sl_parallel_for(call->in[0].shape.dim[0] * call->in[0].shape.dim[1], upsample_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_upsample_nearest2x_avx2 = {.run = upsample_run};

static void upsample_bwd_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const sl_shape *x = &call->out[0].shape;
    int64_t W = x->dim[2], C = x->dim[3], rows[2] = {task * 4 * W * C, (task * 4 + 2) * W * C};
    float buffer[4][BLOCK], result[BLOCK];
    (void)worker;
    for (int64_t w = 0; w < W; w++) {
        for (int64_t c = 0; c < C; c += BLOCK) {
            const float *s[4];
            int64_t count = least(BLOCK, C - c), at = (task * W + w) * C + c;
            for (int i = 0; i < 4; i++)
                s[i] = load_block(&call->in[0], rows[i / 2] + (2 * w + i % 2) * C + c, count, buffer[i]);
            float *target = target_block(&call->out[0], at, result);
            EACH_ELEMENT
            for (int64_t i = 0; i < count; i++) target[i] = ((s[0][i] + s[1][i]) + s[2][i]) + s[3][i];
            store_block(&call->out[0], at, count, result);
        }
    }
}

static sl_status upsample_bwd_run(const sl_call *call) {
    sl_parallel_for(call->out[0].shape.dim[0] * call->out[0].shape.dim[1], upsample_bwd_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_upsample_nearest2x_bwd_avx2 = {.run = upsample_bwd_run};

/* ---- embedding ---- */

static sl_status check_ids(const sl_call *call, const sl_operand *ids, int64_t V) {
    const int32_t *id = ids->data;
    for (int64_t i = 0; i < sl_operand_count(ids); i++)
        if (id[i] < 0 || id[i] >= V)
            return sl_fail(SL_INVALID, "%s: id %d, expected 0 to %lld", sl_op_name(call->op), id[i],
                           (long long)V - 1);
    return SL_OK;
}

static sl_status embedding_run(const sl_call *call) {
    const sl_operand *table = &call->in[0], *ids = &call->in[1];
    int64_t V = table->shape.dim[0], bytes = table->shape.dim[1] * (int64_t)sl_dtype_bytes(table->dtype);
    SL_TRY(check_ids(call, ids, V));
    for (int64_t i = 0; i < sl_operand_count(ids); i++)
        memcpy((char *)call->out[0].data + i * bytes,
               (const char *)table->data + ((const int32_t *)ids->data)[i] * bytes, (size_t)bytes);
    return SL_OK;
}
const sl_kernel_code sl_kernel_embedding_avx2 = {.run = embedding_run};

enum { COLUMNS = 64 };

/* Some columns of the table's gradient, over all ids in order. */
static void embedding_bwd_task(void *context, int64_t task, int worker) {
    const sl_call *call = context;
    const int32_t *id = call->in[0].data;
    int64_t V = call->out[0].shape.dim[0], E = call->out[0].shape.dim[1], e = task * COLUMNS;
    int64_t columns = least(COLUMNS, E - e);
    float *out = call->out[0].data, buffer[COLUMNS];
    (void)worker;
    for (int64_t v = 0; v < V; v++) memset(out + v * E + e, 0, (size_t)columns * sizeof *out);
    for (int64_t i = 0; i < sl_operand_count(&call->in[0]); i++) {
        const float *dy = load_block(&call->in[1], i * E + e, columns, buffer);
        float *row = out + id[i] * E + e;
        for (int64_t c = 0; c < columns; c++) row[c] += dy[c];
    }
}

static sl_status embedding_bwd_run(const sl_call *call) {
    SL_TRY(check_ids(call, &call->in[0], call->out[0].shape.dim[0]));
    sl_parallel_for(chunks_of(call->out[0].shape.dim[1], COLUMNS), embedding_bwd_task, (void *)call);
    return SL_OK;
}
const sl_kernel_code sl_kernel_embedding_bwd_avx2 = {.run = embedding_bwd_run};
