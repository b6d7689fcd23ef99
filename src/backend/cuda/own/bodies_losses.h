/* Losses, their gradients, and sums over whole arrays: parts, then the parts' sum, in a fixed order. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_LOSSES_H
#define SL_BACKEND_CUDA_OWN_BODIES_LOSSES_H

#include "backend/cuda/own/bodies_common.h"

/* ---- sums over everything: MSE, L1, the sum of squares, SUM ---- */

PIECE position parts_of(position count) {
    position parts = divided_up(count, 8192);
    return at_most(parts, SL_CUDA_OWN_PARTS);
}

PIECE bool sums_all(const sl_cuda_own *c) {
    return c->op != SL_OP_SUM || c->sum == SL_CUDA_SUM_ALL;
}

/* MSE alone has weights, one for each image; no pack reaches into the next image. */
PIECE float loss_weight(const sl_cuda_own *c, position i) {
    bool weighted = (c->op == SL_OP_MSE || c->op == SL_OP_MSE_BWD) && has(c, 2);
    return weighted ? in_at(c, 2, divide(i, (position)(c->count / c->in[0].shape.dim[0])).whole) : 1;
}

PIECE position loss_parts_items(const sl_cuda_own *c) {
    return sums_all(c) ? parts_of((position)c->count) : 0;
}

PIECE float loss_of_pack(const sl_cuda_own *c, position at, int n) {
    float x[PACK], other[PACK], sum = 0;
    load_in(c, 0, at, n, x);
    if (c->op == SL_OP_MSE || c->op == SL_OP_L1) {
        load_in(c, 1, at, n, other);
        EACH(i) x[i] -= other[i];
    }
    if (c->op == SL_OP_SUM)
        EACH(i) sum += x[i];
    else if (c->op == SL_OP_L1)
        EACH(i) sum += fabsf(x[i]);
    else
        EACH(i) sum += x[i] * x[i];
    return c->op == SL_OP_MSE ? sum * loss_weight(c, at) : sum;
}

PIECE void loss_parts_at(const sl_cuda_own *c, position part, sl_cuda_team team) {
    position count = (position)c->count, packs = packs_in(count, c->step), step = parts_of(count) * team.size;
    float sum = 0;
    for (position k = part * team.size + team.rank; k < packs; k += step)
        sum += loss_of_pack(c, k * c->step, flat_n(c, k));
    sum = team_sum(team, sum);
    if (team.rank == 0) c->scratch[part] = sum;
}

PIECE position loss_total_items(const sl_cuda_own *c) {
    return sums_all(c) ? 1 : 0;
}

PIECE void loss_total_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    position parts = parts_of((position)c->count);
    float sum = 0;
    for (position i = team.rank; i < parts; i += team.size) sum += c->scratch[i];
    sum = team_sum(team, sum);
    if (c->op == SL_OP_SUM)
        sum *= (float)c->attrs.alpha;
    else if (c->op != SL_OP_SQUARE_SUM)
        sum /= (float)c->count;
    if (team.rank == 0) out_to(c, 0, item, sum);
}

PIECE position loss_bwd_items(const sl_cuda_own *c) {
    return flat_packs(c);
}

PIECE void loss_bwd_at(const sl_cuda_own *c, position item) {
    position at = item * c->step;
    int n = flat_n(c, item);
    float d[PACK], other[PACK], factor = in_at(c, c->op == SL_OP_L1_BWD ? 2 : 3, 0) / (float)c->count;
    load_in(c, 0, at, n, d);
    load_in(c, 1, at, n, other);
    if (c->op == SL_OP_L1_BWD) {
        EACH(i) d[i] = factor * (float)((d[i] > other[i]) - (d[i] < other[i]));
    } else {
        factor *= 2 * loss_weight(c, at);
        EACH(i) d[i] = factor * (d[i] - other[i]);
    }
    store_out(c, 0, at, n, d);
}

/* ---- cross entropy ---- */

PIECE float class_weight(const sl_cuda_own *c, position label) {
    return has(c, 2) ? in_at(c, 2, label) : 1;
}

/* The label of a row; 0 and a failure where there is no such class. */
PIECE position label_of(const sl_cuda_own *c, position row) {
    position label = integer_at(c, 1, row);
    if (label >= 0 && label < dim_of(&c->in[0], 1)) return label;
    bad_value(c);
    return 0;
}

PIECE float log_sum_of_row(const sl_cuda_own *c, position row) {
    position classes = dim_of(&c->in[0], 1);
    float highest = -INFINITY, sum = 0;
    for (position k = 0; k < classes; k++) highest = fmaxf(highest, in_at(c, 0, row * classes + k));
    for (position k = 0; k < classes; k++) sum += expf(in_at(c, 0, row * classes + k) - highest);
    return highest + logf(sum);
}

PIECE position cross_entropy_items(const sl_cuda_own *c) {
    (void)c;
    return 1;
}

PIECE void cross_entropy_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    position rows = dim_of(&c->in[0], 0), classes = dim_of(&c->in[0], 1);
    float sum = 0, total = 0;
    for (position row = team.rank; row < rows; row += team.size) {
        position label = label_of(c, row);
        float weight = class_weight(c, label);
        sum += weight * (log_sum_of_row(c, row) - in_at(c, 0, row * classes + label));
        total += weight;
    }
    sum = team_sum(team, sum);
    total = team_sum(team, total);
    if (team.rank == 0) out_to(c, 0, item, sum / total);
}

PIECE position cross_entropy_bwd_items(const sl_cuda_own *c) {
    return dim_of(&c->in[0], 0);
}

PIECE void cross_entropy_bwd_at(const sl_cuda_own *c, position row) {
    position rows = dim_of(&c->in[0], 0), classes = dim_of(&c->in[0], 1), label = label_of(c, row);
    float total = 0, lse = log_sum_of_row(c, row);
    for (position r = 0; r < rows; r++) total += class_weight(c, label_of(c, r));
    float factor = in_at(c, 3, 0) * class_weight(c, label) / total;
    for (position k = 0; k < classes; k++)
        out_to(c, 0, row * classes + k,
               factor * (expf(in_at(c, 0, row * classes + k) - lse) - (float)(k == label)));
}

#endif
