/* Sums over rows, a column by itself, and the norms that are made of them: group and batch norm, gradients of
 * slopes and offsets. A tile of columns and a slice of rows is a block's (tiling.h); slices are added up in
 * their order, so that runs do not differ. A batch norm is a group norm of one image whose groups are
 * channels.
 *
 * Scratch memory: two partial sums [images, slices, columns], then two totals [images, groups]. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_COLUMNS_H
#define SL_BACKEND_CUDA_OWN_BODIES_COLUMNS_H

#include "backend/cuda/own/bodies_elementwise.h"

/* What is summed. */
typedef enum column_kind { COLUMN_VALUES, COLUMN_MOMENTS, COLUMN_SLOPES } column_kind;

PIECE bool is_group_norm(const sl_cuda_own *c) {
    return c->op == SL_OP_GROUP_NORM || c->op == SL_OP_GROUP_NORM_BWD;
}

PIECE bool is_batch_norm(const sl_cuda_own *c) {
    return c->op == SL_OP_BATCH_NORM || c->op == SL_OP_BATCH_NORM_BWD;
}

/* ---- a block's part ---- */

typedef struct patch {
    position image, first, end; /* rows of the image */
    position partial;           /* of column 0 in the partial sums */
    int first_pack, packs;
} patch;

PIECE position patches_of(const sl_cuda_own *c) {
    return (position)(c->tiling.images * c->tiling.slices) * c->tiling.tiles;
}

PIECE patch patch_of(const sl_cuda_tiling *t, position item) {
    split tile = divide(item, t->tiles), slice = divide(tile.whole, (position)t->slices);
    patch p;
    p.image = slice.whole;
    p.first = slice.rest * (position)t->slice_rows;
    p.end = p.first + (position)t->slice_rows;
    if (p.end > (position)t->rows) p.end = (position)t->rows;
    p.partial = tile.whole * (position)t->columns;
    p.first_pack = (int)tile.rest * t->width;
    p.packs = at_most(t->packs - p.first_pack, t->width);
    return p;
}

PIECE position partial_count(const sl_cuda_own *c) {
    return (position)(c->tiling.images * c->tiling.slices * c->tiling.columns);
}

/* Total k of a group of an image. */
PIECE float *total_at(const sl_cuda_own *c, int k, position group) {
    return c->scratch + 2 * partial_count(c) + k * (position)(c->tiling.images * c->groups) + group;
}

/* ---- a thread's channels ---- */

typedef struct channel_values {
    float mean[PACK], rstd[PACK], gamma[PACK], beta[PACK];
} channel_values;

PIECE position group_index(const sl_cuda_own *c, position image, position channel) {
    position group = c->in_group == 1 ? channel : divide(channel, (position)c->in_group).whole;
    return image * (position)c->groups + group;
}

/* Of a gradient's inputs; a layer norm's statistics are the rows'. */
PIECE void read_channels(const sl_cuda_own *c, position image, position column, int n, channel_values *v) {
    int first = is_group_norm(c) ? 3 : 2;
    load_in(c, 1, column, n, v->gamma);
    if (c->op == SL_OP_GROUP_NORM_BWD) load_in(c, 2, column, n, v->beta);
    if (c->op == SL_OP_LAYER_NORM_BWD) return;
    EACH(i) {
        position group = group_index(c, image, i < n ? column + i : column);
        v->mean[i] = in_at(c, first, group);
        v->rstd[i] = in_at(c, first + 1, group);
    }
}

/* The gradient before the activation, and the normalised input. */
PIECE void norm_gradient(const sl_cuda_own *c, position row, position column, int n, const channel_values *v,
                         float *d, float *xhat) {
    position at = row * (position)c->tiling.columns + column;
    load_in(c, 0, at, n, xhat);
    load_in(c, is_group_norm(c) ? 5 : 4, at, n, d);
    if (c->op == SL_OP_LAYER_NORM_BWD) {
        float mean = in_at(c, 2, row), rstd = in_at(c, 3, row);
        EACH(i) xhat[i] = (xhat[i] - mean) * rstd;
        return;
    }
    EACH(i) xhat[i] = (xhat[i] - v->mean[i]) * v->rstd[i];
    if (c->attrs.silu) EACH(i) d[i] *= silu_slope_of(v->gamma[i] * xhat[i] + v->beta[i]);
}

