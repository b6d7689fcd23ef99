/* Counting statistics: what photon counts cannot do. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 6, PERIOD = 8 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int64_t count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

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

/* Mean over one line of the normalised difference to the lines beside it; NaN with too few pixels. */
static double line_excess(const sl_image *image, int axis, int32_t line) {
    int64_t w = image->width_px, beside = axis ? 1 : w;
    int32_t length = axis ? image->height_px : image->width_px;
    double sum = 0, count = 0;
    for (int32_t t = 0; t < length; t++) {
        int64_t k = axis ? t * w + line : line * w + t;
        if (image->mask[k] | image->mask[k - beside] | image->mask[k + beside]) continue;
        double side = ((double)image->value[k - beside] + (double)image->value[k + beside]) / 2;
        if (side <= 0) continue;
        sum += fmax(-3, fmin(3, ((double)image->value[k] - side) / sqrt(1.5 * side + 0.5)));
        count++;
    }
    return count >= 24 ? sum / sqrt(count) : NAN;
}

enum { LINES = 4096 };

/* A grid shows in every eighth line: how far the median over the lines of one phase is from that of all
 * lines, in units of its noise; the largest. */
static double axis_grid(const sl_image *image, int axis) {
    int32_t lines = axis ? image->width_px : image->height_px, total = 0;
    double all[LINES], most = 0;
    if (lines > LINES) lines = LINES;
    for (int32_t line = 1; line + 1 < lines; line++) {
        double e = line_excess(image, axis, line);
        if (!isnan(e)) all[total++] = e;
    }
    if (total < 6 * PERIOD) return 0;
    double usual = median(all, total);
    for (int phase = 0; phase < PERIOD; phase++) {
        double own[LINES / PERIOD + 1];
        int n = 0;
        for (int32_t line = phase ? phase : PERIOD; line + 1 < lines; line += PERIOD) {
            double e = line_excess(image, axis, line);
            if (!isnan(e)) own[n++] = e;
        }
        if (n >= 6) most = fmax(most, fabs(median(own, n) - usual) * sqrt(n) / 1.25);
    }
    return most;
}

sl_status physical_noise(const sl_physical_input *input, sl_physical_result *variance,
                         sl_physical_result *correlation, sl_physical_result *grid) {
    const sl_image *image = input->image;
    const sl_measurement *m = input->measurement;
    sl_physical_result *all[3] = {variance, correlation, grid};
    for (int k = 0; k < 3; k++)
        snprintf(all[k]->saw, sizeof all[k]->saw, "a detector that does not count photons");
    if (m && m->detector && m->detector->kind != SL_DETECTOR_HYBRID) return SL_OK;
    block_map map = {image->height_px / BLOCK, image->width_px / BLOCK, NULL};
    size_t blocks = (size_t)map.rows * (size_t)map.columns;
    double *room, *ratio, product = 0, square = 0;
    SL_TRY(sl_alloc(&room, 2 * blocks + 1, sizeof *room));
    map.mean = room;
    ratio = room + blocks;
    fill_blocks(image, &map);
    int64_t used = 0;
    for (int32_t i = 0; i < map.rows; i++)
        for (int32_t j = 0; j < map.columns; j++) {
            double mean = map.mean[(int64_t)i * map.columns + j];
            if (!is_smooth(&map, i, j)) continue;
            ratio[used++] = block_variance(image, i * BLOCK, j * BLOCK, mean, &product, &square) / mean;
        }
    for (int k = 0; k < 3; k++)
        snprintf(all[k]->saw, sizeof all[k]->saw, "too few smooth places with 1.5 to 150 counts a pixel");
    if (used >= 30) {
        /* the median of a sum of squares lies below its mean: 0.89 for these 16 dependent terms */
        double middle = median(ratio, used) / 0.89;
        variance->applicable = correlation->applicable = grid->applicable = true;
        variance->value = fabs(log(fmax(middle, 1e-3)));
        snprintf(variance->saw, sizeof variance->saw, "variance is %.2f of the mean", middle);
        /* as many neighbour pairs as pixels, twice, less those across the border; the mean taken off costs
         * 1/36 */
        double rho = product / square * (BLOCK * BLOCK) / (2.0 * BLOCK * (BLOCK - 1)) + 1.0 / (BLOCK * BLOCK);
        correlation->value = fabs(rho);
        snprintf(correlation->saw, sizeof correlation->saw, "neighbours correlate by %.3f", rho);
        grid->value = fmax(axis_grid(image, 0), axis_grid(image, 1));
        snprintf(grid->saw, sizeof grid->saw, "strongest of 8 phases is %.1f sigma", grid->value);
    }
    sl_free(room);
    return SL_OK;
}
