/* What is done to each row by itself: softmax, layer norm, sums of rows. An item is a row, shared by a warp
 * or a block; the row is read again from the cache where it is needed twice. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_ROWS_H
#define SL_BACKEND_CUDA_OWN_BODIES_ROWS_H

#include "backend/cuda/own/bodies_common.h"

/* i: a member's places in a row. */
#define ALONG(i, width) for (position i = team.rank * c->step; i < (width); i += team.size * c->step)

/* ---- softmax ---- */

PIECE position softmax_items(const sl_cuda_own *c) {
    return rows_of(&c->in[0]);
}

PIECE position softmax_width(const sl_cuda_own *c) {
    return columns_of(&c->in[0]);
}

PIECE void softmax_at(const sl_cuda_own *c, position row, sl_cuda_team team) {
    position width = columns_of(&c->in[0]), base = row * width;
    float highest = -INFINITY, sum = 0, x[PACK];
    ALONG(i, width) {
        load_or(c->in[0].dtype, c->in[0].data, base + i, c->step, -INFINITY, x);
        EACH(k) highest = fmaxf(highest, x[k]);
    }
    highest = team_max(team, highest);
    ALONG(i, width) {
        load_or(c->in[0].dtype, c->in[0].data, base + i, c->step, -INFINITY, x);
        EACH(k) sum += expf(x[k] - highest);
    }
    float part = 1 / team_sum(team, sum);
    ALONG(i, width) {
        load_in(c, 0, base + i, c->step, x);
        EACH(k) x[k] = expf(x[k] - highest) * part;
        store_out(c, 0, base + i, c->step, x);
    }
}

PIECE position softmax_bwd_items(const sl_cuda_own *c) {
    return softmax_items(c);
}

PIECE position softmax_bwd_width(const sl_cuda_own *c) {
    return softmax_width(c);
}

PIECE void softmax_bwd_at(const sl_cuda_own *c, position row, sl_cuda_team team) {
    position width = columns_of(&c->in[0]), base = row * width;
    float dot = 0, y[PACK], dy[PACK];
    ALONG(i, width) {
        load_in(c, 0, base + i, c->step, y);
        load_in(c, 1, base + i, c->step, dy);
        EACH(k) dot += y[k] * dy[k];
    }
    dot = team_sum(team, dot);
    ALONG(i, width) {
        load_in(c, 0, base + i, c->step, y);
        load_in(c, 1, base + i, c->step, dy);
        EACH(k) y[k] *= dy[k] - dot;
        store_out(c, 0, base + i, c->step, y);
    }
}

/* ---- layer norm ---- */

PIECE position layer_norm_items(const sl_cuda_own *c) {
    return rows_of(&c->in[0]);
}

PIECE position layer_norm_width(const sl_cuda_own *c) {
    return columns_of(&c->in[0]);
}

PIECE void layer_norm_at(const sl_cuda_own *c, position row, sl_cuda_team team) {
    position width = columns_of(&c->in[0]), base = row * width;
    float mean = 0, square = 0, x[PACK], gamma[PACK], beta[PACK];
    ALONG(i, width) {
        load_in(c, 0, base + i, c->step, x);
        EACH(k) mean += x[k];
    }
    mean = team_sum(team, mean) / (float)width;
    ALONG(i, width) {
        load_or(c->in[0].dtype, c->in[0].data, base + i, c->step, mean, x);
        EACH(k) square += (x[k] - mean) * (x[k] - mean);
    }
    float rstd = 1 / sqrtf(team_sum(team, square) / (float)width + c->attrs.eps);
    ALONG(i, width) {
        load_in(c, 0, base + i, c->step, x);
        load_in(c, 1, i, c->step, gamma);
        load_in(c, 2, i, c->step, beta);
        EACH(k) x[k] = (x[k] - mean) * rstd * gamma[k] + beta[k];
        store_out(c, 0, base + i, c->step, x);
    }
    if (team.rank == 0 && wants(c, 1)) out_to(c, 1, row, mean);
    if (team.rank == 0 && wants(c, 2)) out_to(c, 2, row, rstd);
}