/* ---- partial sums ---- */

PIECE void add_row(const sl_cuda_own *c, column_kind kind, position row, position column, int n,
                   const channel_values *v, float *a, float *b) {
    float x[PACK], xhat[PACK];
    if (kind == COLUMN_SLOPES) {
        norm_gradient(c, row, column, n, v, x, xhat);
        EACH(i) {
            a[i] += x[i];
            b[i] += x[i] * xhat[i];
        }
    } else {
        load_in(c, 0, row * (position)c->tiling.columns + column, n, x);
        EACH(i) {
            float d = kind == COLUMN_MOMENTS ? x[i] - v->mean[i] : x[i];
            a[i] += d;
            if (kind == COLUMN_MOMENTS) b[i] += d * d;
        }
    }
}

/* A member's rows of a pack. Moments are taken about the slice's first row: no digits are lost where values
 * are far from 0. */
PIECE void sum_rows_of(const sl_cuda_own *c, column_kind kind, const patch *p, int pack, int lane, float *a,
                       float *b) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    channel_values v;
    if (kind == COLUMN_SLOPES) read_channels(c, p->image, column, t->step, &v);
    if (kind == COLUMN_MOMENTS)
        load_in(c, 0, (base + p->first) * (position)t->columns + column, t->step, v.mean);
    for (position row = p->first + lane; row < p->end; row += t->lanes)
        add_row(c, kind, base + row, column, t->step, &v, a, b);
}

/* The lanes' sums of a pack's column i, joined; moments become the mean and the squares about it. */
PIECE void join_lanes(const sl_cuda_own *c, column_kind kind, const patch *p, int pack, int i,
                      const float *shared) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step + i;
    float a = 0, b = 0, count = (float)(p->end - p->first);
    for (int lane = 0; lane < t->lanes; lane++) {
        a += shared[i * SL_CUDA_THREADS + lane * t->width + pack];
        if (kind != COLUMN_VALUES) b += shared[(PACK + i) * SL_CUDA_THREADS + lane * t->width + pack];
    }
    if (kind == COLUMN_MOMENTS) {
        position first = (p->image * (position)t->rows + p->first) * (position)t->columns + column;
        b -= a * (a / count);
        a = in_at(c, 0, first) + a / count;
    }
    c->scratch[p->partial + column] = a;
    if (kind != COLUMN_VALUES) c->scratch[partial_count(c) + p->partial + column] = b;
}

PIECE void partial_sums(const sl_cuda_own *c, column_kind kind, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        float a[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, b[PACK] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (pack < p.packs) sum_rows_of(c, kind, &p, pack, lane, a, b);
        EACH(i) {
            team.shared[i * SL_CUDA_THREADS + slot] = a[i];
            if (kind != COLUMN_VALUES) team.shared[(PACK + i) * SL_CUDA_THREADS + slot] = b[i];
        }
    }
    team_meet(team);
    for (int k = team.rank; k < p.packs * t->step; k += team.size)
        join_lanes(c, kind, &p, k / t->step, k % t->step, team.shared);
    team_meet(team);
}

/* ---- SUM ---- */

PIECE position sum_columns_items(const sl_cuda_own *c) {
    return c->sum == SL_CUDA_SUM_COLUMNS ? patches_of(c) : 0;
}

PIECE void sum_columns_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    partial_sums(c, COLUMN_VALUES, item, team);
}

PIECE position sum_slices_items(const sl_cuda_own *c) {
    return c->sum == SL_CUDA_SUM_COLUMNS ? (position)(c->tiling.images * c->tiling.columns) : 0;
}

PIECE position sum_slices_width(const sl_cuda_own *c) {
    return (position)c->tiling.slices;
}

/* The slices' partial sums of a column. */
PIECE float column_total(const sl_cuda_own *c, const float *partial, position image, position column,
                         sl_cuda_team team) {
    position slices = (position)c->tiling.slices, columns = (position)c->tiling.columns;
    float sum = 0;
    for (position s = team.rank; s < slices; s += team.size)
        sum += partial[(image * slices + s) * columns + column];
    return team_sum(team, sum);
}

