/* Pieces of arrays, pools, resampling, tables. Meanings: backend/ops.def. */
#ifndef SL_BACKEND_CUDA_OWN_BODIES_LAYOUT_H
#define SL_BACKEND_CUDA_OWN_BODIES_LAYOUT_H

#include "backend/cuda/own/bodies_common.h"

/* ---- pieces of an axis: all operands are [outer, axis times inner] ---- */

PIECE position concat_items(const sl_cuda_own *c) {
    return row_packs(c, dim_of(&c->out[0], 0), dim_of(&c->out[0], 1));
}

PIECE void concat_at(const sl_cuda_own *c, position item) {
    position width = dim_of(&c->out[0], 1);
    run r = row_run(c, width, item);
    position from = r.column;
    int k = 0;
    while (from >= dim_of(&c->in[k], 1)) from -= dim_of(&c->in[k++], 1);
    move(c, r.row * width + r.column, k, r.row * dim_of(&c->in[k], 1) + from, r.n);
}

PIECE position slice_items(const sl_cuda_own *c) {
    return row_packs(c, dim_of(&c->out[0], 0), dim_of(&c->out[0], 1));
}

PIECE void slice_at(const sl_cuda_own *c, position item) {
    position width = dim_of(&c->out[0], 1), start = (position)c->attrs.start;
    run r = row_run(c, width, item);
    move(c, r.row * width + r.column, 0, r.row * dim_of(&c->in[0], 1) + start + r.column, r.n);
}

PIECE position pad_items(const sl_cuda_own *c) {
    return slice_items(c);
}

PIECE void pad_at(const sl_cuda_own *c, position item) {
    position width = dim_of(&c->out[0], 1), inside = dim_of(&c->in[0], 1);
    run r = row_run(c, width, item);
    position to = r.row * width + r.column, from = r.column - (position)c->attrs.start;
    float zero[PACK] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (from >= 0 && from < inside)
        move(c, to, 0, r.row * inside + from, r.n);
    else
        store_out(c, 0, to, r.n, zero);
}

/* ---- another order of axes: runs where the last stays the last, else tiles of the two that are last ---- */

enum { TURN = 32 };

PIECE bool keeps_last(const sl_cuda_own *c) {
    int last = c->in[0].shape.rank - 1;
    return last < 0 || c->attrs.perm[last] == last;
}

PIECE position transpose_runs_items(const sl_cuda_own *c) {
    return keeps_last(c) ? row_packs(c, rows_of(&c->in[0]), columns_of(&c->in[0])) : 0;
}

/* In the result's order. */
PIECE void transpose_runs_at(const sl_cuda_own *c, position item) {
    position width = columns_of(&c->out[0]), from = 0;
    run r = row_run(c, width, item);
    position rest = r.row;
    for (int d = c->out[0].shape.rank - 2; d >= 0; d--) {
        split s = divide(rest, dim_of(&c->out[0], d));
        from += s.rest * (position)c->from_step[c->attrs.perm[d]];
        rest = s.whole;
    }
    move(c, r.row * width + r.column, 0, from + r.column, r.n);
}

PIECE position transpose_tiles_items(const sl_cuda_own *c) {
    int last = c->in[0].shape.rank - 1;
    if (keeps_last(c)) return 0;
    position a = dim_of(&c->in[0], last), b = dim_of(&c->in[0], c->attrs.perm[last]);
    return count_of(&c->in[0]) / a / b * divided_up(a, TURN) * divided_up(b, TURN);
}

/* Rows of the tile are along in[0]'s axis that becomes the last, its columns along the one that is it. */
PIECE void transpose_tiles_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    const sl_operand *x = &c->in[0];
    int last = x->shape.rank - 1, other = c->attrs.perm[last];
    position a = dim_of(x, last), b = dim_of(x, other);
    split across = divide(item, divided_up(a, TURN)), down = divide(across.whole, divided_up(b, TURN));
    position first_a = across.rest * TURN, first_b = down.rest * TURN, rest = down.whole;
    position from_b = (position)c->from_step[other], to_a = (position)c->to_step[last];
    position from = first_b * from_b + first_a, to = first_a * to_a + first_b;
    int in_a = at_most(a - first_a, TURN), in_b = at_most(b - first_b, TURN);
    for (int d = last - 1; d >= 0; d--) {
        if (d == other) continue;
        split s = divide(rest, dim_of(x, d));
        from += s.rest * (position)c->from_step[d];
        to += s.rest * (position)c->to_step[d];
        rest = s.whole;
    }
    for (int k = team.rank; k < TURN * TURN; k += team.size) {
        int row = k / TURN, column = k % TURN;
        if (row < in_b && column < in_a)
            team.shared[row * (TURN + 1) + column] = in_at(c, 0, from + row * from_b + column);
    }
    team_meet(team);
    for (int k = team.rank; k < TURN * TURN; k += team.size) {
        int row = k / TURN, column = k % TURN;
        if (row < in_a && column < in_b)
            out_to(c, 0, to + row * to_a + column, team.shared[column * (TURN + 1) + row]);
    }
    team_meet(team);
}

