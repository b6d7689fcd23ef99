/* Sums, normalisations and losses. The includer defines sl_cuda_team, team_sum and team_max. Sums have a
 * fixed order: the same bits in every run on one kind of device. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_REDUCE_H
#define SL_BACKEND_CUDA_OWN_BODIES_REDUCE_H

#include "backend/cuda/own/bodies_elementwise.h"

/* ---- sum over axes ---- */

PIECE int64_t sum_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void sum_at(const sl_cuda_own *c, int64_t item, sl_cuda_team team) {
    const sl_shape *x = &c->in[0].shape;
    int64_t stride[SL_RANK_MAX], step = 1, base = 0, inside = 1, rest = item;
    for (int d = x->rank - 1; d >= 0; d--) {
        stride[d] = step;
        step *= x->dim[d];
        if (c->attrs.axes >> d & 1)
            inside *= x->dim[d];
        else {
            base += rest % x->dim[d] * stride[d];
            rest /= x->dim[d];
        }
    }
    float sum = 0;
    for (int64_t k = team.rank; k < inside; k += team.size) {
        int64_t at = base, left = k;
        for (int d = x->rank - 1; d >= 0; d--) {
            if (!(c->attrs.axes >> d & 1)) continue;
            at += left % x->dim[d] * stride[d];
            left /= x->dim[d];
        }
        sum += in_at(c, 0, at);
    }
    sum = team_sum(team, sum);
    if (team.rank == 0) out_to(c, 0, item, (float)c->attrs.alpha * sum);
}

/* ---- softmax ---- */

PIECE int64_t softmax_items(const sl_cuda_own *c) {
    return rows_of(&c->in[0]);
}

PIECE void softmax_at(const sl_cuda_own *c, int64_t row, sl_cuda_team team) {
    int64_t width = columns_of(&c->in[0]), base = row * width;
    float highest = -INFINITY, sum = 0;
    for (int64_t i = team.rank; i < width; i += team.size) highest = fmaxf(highest, in_at(c, 0, base + i));
    highest = team_max(team, highest);
    for (int64_t i = team.rank; i < width; i += team.size) sum += expf(in_at(c, 0, base + i) - highest);
    sum = team_sum(team, sum);
    for (int64_t i = team.rank; i < width; i += team.size)
        out_to(c, 0, base + i, expf(in_at(c, 0, base + i) - highest) / sum);
}

PIECE int64_t softmax_bwd_items(const sl_cuda_own *c) {
    return rows_of(&c->in[0]);
}

PIECE void softmax_bwd_at(const sl_cuda_own *c, int64_t row, sl_cuda_team team) {
    int64_t width = columns_of(&c->in[0]), base = row * width;
    float dot = 0;
    for (int64_t i = team.rank; i < width; i += team.size)
        dot += in_at(c, 0, base + i) * in_at(c, 1, base + i);
    dot = team_sum(team, dot);
    for (int64_t i = team.rank; i < width; i += team.size)
        out_to(c, 0, base + i, in_at(c, 0, base + i) * (in_at(c, 1, base + i) - dot));
}

/* ---- group norm: an item is a group of an image ---- */

typedef struct group_place {
    int64_t image, group, pixels, channels, in_group; /* in_group: channels of a group */
} group_place;

PIECE group_place group_of(const sl_cuda_own *c, int64_t item) {
    const sl_shape *x = &c->in[0].shape;
    group_place p = {item / c->attrs.groups, item % c->attrs.groups, 1, x->dim[x->rank - 1], 0};
    for (int d = 1; d + 1 < x->rank; d++) p.pixels *= x->dim[d];
    p.in_group = p.channels / c->attrs.groups;
    return p;
}

PIECE int64_t group_channel(const group_place *p, int64_t i) {
    return p->group * p->in_group + i % p->in_group;
}

PIECE int64_t group_offset(const group_place *p, int64_t i) {
    return (p->image * p->pixels + i / p->in_group) * p->channels + group_channel(p, i);
}

PIECE int64_t group_norm_items(const sl_cuda_own *c) {
    return c->in[0].shape.dim[0] * c->attrs.groups;
}

