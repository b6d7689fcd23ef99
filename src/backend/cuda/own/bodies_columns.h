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

/* How a loop over rows reads and writes: where it is constant, so are types and steps, and loads of several
 * rows are under way together. */
typedef enum row_kind { ROWS_BF16, ROWS_F16, ROWS_F32, ROWS_ANY } row_kind;

PIECE row_kind row_kind_of(const sl_cuda_own *c, int gradient) {
    sl_dtype dtype = c->in[0].dtype;
    bool alike = gradient == 0 || (c->in[gradient].dtype == dtype && c->out[0].dtype == dtype);
    if (c->step != PACK || !alike) return ROWS_ANY;
    if (dtype == SL_F16) return ROWS_F16;
    return dtype == SL_F32 ? ROWS_F32 : ROWS_BF16;
}

/* F(kind, ...) with a constant kind. */
#define BY_ROW_KIND(kind, F, ...)                                                                            \
    if ((kind) == ROWS_BF16)                                                                                 \
        F(ROWS_BF16, __VA_ARGS__);                                                                           \
    else if ((kind) == ROWS_F16)                                                                             \
        F(ROWS_F16, __VA_ARGS__);                                                                            \
    else if ((kind) == ROWS_F32)                                                                             \
        F(ROWS_F32, __VA_ARGS__);                                                                            \
    else                                                                                                     \
        F(ROWS_ANY, __VA_ARGS__)

PIECE sl_dtype dtype_in(row_kind kind, sl_dtype dtype) {
    if (kind == ROWS_F16) return SL_F16;
    return kind == ROWS_BF16 ? SL_BF16 : kind == ROWS_F32 ? SL_F32 : dtype;
}

PIECE int step_in(row_kind kind, const sl_cuda_own *c) {
    return kind == ROWS_ANY ? c->step : PACK;
}

PIECE void load_row(row_kind kind, const sl_cuda_own *c, int k, position row, position column, float *x) {
    load(dtype_in(kind, c->in[k].dtype), c->in[k].data, row * (position)c->tiling.columns + column,
         step_in(kind, c), x);
}

PIECE void store_row(row_kind kind, const sl_cuda_own *c, position row, position column, const float *x) {
    store(dtype_in(kind, c->out[0].dtype), c->out[0].data, row * (position)c->tiling.columns + column,
          step_in(kind, c), x);
}

PIECE position group_index(const sl_cuda_own *c, position image, position channel) {
    position group = c->in_group == 1 ? channel : divide(channel, (position)c->in_group).whole;
    return image * (position)c->groups + group;
}

/* slope: gamma rstd. */
typedef struct channel_values {
    float mean[PACK], slope[PACK], beta[PACK];
} channel_values;

/* Of a gradient's inputs; a layer norm's statistics are the rows'. */
PIECE void read_channels(const sl_cuda_own *c, position image, position column, channel_values *v) {
    int first = is_group_norm(c) ? 3 : 2;
    if (c->op == SL_OP_LAYER_NORM_BWD) return;
    load_in(c, 1, column, c->step, v->slope);
    if (c->op == SL_OP_GROUP_NORM_BWD) load_in(c, 2, column, c->step, v->beta);
    EACH(i) {
        position group = group_index(c, image, i < c->step ? column + i : column);
        v->mean[i] = in_at(c, first, group);
        v->slope[i] *= in_at(c, first + 1, group);
    }
}

/* The gradient before the activation, and the input less its mean (of a layer norm: normalised). */
PIECE void norm_gradient(row_kind kind, const sl_cuda_own *c, position row, position column,
                         const channel_values *v, float *d, float *x) {
    load_row(kind, c, 0, row, column, x);
    load_row(kind, c, is_group_norm(c) ? 5 : 4, row, column, d);
    if (c->op == SL_OP_LAYER_NORM_BWD) {
        float mean = in_at(c, 2, row), rstd = in_at(c, 3, row);
        EACH(i) x[i] = (x[i] - mean) * rstd;
        return;
    }
    EACH(i) x[i] -= v->mean[i];
    if (c->attrs.silu) EACH(i) d[i] *= silu_slope_of(v->slope[i] * x[i] + v->beta[i]);
}

/* ---- partial sums ---- */

