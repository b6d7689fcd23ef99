/* A20: a frame that repeats itself is made of copies. */
#include "xray/physical/internal.h"

#include <math.h>
#include <stdio.h>

enum { CELLS = 64 };

typedef struct cell_map {
    double value[CELLS][CELLS];
    bool good[CELLS][CELLS];
} cell_map;

/* sqrt of the mean counts of cells, less that of their neighbourhood: what is smooth repeats everywhere. */
static void fill(const sl_image *image, cell_map *out) {
    cell_map mean = {.good = {{false}}};
    double high = image->height_px / (double)CELLS, wide = image->width_px / (double)CELLS;
    for (int i = 0; i < CELLS; i++)
        for (int j = 0; j < CELLS; j++) {
            double sum = 0, pixels = 0;
            for (int32_t y = (int32_t)(i * high); y < (int32_t)((i + 1) * high); y++)
                for (int32_t x = (int32_t)(j * wide); x < (int32_t)((j + 1) * wide); x++) {
                    int64_t k = (int64_t)y * image->width_px + x;
                    if (!image->mask[k]) sum += (double)image->value[k], pixels++;
                }
            mean.good[i][j] = pixels > 0;
            mean.value[i][j] = pixels > 0 ? sqrt(fmax(0, sum / pixels)) : 0;
        }
    for (int i = 0; i < CELLS; i++)
        for (int j = 0; j < CELLS; j++) {
            double sum = 0, count = 0;
            for (int y = i - 2; y <= i + 2; y++)
                for (int x = j - 2; x <= j + 2; x++)
                    if (y >= 0 && x >= 0 && y < CELLS && x < CELLS && mean.good[y][x])
                        sum += mean.value[y][x], count++;
            out->good[i][j] = mean.good[i][j] && count > 8;
            out->value[i][j] = out->good[i][j] ? mean.value[i][j] - sum / count : 0;
        }
}

/* Correlation of the map with itself, moved by (down, right). */
static double correlation(const cell_map *map, int down, int right) {
    double product = 0, first = 0, second = 0;
    for (int i = 0; i + down < CELLS; i++)
        for (int j = 0; j + right < CELLS; j++) {
            if (!map->good[i][j] || !map->good[i + down][j + right]) continue;
            double a = map->value[i][j], b = map->value[i + down][j + right];
            product += a * b, first += a * a, second += b * b;
        }
    return first > 0 && second > 0 ? product / sqrt(first * second) : 0;
}

sl_status physical_tiling(const physical_view *view, sl_physical_result *out) {
    cell_map map;
    snprintf(out->saw, sizeof out->saw, "an image of less than %d x %d pixels", CELLS, CELLS);
    if (view->image->height_px < CELLS || view->image->width_px < CELLS) return SL_OK;
    fill(view->input->image, &map);
    double whole = correlation(&map, 0, 0);
    snprintf(out->saw, sizeof out->saw, "nothing but a level");
    if (whole <= 0) return SL_OK;
    out->applicable = true;
    /* a streak or a horizon repeats in one direction, copies in both */
    out->value = fmax(0, fmin(correlation(&map, CELLS / 2, 0), correlation(&map, 0, CELLS / 2)));
    snprintf(out->saw, sizeof out->saw, "halves and quarters of the frame correlate by %.2f", out->value);
    return SL_OK;
}
