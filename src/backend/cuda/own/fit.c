/* What the host finds out about a call before its stages are launched: axes joined, sizes, how many elements
 * are taken at once. */
#include "backend/cuda/own/own.h"

#include <string.h>

enum { PACK_BYTES = 16, PACK = 8 };

/* ---- axes ---- */

static int64_t extent_of(const sl_cuda_own *c) {
    int64_t most = 0;
    for (int i = 0; i < c->in_count; i++)
        if (sl_operand_count(&c->in[i]) > most) most = sl_operand_count(&c->in[i]);
    for (int i = 0; i < c->out_count; i++)
        if (sl_operand_count(&c->out[i]) > most) most = sl_operand_count(&c->out[i]);
    return most;
}

/* Size of an axis counted from the last. */
static int64_t size_from_last(const sl_shape *shape, int axis) {
    return axis < shape->rank ? shape->dim[shape->rank - 1 - axis] : 1;
}

static void reverse(sl_shape *shape) {
    for (int i = 0; i < shape->rank / 2; i++) {
        int64_t kept = shape->dim[i];
        shape->dim[i] = shape->dim[shape->rank - 1 - i];
        shape->dim[shape->rank - 1 - i] = kept;
    }
}

/* Neighbouring axes become one where each part has either both of them or neither; axes of 1 go. */
static void join_broadcast(sl_cuda_own *c, int parts) {
    sl_shape full = {0}, part[2] = {{0}, {0}};
    for (int axis = 0; axis < c->out[0].shape.rank; axis++) {
        int64_t size = size_from_last(&c->out[0].shape, axis);
        bool joins = full.rank > 0;
        if (size == 1) continue;
        for (int k = 0; k < parts; k++) {
            bool whole = size_from_last(&c->in[k].shape, axis) == size;
            if (full.rank && whole != (part[k].dim[full.rank - 1] > 1)) joins = false;
        }
        if (!joins) full.dim[full.rank++] = 1;
        full.dim[full.rank - 1] *= size;
        for (int k = 0; k < parts; k++) {
            if (!joins) part[k].dim[part[k].rank++] = 1;
            part[k].dim[full.rank - 1] *= size_from_last(&c->in[k].shape, axis);
        }
    }
    reverse(&full);
    c->out[0].shape = full;
    for (int k = 0; k < parts; k++) {
        reverse(&part[k]);
        c->in[k].shape = part[k];
    }
}

static void join_about(sl_shape *shape, int axis) {
    int64_t outer = 1, rest = 1;
    for (int i = 0; i < shape->rank; i++) *(i < axis ? &outer : &rest) *= shape->dim[i];
    *shape = (sl_shape){2, {outer, rest}};
}

/* CONCAT, SLICE, PAD: [outer, axis times inner]. */
static void join_piece(sl_cuda_own *c) {
    const sl_shape *x = &c->in[0].shape;
    int axis = c->attrs.axis;
    int64_t inner = 1;
    for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    c->attrs.start *= inner;
    for (int k = 0; k < c->in_count; k++) join_about(&c->in[k].shape, axis);
    join_about(&c->out[0].shape, axis);
}

/* Axes that are summed alike become one. */
static void join_summed(sl_cuda_own *c) {
    sl_shape from = c->in[0].shape, to = {0};
    uint32_t axes = 0;
    for (int i = 0; i < from.rank; i++) {
        bool summed = c->attrs.axes >> i & 1;
        if (from.dim[i] == 1) continue;
        if (to.rank == 0 || summed != (axes >> (to.rank - 1) & 1)) {
            axes |= (uint32_t)summed << to.rank;
            to.dim[to.rank++] = 1;
        }
        to.dim[to.rank - 1] *= from.dim[i];
    }
    c->in[0].shape = to;
    c->attrs.axes = axes;
}

static void choose_sum(sl_cuda_own *c) {
    const sl_shape *x = &c->in[0].shape;
    uint32_t axes = c->attrs.axes;
    c->sum = SL_CUDA_SUM_OTHER;
    if (axes == 1 && x->rank == 1) c->sum = SL_CUDA_SUM_ALL;
    if (axes == 2 && x->rank == 2) c->sum = SL_CUDA_SUM_ROWS;
    if ((axes == 1 && x->rank == 2) || (axes == 2 && x->rank == 3)) c->sum = SL_CUDA_SUM_COLUMNS;
}

