/* Winograd's minimal filtering of 3x3 convolutions of stride 1, F(4x4,3x3) (Lavin and Gray 2016, arXiv
 * 1509.09308): 36 products for 16 outputs in place of 144, of the convolution
 *     y = A^T [(G g G^T) * (B^T d B)] A
 * over tiles of 6x6 inputs d and 4x4 outputs y, and of its derivative by the weights
 *     dg = G^T [sum over tiles of (A dy A^T) * (B^T d B)] G.
 * The points are 0, 3/4, -3/4, 3/2, -3/2 and infinity, whose coefficients are exact in fp32 and lose a
 * quarter as much as the usual 1 and 2: its error is at most some 1e-5 of the result's root mean square. */
#ifndef SL_BACKEND_CPU_ISA_WINOGRAD_H
#define SL_BACKEND_CPU_ISA_WINOGRAD_H

#include "backend/cpu/isa/conv.h"

enum {
    POINTS = 36,
    SIDE = 4, /* outputs of a tile; it reads SIDE + 2 inputs */
    /* floats between the arrays of two points beyond their size: a tile is written to all 36 at one place of
     * each, which would fall into the same few lines of the caches if they lay a power of two apart */
    POINT_GAP = 16,
};

/* The points besides 0: A, -A, B, -B */
#define A 0.75f
#define B 1.5f

/* Over the product of a point's distances to the others */
#define SCALE_A (1 / (2 * A * A * (A * A - B * B)))
#define SCALE_B (1 / (2 * B * B * (B * B - A * A)))
#define SCALE_0 (1 / (A * A * B * B))

/* G g, one column of G g G^T from one column of g: g at each point p, scaled. */
SL_INLINE void transform_weights(const vf g[3], vf out[6]) {
    const vf scale_a = vf_set1(SCALE_A), scale_b = vf_set1(SCALE_B);
    vf even_a = vf_fma(g[2], vf_set1(A * A), g[0]), even_b = vf_fma(g[2], vf_set1(B * B), g[0]);
    out[0] = g[0] * vf_set1(SCALE_0);
    out[1] = vf_fma(g[1], vf_set1(A), even_a) * scale_a;
    out[2] = vf_fnma(g[1], vf_set1(A), even_a) * scale_a;
    out[3] = vf_fma(g[1], vf_set1(B), even_b) * scale_b;
    out[4] = vf_fnma(g[1], vf_set1(B), even_b) * scale_b;
    out[5] = g[2];
}

/* G g G^T of row `at` of each tap, points `step` apart. */
SL_INLINE void transform_taps(const float *const rows[9], int64_t at, float *out, int64_t step) {
    for (int64_t j = 0; j < NR; j += VL) {
        vf half[3][6], column[6];
        for (int x = 0; x < 3; x++) {
            vf g[3] = {vf_load(rows[x] + at + j), vf_load(rows[3 + x] + at + j),
                       vf_load(rows[6 + x] + at + j)};
            transform_weights(g, half[x]);
        }
        for (int y = 0; y < 6; y++) {
            vf g[3] = {half[0][y], half[1][y], half[2][y]};
            transform_weights(g, column);
            for (int x = 0; x < 6; x++) vf_store(out + (y * 6 + x) * step + j, column[x]);
        }
    }
}

/* G^T m, one line of G^T m G from one line of m */
SL_INLINE void transform_weight_sums(const vf m[6], vf out[3]) {
    vf sum_a = (m[1] + m[2]) * vf_set1(SCALE_A), difference_a = (m[1] - m[2]) * vf_set1(SCALE_A * A);
    vf sum_b = (m[3] + m[4]) * vf_set1(SCALE_B), difference_b = (m[3] - m[4]) * vf_set1(SCALE_B * B);
    out[0] = vf_fma(m[0], vf_set1(SCALE_0), sum_a + sum_b);
    out[1] = difference_a + difference_b;
    out[2] = vf_fma(sum_a, vf_set1(A * A), vf_fma(sum_b, vf_set1(B * B), m[5]));
}

/* B^T d for one line of six */
SL_INLINE void transform_input(const vf d[6], vf out[6]) {
    const vf aa = vf_set1(A * A), bb = vf_set1(B * B), sum = vf_set1(A * A + B * B),
             product = vf_set1(A * A * B * B);
    vf even_a = vf_fnma(bb, d[2], d[4]), odd_a = vf_fnma(bb, d[1], d[3]);
    vf even_b = vf_fnma(aa, d[2], d[4]), odd_b = vf_fnma(aa, d[1], d[3]);
    out[0] = vf_fma(product, d[0], vf_fnma(sum, d[2], d[4]));
    out[1] = vf_fma(vf_set1(A), odd_a, even_a);
    out[2] = vf_fnma(vf_set1(A), odd_a, even_a);
    out[3] = vf_fma(vf_set1(B), odd_b, even_b);
    out[4] = vf_fnma(vf_set1(B), odd_b, even_b);
    out[5] = vf_fma(product, d[1], vf_fnma(sum, d[3], d[5]));
}

/* A^T m for one line of six */
SL_INLINE void transform_output(const vf m[6], vf out[4]) {
    vf sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + sum_a + sum_b;
    out[1] = vf_fma(vf_set1(A), difference_a, vf_set1(B) * difference_b);
    out[2] = vf_fma(vf_set1(A * A), sum_a, vf_set1(B * B) * sum_b);
    out[3] = vf_fma(vf_set1(A * A * A), difference_a, vf_fma(vf_set1(B * B * B), difference_b, m[5]));
}

