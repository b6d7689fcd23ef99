#include "diffusion/tiles.h"

#include "base/memory.h"

sl_tiles sl_tiles_of(int64_t length, int64_t tile) {
    if (tile >= length) return (sl_tiles){length, length, 1};
    int64_t step = tile - tile / 4, rest = length - tile;
    return (sl_tiles){length, tile, (rest + step - 1) / step + 1};
}

int64_t sl_tiles_start(const sl_tiles *t, int64_t index) {
    return t->count > 1 ? index * (t->length - t->tile) / (t->count - 1) : 0;
}

/* How much of place p of a tile counts, seen from an edge within the image: nothing for a quarter of the
 * overlap, where the edge's zeros have been seen, then more and more. */
static float from_edge(int64_t p, int64_t overlap) {
    float quarters = ((float)p + 0.5f) * 4 / (float)overlap;
    float rise = (quarters - 1) / 2;
    return rise < 0 ? 0 : rise > 1 ? 1 : rise;
}

static void raw_weights(const sl_tiles *t, int64_t scale, float *out) {
    int64_t places = t->tile * scale, overlap = t->tile / 4 * scale;
    for (int64_t i = 0; i < t->count; i++)
        for (int64_t p = 0; p < places; p++) {
            float left = i > 0 ? from_edge(p, overlap) : 1;
            float right = i + 1 < t->count ? from_edge(places - 1 - p, overlap) : 1;
            out[i * places + p] = left < right ? left : right;
        }
}

sl_status sl_tiles_weights(const sl_tiles *t, int64_t scale, float **out) {
    int64_t places = t->tile * scale, length = t->length * scale;
    float *weights, *sums;
    SL_TRY(sl_alloc(&weights, (size_t)(t->count * places), sizeof *weights));
    sl_status status = sl_alloc(&sums, (size_t)length, sizeof *sums);
    if (status != SL_OK) {
        sl_free(weights);
        return status;
    }
    raw_weights(t, scale, weights);
    for (int64_t p = 0; p < length; p++) sums[p] = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < t->count; i++) {
            float *at = sums + sl_tiles_start(t, i) * scale, *of_tile = weights + i * places;
            for (int64_t p = 0; p < places; p++)
                if (pass == 0)
                    at[p] += of_tile[p];
                else
                    of_tile[p] /= at[p];
        }
    sl_free(sums);
    *out = weights;
    return SL_OK;
}

void sl_tile_add(const sl_tile_place *place, const float *tile, float *out) {
    for (int64_t y = 0; y < place->tile_h; y++)
        for (int64_t x = 0; x < place->tile_w; x++) {
            float weight = place->by_row[y] * place->by_column[x];
            const float *from = tile + (y * place->tile_w + x) * place->channels;
            float *to = out + ((place->row + y) * place->width + place->column + x) * place->channels;
            for (int64_t c = 0; c < place->channels; c++) to[c] += weight * from[c];
        }
}