PIECE void group_norm_at(const sl_cuda_own *c, int64_t item, sl_cuda_team team) {
    group_place p = group_of(c, item);
    int64_t count = p.pixels * p.in_group;
    float mean = 0, square = 0;
    for (int64_t i = team.rank; i < count; i += team.size) mean += in_at(c, 0, group_offset(&p, i));
    mean = team_sum(team, mean) / (float)count;
    for (int64_t i = team.rank; i < count; i += team.size) {
        float d = in_at(c, 0, group_offset(&p, i)) - mean;
        square += d * d;
    }
    float rstd = 1 / sqrtf(team_sum(team, square) / (float)count + c->attrs.eps);
    for (int64_t i = team.rank; i < count; i += team.size) {
        int64_t at = group_offset(&p, i), channel = group_channel(&p, i);
        float y = (in_at(c, 0, at) - mean) * rstd * in_at(c, 1, channel) + in_at(c, 2, channel);
        out_to(c, 0, at, c->attrs.silu ? y * sigmoid_of(y) : y);
    }
    if (team.rank == 0 && wants(c, 1)) out_to(c, 1, item, mean);
    if (team.rank == 0 && wants(c, 2)) out_to(c, 2, item, rstd);
}

/* The gradient before the activation; xhat is the normalised input. In: x, gamma, beta, mean, rstd, dy. */
PIECE float group_gradient(const sl_cuda_own *c, int64_t at, int64_t channel, float xhat) {
    float dy = in_at(c, 5, at);
    return c->attrs.silu ? dy * silu_slope_of(in_at(c, 1, channel) * xhat + in_at(c, 2, channel)) : dy;
}

PIECE int64_t group_norm_dx_items(const sl_cuda_own *c) {
    return wants(c, 0) ? group_norm_items(c) : 0;
}

PIECE void group_norm_dx_at(const sl_cuda_own *c, int64_t item, sl_cuda_team team) {
    group_place p = group_of(c, item);
    int64_t count = p.pixels * p.in_group;
    float mean = in_at(c, 3, item), rstd = in_at(c, 4, item), sum = 0, sum_xhat = 0;
    for (int64_t i = team.rank; i < count; i += team.size) {
        int64_t at = group_offset(&p, i), channel = group_channel(&p, i);
        float xhat = (in_at(c, 0, at) - mean) * rstd,
              d = group_gradient(c, at, channel, xhat) * in_at(c, 1, channel);
        sum += d;
        sum_xhat += d * xhat;
    }
    sum = team_sum(team, sum) / (float)count;
    sum_xhat = team_sum(team, sum_xhat) / (float)count;
    for (int64_t i = team.rank; i < count; i += team.size) {
        int64_t at = group_offset(&p, i), channel = group_channel(&p, i);
        float xhat = (in_at(c, 0, at) - mean) * rstd,
              d = group_gradient(c, at, channel, xhat) * in_at(c, 1, channel);
        out_to(c, 0, at, rstd * (d - sum - xhat * sum_xhat));
    }
}

/* ---- layer norm: an item is a row ---- */

PIECE int64_t layer_norm_items(const sl_cuda_own *c) {
    return rows_of(&c->in[0]);
}

PIECE void layer_norm_at(const sl_cuda_own *c, int64_t row, sl_cuda_team team) {
    int64_t width = columns_of(&c->in[0]), base = row * width;
    float mean = 0, square = 0;
    for (int64_t i = team.rank; i < width; i += team.size) mean += in_at(c, 0, base + i);
    mean = team_sum(team, mean) / (float)width;
    for (int64_t i = team.rank; i < width; i += team.size) {
        float d = in_at(c, 0, base + i) - mean;
        square += d * d;
    }
    float rstd = 1 / sqrtf(team_sum(team, square) / (float)width + c->attrs.eps);
    for (int64_t i = team.rank; i < width; i += team.size)
        out_to(c, 0, base + i, (in_at(c, 0, base + i) - mean) * rstd * in_at(c, 1, i) + in_at(c, 2, i));
    if (team.rank == 0 && wants(c, 1)) out_to(c, 1, row, mean);
    if (team.rank == 0 && wants(c, 2)) out_to(c, 2, row, rstd);
}

PIECE int64_t layer_norm_dx_items(const sl_cuda_own *c) {
    return wants(c, 0) ? rows_of(&c->in[0]) : 0;
}