/* ---- images [N,H,W,C] ---- */

typedef struct pixel_place {
    position n, h, w;
} pixel_place;

PIECE pixel_place pixel_of(const sl_operand *x, position pixel) {
    split across = divide(pixel, dim_of(x, 2)), down = divide(across.whole, dim_of(x, 1));
    pixel_place p = {down.whole, down.rest, across.rest};
    return p;
}

PIECE position offset_of(const sl_operand *x, position n, position h, position w, position c) {
    return ((n * dim_of(x, 1) + h) * dim_of(x, 2) + w) * dim_of(x, 3) + c;
}

/* A pack of the small image and the four of the large one that belong to it; rows of all images are counted
 * through. */
PIECE position doubled(const sl_operand *small, const run *r) {
    position width = dim_of(small, 2);
    split s = divide(r->row, width);
    return (s.whole * 2 * width + s.rest) * 2 * dim_of(small, 3) + r->column;
}

PIECE position upsample_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->in[0]), columns_of(&c->in[0]));
}

PIECE void upsample_at(const sl_cuda_own *c, position item) {
    position channels = dim_of(&c->in[0], 3), line = 2 * dim_of(&c->in[0], 2) * channels;
    run r = row_run(c, channels, item);
    position to = doubled(&c->in[0], &r);
    float x[PACK];
    load_in(c, 0, r.row * channels + r.column, r.n, x);
    store_out(c, 0, to, r.n, x);
    store_out(c, 0, to + channels, r.n, x);
    store_out(c, 0, to + line, r.n, x);
    store_out(c, 0, to + line + channels, r.n, x);
}

PIECE position upsample_bwd_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->out[0]), columns_of(&c->out[0]));
}

PIECE void upsample_bwd_at(const sl_cuda_own *c, position item) {
    position channels = dim_of(&c->out[0], 3), line = 2 * dim_of(&c->out[0], 2) * channels;
    run r = row_run(c, channels, item);
    position from = doubled(&c->out[0], &r);
    float x[4][PACK];
    for (int k = 0; k < 4; k++) load_in(c, 0, from + k / 2 * line + k % 2 * channels, r.n, x[k]);
    EACH(i) x[0][i] = x[0][i] + x[1][i] + x[2][i] + x[3][i];
    store_out(c, 0, r.row * channels + r.column, r.n, x[0]);
}

/* From first to before end. */
typedef struct span {
    position first, end;
} span;

/* The pixels of a window along one axis; axis 0 is down. */
PIECE span window_span(const sl_attrs *a, int axis, position at, position size) {
    span s = {at * a->stride[axis] - a->pad[2 * axis], 0};
    s.end = s.first + a->window[axis];
    if (s.first < 0) s.first = 0;
    if (s.end > size) s.end = size;
    return s;
}

/* The windows that a pixel is in. */
PIECE span windows_over(const sl_attrs *a, int axis, position at, position windows) {
    position place = at + a->pad[2 * axis], before = place - a->window[axis] + 1, stride = a->stride[axis];
    span s = {before > 0 ? divided_up(before, stride) : 0, divide(place, stride).whole + 1};
    if (s.end > windows) s.end = windows;
    return s;
}

PIECE position max_pool_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->out[0]), columns_of(&c->out[0]));
}

PIECE void max_pool_at(const sl_cuda_own *c, position item) {
    const sl_operand *x = &c->in[0];
    run r = row_run(c, dim_of(x, 3), item);
    pixel_place p = pixel_of(&c->out[0], r.row);
    span down = window_span(&c->attrs, 0, p.h, dim_of(x, 1)),
         across = window_span(&c->attrs, 1, p.w, dim_of(x, 2));
    position best[PACK];
    float highest[PACK], value[PACK];
    load_in(c, 0, offset_of(x, p.n, down.first, across.first, r.column), r.n, highest);
    EACH(i) best[i] = down.first * dim_of(x, 2) + across.first;
    for (position h = down.first; h < down.end; h++)
        for (position w = across.first; w < across.end; w++) {
            load_in(c, 0, offset_of(x, p.n, h, w, r.column), r.n, value);
            EACH(i) if (value[i] > highest[i] || isnan(value[i])) {
                highest[i] = value[i];
                best[i] = h * dim_of(x, 2) + w;
            }
        }
    position to = r.row * dim_of(x, 3) + r.column;
    store_out(c, 0, to, r.n, highest);
    if (wants(c, 1)) EACH(i) if (i < r.n)((int32_t *)c->out[1].data)[to + i] = (int32_t)best[i];
}

