#include "base/memory.h"
#include "xray/physical/noise/noise.h"

#include <math.h>
#include <stdio.h>

enum { BLOCK = NOISE_BLOCK, LEAST_PLACES = 30 };

static const double least_mean = 0.08, most_mean = 5000, /* counts a pixel; fainter ones are mostly nought */
    least_counts = 54,                                   /* of a place */
    usual_flat = 0.02;                                   /* spread of the pixels' gains, at most */

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
    /* a NaN fails every comparison */
    return b[0] >= least_mean && b[0] <= most_mean && fabs(along) < 2.5 * noise && fabs(down) < 2.5 * noise &&
           fabs(b[1] - b[-1]) + fabs(b[map->columns] - b[-map->columns]) < 0.8 * b[0] + 2 * noise;
}

/* Variance within the block by a filter blind to planes and to curvature along rows or columns
 * (Immerkaer, Comput. Vis. Image Underst. 64 (1996) 300). */
static double block_variance(const sl_image *image, int32_t top, int32_t left) {
    int64_t w = image->width_px;
    double sum = 0;
    for (int y = 0; y + 2 < BLOCK; y++)
        for (int x = 0; x + 2 < BLOCK; x++) {
            const float *v = image->value + (top + y) * w + left + x;
            double d = (double)(v[0] - 2 * v[1] + v[2] - 2 * v[w] + 4 * v[w + 1] - 2 * v[w + 2] + v[2 * w] -
                                2 * v[2 * w + 1] + v[2 * w + 2]);
            sum += d * d / 36;
        }
    return sum / ((BLOCK - 2) * (BLOCK - 2));
}

/* What is summed over the blocks of a place. */
typedef struct place_sums {
    double mean, square_mean, variance;
    double product,
        square; /* of neighbours' and of pixels' differences from the block's plane, over its mean */
} place_sums;

static void add_block(const sl_image *image, int32_t top, int32_t left, double mean, place_sums *place) {
    double rest[BLOCK][BLOCK], across = 0, down = 0, middle = (BLOCK - 1) / 2.0;
    static const double moment = BLOCK * BLOCK * (BLOCK * BLOCK - 1) / 12.0; /* of x squared over a block */
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++) {
            rest[y][x] = (double)image->value[(int64_t)(top + y) * image->width_px + left + x] - mean;
            across += (x - middle) * rest[y][x] / moment, down += (y - middle) * rest[y][x] / moment;
        }
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++) {
            rest[y][x] -= across * (x - middle) + down * (y - middle);
            place->square += rest[y][x] * rest[y][x] / mean;
            if (x > 0) place->product += rest[y][x] * rest[y][x - 1] / mean;
            if (y > 0) place->product += rest[y][x] * rest[y - 1][x] / mean;
        }
    place->mean += mean, place->square_mean += mean * mean;
    place->variance += block_variance(image, top, left);
}

/* Correlation of neighbours in a place: 0 for independent ones. Taking the plane off leaves 33 of 36 squares,
 * and in 60 pairs of neighbours -13/3: the sum over them of the projection's elements,
 * 1/36 + (x x' + y y') / 105. */
static double correlation_of(const place_sums *place) {
    return place->square > 0 ? place->product / place->square * 33 / 60 + 13.0 / 180 : 1;
}

/* Medians over places: what lies on edges and narrow rings among them does not count. `values` has room for
 * three of each block. */
static void measure(const sl_image *image, const block_map *map, double *values, noise_places *out) {
    int most = map->rows * map->columns;
    double *variance = values, *reduced = values + most, *correlation = values + 2 * most;
    place_sums place = {0};
    for (int32_t i = 0; i < map->rows; i++)
        for (int32_t j = 0; j < map->columns; j++) {
            if (!is_smooth(map, i, j)) continue;
            add_block(image, i * BLOCK, j * BLOCK, map->mean[i * map->columns + j], &place);
            if (place.mean * BLOCK * BLOCK < least_counts) continue;
            variance[out->used] = place.variance / place.mean;
            reduced[out->used] = (place.variance - usual_flat * usual_flat * place.square_mean) / place.mean;
            correlation[out->used++] = correlation_of(&place);
            place = (place_sums){0};
        }
    if (out->used == 0) return;
    /* the median of a sum of squares lies below its mean: 0.89 for 16 dependent terms */
    out->variance = physical_median(variance, out->used) / 0.89;
    out->reduced_variance = physical_median(reduced, out->used) / 0.89;
    out->correlation = physical_median(correlation, out->used);
}

sl_status noise_places_look(const physical_view *view, noise_places *places, sl_physical_result *out,
                            bool *found) {
    const sl_measurement *m = view->input->measurement;
    const sl_image *image = view->image;
    *places = (noise_places){.used = 0};
    *found = false;
    snprintf(out->saw, sizeof out->saw, "a detector that does not count photons");
    if (m && sl_detector_integrates(m->detector)) return SL_OK;
    block_map map = {image->height_px / BLOCK, image->width_px / BLOCK, NULL};
    size_t blocks = (size_t)map.rows * (size_t)map.columns;
    SL_TRY(sl_alloc(&map.mean, 4 * blocks + 1, sizeof *map.mean));
    fill_blocks(image, &map);
    measure(image, &map, map.mean + blocks, places);
    sl_free(map.mean);
    snprintf(out->saw, sizeof out->saw, "too few smooth places with counts");
    *found = places->used >= LEAST_PLACES;
    return SL_OK;
}