/* Axes that stay neighbours in the same order become one. */
static void join_turned(sl_cuda_own *c) {
    const sl_shape *x = &c->in[0].shape;
    const int32_t *perm = c->attrs.perm;
    sl_shape from = {0}, to = {0};
    int place_of[SL_RANK_MAX], first[SL_RANK_MAX], last[SL_RANK_MAX], count = 0;
    for (int d = 0; d < x->rank; d++) { /* groups of the result's axes */
        if (d && perm[d] == perm[d - 1] + 1)
            last[count - 1] = perm[d];
        else
            first[count] = last[count] = perm[d], count++;
    }
    for (int g = 0; g < count; g++) {
        place_of[g] = 0;
        for (int other = 0; other < count; other++) place_of[g] += first[other] < first[g];
    }
    from.rank = to.rank = count;
    for (int g = 0; g < count; g++) {
        int64_t size = 1;
        for (int axis = first[g]; axis <= last[g]; axis++) size *= x->dim[axis];
        to.dim[g] = from.dim[place_of[g]] = size;
        c->attrs.perm[g] = place_of[g];
    }
    c->in[0].shape = from;
    c->out[0].shape = to;
}

static void find_steps(sl_cuda_own *c) {
    int64_t step = 1;
    for (int d = c->in[0].shape.rank - 1; d >= 0; d--) {
        c->from_step[d] = step;
        step *= c->in[0].shape.dim[d];
    }
    if (c->op != SL_OP_TRANSPOSE) return;
    step = 1;
    for (int d = c->out[0].shape.rank - 1; d >= 0; d--) {
        c->to_step[c->attrs.perm[d]] = step;
        step *= c->out[0].shape.dim[d];
    }
}

/* ---- how many elements at once ---- */

static bool is_aligned(const sl_cuda_own *c) {
    for (int i = 0; i < c->in_count; i++)
        if ((uintptr_t)c->in[i].data % PACK_BYTES) return false;
    for (int i = 0; i < c->out_count; i++)
        if ((uintptr_t)c->out[i].data % PACK_BYTES) return false;
    return true;
}

static bool fits(int64_t size) {
    return size % PACK == 0;
}

static bool pieces_fit(const sl_cuda_own *c) {
    for (int k = 0; k < c->in_count; k++)
        if (!fits(c->in[k].shape.dim[1])) return false;
    return fits(c->out[0].shape.dim[1]) && fits(c->attrs.start);
}

/* Whether packs of eight stay within what lies together. */
static bool packs_fit(const sl_cuda_own *c) {
    int64_t columns = sl_operand_columns(&c->in[0]);
    switch (c->op) {
    case SL_OP_CONCAT:
    case SL_OP_SLICE:
    case SL_OP_PAD:
        return pieces_fit(c);
    case SL_OP_ADD:
    case SL_OP_SUB:
    case SL_OP_MUL:
    case SL_OP_BROADCAST:
        return c->out[0].shape.rank < 2 || fits(sl_operand_columns(&c->out[0]));
    case SL_OP_GEGLU:
    case SL_OP_GEGLU_BWD:
        return fits(columns / 2);
    case SL_OP_EMBEDDING_BWD:
        return fits(sl_operand_columns(&c->out[0]));
    case SL_OP_MSE:
    case SL_OP_MSE_BWD:
        return c->in[2].flags & SL_OPERAND_ABSENT || fits(c->count / c->in[0].shape.dim[0]);
    case SL_OP_SUM:
        return c->sum == SL_CUDA_SUM_ALL || fits(columns);
    case SL_OP_TRANSPOSE:
    case SL_OP_SOFTMAX:
    case SL_OP_SOFTMAX_BWD:
    case SL_OP_GROUP_NORM:
    case SL_OP_GROUP_NORM_BWD:
    case SL_OP_BATCH_NORM:
    case SL_OP_BATCH_NORM_BWD:
    case SL_OP_LAYER_NORM:
    case SL_OP_LAYER_NORM_BWD:
    case SL_OP_UPSAMPLE_NEAREST2X:
    case SL_OP_UPSAMPLE_NEAREST2X_BWD:
    case SL_OP_MAX_POOL:
    case SL_OP_MAX_POOL_BWD:
    case SL_OP_AVG_POOL:
    case SL_OP_AVG_POOL_BWD:
    case SL_OP_RING_GATHER:
    case SL_OP_RING_SPREAD:
    case SL_OP_EMBEDDING:
        return fits(columns);
    default: /* the array as a whole, with a rest at its end */
        return true;
    }
}

