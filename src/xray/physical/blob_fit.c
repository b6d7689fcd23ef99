#include "xray/physical/blob_fit.h"

#include "base/memory.h"
#include "xray/physical/least_squares.h"

#include <math.h>

enum { LEVELS = 3, NEIGHBOURS = 8, DIRECTIONS = 16, WINDOW = 5, ROUNDS = 14, FREE = 9 };

static const double clear = 4; /* standard errors by which a candidate rises over each side */
static const float even =
    0.3F; /* least of these rises over the largest: rings and arcs go on along themselves */

/* The image in square cells of `cell_px`: sums of counts and of good pixels, and the mean of the 3 x 3 cells
 * about each; NaN where little of them is seen. */
typedef struct cell_map {
    int32_t rows, columns, cell_px;
    float *counts, *pixels, *smooth, *weight;
} cell_map;

static sl_status map_new(int32_t rows, int32_t columns, int32_t cell_px, cell_map *out) {
    *out = (cell_map){.rows = rows, .columns = columns, .cell_px = cell_px};
    size_t n = (size_t)rows * (size_t)columns;
    SL_TRY(sl_alloc(&out->counts, 4 * n, sizeof(float)));
    out->pixels = out->counts + n, out->smooth = out->pixels + n, out->weight = out->smooth + n;
    return SL_OK;
}

static void fill_from_image(const sl_image *image, cell_map *map) {
    int32_t cell = map->cell_px;
    for (int32_t i = 0; i < map->rows * cell; i++)
        for (int32_t j = 0; j < map->columns * cell; j++) {
            int64_t k = (int64_t)i * image->width_px + j, to = (int64_t)(i / cell) * map->columns + j / cell;
            if (image->mask[k]) continue;
            map->counts[to] += image->value[k], map->pixels[to]++;
        }
}

static void fill_from_finer(const cell_map *fine, cell_map *map) {
    for (int32_t i = 0; i < map->rows; i++)
        for (int32_t j = 0; j < map->columns; j++)
            for (int d = 0; d < 4; d++) {
                int64_t from = (int64_t)(2 * i + d / 2) * fine->columns + 2 * j + d % 2,
                        to = (int64_t)i * map->columns + j;
                map->counts[to] += fine->counts[from], map->pixels[to] += fine->pixels[from];
            }
}

static void smooth(cell_map *map) {
    float full = (float)(9 * map->cell_px * map->cell_px);
    for (int64_t k = 0; k < (int64_t)map->rows * map->columns; k++) map->smooth[k] = NAN;
    for (int32_t i = 1; i + 1 < map->rows; i++)
        for (int32_t j = 1; j + 1 < map->columns; j++) {
            int64_t k = (int64_t)i * map->columns + j;
            float counts = 0, pixels = 0;
            for (int64_t line = k - map->columns; line <= k + map->columns; line += map->columns) {
                counts += map->counts[line - 1] + map->counts[line] + map->counts[line + 1];
                pixels += map->pixels[line - 1] + map->pixels[line] + map->pixels[line + 1];
            }
            if (pixels < 0.4f * full) continue;
            map->smooth[k] = counts / pixels, map->weight[k] = pixels;
        }
}

/* Whether the cell is the highest of its neighbours. */
static bool is_top(const cell_map *map, int64_t k) {
    int64_t row = map->columns,
            neighbour[NEIGHBOURS] = {-row - 1, -row, -row + 1, -1, 1, row - 1, row, row + 1};
    float here = map->smooth[k];
    if (!(here > 0)) return false;
    for (int d = 0; d < NEIGHBOURS; d++)
        if (map->smooth[k + neighbour[d]] > here) return false;
    return true;
}

/* Whether the cell rises clearly over what lies around it, on all sides, of which three quarters are seen.
 * The directions are so many that one runs along any ring. */