/* In: x, gamma, mean, rstd, dy. */
PIECE void layer_norm_dx_at(const sl_cuda_own *c, int64_t row, sl_cuda_team team) {
    int64_t width = columns_of(&c->in[0]), base = row * width;
    float mean = in_at(c, 2, row), rstd = in_at(c, 3, row), sum = 0, sum_xhat = 0;
    for (int64_t i = team.rank; i < width; i += team.size) {
        float d = in_at(c, 4, base + i) * in_at(c, 1, i);
        sum += d;
        sum_xhat += d * (in_at(c, 0, base + i) - mean) * rstd;
    }
    sum = team_sum(team, sum) / (float)width;
    sum_xhat = team_sum(team, sum_xhat) / (float)width;
    for (int64_t i = team.rank; i < width; i += team.size) {
        float xhat = (in_at(c, 0, base + i) - mean) * rstd;
        out_to(c, 0, base + i, rstd * (in_at(c, 4, base + i) * in_at(c, 1, i) - sum - xhat * sum_xhat));
    }
}

/* ---- gradients of slopes and offsets: sums over rows in slices, then over slices ---- */

PIECE int64_t slices_of(int64_t rows) {
    int64_t slices = (rows + SL_CUDA_OWN_SLICE_ROWS - 1) / SL_CUDA_OWN_SLICE_ROWS;
    return slices < SL_CUDA_OWN_SLICES ? slices : (int64_t)SL_CUDA_OWN_SLICES;
}

PIECE bool is_batch_norm(const sl_cuda_own *c) {
    return c->op == SL_OP_BATCH_NORM || c->op == SL_OP_BATCH_NORM_BWD;
}

/* xhat and the gradient before the activation at a row and a channel, of group, layer and batch norms. */
PIECE float norm_gradient(const sl_cuda_own *c, int64_t row, int64_t channel, int64_t channels, float *xhat) {
    int64_t at = row * channels + channel;
    if (c->op == SL_OP_GROUP_NORM_BWD) {
        group_place p = group_of(c, 0);
        int64_t item = row / p.pixels * c->attrs.groups + channel / p.in_group;
        *xhat = (in_at(c, 0, at) - in_at(c, 3, item)) * in_at(c, 4, item);
        return group_gradient(c, at, channel, *xhat);
    }
    int64_t statistic = is_batch_norm(c) ? channel : row;
    *xhat = (in_at(c, 0, at) - in_at(c, 2, statistic)) * in_at(c, 3, statistic);
    return in_at(c, 4, at);
}

PIECE int64_t norm_slopes_items(const sl_cuda_own *c) {
    bool needed = wants(c, 1) || wants(c, 2) || is_batch_norm(c);
    return needed ? slices_of(rows_of(&c->in[0])) * columns_of(&c->in[0]) : 0;
}

PIECE void norm_slopes_at(const sl_cuda_own *c, int64_t i) {
    int64_t rows = rows_of(&c->in[0]), channels = columns_of(&c->in[0]), slices = slices_of(rows);
    int64_t slice = i / channels, channel = i % channels;
    float sum = 0, sum_xhat = 0;
    for (int64_t row = slice; row < rows; row += slices) {
        float xhat, d = norm_gradient(c, row, channel, channels, &xhat);
        sum += d;
        sum_xhat += d * xhat;
    }
    c->scratch[i] = sum_xhat;
    c->scratch[slices * channels + i] = sum;
}

PIECE int64_t norm_slopes_total_items(const sl_cuda_own *c) {
    return norm_slopes_items(c) ? columns_of(&c->in[0]) : 0;
}

/* Totals also go behind the partial sums: batch_dx reads them. */
PIECE void norm_slopes_total_at(const sl_cuda_own *c, int64_t channel) {
    int64_t channels = columns_of(&c->in[0]), slices = slices_of(rows_of(&c->in[0]));
    float sum = 0, sum_xhat = 0;
    for (int64_t s = 0; s < slices; s++) {
        sum_xhat += c->scratch[s * channels + channel];
        sum += c->scratch[(slices + s) * channels + channel];
    }
    c->scratch[2 * slices * channels + channel] = sum_xhat;
    c->scratch[(2 * slices + 1) * channels + channel] = sum;
    if (wants(c, 1)) out_to(c, 1, channel, sum_xhat);
    if (wants(c, 2)) out_to(c, 2, channel, sum);
}

/* ---- batch norm ---- */

PIECE int64_t batch_moments_items(const sl_cuda_own *c) {
    return c->attrs.training ? slices_of(rows_of(&c->in[0])) * columns_of(&c->in[0]) : 0;
}