/* What a row brings to its columns' sums: its values or gradients, less the mean where moments are taken; and
 * what a gradient is multiplied with. */
typedef struct row_values {
    float x[PACK], d[PACK];
} row_values;

PIECE void read_row(row_kind kind, const sl_cuda_own *c, column_kind what, position row, position column,
                    const channel_values *v, row_values *r) {
    if (what == COLUMN_SLOPES) {
        norm_gradient(kind, c, row, column, v, r->d, r->x);
        return;
    }
    load_row(kind, c, 0, row, column, r->x);
    if (what == COLUMN_MOMENTS) EACH(i) r->x[i] -= v->mean[i];
}

PIECE void add_row(column_kind what, const row_values *r, float *a, float *b) {
    EACH(i) {
        a[i] += what == COLUMN_SLOPES ? r->d[i] : r->x[i];
        if (what == COLUMN_SLOPES) b[i] += r->d[i] * r->x[i];
        if (what == COLUMN_MOMENTS) b[i] += r->x[i] * r->x[i];
    }
}

/* Two rows at once: both are under way before the first is needed. */
PIECE void add_rows(row_kind kind, const sl_cuda_own *c, column_kind what, position row, position end,
                    position column, const channel_values *v, float *a, float *b) {
    position step = c->tiling.lanes;
    row_values first, second;
    for (; row + step < end; row += 2 * step) {
        read_row(kind, c, what, row, column, v, &first);
        read_row(kind, c, what, row + step, column, v, &second);
        add_row(what, &first, a, b);
        add_row(what, &second, a, b);
    }
    if (row >= end) return;
    read_row(kind, c, what, row, column, v, &first);
    add_row(what, &first, a, b);
}

/* A member's rows of a pack. Moments are taken about the slice's first row: no digits are lost where values
 * are far from 0. */
PIECE void sum_rows_of(const sl_cuda_own *c, column_kind what, const patch *p, int pack, int lane, float *a,
                       float *b) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    row_kind kind = row_kind_of(c, what != COLUMN_SLOPES ? 0 : is_group_norm(c) ? 5 : 4);
    channel_values v;
    if (what == COLUMN_SLOPES) read_channels(c, p->image, column, &v);
    if (what == COLUMN_MOMENTS) load_row(ROWS_ANY, c, 0, base + p->first, column, v.mean);
    BY_ROW_KIND(kind, add_rows, c, what, base + p->first + lane, base + p->end, column, &v, a, b);
}

/* The lanes' sums of a pack's column i, joined; moments become the mean and the squares about it,
 * products those with xhat. */
PIECE void join_lanes(const sl_cuda_own *c, column_kind what, const patch *p, int pack, int i,
                      const float *shared) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step + i;
    float a = 0, b = 0, count = (float)(p->end - p->first);
    for (int lane = 0; lane < t->lanes; lane++) {
        a += shared[i * SL_CUDA_THREADS + lane * t->width + pack];
        if (what != COLUMN_VALUES) b += shared[(PACK + i) * SL_CUDA_THREADS + lane * t->width + pack];
    }
    if (what == COLUMN_MOMENTS) {
        position first = (p->image * (position)t->rows + p->first) * (position)t->columns + column;
        b -= a * (a / count);
        a = in_at(c, 0, first) + a / count;
    }
    if (what == COLUMN_SLOPES && c->op != SL_OP_LAYER_NORM_BWD)
        b *= in_at(c, is_group_norm(c) ? 4 : 3, group_index(c, p->image, column));
    c->scratch[p->partial + column] = a;
    if (what != COLUMN_VALUES) c->scratch[partial_count(c) + p->partial + column] = b;
}