static bool is_candidate(const cell_map *map, int32_t i, int32_t j) {
    static const int down[DIRECTIONS] = {0, 2, 3, 4, 4, 4, 3, 2, 0, -2, -3, -4, -4, -4, -3, -2},
                     right[DIRECTIONS] = {4, 4, 3, 2, 0, -2, -3, -4, -4, -4, -3, -2, 0, 2, 3, 4};
    int64_t k = (int64_t)i * map->columns + j;
    if (!is_top(map, k)) return false;
    int seen = 0;
    float here = map->smooth[k], least = INFINITY, most = 0;
    for (int d = 0; d < DIRECTIONS; d++) {
        int32_t row = i + down[d], column = j + right[d];
        if (row < 0 || column < 0 || row >= map->rows || column >= map->columns) continue;
        int64_t beside = (int64_t)row * map->columns + column;
        float there = map->smooth[beside];
        if (isnan(there)) continue;
        double noise = ((double)here + 0.1) / (double)map->weight[k] +
                       ((double)there + 0.1) / (double)map->weight[beside];
        if ((double)(here - there) < clear * sqrt(noise)) return false;
        least = fminf(least, here - there), most = fmaxf(most, here - there);
        seen++;
    }
    return 4 * seen >= 3 * DIRECTIONS && least > even * most;
}

/* What a fit sees: the cells of a window about a candidate. */
typedef struct patch {
    int count, most;
    double y[(2 * WINDOW + 1) * (2 * WINDOW + 1)], x[(2 * WINDOW + 1) * (2 * WINDOW + 1)],
        mean[(2 * WINDOW + 1) * (2 * WINDOW + 1)], variance[(2 * WINDOW + 1) * (2 * WINDOW + 1)];
} patch;

static void cut(const cell_map *map, int32_t i, int32_t j, patch *out) {
    float full = (float)(map->cell_px * map->cell_px);
    out->count = 0;
    for (int y = -WINDOW; y <= WINDOW; y++)
        for (int x = -WINDOW; x <= WINDOW; x++) {
            if (y * y + x * x > WINDOW * WINDOW + WINDOW) continue;
            int32_t row = i + y, column = j + x;
            if (row < 0 || column < 0 || row >= map->rows || column >= map->columns) continue;
            int64_t k = (int64_t)row * map->columns + column;
            if (map->pixels[k] < 0.5f * full) continue;
            double pixels = (double)map->pixels[k], mean = (double)map->counts[k] / pixels;
            out->y[out->count] = y, out->x[out->count] = x, out->mean[out->count] = mean;
            /* of the smoothed level, so that empty cells do not count too much; and what a flat field leaves
             */
            double level = isnan(map->smooth[k]) ? mean : 0.5 * (mean + (double)map->smooth[k]);
            out->variance[out->count++] = (fmax(level, 0) + 0.1) / pixels + 4e-4 * mean * mean;
        }
}

/* p: height, row, column, three of the inverse covariance, ground, its slopes. */
static double model(const void *context, const double *p, int at, double *derivative) {
    const patch *f = context;
    double y = f->y[at], x = f->x[at];
    double v = y - p[1], u = x - p[2], bell = exp(-0.5 * (p[3] * v * v + 2 * p[4] * v * u + p[5] * u * u));
    double high = p[0] * bell;
    derivative[0] = bell;
    derivative[1] = high * (p[3] * v + p[4] * u);
    derivative[2] = high * (p[4] * v + p[5] * u);
    derivative[3] = -0.5 * high * v * v;
    derivative[4] = -high * v * u;
    derivative[5] = -0.5 * high * u * u;
    derivative[6] = 1, derivative[7] = y, derivative[8] = x;
    return high + p[6] + p[7] * y + p[8] * x;
}

static bool is_possible(const double *now, double *p) {
    (void)now;
    return p[3] > 0.02 && p[5] > 0.02 && p[3] * p[5] > 1.05 * p[4] * p[4] && fabs(p[1]) < 2.5 &&
           fabs(p[2]) < 2.5;
}