PIECE position avg_pool_items(const sl_cuda_own *c) {
    return max_pool_items(c);
}

PIECE void avg_pool_at(const sl_cuda_own *c, position item) {
    const sl_operand *x = &c->in[0];
    run r = row_run(c, dim_of(x, 3), item);
    pixel_place p = pixel_of(&c->out[0], r.row);
    span down = window_span(&c->attrs, 0, p.h, dim_of(x, 1)),
         across = window_span(&c->attrs, 1, p.w, dim_of(x, 2));
    float sum[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, value[PACK];
    for (position h = down.first; h < down.end; h++)
        for (position w = across.first; w < across.end; w++) {
            load_in(c, 0, offset_of(x, p.n, h, w, r.column), r.n, value);
            EACH(i) sum[i] += value[i];
        }
    EACH(i) sum[i] /= (float)(c->attrs.window[0] * c->attrs.window[1]);
    store_out(c, 0, r.row * dim_of(x, 3) + r.column, r.n, sum);
}

PIECE position pool_bwd_items(const sl_cuda_own *c) {
    return max_pool_items(c);
}

/* A pixel gathers from the windows that it is in: all of them, or those whose maximum it is. */
PIECE void pool_bwd_at(const sl_cuda_own *c, position item) {
    const sl_operand *x = &c->out[0], *y = &c->in[0];
    bool is_max = c->op == SL_OP_MAX_POOL_BWD;
    run r = row_run(c, dim_of(x, 3), item);
    pixel_place p = pixel_of(x, r.row);
    span down = windows_over(&c->attrs, 0, p.h, dim_of(y, 1)),
         across = windows_over(&c->attrs, 1, p.w, dim_of(y, 2));
    float sum[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, dy[PACK];
    for (position h = down.first; h < down.end; h++)
        for (position w = across.first; w < across.end; w++) {
            position at = offset_of(y, p.n, h, w, r.column);
            load_in(c, 0, at, r.n, dy);
            EACH(i)
            if (i < r.n)
                if (!is_max || integer_at(c, 1, at + i) == p.h * dim_of(x, 2) + p.w) sum[i] += dy[i];
        }
    if (!is_max) EACH(i) sum[i] /= (float)(c->attrs.window[0] * c->attrs.window[1]);
    store_out(c, 0, r.row * dim_of(x, 3) + r.column, r.n, sum);
}

/* ---- rings ---- */

PIECE position rings_of(const sl_cuda_own *c) {
    return (position)c->attrs.count;
}

/* The ring below a place, and what the one above has of it; rings: the place belongs to none. */
PIECE position ring_below(const sl_cuda_own *c, int input, position at, float *above) {
    position rings = rings_of(c);
    float place = in_at(c, input, at);
    if (!(place >= 0 && place <= (float)(rings - 1))) return rings;
    position below = (position)place;
    *above = place - (float)below;
    return below;
}

PIECE float ring_share(const sl_cuda_own *c, int input, position at, position ring) {
    float above = 0;
    position below = ring_below(c, input, at, &above);
    return below >= rings_of(c) ? 0 : ring == below ? 1 - above : ring == below + 1 ? above : 0;
}

PIECE position ring_weights_items(const sl_cuda_own *c) {
    return count_of(&c->out[0]);
}

PIECE void ring_weights_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    split s = divide(item, rings_of(c));
    position places = dim_of(&c->in[0], 1), first = s.whole * places;
    float sum = 0;
    for (position p = first + team.rank; p < first + places; p += team.size)
        sum += ring_share(c, 0, p, s.rest);
    sum = team_sum(team, sum);
    if (team.rank == 0) out_to(c, 0, item, sum > 1e-30f ? 1 / sum : 1);
}

PIECE position ring_gather_items(const sl_cuda_own *c) {
    return row_packs(c, rows_of(&c->out[0]), columns_of(&c->out[0]));
}

PIECE void ring_gather_at(const sl_cuda_own *c, position item, sl_cuda_team team) {
    position channels = dim_of(&c->in[0], 2), places = dim_of(&c->in[1], 1);
    run r = row_run(c, channels, item);
    split s = divide(r.row, dim_of(&c->out[0], 1));
    float sum[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, x[PACK];
    for (position p = s.whole * places + team.rank; p < (s.whole + 1) * places; p += team.size) {
        float share = ring_share(c, 1, p, s.rest);
        if (!(share > 0)) continue;
        load_in(c, 0, p * channels + r.column, r.n, x);
        EACH(i) if (i < r.n) sum[i] += share * x[i];
    }
    EACH(i) if (i < r.n) {
        sum[i] = team_sum(team, sum[i]);
        if (has(c, 2)) sum[i] *= in_at(c, 2, r.row);
    }
    if (team.rank == 0) store_out(c, 0, r.row * channels + r.column, r.n, sum);
}

PIECE position ring_spread_items(const sl_cuda_own *c) {
    return ring_gather_items(c);
}

PIECE void ring_spread_at(const sl_cuda_own *c, position item) {
    position channels = dim_of(&c->in[0], 2), rings = rings_of(c), places = dim_of(&c->in[1], 1);
    run r = row_run(c, channels, item);
    position first = divide(r.row, places).whole * rings;
    float sum[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, x[PACK], above = 0;
    position below = ring_below(c, 1, r.row, &above);
    for (position k = below; k < below + 2 && k < rings; k++) {
        float share = k == below ? 1 - above : above;
        if (!(share > 0)) continue;
        if (has(c, 2)) share *= in_at(c, 2, first + k);
        load_in(c, 0, (first + k) * channels + r.column, r.n, x);
        EACH(i) if (i < r.n) sum[i] += share * x[i];
    }
    store_out(c, 0, r.row * channels + r.column, r.n, sum);
}

/* ---- tables ---- */

PIECE position embedding_items(const sl_cuda_own *c) {
    return row_packs(c, count_of(&c->in[1]), dim_of(&c->in[0], 1));
}

PIECE void embedding_at(const sl_cuda_own *c, position item) {
    position width = dim_of(&c->in[0], 1);
    run r = row_run(c, width, item);
    position id = integer_at(c, 1, r.row);
    bool good = id >= 0 && id < dim_of(&c->in[0], 0);
    if (!good) bad_value(c);
    move(c, r.row * width + r.column, 0, (good ? id : 0) * width + r.column, r.n);
}

PIECE position embedding_clear_items(const sl_cuda_own *c) {
    return packs_in(count_of(&c->out[0]), c->step);
}

PIECE void embedding_clear_at(const sl_cuda_own *c, position item) {
    float zero[PACK] = {0, 0, 0, 0, 0, 0, 0, 0};
    store_out(c, 0, item * c->step, at_most(count_of(&c->out[0]) - item * c->step, c->step), zero);
}

PIECE position embedding_bwd_items(const sl_cuda_own *c) {
    return count_of(&c->in[0]);
}

/* An id's first place adds up the rows of all its places, in their order. */
PIECE void embedding_bwd_at(const sl_cuda_own *c, position place, sl_cuda_team team) {
    position width = dim_of(&c->out[0], 1), places = count_of(&c->in[0]), id = integer_at(c, 0, place);
    float earlier = 0;
    if (id < 0 || id >= dim_of(&c->out[0], 0)) {
        bad_value(c);
        return;
    }
    for (position k = team.rank; k < place; k += team.size)
        if (integer_at(c, 0, k) == id) earlier = 1;
    if (team_max(team, earlier) > 0) return;
    for (position i = team.rank * c->step; i < width; i += team.size * c->step) {
        float sum[PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, dy[PACK];
        for (position k = place; k < places; k++) {
            if (integer_at(c, 0, k) != id) continue;
            load_in(c, 1, k * width + i, c->step, dy);
            EACH(j) sum[j] += dy[j];
        }
        store_out(c, 0, id * width + i, c->step, sum);
    }
}

PIECE position timestep_items(const sl_cuda_own *c) {
    return dim_of(&c->in[0], 0) * (c->attrs.width / 2);
}

/* Rounded to float where src/op/timestep_embedding.c says why. */
PIECE void timestep_at(const sl_cuda_own *c, position item) {
    position width = c->attrs.width, half = width / 2, cosines = c->attrs.flip ? 0 : half;
    position n = item / half, i = item % half;
    float exponent = (float)-9.210340371976184 * (float)i / (float)((double)half - c->attrs.alpha);
    float angle = in_at(c, 0, n) * (float)exp((double)exponent);
    out_to(c, 0, n * width + cosines + i, (float)cos((double)angle));
    out_to(c, 0, n * width + half - cosines + i, (float)sin((double)angle));
}

#endif
