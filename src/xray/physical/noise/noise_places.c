#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

enum { BLOCK = NOISE_BLOCK, LEAST_PLACES = 30 };

typedef struct block_map {
    int32_t rows, columns;
    double *mean; /* of each block; NaN where a pixel is masked */
} block_map;

static void fill_blocks(const sl_image *image, block_map *map) {
    for (int32_t i = 0; i < map->rows; i++)
        for (int32_t j = 0; j < map->columns; j++) {
            double sum = 0;
            for (int y = 0; y < BLOCK; y++)
                for (int x = 0; x < BLOCK; x++) {
                    int64_t k = (int64_t)(i * BLOCK + y) * image->width_px + j * BLOCK + x;
                    sum += image->mask[k] ? NAN : (double)image->value[k];
                }
            map->mean[(int64_t)i * map->columns + j] = sum / (BLOCK * BLOCK);
        }
}

/* Whether the block and its four neighbours lie on a plane, as far as counting noise lets one see. */
static bool is_smooth(const block_map *map, int32_t i, int32_t j) {
    if (i < 1 || j < 1 || i + 1 >= map->rows || j + 1 >= map->columns) return false;
    const double *b = map->mean + (int64_t)i * map->columns + j;
    double along = b[-1] - 2 * b[0] + b[1], down = b[-map->columns] - 2 * b[0] + b[map->columns];
    double noise = sqrt(6 * b[0]) / BLOCK;
    /* faint blocks say little, bright ones show the flat field; a NaN fails every comparison */
    return b[0] >= 1.5 && b[0] <= 150 && fabs(along) < 2.5 * noise && fabs(down) < 2.5 * noise &&
           fabs(b[1] - b[-1]) + fabs(b[map->columns] - b[-map->columns]) < 0.8 * b[0];
}

/* Variance within the block by a filter blind to planes and to curvature along rows or columns
 * (Immerkaer, Comput. Vis. Image Underst. 64 (1996) 300), and sums for the correlation of neighbours. */
static double block_variance(const sl_image *image, int32_t top, int32_t left, double mean, double *product,
                             double *square) {
    int64_t w = image->width_px;
    double sum = 0;
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++) {
            const float *v = image->value + (top + y) * w + left + x;
            double here = (double)v[0] - mean;
            *square += here * here / mean;
            if (x + 1 < BLOCK) *product += here * ((double)v[1] - mean) / mean;
            if (y + 1 < BLOCK) *product += here * ((double)v[w] - mean) / mean;
            if (x + 2 >= BLOCK || y + 2 >= BLOCK) continue;
            double d = (double)(v[0] - 2 * v[1] + v[2] - 2 * v[w] + 4 * v[w + 1] - 2 * v[w + 2] + v[2 * w] -
                                2 * v[2 * w + 1] + v[2 * w + 2]);
            sum += d * d / 36;
        }
    return sum / ((BLOCK - 2) * (BLOCK - 2));
}

/* The median variance over the mean of smooth blocks; sums for the correlation. */
static sl_status measure(const sl_image *image, noise_places *out) {
    block_map map = {image->height_px / BLOCK, image->width_px / BLOCK, NULL};
    size_t blocks = (size_t)map.rows * (size_t)map.columns;
    double *ratio;
    SL_TRY(sl_alloc(&map.mean, 2 * blocks + 1, sizeof *map.mean));
    ratio = map.mean + blocks;
    fill_blocks(image, &map);
    for (int32_t i = 0; i < map.rows; i++)
        for (int32_t j = 0; j < map.columns; j++) {
            double mean = map.mean[(int64_t)i * map.columns + j];
            if (!is_smooth(&map, i, j)) continue;
            ratio[out->used++] =
                block_variance(image, i * BLOCK, j * BLOCK, mean, &out->product, &out->square) / mean;
        }
    /* the median of a sum of squares lies below its mean: 0.89 for these 16 dependent terms */
    if (out->used > 0) out->variance = physical_median(ratio, out->used) / 0.89;
    sl_free(map.mean);
    return SL_OK;
}

sl_status noise_places_look(const physical_view *view, noise_places *places, sl_physical_result *out,
                            bool *found) {
    const sl_measurement *m = view->input->measurement;
    *places = (noise_places){.used = 0};
    *found = false;
    snprintf(out->saw, sizeof out->saw, "a detector that does not count photons");
    if (m && m->detector && m->detector->kind != SL_DETECTOR_HYBRID) return SL_OK;
    SL_TRY(measure(view->image, places));
    snprintf(out->saw, sizeof out->saw, "too few smooth places with 1.5 to 150 counts a pixel");
    *found = places->used >= LEAST_PLACES;
    return SL_OK;
}