/* rms of what the fit leaves beyond counting noise within the middle, over the height. */
static double left_over(const patch *f, const double *p) {
    double sum = 0, derivative[FREE];
    int n = 0;
    for (int k = 0; k < f->count; k++) {
        double rest = f->mean[k] - model(f, p, k, derivative);
        sum += rest * rest - f->variance[k];
        n++;
    }
    return sqrt(fmax(sum, 0) / fmax(n, 1)) / p[0];
}

static bool fit(const cell_map *map, int32_t i, int32_t j, blob *out) {
    patch f;
    cut(map, i, j, &f);
    if (f.count < 50) return false;
    double p[FREE] = {0, 0, 0, 0.25, 0, 0.25, 0, 0, 0}, variance[FREE], beside = 0;
    for (int k = 0; k < f.count; k++)
        if (f.y[k] * f.y[k] + f.x[k] * f.x[k] > 12) p[6] += f.mean[k], beside++;
    p[6] /= fmax(beside, 1);
    p[0] = fmax((double)map->smooth[(int64_t)i * map->columns + j] - p[6], 1e-3) * 1.2;
    curve bell = {FREE, f.count, f.mean, f.variance, model, is_possible, &f};
    double chi = curve_fit(&bell, ROUNDS, 1e-3, p, variance);
    if (!isfinite(chi) || p[0] <= 0) return false;
    double scale = sqrt(fmax(1, chi / (f.count - FREE)));
    double middle = 0.5 * (p[3] + p[5]), apart = hypot(0.5 * (p[3] - p[5]), p[4]), cell = map->cell_px;
    double area = cell * cell / (p[3] * p[5] - p[4] * p[4]);
    *out = (blob){.row = (i + 0.5 + p[1]) * cell,
                  .column = (j + 0.5 + p[2]) * cell,
                  .wide = cell / sqrt(middle - apart),
                  .narrow = cell / sqrt(middle + apart),
                  .spread = {area * p[5], -area * p[4], area * p[3]},
                  .height = p[0],
                  .height_error = scale * sqrt(variance[0]),
                  .ground = p[6],
                  .misfit = left_over(&f, p)};
    return true;
}

static void find_at_level(const cell_map *map, blob *out, int *count) {
    for (int32_t i = 1; i + 1 < map->rows; i++)
        for (int32_t j = 1; j + 1 < map->columns && *count < BLOBS; j++) {
            blob found;
            if (!is_candidate(map, i, j) || !fit(map, i, j, &found)) continue;
            /* the level at which it is a few cells wide sees it best */
            double narrow = found.narrow / map->cell_px;
            if (narrow < 1.1 || narrow > 2.9) continue;
            bool known = false;
            for (int k = 0; k < *count && !known; k++)
                known = hypot(out[k].row - found.row, out[k].column - found.column) <
                        1.5 * fmax(out[k].wide, found.wide);
            if (!known) out[(*count)++] = found;
        }
}

sl_status blobs_find(const physical_view *view, blob out[BLOBS], int *count) {
    const sl_image *image = view->image;
    cell_map map[LEVELS] = {{0}};
    sl_status status = SL_OK;
    int32_t cell = (int32_t)fmax(1, floor(view->unit_px + 0.5));
    *count = 0;
    for (int level = 0; level < LEVELS && !status; level++, cell *= 2) {
        int32_t rows = level ? map[level - 1].rows / 2 : image->height_px / cell,
                columns = level ? map[level - 1].columns / 2 : image->width_px / cell;
        if (rows < 3 || columns < 3) break;
        status = map_new(rows, columns, cell, &map[level]);
        if (status) break;
        if (level)
            fill_from_finer(&map[level - 1], &map[level]);
        else
            fill_from_image(image, &map[level]);
        smooth(&map[level]);
        find_at_level(&map[level], out, count);
    }
    for (int level = 0; level < LEVELS; level++) sl_free(map[level].counts);
    return status;
}