/* A y for one line of four: y at each point */
SL_INLINE void transform_output_grad(const vf y[4], vf out[6]) {
    vf even_a = vf_fma(y[2], vf_set1(A * A), y[0]), even_b = vf_fma(y[2], vf_set1(B * B), y[0]);
    vf odd_a = vf_fma(y[3], vf_set1(A * A), y[1]), odd_b = vf_fma(y[3], vf_set1(B * B), y[1]);
    out[0] = y[0];
    out[1] = vf_fma(vf_set1(A), odd_a, even_a);
    out[2] = vf_fnma(vf_set1(A), odd_a, even_a);
    out[3] = vf_fma(vf_set1(B), odd_b, even_b);
    out[4] = vf_fnma(vf_set1(B), odd_b, even_b);
    out[5] = y[3];
}

/* What tiles are read from: images [n][h][w] with `stride` elements a pixel. */
typedef struct tile_map {
    const void *data;
    int64_t h, w, stride, pad_top, pad_left; /* of the first tile */
    int64_t tiles_y, tiles_x;
    bool bf16; /* else fp32; all arithmetic is in fp32 */
} tile_map;

/* A tile's first pixel, which may lie outside */
typedef struct tile_place {
    int64_t image, y, x;
} tile_place;

SL_INLINE tile_place place_of(const tile_map *map, int64_t tile) {
    int64_t x = tile % map->tiles_x, rest = tile / map->tiles_x;
    return (tile_place){rest / map->tiles_y, rest % map->tiles_y * SIDE - map->pad_top,
                        x * SIDE - map->pad_left};
}

/* Whether all of a tile of side x side pixels exists */
SL_INLINE bool tile_inside(const tile_map *map, const tile_place *p, int64_t side) {
    return p->y >= 0 && p->y + side <= map->h && p->x >= 0 && p->x + side <= map->w;
}

SL_INLINE int64_t tile_corner(const tile_map *map, const tile_place *p) {
    return ((p->image * map->h + p->y) * map->w + p->x) * map->stride;
}

/* Pixel (y, x) of a tile whose corner is element `corner` of the data: zero where it does not exist. */
SL_INLINE vf tile_pixel(const tile_map *map, const bool bf16, const bool inside, const tile_place *p,
                        int64_t corner, int64_t y, int64_t x, int64_t lanes) {
    int64_t from = corner + (y * map->w + x) * map->stride;
    if (inside) return vf_get(bf16, map->data, from);
    int64_t at_y = p->y + y, at_x = p->x + x;
    bool exists = at_y >= 0 && at_y < map->h && at_x >= 0 && at_x < map->w;
    return exists ? vf_get_n(bf16, map->data, from, lanes) : vf_zero();
}

/* B^T d B of a vector of channels; `inside`: all 36 inputs exist and the channels fill the vector. */
SL_INLINE void input_vector(const tile_map *map, const bool bf16, const bool inside, const tile_place *p,
                            int64_t channel, int64_t lanes, float *v, int64_t point_step) {
    int64_t corner = tile_corner(map, p) + channel;
    vf half[6][6], line[6], done[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) line[x] = tile_pixel(map, bf16, inside, p, corner, y, x, lanes);
        transform_input(line, half[y]);
    }
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) line[y] = half[y][x];
        transform_input(line, done);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) {
            if (inside)
                vf_store(v + (y * 6 + x) * point_step, done[y]);
            else
                vf_store_n(v + (y * 6 + x) * point_step, done[y], lanes);
        }
    }
}

/* What makes a tile's points of a vector of channels: input_vector, or that of the gradient of outputs. */
typedef void (*tile_vector)(const tile_map *map, const bool bf16, const bool inside, const tile_place *p,
                            int64_t channel, int64_t lanes, float *out, int64_t point_step);

SL_INLINE void transform_tiles_of(const tile_map *map, const bool bf16, int64_t side,
                                  const tile_vector vector, range tiles, range channels, float *out,
                                  int64_t tile_step, int64_t point_step) {
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++, out += tile_step) {
        tile_place p = place_of(map, tile);
        bool inside = tile_inside(map, &p, side);
        for (int64_t c = channels.begin; c < channels.end; c += VL) {
            int64_t lanes = min_of(VL, channels.end - c);
            if (inside && lanes == VL)
                vector(map, bf16, true, &p, c, VL, out + c - channels.begin, point_step);
            else
                vector(map, bf16, false, &p, c, lanes, out + c - channels.begin, point_step);
        }
    }
}

/* Channels of some tiles of side x side pixels to out[36][tile][channel], points point_step apart and tiles
 * tile_step. `vector` is a constant, inlined. */
SL_INLINE void transform_tiles(const tile_map *map, int64_t side, const tile_vector vector, range tiles,
                               range channels, float *out, int64_t tile_step, int64_t point_step) {
    if (map->bf16)
        transform_tiles_of(map, true, side, vector, tiles, channels, out, tile_step, point_step);
    else
        transform_tiles_of(map, false, side, vector, tiles, channels, out, tile_step, point_step);
}

SL_INLINE void transform_inputs(const tile_map *map, range tiles, range channels, float *v, int64_t tile_step,
                                int64_t point_step) {
    transform_tiles(map, SIDE + 2, input_vector, tiles, channels, v, tile_step, point_step);
}

#endif