/* Of a slice: the mean, and the sum of squares about it (Welford, Technometrics 4 (1962) 419). */
PIECE void batch_moments_at(const sl_cuda_own *c, int64_t i) {
    int64_t rows = rows_of(&c->in[0]), channels = columns_of(&c->in[0]), slices = slices_of(rows);
    int64_t slice = i / channels, channel = i % channels;
    float mean = 0, squares = 0, seen = 0;
    for (int64_t row = slice; row < rows; row += slices) {
        float x = in_at(c, 0, row * channels + channel), d = x - mean;
        seen++;
        mean += d / seen;
        squares += d * (x - mean);
    }
    c->scratch[i] = mean;
    c->scratch[slices * channels + i] = squares;
}

PIECE int64_t batch_statistics_items(const sl_cuda_own *c) {
    return columns_of(&c->in[0]);
}

/* Slices joined (Chan, Golub and LeVeque, Am. Stat. 37 (1983) 242); mean and rstd go behind the slices'
 * moments. */
PIECE void batch_statistics_at(const sl_cuda_own *c, int64_t channel) {
    int64_t rows = rows_of(&c->in[0]), channels = columns_of(&c->in[0]), slices = slices_of(rows);
    float mean = in_at(c, 3, channel), variance = in_at(c, 4, channel), unbiased = variance;
    if (c->attrs.training) {
        float seen = 0, squares = 0;
        mean = 0;
        for (int64_t s = 0; s < slices; s++) {
            float count = (float)((rows - s + slices - 1) / slices),
                  d = c->scratch[s * channels + channel] - mean, all = seen + count;
            mean += d * count / all;
            squares += c->scratch[(slices + s) * channels + channel] + d * d * seen * count / all;
            seen = all;
        }
        variance = squares / (float)rows;
        unbiased = rows > 1 ? squares / (float)(rows - 1) : variance;
    }
    float rstd = 1 / sqrtf(variance + c->attrs.eps);
    c->scratch[2 * slices * channels + channel] = mean;
    c->scratch[(2 * slices + 1) * channels + channel] = rstd;
    if (wants(c, 1)) out_to(c, 1, channel, mean);
    if (wants(c, 2)) out_to(c, 2, channel, rstd);
    if (wants(c, 3)) out_to(c, 3, channel, unbiased);
}

PIECE int64_t batch_apply_items(const sl_cuda_own *c) {
    return count_of(&c->in[0]);
}

PIECE void batch_apply_at(const sl_cuda_own *c, int64_t i) {
    int64_t channels = columns_of(&c->in[0]), slices = slices_of(rows_of(&c->in[0])), channel = i % channels;
    float mean = c->scratch[2 * slices * channels + channel],
          rstd = c->scratch[(2 * slices + 1) * channels + channel];
    out_to(c, 0, i, (in_at(c, 0, i) - mean) * rstd * in_at(c, 1, channel) + in_at(c, 2, channel));
}

PIECE int64_t batch_dx_items(const sl_cuda_own *c) {
    return wants(c, 0) ? count_of(&c->in[0]) : 0;
}

PIECE void batch_dx_at(const sl_cuda_own *c, int64_t i) {
    int64_t rows = rows_of(&c->in[0]), channels = columns_of(&c->in[0]), slices = slices_of(rows),
            channel = i % channels;
    float rstd = in_at(c, 3, channel), xhat = (in_at(c, 0, i) - in_at(c, 2, channel)) * rstd, rest = 0;
    if (c->attrs.training)
        rest = (c->scratch[(2 * slices + 1) * channels + channel] +
                xhat * c->scratch[2 * slices * channels + channel]) /
               (float)rows;
    out_to(c, 0, i, rstd * in_at(c, 1, channel) * (in_at(c, 4, i) - rest));
}

/* ---- losses, and the sum of squares ---- */

PIECE int64_t parts_of(int64_t count) {
    int64_t parts = (count + 4095) / 4096;
    return parts < SL_CUDA_OWN_PARTS ? parts : (int64_t)SL_CUDA_OWN_PARTS;
}

/* MSE alone has weights, one for each image. */
PIECE float loss_weight(const sl_cuda_own *c, int64_t i, int64_t count) {
    bool weighted = (c->op == SL_OP_MSE || c->op == SL_OP_MSE_BWD) && has(c, 2);
    return weighted ? in_at(c, 2, i / (count / c->in[0].shape.dim[0])) : 1;
}

