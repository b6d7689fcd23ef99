/* What the pieces do, item by item, in the common subset of C and CUDA C++: pieces.cu compiles it for
 * devices, tests for the host. The includer defines PIECE (how functions are declared), sl_cuda_team with
 * members rank, size and shared, and team_max(team, x), team_sum(team, x), team_meet(team). */
#ifndef SL_BACKEND_CUDA_LIB_PIECES_BODIES_H
#define SL_BACKEND_CUDA_LIB_PIECES_BODIES_H

#include "backend/cuda/element.h"
#include "backend/cuda/lib/multiply_body.h"
#include "backend/cuda/lib/pieces.h"

#include <math.h>

/* Elements that are taken at once from rows of so many: 8 where all start at 16 bytes. */
PIECE int step_of(int64_t columns, const void *a, const void *b) {
    return columns % PACK == 0 && (((uintptr_t)a | (uintptr_t)b) & 15u) == 0 ? PACK : 1;
}

PIECE int64_t repack_extent(const sl_cuda_repack *r) {
    return r->out_c * r->in_c * r->taps;
}

PIECE position repack_items(const sl_cuda_repack *r) {
    return (position)repack_extent(r);
}

/* i counts in the target: writes are in order. */
PIECE void repack_at(const sl_cuda_repack *r, position i) {
    position taps = (position)r->taps, channels = (position)r->in_c, from;
    split o = divide(i, channels * taps);
    if (r->back) {
        split c = divide(o.rest, taps);
        from = (o.whole * taps + c.rest) * channels + c.whole;
    } else {
        split tap = divide(o.rest, channels);
        from = (o.whole * channels + tap.rest) * taps + tap.whole;
    }
    set(r->to_dtype, r->to, i, get(r->from_dtype, r->from, from));
}

PIECE int64_t window_extent(const sl_cuda_window *w) {
    int64_t to = w->to_h * w->to_w, from = w->from_h * w->from_w;
    return w->images * w->channels * (to > from ? to : from);
}

PIECE position window_items(const sl_cuda_window *w) {
    int step = step_of(w->channels, w->from, w->to);
    return (position)(w->images * w->to_h * w->to_w) * packs_in((position)w->channels, step);
}

PIECE void window_at(const sl_cuda_window *w, position item) {
    int step = step_of(w->channels, w->from, w->to);
    position channels = (position)w->channels;
    split pack = divide(item, packs_in(channels, step)), across = divide(pack.whole, (position)w->to_w),
          down = divide(across.whole, (position)w->to_h);
    position column = across.rest + (position)w->right, row = down.rest + (position)w->down;
    bool inside = row >= 0 && row < w->from_h && column >= 0 && column < w->from_w;
    position from = (down.whole * (position)w->from_h + row) * (position)w->from_w + column;
    float x[PACK] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (inside) load(w->dtype, w->from, from * channels + pack.rest * step, step, x);
    store(w->dtype, w->to, item * step, step, x);
}

PIECE position visible(bool causal, position row, position queries, position keys) {
    position seen = divide(row, queries).rest + 1;
    return causal && seen < keys ? seen : keys;
}

PIECE int64_t probabilities_extent(const sl_cuda_probabilities *p) {
    return p->rows * p->keys;
}

PIECE position probabilities_items(const sl_cuda_probabilities *p) {
    return (position)p->rows;
}

PIECE position probabilities_width(const sl_cuda_probabilities *p) {
    return (position)p->keys;
}

/* Scores of a pack, those that are not seen at -infinity. */
PIECE void load_scores(const float *scores, position at, position j, position seen, int step, float *x) {
    load(SL_F32, scores, at + j, step, x);
    EACH(k) if (k >= step || j + k >= seen) x[k] = -INFINITY;
}

/* Each thread reads and writes the same elements, so that p may be the scores' memory. */
PIECE void probabilities_at(const sl_cuda_probabilities *p, position row, sl_cuda_team team) {
    position keys = (position)p->keys, seen = visible(p->causal, row, (position)p->queries, keys);
    position at = row * keys;
    int step = step_of(keys, p->scores, p->p);
    float highest = -INFINITY, sum = 0, x[PACK];
    for (position j = team.rank * step; j < seen; j += team.size * step) {
        load_scores(p->scores, at, j, seen, step, x);
        EACH(k) highest = fmaxf(highest, x[k]);
    }
    highest = team_max(team, highest);
    for (position j = team.rank * step; j < seen; j += team.size * step) {
        load_scores(p->scores, at, j, seen, step, x);
        EACH(k) sum += expf(x[k] - highest);
    }
    sum = team_sum(team, sum);
    float part = 1 / sum;
    for (position j = team.rank * step; j < keys; j += team.size * step) {
        load_scores(p->scores, at, j, seen, step, x);
        EACH(k) x[k] = expf(x[k] - highest) * part;
        store(p->dtype, p->p, at + j, step, x);
    }
    if (p->lse && team.rank == 0) p->lse[row] = highest + logf(sum);
}

PIECE int64_t row_products_extent(const sl_cuda_row_products *r) {
    return r->images * r->queries * r->heads * r->head_dim;
}

PIECE position row_products_items(const sl_cuda_row_products *r) {
    return (position)(r->images * r->queries * r->heads);
}

PIECE position row_products_width(const sl_cuda_row_products *r) {
    return (position)r->head_dim;
}

/* Items are in the operands' order: image, query, head. */
PIECE void row_products_at(const sl_cuda_row_products *r, position item, sl_cuda_team team) {
    position width = (position)r->head_dim, queries = (position)r->queries;
    split head = divide(item, (position)r->heads), query = divide(head.whole, queries);
    int step = step_of(width, r->a, r->b);
    float sum = 0, a[PACK], b[PACK];
    for (position d = team.rank * step; d < width; d += team.size * step) {
        load(r->dtype, r->a, item * width + d, step, a);
        load(r->dtype, r->b, item * width + d, step, b);
        EACH(k) sum += a[k] * b[k];
    }
    sum = team_sum(team, sum);
    if (team.rank == 0) r->out[(query.whole * (position)r->heads + head.rest) * queries + query.rest] = sum;
}

PIECE int64_t score_gradient_extent(const sl_cuda_score_gradient *g) {
    return g->rows * g->keys;
}

PIECE int score_step(const sl_cuda_score_gradient *g) {
    int step = step_of(g->keys, g->scores, g->dp);
    return step_of(g->keys, g->p, g->ds) < step ? 1 : step;
}

PIECE position score_gradient_items(const sl_cuda_score_gradient *g) {
    return (position)g->rows * packs_in((position)g->keys, score_step(g));
}

PIECE void score_gradient_at(const sl_cuda_score_gradient *g, position item) {
    int step = score_step(g);
    position keys = (position)g->keys, at = item * step;
    split row = divide(at, keys);
    position seen = visible(g->causal, row.whole, (position)g->queries, keys);
    float lse = g->lse[row.whole], delta = g->delta[row.whole], p[PACK], ds[PACK];
    load_scores(g->scores, row.whole * keys, row.rest, seen, step, p);
    load(SL_F32, g->dp, at, step, ds);
    EACH(k) {
        p[k] = expf(p[k] - lse);
        ds[k] = p[k] * (ds[k] - delta) * g->scale;
    }
    store(g->dtype, g->p, at, step, p);
    store(g->dtype, g->ds, at, step, ds);
}

#endif
