/* What the pieces do, item by item, in the common subset of C and CUDA C++: pieces.cu compiles it for
 * devices, tests for the host. The includer defines PIECE (how functions are declared), sl_cuda_team with
 * members rank and size, and team_max(team, x), team_sum(team, x). */
#ifndef SL_BACKEND_CUDA_LIB_PIECES_BODIES_H
#define SL_BACKEND_CUDA_LIB_PIECES_BODIES_H

#include "backend/cuda/element.h"
#include "backend/cuda/lib/pieces.h"

#include <math.h>

PIECE int64_t convert_items(const sl_cuda_convert *c) {
    return c->count;
}

PIECE void convert_at(const sl_cuda_convert *c, int64_t i) {
    set(c->to_dtype, c->to, i, get(c->from_dtype, c->from, i));
}

PIECE int64_t repack_items(const sl_cuda_repack *r) {
    return r->out_c * r->in_c * r->taps;
}

/* i counts in the target: writes are in order. */
PIECE void repack_at(const sl_cuda_repack *r, int64_t i) {
    int64_t o = i / (r->in_c * r->taps), rest = i % (r->in_c * r->taps);
    int64_t c = r->back ? rest / r->taps : rest % r->in_c, tap = r->back ? rest % r->taps : rest / r->in_c;
    int64_t from = r->back ? (o * r->taps + tap) * r->in_c + c : (o * r->in_c + c) * r->taps + tap;
    set(r->to_dtype, r->to, i, get(r->from_dtype, r->from, from));
}

PIECE int64_t add_bias_items(const sl_cuda_add_bias *a) {
    return a->rows * a->columns;
}

PIECE void add_bias_at(const sl_cuda_add_bias *a, int64_t i) {
    set(a->dtype, a->y, i, get(a->dtype, a->y, i) + get(a->bias_dtype, a->bias, i % a->columns));
}

PIECE int64_t column_partial_items(const sl_cuda_column_partial *s) {
    return s->slices * s->columns;
}

PIECE void column_partial_at(const sl_cuda_column_partial *s, int64_t i) {
    int64_t slice = i / s->columns, column = i % s->columns;
    float sum = 0;
    for (int64_t row = slice; row < s->rows; row += s->slices)
        sum += get(s->dtype, s->x, row * s->columns + column);
    s->partial[i] = sum;
}

PIECE int64_t column_total_items(const sl_cuda_column_total *s) {
    return s->columns;
}

PIECE void column_total_at(const sl_cuda_column_total *s, int64_t i) {
    float sum = 0;
    for (int64_t slice = 0; slice < s->slices; slice++) sum += s->partial[slice * s->columns + i];
    s->out[i] = sum;
}

PIECE int64_t window_items(const sl_cuda_window *w) {
    return w->images * w->to_h * w->to_w * w->channels;
}

PIECE void window_at(const sl_cuda_window *w, int64_t i) {
    int64_t c = i % w->channels, pixel = i / w->channels;
    int64_t column = pixel % w->to_w + w->right, row = pixel / w->to_w % w->to_h + w->down;
    int64_t image = pixel / w->to_w / w->to_h;
    bool inside = row >= 0 && row < w->from_h && column >= 0 && column < w->from_w;
    int64_t from = ((image * w->from_h + row) * w->from_w + column) * w->channels + c;
    set(w->dtype, w->to, i, inside ? get(w->dtype, w->from, from) : 0);
}

PIECE int64_t visible(bool causal, int64_t row, int64_t queries, int64_t keys) {
    int64_t seen = row % queries + 1;
    return causal && seen < keys ? seen : keys;
}

PIECE int64_t probabilities_items(const sl_cuda_probabilities *p) {
    return p->rows;
}

/* Each thread reads and writes the same elements, so that p may be the scores' memory. */
PIECE void probabilities_at(const sl_cuda_probabilities *p, int64_t row, sl_cuda_team team) {
    int64_t seen = visible(p->causal, row, p->queries, p->keys);
    const float *scores = p->scores + row * p->keys;
    float highest = -INFINITY, sum = 0;
    for (int64_t j = team.rank; j < seen; j += team.size) highest = fmaxf(highest, scores[j]);
    highest = team_max(team, highest);
    for (int64_t j = team.rank; j < seen; j += team.size) sum += expf(scores[j] - highest);
    sum = team_sum(team, sum);
    for (int64_t j = team.rank; j < p->keys; j += team.size)
        set(p->dtype, p->p, row * p->keys + j, j < seen ? expf(scores[j] - highest) / sum : 0);
    if (p->lse && team.rank == 0) p->lse[row] = highest + logf(sum);
}

PIECE int64_t row_products_items(const sl_cuda_row_products *r) {
    return r->images * r->heads * r->queries;
}

PIECE void row_products_at(const sl_cuda_row_products *r, int64_t i) {
    int64_t query = i % r->queries, head = i / r->queries % r->heads, image = i / r->queries / r->heads;
    int64_t at = ((image * r->queries + query) * r->heads + head) * r->head_dim;
    float sum = 0;
    for (int64_t d = 0; d < r->head_dim; d++)
        sum += get(r->dtype, r->a, at + d) * get(r->dtype, r->b, at + d);
    r->out[i] = sum;
}

PIECE int64_t score_gradient_items(const sl_cuda_score_gradient *g) {
    return g->rows * g->keys;
}

PIECE void score_gradient_at(const sl_cuda_score_gradient *g, int64_t i) {
    int64_t row = i / g->keys;
    bool seen = i % g->keys < visible(g->causal, row, g->queries, g->keys);
    float p = seen ? expf(g->scores[i] - g->lse[row]) : 0;
    float ds = p * (g->dp[i] - g->delta[row]) * g->scale;
    set(g->dtype, g->p, i, p);
    set(g->dtype, g->ds, i, ds);
}

#endif
