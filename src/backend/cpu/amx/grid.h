/* Images with zeros around them as one row of positions: a tap of a convolution is then a fixed distance, for
 * every output of every image, and tiles are full whatever the width. What a product gives at positions
 * between the outputs is not used. Zeros are multiplied like any other number, so that an infinite value can
 * make a NaN of a sum that other levels keep finite.
 *
 * Output (n, y, x) of a convolution of stride s is at position n*image + s*(y*columns + x); under tap
 * (dy, dx) it sees the position tap_at(dy, dx) further. */
#ifndef SL_BACKEND_CPU_AMX_GRID_H
#define SL_BACKEND_CPU_AMX_GRID_H

#include "backend/cpu/amx/tiles.h"

typedef struct grid {
    int64_t batch, height, width; /* of the images */
    int64_t top, left;            /* image pixel of the first position; may be outside */
    int64_t rows, columns;        /* positions of an image */
    int64_t step, image;          /* positions: between neighbouring outputs, of an image */
    int64_t out_h, out_w;
} grid;

/* Rows and columns hold every pixel that a tap of an output sees; columns are a multiple of the step. */
SL_INLINE grid grid_of(int64_t batch, int64_t height, int64_t width, int64_t out_h, int64_t out_w,
                       int64_t step, const conv_tap *taps, int64_t count) {
    int64_t dy0 = 0, dy1 = 0, dx0 = 0, dx1 = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i == 0) dy0 = dy1 = taps[i].dy, dx0 = dx1 = taps[i].dx;
        dy0 = min_of(dy0, taps[i].dy), dy1 = max_of(dy1, taps[i].dy);
        dx0 = min_of(dx0, taps[i].dx), dx1 = max_of(dx1, taps[i].dx);
    }
    grid g = {.batch = batch, .height = height, .width = width, .top = dy0, .left = dx0, .step = step};
    g.rows = (out_h - 1) * step + 1 + dy1 - dy0;
    g.columns = round_up((out_w - 1) * step + 1 + dx1 - dx0, step);
    g.image = g.rows * g.columns;
    g.out_h = out_h, g.out_w = out_w;
    return g;
}

SL_INLINE int64_t tap_at(const grid *g, const conv_tap *tap) {
    return (tap->dy - g->top) * g->columns + tap->dx - g->left;
}

/* Where the image pixels of positions [begin, begin + count) are, as row numbers of [batch*height*width];
 * -1: outside. */
static inline void find_pixels(const grid *g, int64_t begin, int64_t count, int64_t *out) {
    int64_t column = begin % g->columns, row = begin / g->columns % g->rows, n = begin / g->image;
    for (int64_t i = 0; i < count; i++) {
        int64_t y = row + g->top, x = column + g->left;
        bool inside = n < g->batch && y >= 0 && y < g->height && x >= 0 && x < g->width;
        out[i] = inside ? (n * g->height + y) * g->width + x : -1;
        if (++column < g->columns) continue;
        column = 0;
        if (++row < g->rows) continue;
        row = 0;
        n++;
    }
}

/* Which outputs lie at every step-th of the positions from begin*step on, as row numbers of
 * [batch*out_h*out_w]; -1: none. */
static inline void find_outputs(const grid *g, int64_t begin, int64_t count, int64_t *out) {
    int64_t in_image = g->image / g->step, n = begin / in_image, rest = begin % in_image,
            y = rest / g->columns, x = rest % g->columns;
    for (int64_t i = 0; i < count; i++, rest++, x++) {
        if (rest == in_image) n++, rest = y = x = 0;
        if (x == g->columns) y++, x = 0;
        bool inside = n < g->batch && y < g->out_h && x < g->out_w;
        out[i] = inside ? (n * g->out_h + y) * g->out_w + x : -1;
    }
}

#endif