PIECE position layer_norm_dx_items(const sl_cuda_own *c) {
    return wants(c, 0) ? rows_of(&c->in[0]) : 0;
}

PIECE position layer_norm_dx_width(const sl_cuda_own *c) {
    return columns_of(&c->in[0]);
}

/* xhat, and the gradient times the slope, at a place of a row. In: x, gamma, mean, rstd, dy. */
PIECE void layer_gradient(const sl_cuda_own *c, position base, position i, float mean, float rstd, float *d,
                          float *xhat) {
    float gamma[PACK];
    load_in(c, 0, base + i, c->step, xhat);
    load_in(c, 4, base + i, c->step, d);
    load_in(c, 1, i, c->step, gamma);
    EACH(k) {
        xhat[k] = (xhat[k] - mean) * rstd;
        d[k] *= gamma[k];
    }
}

PIECE void layer_norm_dx_at(const sl_cuda_own *c, position row, sl_cuda_team team) {
    position width = columns_of(&c->in[0]), base = row * width;
    float mean = in_at(c, 2, row), rstd = in_at(c, 3, row), sum = 0, product = 0, d[PACK], xhat[PACK];
    ALONG(i, width) {
        layer_gradient(c, base, i, mean, rstd, d, xhat);
        EACH(k) {
            sum += d[k];
            product += d[k] * xhat[k];
        }
    }
    sum = team_sum(team, sum) / (float)width;
    product = team_sum(team, product) / (float)width;
    ALONG(i, width) {
        layer_gradient(c, base, i, mean, rstd, d, xhat);
        EACH(k) d[k] = rstd * (d[k] - sum - xhat[k] * product);
        store_out(c, 0, base + i, c->step, d);
    }
}

/* ---- sums ---- */

PIECE position sum_rows_items(const sl_cuda_own *c) {
    return c->sum == SL_CUDA_SUM_ROWS ? count_of(&c->out[0]) : 0;
}

PIECE position sum_rows_width(const sl_cuda_own *c) {
    return columns_of(&c->in[0]);
}

PIECE void sum_rows_at(const sl_cuda_own *c, position row, sl_cuda_team team) {
    position width = columns_of(&c->in[0]);
    float sum = 0, x[PACK];
    ALONG(i, width) {
        load_in(c, 0, row * width + i, c->step, x);
        EACH(k) sum += x[k];
    }
    sum = team_sum(team, sum);
    if (team.rank == 0) out_to(c, 0, row, (float)c->attrs.alpha * sum);
}

PIECE position sum_other_items(const sl_cuda_own *c) {
    return c->sum == SL_CUDA_SUM_OTHER ? count_of(&c->out[0]) : 0;
}

PIECE position sum_other_width(const sl_cuda_own *c) {
    return divide((position)c->count, count_of(&c->out[0])).whole;
}

/* Where number k of the axes that are summed, or of the others, starts. */
PIECE position along_axes(const sl_cuda_own *c, bool summed, position k) {
    position at = 0;
    for (int d = c->in[0].shape.rank - 1; d >= 0; d--) {
        if ((c->attrs.axes >> d & 1) != summed) continue;
        split s = divide(k, dim_of(&c->in[0], d));
        at += s.rest * (position)c->from_step[d];
        k = s.whole;
    }
    return at;
}

PIECE void sum_other_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    position base = along_axes(c, false, item), inside = sum_other_width(c);
    float sum = 0;
    for (position k = team.rank; k < inside; k += team.size)
        sum += in_at(c, 0, base + along_axes(c, true, k));
    sum = team_sum(team, sum);
    if (team.rank == 0) out_to(c, 0, item, (float)c->attrs.alpha * sum);
}

#endif