PIECE void partial_sums(const sl_cuda_own *c, column_kind what, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        float a[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, b[PACK] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (pack < p.packs) sum_rows_of(c, what, &p, pack, lane, a, b);
        EACH(i) {
            team.shared[i * SL_CUDA_THREADS + slot] = a[i];
            if (what != COLUMN_VALUES) team.shared[(PACK + i) * SL_CUDA_THREADS + slot] = b[i];
        }
    }
    team_meet(team);
    for (int k = team.rank; k < p.packs * t->step; k += team.size)
        join_lanes(c, what, &p, k / t->step, k % t->step, team.shared);
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

PIECE void apply_values(const sl_cuda_own *c, const channel_values *v, float *x) {
    EACH(i) x[i] = (x[i] - v->mean[i]) * v->slope[i] + v->beta[i];
    if (c->attrs.silu) EACH(i) x[i] *= sigmoid_of(x[i]);
}

PIECE void apply_rows(row_kind kind, const sl_cuda_own *c, position row, position end, position column,
                      const channel_values *v) {
    position step = c->tiling.lanes;
    float first[PACK], second[PACK];
    for (; row + step < end; row += 2 * step) {
        load_row(kind, c, 0, row, column, first);
        load_row(kind, c, 0, row + step, column, second);
        apply_values(c, v, first);
        apply_values(c, v, second);
        store_row(kind, c, row, column, first);
        store_row(kind, c, row + step, column, second);
    }
    if (row >= end) return;
    load_row(kind, c, 0, row, column, first);
    apply_values(c, v, first);
    store_row(kind, c, row, column, first);
}

PIECE void apply_to(const sl_cuda_own *c, const patch *p, int pack, int lane) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    row_kind kind = c->out[0].dtype == c->in[0].dtype ? row_kind_of(c, 0) : ROWS_ANY;
    channel_values v;
    load_in(c, 1, column, t->step, v.slope);
    load_in(c, 2, column, t->step, v.beta);
    EACH(i) {
        position group = group_index(c, p->image, i < t->step ? column + i : column);
        v.mean[i] = *total_at(c, 0, group);
        v.slope[i] *= *total_at(c, 1, group);
    }
    BY_ROW_KIND(kind, apply_rows, c, base + p->first + lane, base + p->end, column, &v);
}

PIECE void norm_apply_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        if (pack < p.packs) apply_to(c, &p, pack, lane);
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

/* What gradients lose, and lose for each unit of their input's distance from the mean. */
typedef struct lost_values {
    float plain[PACK], by_x[PACK];
} lost_values;

PIECE void dx_values(const channel_values *v, const lost_values *lost, row_values *r) {
    EACH(i) r->d[i] = v->slope[i] * r->d[i] - lost->plain[i] - r->x[i] * lost->by_x[i];
}

PIECE void dx_rows(row_kind kind, const sl_cuda_own *c, position row, position end, position column,
                   const channel_values *v, const lost_values *lost) {
    position step = c->tiling.lanes;
    row_values first, second;
    for (; row + step < end; row += 2 * step) {
        norm_gradient(kind, c, row, column, v, first.d, first.x);
        norm_gradient(kind, c, row + step, column, v, second.d, second.x);
        dx_values(v, lost, &first);
        dx_values(v, lost, &second);
        store_row(kind, c, row, column, first.d);
        store_row(kind, c, row + step, column, second.d);
    }
    if (row >= end) return;
    norm_gradient(kind, c, row, column, v, first.d, first.x);
    dx_values(v, lost, &first);
    store_row(kind, c, row, column, first.d);
}

PIECE void dx_of(const sl_cuda_own *c, const patch *p, int pack, int lane) {
    const sl_cuda_tiling *t = &c->tiling;
    position column = (p->first_pack + pack) * t->step, base = p->image * (position)t->rows;
    row_kind kind = row_kind_of(c, is_group_norm(c) ? 5 : 4);
    channel_values v;
    lost_values lost;
    read_channels(c, p->image, column, &v);
    EACH(i) {
        position group = group_index(c, p->image, i < t->step ? column + i : column);
        float rstd = in_at(c, is_group_norm(c) ? 4 : 3, group);
        lost.plain[i] = rstd * *total_at(c, 0, group);
        lost.by_x[i] = rstd * rstd * *total_at(c, 1, group);
    }
    BY_ROW_KIND(kind, dx_rows, c, base + p->first + lane, base + p->end, column, &v, &lost);
}

PIECE void norm_dx_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    const sl_cuda_tiling *t = &c->tiling;
    patch p = patch_of(t, item);
    for (int slot = team.rank; slot < t->width * t->lanes; slot += team.size) {
        int lane = slot / t->width, pack = slot - lane * t->width;
        if (pack < p.packs) dx_of(c, &p, pack, lane);
    }
}

#endif