PIECE int64_t loss_parts_items(const sl_cuda_own *c) {
    return parts_of(count_of(&c->in[0]));
}

PIECE void loss_parts_at(const sl_cuda_own *c, int64_t part, sl_cuda_team team) {
    int64_t count = count_of(&c->in[0]), parts = parts_of(count);
    float sum = 0;
    for (int64_t i = part * team.size + team.rank; i < count; i += parts * team.size) {
        float d = in_at(c, 0, i) - (c->op == SL_OP_SQUARE_SUM ? 0 : in_at(c, 1, i));
        sum += c->op == SL_OP_L1 ? fabsf(d) : loss_weight(c, i, count) * d * d;
    }
    sum = team_sum(team, sum);
    if (team.rank == 0) c->scratch[part] = sum;
}

PIECE int64_t loss_total_items(const sl_cuda_own *c) {
    (void)c;
    return 1;
}

PIECE void loss_total_at(const sl_cuda_own *c, int64_t item, sl_cuda_team team) {
    int64_t count = count_of(&c->in[0]), parts = parts_of(count);
    float sum = 0;
    for (int64_t i = team.rank; i < parts; i += team.size) sum += c->scratch[i];
    sum = team_sum(team, sum);
    if (team.rank == 0) out_to(c, 0, item, c->op == SL_OP_SQUARE_SUM ? sum : sum / (float)count);
}

PIECE int64_t loss_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->in[0]);
}

PIECE void loss_bwd_at(const sl_cuda_own *c, int64_t i) {
    int64_t count = count_of(&c->in[0]);
    float d = in_at(c, 0, i) - in_at(c, 1, i);
    if (c->op == SL_OP_L1_BWD)
        out_to(c, 0, i, in_at(c, 2, 0) / (float)count * (float)((d > 0) - (d < 0)));
    else
        out_to(c, 0, i, in_at(c, 3, 0) * 2 / (float)count * loss_weight(c, i, count) * d);
}

PIECE float class_weight(const sl_cuda_own *c, int64_t label) {
    return has(c, 2) ? in_at(c, 2, label) : 1;
}

/* The label of a row; 0 and a failure where there is no such class. */
PIECE int64_t label_of(const sl_cuda_own *c, int64_t row) {
    int64_t label = integer_at(c, 1, row);
    if (label >= 0 && label < c->in[0].shape.dim[1]) return label;
    bad_value(c);
    return 0;
}

PIECE float log_sum_of_row(const sl_cuda_own *c, int64_t row) {
    int64_t classes = c->in[0].shape.dim[1];
    float highest = -INFINITY, sum = 0;
    for (int64_t k = 0; k < classes; k++) highest = fmaxf(highest, in_at(c, 0, row * classes + k));
    for (int64_t k = 0; k < classes; k++) sum += expf(in_at(c, 0, row * classes + k) - highest);
    return highest + logf(sum);
}

PIECE int64_t cross_entropy_items(const sl_cuda_own *c) {
    (void)c;
    return 1;
}

PIECE void cross_entropy_at(const sl_cuda_own *c, int64_t item, sl_cuda_team team) {
    int64_t rows = c->in[0].shape.dim[0], classes = c->in[0].shape.dim[1];
    float sum = 0, total = 0;
    for (int64_t row = team.rank; row < rows; row += team.size) {
        int64_t label = label_of(c, row);
        float weight = class_weight(c, label);
        sum += weight * (log_sum_of_row(c, row) - in_at(c, 0, row * classes + label));
        total += weight;
    }
    sum = team_sum(team, sum);
    total = team_sum(team, total);
    if (team.rank == 0) out_to(c, 0, item, sum / total);
}

PIECE int64_t cross_entropy_bwd_items(const sl_cuda_own *c) {
    return c->in[0].shape.dim[0];
}

PIECE void cross_entropy_bwd_at(const sl_cuda_own *c, int64_t row) {
    int64_t rows = c->in[0].shape.dim[0], classes = c->in[0].shape.dim[1], label = label_of(c, row);
    float total = 0, lse = log_sum_of_row(c, row);
    for (int64_t r = 0; r < rows; r++) total += class_weight(c, label_of(c, r));
    float factor = in_at(c, 3, 0) * class_weight(c, label) / total;
    for (int64_t k = 0; k < classes; k++)
        out_to(c, 0, row * classes + k,
               factor * (expf(in_at(c, 0, row * classes + k) - lse) - (float)(k == label)));
}

#endif