/* ---- norms, and sums of columns ---- */

static void fit_norm(sl_cuda_own *c) {
    int64_t columns = sl_operand_columns(&c->in[0]), rows = sl_operand_rows(&c->in[0]), images = 1;
    c->groups = columns;
    if (c->op == SL_OP_GROUP_NORM || c->op == SL_OP_GROUP_NORM_BWD) {
        images = c->in[0].shape.dim[0];
        c->groups = c->attrs.groups;
    }
    c->in_group = columns / c->groups;
    if (c->count) c->tiling = sl_cuda_tile(images, rows / images, columns, c->step);
}

static void fit_shapes(sl_cuda_own *c) {
    switch (c->op) {
    case SL_OP_ADD:
    case SL_OP_SUB:
    case SL_OP_MUL:
        join_broadcast(c, 2);
        break;
    case SL_OP_BROADCAST:
        join_broadcast(c, 1);
        break;
    case SL_OP_CONCAT:
    case SL_OP_SLICE:
    case SL_OP_PAD:
        join_piece(c);
        break;
    case SL_OP_SUM:
        join_summed(c);
        choose_sum(c);
        find_steps(c);
        break;
    case SL_OP_TRANSPOSE:
        join_turned(c);
        find_steps(c);
        break;
    default:
        break;
    }
}

static void fit_tiling(sl_cuda_own *c) {
    const sl_shape *x = &c->in[0].shape;
    switch (c->op) {
    case SL_OP_GROUP_NORM:
    case SL_OP_GROUP_NORM_BWD:
    case SL_OP_BATCH_NORM:
    case SL_OP_BATCH_NORM_BWD:
    case SL_OP_LAYER_NORM_BWD:
        fit_norm(c);
        break;
    case SL_OP_SUM:
        if (c->sum == SL_CUDA_SUM_COLUMNS && c->count)
            c->tiling =
                sl_cuda_tile(x->rank == 3 ? x->dim[0] : 1, x->dim[x->rank - 2], x->dim[x->rank - 1], c->step);
        break;
    default:
        break;
    }
}

void sl_cuda_own_fit(const sl_call *call, sl_cuda_own *out) {
    memset(out, 0, sizeof *out);
    out->op = call->op;
    out->attrs = *call->attrs;
    out->in_count = call->in_count;
    out->out_count = call->out_count;
    memcpy(out->in, call->in, sizeof out->in);
    memcpy(out->out, call->out, sizeof out->out);
    out->extent = extent_of(out);
    out->count = sl_operand_count(call->in_count ? &call->in[0] : &call->out[0]);
    fit_shapes(out);
    out->step = packs_fit(out) && is_aligned(out) ? PACK : 1;
    fit_tiling(out);
}

/* ---- memory ---- */

size_t sl_cuda_own_scratch(const sl_call *call) {
    sl_cuda_own c;
    sl_cuda_own_fit(call, &c);
    const sl_cuda_tiling *t = &c.tiling;
    if (call->op == SL_OP_MSE || call->op == SL_OP_L1 || call->op == SL_OP_SQUARE_SUM ||
        (call->op == SL_OP_SUM && c.sum == SL_CUDA_SUM_ALL))
        return SL_CUDA_OWN_PARTS * sizeof(float);
    return (size_t)(2 * t->images * (t->slices * t->columns + c.groups)) * sizeof(float);
}