PIECE void sum_slices_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    split s = divide(item, (position)c->tiling.columns);
    float sum = column_total(c, c->scratch, s.whole, s.rest, team);
    if (team.rank == 0) out_to(c, 0, item, (float)c->attrs.alpha * sum);
}

/* ---- group and batch norm ---- */

PIECE bool is_measured(const sl_cuda_own *c) {
    return !is_batch_norm(c) || c->attrs.training;
}

PIECE position norm_moments_items(const sl_cuda_own *c) {
    return is_measured(c) ? patches_of(c) : 0;
}

PIECE void norm_moments_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    partial_sums(c, COLUMN_MOMENTS, item, team);
}

PIECE position norm_statistics_items(const sl_cuda_own *c) {
    return (position)(c->tiling.images * c->groups);
}

PIECE position norm_statistics_width(const sl_cuda_own *c) {
    return (position)(c->tiling.slices * c->in_group);
}

/* Moments of a group's channels and slices joined: the mean of means, then squares about it. */
PIECE void join_moments(const sl_cuda_own *c, position group, sl_cuda_team team, float *out_mean,
                        float *out_squares) {
    const sl_cuda_tiling *t = &c->tiling;
    split image = divide(group, (position)c->groups);
    position in_group = (position)c->in_group, slices = (position)t->slices, rows = (position)t->slice_rows;
    position base = image.whole * slices * (position)t->columns + image.rest * in_group;
    const float *means = c->scratch + base, *squares = c->scratch + partial_count(c) + base;
    float sum = 0, mean;
    for (position k = team.rank; k < slices * in_group; k += team.size) {
        split s = divide(k, in_group);
        position here = at_most((position)t->rows - s.whole * rows, (int)rows);
        sum += (float)here * means[s.whole * (position)t->columns + s.rest];
    }
    mean = team_sum(team, sum) / (float)(t->rows * in_group);
    sum = 0;
    for (position k = team.rank; k < slices * in_group; k += team.size) {
        split s = divide(k, in_group);
        position at = s.whole * (position)t->columns + s.rest;
        float here = (float)at_most((position)t->rows - s.whole * rows, (int)rows), d = means[at] - mean;
        sum += squares[at] + here * d * d;
    }
    *out_mean = mean;
    *out_squares = team_sum(team, sum);
}

PIECE void norm_statistics_at(const sl_cuda_own *c, position group, sl_cuda_team team) {
    float count = (float)(c->tiling.rows * c->in_group), mean, variance, unbiased;
    if (is_measured(c)) {
        join_moments(c, group, team, &mean, &variance);
        unbiased = count > 1 ? variance / (count - 1) : variance;
        variance /= count;
    } else {
        mean = in_at(c, 3, group);
        variance = unbiased = in_at(c, 4, group);
    }
    float rstd = 1 / sqrtf(variance + c->attrs.eps);
    if (team.rank != 0) return;
    *total_at(c, 0, group) = mean;
    *total_at(c, 1, group) = rstd;
    if (wants(c, 1)) out_to(c, 1, group, mean);
    if (wants(c, 2)) out_to(c, 2, group, rstd);
    if (wants(c, 3)) out_to(c, 3, group, unbiased);
}

PIECE position norm_apply_items(const sl_cuda_own *c) {
    return patches_of(c);
}

PIECE void apply_rows(const sl_cuda_own *c, const patch *p, int pack, int lane) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    float mean[PACK], slope[PACK], beta[PACK], x[PACK];
    load_in(c, 1, column, t->step, slope);
    load_in(c, 2, column, t->step, beta);
    EACH(i) {
        position group = group_index(c, p->image, i < t->step ? column + i : column);
        mean[i] = *total_at(c, 0, group);
        slope[i] *= *total_at(c, 1, group);
    }
    for (position row = p->first + lane; row < p->end; row += t->lanes) {
        position at = (base + row) * (position)t->columns + column;
        load_in(c, 0, at, t->step, x);
        EACH(i) x[i] = (x[i] - mean[i]) * slope[i] + beta[i];
        if (c->attrs.silu) EACH(i) x[i] *= sigmoid_of(x[i]);
        store_out(c, 0, at, t->step, x);
    }
}

