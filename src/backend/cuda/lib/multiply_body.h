/* A plain product in tiles: operands go through shared memory, each member keeps 4 by 4 results. Without the
 * devices' matrix units; for where the libraries are not there. See pieces_bodies.h for what the includer
 * defines. */
#ifndef SL_BACKEND_CUDA_LIB_MULTIPLY_BODY_H
#define SL_BACKEND_CUDA_LIB_MULTIPLY_BODY_H

#include "backend/cuda/element.h"
#include "backend/cuda/lib/pieces.h"

/* Edge of a block's tile, and how deep it is filled at once. The host's, where few members share a tile that
 * each fills anew for its results, are smaller. */
#ifdef __CUDACC__
enum { TILE_EDGE = 64 };
#else
enum { TILE_EDGE = 8 };
#endif
enum { TILE_DEPTH = 16, CELL = 4, CELLS_ACROSS = TILE_EDGE / CELL, TILE_LINE = TILE_EDGE + 4 };

PIECE int64_t multiply_extent(const sl_cuda_multiply *p) {
    const sl_cuda_patches *g = &p->image;
    int64_t sizes[] = {p->batches * p->m * p->n,
                       p->batches * p->m * p->k,
                       p->batches * p->k * p->n,
                       p->m * p->d_row,
                       p->m * (p->a_row > p->a_column ? p->a_row : p->a_column),
                       p->k * p->a_column,
                       p->k * p->b_row,
                       p->n * p->b_column,
                       g->ow ? (p->m > p->k ? p->m : p->k) / (g->oh * g->ow) * g->h * g->w * g->c : 0};
    int64_t most = 0;
    for (int i = 0; i < 9; i++)
        if (sizes[i] > most) most = sizes[i];
    return most;
}

PIECE position multiply_items(const sl_cuda_multiply *p) {
    return (position)p->batches * divided_up((position)p->m, TILE_EDGE) *
           divided_up((position)p->n, TILE_EDGE);
}

/* x[image][oh stride - pad + tap][...][c], 0 outside */
PIECE float patch_value(const sl_cuda_multiply *p, const void *x, position pixel, position place) {
    const sl_cuda_patches *g = &p->image;
    split channel = divide(place, (position)g->c), tap = divide(channel.whole, (position)g->kw);
    split across = divide(pixel, (position)g->ow), down = divide(across.whole, (position)g->oh);
    position h = down.rest * (position)g->stride[0] - (position)g->pad[0] + tap.whole;
    position w = across.rest * (position)g->stride[1] - (position)g->pad[1] + tap.rest;
    if (h < 0 || h >= g->h || w < 0 || w >= g->w) return 0;
    return get(p->in, x,
               ((down.whole * (position)g->h + h) * (position)g->w + w) * (position)g->c + channel.rest);
}

/* y of the window that has the pixel at this tap, 0 where there is none */
PIECE float spread_value(const sl_cuda_multiply *p, const void *y, position pixel, position place) {
    const sl_cuda_patches *g = &p->image;
    split channel = divide(place, (position)g->o), tap = divide(channel.whole, (position)g->kw);
    split across = divide(pixel, (position)g->w), down = divide(across.whole, (position)g->h);
    position h = down.rest + (position)g->pad[0] - tap.whole,
             w = across.rest + (position)g->pad[1] - tap.rest;
    if (h < 0 || w < 0) return 0;
    split by_h = divide(h, (position)g->stride[0]), by_w = divide(w, (position)g->stride[1]);
    if (by_h.rest || by_w.rest || by_h.whole >= g->oh || by_w.whole >= g->ow) return 0;
    return get(p->in, y,
               ((down.whole * (position)g->oh + by_h.whole) * (position)g->ow + by_w.whole) * (position)g->o +
                   channel.rest);
}

PIECE float turned_value(const sl_cuda_multiply *p, const void *w, position place, position c) {
    const sl_cuda_patches *g = &p->image;
    split o = divide(place, (position)g->o);
    return get(p->in, w, (o.rest * (position)(g->kh * g->kw) + o.whole) * (position)g->c + c);
}

