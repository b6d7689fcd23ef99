/* An image cut into overlapping tiles of one size, and put together again with weights that fall towards the
 * tiles' edges. Along an axis; a grid of tiles is the product of two. */
#ifndef SL_DIFFUSION_TILES_H
#define SL_DIFFUSION_TILES_H

#include "base/status.h"

#include <stdint.h>

/* Neighbours share at least a quarter of a tile. */
typedef struct sl_tiles {
    int64_t length, tile, count;
} sl_tiles;

/* Tiles of `tile` along `length`; one of the whole length where that is not longer. tile >= 4. */
sl_tiles sl_tiles_of(int64_t length, int64_t tile);
/* Where tile `index` begins: spread evenly, the first at 0, the last up to the end. */
int64_t sl_tiles_start(const sl_tiles *tiles, int64_t index);

/* Weights [count, tile * scale] of the tiles' places in the result, whose sum at each of its length * scale
 * places is
 * 1. Caller frees (sl_free). */
sl_status sl_tiles_weights(const sl_tiles *tiles, int64_t scale, float **out);

/* out [height, width, channels] += weights times tile [tile_h, tile_w, channels], whose first place is (row,
 * column); weights by row and by column. */
typedef struct sl_tile_place {
    int64_t row, column, tile_h, tile_w, width, channels;
    const float *by_row, *by_column;
} sl_tile_place;
void sl_tile_add(const sl_tile_place *place, const float *tile, float *out);

#endif