PIECE void norm_apply_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        if (pack < p.packs) apply_rows(c, &p, pack, lane);
    }
}

/* ---- gradients of norms ---- */

PIECE bool wants_dx(const sl_cuda_own *c) {
    return c->op != SL_OP_LAYER_NORM_BWD && wants(c, 0);
}

PIECE bool wants_slopes(const sl_cuda_own *c) {
    return wants(c, 1) || wants(c, 2);
}

PIECE position norm_slopes_items(const sl_cuda_own *c) {
    return wants_dx(c) || wants_slopes(c) ? patches_of(c) : 0;
}

PIECE void norm_slopes_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    partial_sums(c, COLUMN_SLOPES, item, team);
}

PIECE position norm_groups_items(const sl_cuda_own *c) {
    return wants_dx(c) ? (position)(c->tiling.images * c->groups) : 0;
}

PIECE position norm_groups_width(const sl_cuda_own *c) {
    return norm_statistics_width(c);
}

/* What a group's gradients lose: the means of gradient times slope, and of that times xhat. */
PIECE void norm_groups_at(const sl_cuda_own *c, position group, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    split image = divide(group, (position)c->groups);
    position in_group = (position)c->in_group, slices = (position)t->slices, first = image.rest * in_group;
    position base = image.whole * slices * (position)t->columns + first;
    const float *sums = c->scratch + base, *products = c->scratch + partial_count(c) + base;
    float sum = 0, product = 0, count = (float)(t->rows * in_group);
    for (position k = team.rank; is_measured(c) && k < slices * in_group; k += team.size) {
        split s = divide(k, in_group);
        position at = s.whole * (position)t->columns + s.rest;
        float gamma = in_at(c, 1, first + s.rest);
        sum += gamma * sums[at];
        product += gamma * products[at];
    }
    sum = team_sum(team, sum) / count;
    product = team_sum(team, product) / count;
    if (team.rank != 0) return;
    *total_at(c, 0, group) = sum;
    *total_at(c, 1, group) = product;
}

PIECE position norm_slopes_total_items(const sl_cuda_own *c) {
    return wants_slopes(c) ? (position)c->tiling.columns : 0;
}

PIECE position norm_slopes_total_width(const sl_cuda_own *c) {
    return (position)(c->tiling.images * c->tiling.slices);
}

PIECE void norm_slopes_total_at(const sl_cuda_own *c, position channel, sl_cuda_team team) {
    position parts = norm_slopes_total_width(c), columns = (position)c->tiling.columns;
    const float *sums = c->scratch + channel, *products = sums + partial_count(c);
    float sum = 0, product = 0;
    for (position k = team.rank; k < parts; k += team.size) {
        sum += sums[k * columns];
        product += products[k * columns];
    }
    sum = team_sum(team, sum);
    product = team_sum(team, product);
    if (team.rank == 0 && wants(c, 1)) out_to(c, 1, channel, product);
    if (team.rank == 0 && wants(c, 2)) out_to(c, 2, channel, sum);
}

PIECE position norm_dx_items(const sl_cuda_own *c) {
    return wants_dx(c) ? patches_of(c) : 0;
}

PIECE void dx_rows(const sl_cuda_own *c, const patch *p, int pack, int lane) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    float lost[PACK], lost_xhat[PACK], d[PACK], xhat[PACK];
    channel_values v;
    read_channels(c, p->image, column, t->step, &v);
    EACH(i) {
        position group = group_index(c, p->image, i < t->step ? column + i : column);
        lost[i] = *total_at(c, 0, group);
        lost_xhat[i] = *total_at(c, 1, group);
    }
    for (position row = p->first + lane; row < p->end; row += t->lanes) {
        norm_gradient(c, base + row, column, t->step, &v, d, xhat);
        EACH(i) d[i] = v.rstd[i] * (d[i] * v.gamma[i] - lost[i] - xhat[i] * lost_xhat[i]);
        store_out(c, 0, (base + row) * (position)t->columns + column, t->step, d);
    }
}

PIECE void norm_dx_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        if (pack < p.packs) dx_rows(c, &p, pack, lane);
    }
}

#endif