PIECE float a_value(const sl_cuda_multiply *p, position batch, position i, position k) {
    if (p->a_from == SL_CUDA_PATCHES) return patch_value(p, p->a, i, k);
    if (p->a_from == SL_CUDA_SPREAD) return spread_value(p, p->a, i, k);
    return get(p->in, p->a,
               batch * (position)p->a_batch + i * (position)p->a_row + k * (position)p->a_column);
}

PIECE float b_value(const sl_cuda_multiply *p, position batch, position k, position j) {
    if (p->b_from == SL_CUDA_PATCHES) return patch_value(p, p->b, k, j);
    if (p->b_from == SL_CUDA_TURNED) return turned_value(p, p->b, k, j);
    return get(p->in, p->b,
               batch * (position)p->b_batch + k * (position)p->b_row + j * (position)p->b_column);
}

typedef struct tile_place {
    position batch, row, column; /* of the tile's first result */
} tile_place;

/* Both operands' parts, [depth][edge] each; neighbours in memory go to neighbouring members. */
PIECE void fill_tile(const sl_cuda_multiply *p, const tile_place *t, position first, sl_cuda_team team) {
    bool a_deep = p->a_from != SL_CUDA_PLAIN || p->a_column == 1;
    bool b_deep = p->b_from == SL_CUDA_PLAIN && p->b_row == 1;
    float *a = team.shared, *b = team.shared + TILE_DEPTH * TILE_LINE;
    for (int e = team.rank; e < TILE_EDGE * TILE_DEPTH; e += team.size) {
        int depth = a_deep ? e % TILE_DEPTH : e / TILE_EDGE, edge = a_deep ? e / TILE_DEPTH : e % TILE_EDGE;
        position i = t->row + edge, k = first + depth;
        a[depth * TILE_LINE + edge] = i < p->m && k < p->k ? a_value(p, t->batch, i, k) : 0;
        depth = b_deep ? e % TILE_DEPTH : e / TILE_EDGE, edge = b_deep ? e / TILE_DEPTH : e % TILE_EDGE;
        position j = t->column + edge;
        k = first + depth;
        b[depth * TILE_LINE + edge] = j < p->n && k < p->k ? b_value(p, t->batch, k, j) : 0;
    }
}

#define EACH_CELL(i) for (int i = 0; i < CELL; i++)

PIECE void add_tile(const float *shared, int row, int column, float sum[CELL][CELL]) {
    const float *a = shared + row, *b = shared + TILE_DEPTH * TILE_LINE + column;
    for (int depth = 0; depth < TILE_DEPTH; depth++, a += TILE_LINE, b += TILE_LINE)
        EACH_CELL(i) EACH_CELL(j) sum[i][j] += a[i] * b[j];
}

PIECE void write_cells(const sl_cuda_multiply *p, const tile_place *t, int row, int column,
                       float sum[CELL][CELL]) {
    EACH_CELL(i) EACH_CELL(j) {
        position at_i = t->row + row + i, at_j = t->column + column + j;
        if (at_i >= p->m || at_j >= p->n) continue;
        float value = p->alpha * sum[i][j] + (p->bias ? get(p->out, p->bias, at_j) : 0);
        set(p->out, p->d, t->batch * (position)p->d_batch + at_i * (position)p->d_row + at_j, value);
    }
}

PIECE void multiply_at(const sl_cuda_multiply *p, position item, sl_cuda_team team) {
    split across = divide(item, divided_up((position)p->n, TILE_EDGE)),
          down = divide(across.whole, divided_up((position)p->m, TILE_EDGE));
    tile_place t = {down.whole, down.rest * TILE_EDGE, across.rest * TILE_EDGE};
    for (int first = 0; first < CELLS_ACROSS * CELLS_ACROSS; first += team.size) { /* once on a device */
        int cell = first + team.rank, row = cell / CELLS_ACROSS * CELL, column = cell % CELLS_ACROSS * CELL;
        bool inside = cell < CELLS_ACROSS * CELLS_ACROSS;
        float sum[CELL][CELL] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}};
        for (position k = 0; k < p->k; k += TILE_DEPTH) {
            fill_tile(p, &t, k, team);
            team_meet(team);
            if (inside) add_tile(team.shared, row, column, sum);
            team_meet(team);
        }
        if (inside) write_cells(p, &t, row, column, sum);
    }
}

#endif
