/* How arrays [images, rows, columns] are shared out where each column is worked through by itself (statistics
 * of norms, sums over rows): a block takes a tile of columns and a slice of an image's rows; within it
 * `width` packs of columns lie side by side, worked through by `lanes` threads each. */
#ifndef SL_BACKEND_CUDA_TILING_H
#define SL_BACKEND_CUDA_TILING_H

#include <stdint.h>

enum {
    SL_CUDA_THREADS = 256,                 /* of a block */
    SL_CUDA_TILE_PACKS = 64,               /* most packs of columns in a tile */
    SL_CUDA_SLICES = 256,                  /* most slices of an image's rows */
    SL_CUDA_SHARED = 16 * SL_CUDA_THREADS, /* floats that the threads of a block share */
};

typedef struct sl_cuda_tiling {
    int64_t images, rows, columns;
    int64_t slices, slice_rows;
    int32_t step, packs, tiles, width, lanes; /* a pack is `step` columns */
} sl_cuda_tiling;

static inline int64_t sl_cuda_parts(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}

/* Slices go by shape alone, since memory is sized for them and sums run in their order: eight rows for a
 * thread, fewer (two at least) where blocks for a whole device would be lacking. */
static inline int64_t sl_cuda_slices(int64_t images, int64_t rows, int64_t columns) {
    int64_t packs = sl_cuda_parts(columns, 8), tiles = sl_cuda_parts(packs, SL_CUDA_TILE_PACKS);
    int64_t lanes = SL_CUDA_THREADS / sl_cuda_parts(packs, tiles);
    int64_t usual = rows / (lanes * 8), wanted = sl_cuda_parts(264, images * tiles);
    int64_t most = sl_cuda_parts(rows, lanes * 2), slices = wanted < most ? wanted : most;
    if (slices < usual) slices = usual;
    return slices < SL_CUDA_SLICES ? slices : (int64_t)SL_CUDA_SLICES;
}

/* None of the sizes is 0; columns are a multiple of step, 8 or 1. */
static inline sl_cuda_tiling sl_cuda_tile(int64_t images, int64_t rows, int64_t columns, int32_t step) {
    sl_cuda_tiling t;
    t.images = images, t.rows = rows, t.columns = columns;
    t.slice_rows = sl_cuda_parts(rows, sl_cuda_slices(images, rows, columns));
    t.slices = sl_cuda_parts(rows, t.slice_rows);
    t.step = step;
    t.packs = (int32_t)(columns / step);
    t.tiles = (int32_t)sl_cuda_parts(t.packs, SL_CUDA_TILE_PACKS);
    t.width = (int32_t)sl_cuda_parts(t.packs, t.tiles);
    t.lanes = SL_CUDA_THREADS / t.width;
    return t;
}

#endif
