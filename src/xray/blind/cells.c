/* The image averaged over cells of growing size. */
#include "xray/blind/internal.h"

#include <math.h>
#include <string.h>

static size_t count_of(const blind_cells *c) {
    return (size_t)c->rows * (size_t)c->columns;
}

static sl_status new_cells(int rows, int columns, double cell_px, blind_cells *out) {
    *out = (blind_cells){.rows = rows, .columns = columns, .cell_px = cell_px};
    SL_TRY(sl_alloc(&out->value, 2 * count_of(out), sizeof(float)));
    out->weight = out->value + count_of(out);
    memset(out->value, 0, 2 * count_of(out) * sizeof(float));
    return SL_OK;
}

/* Sums of a row (`step` 1) or of a column over its good pixels; -1 where it has none. */
static double line_sum(const sl_image *image, int64_t first, int64_t step, int32_t length) {
    double sum = 0;
    bool any = false;
    for (int32_t k = 0; k < length; k++) {
        int64_t at = first + k * step;
        if ((image->mask[at] & SL_MASK_NO_VALUE) || !isfinite(image->value[at])) continue;
        sum += (double)fmaxf(image->value[at], 0);
        any = true;
    }
    return any ? sum : -1;
}

/* Marks rows and columns without a single count in an image that has enough of them elsewhere. */
static void mark_empty_lines(const sl_image *image, bool *row_empty, bool *column_empty) {
    enum { LEAST_COUNTS = 30 };
    double total = 0;
    for (int32_t i = 0; i < image->height_px; i++) {
        double sum = line_sum(image, (int64_t)i * image->width_px, 1, image->width_px);
        row_empty[i] = sum == 0;
        total += fmax(sum, 0);
    }
    for (int32_t j = 0; j < image->width_px; j++)
        column_empty[j] = line_sum(image, j, image->width_px, image->height_px) == 0;
    if (total < (double)LEAST_COUNTS * image->height_px) memset(row_empty, 0, (size_t)image->height_px);
    if (total < (double)LEAST_COUNTS * image->width_px) memset(column_empty, 0, (size_t)image->width_px);
}

static void add_pixels(const sl_image *image, const bool *row_empty, const bool *column_empty,
                       blind_cells *out) {
    double area = out->cell_px * out->cell_px;
    for (int32_t i = 0; i < image->height_px; i++) {
        if (row_empty[i]) continue;
        float *value = out->value + (size_t)(i / out->cell_px) * (size_t)out->columns,
              *weight = out->weight + (size_t)(i / out->cell_px) * (size_t)out->columns;
        for (int32_t j = 0; j < image->width_px; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if ((image->mask[k] & SL_MASK_NO_VALUE) || column_empty[j] || !isfinite(image->value[k]))
                continue;
            int c = (int)(j / out->cell_px);
            value[c] += fmaxf(image->value[k], 0);
            weight[c]++;
        }
    }
    for (size_t k = 0; k < count_of(out); k++) {
        if (out->weight[k] > 0) out->value[k] /= out->weight[k];
        out->weight[k] = fminf(1, out->weight[k] / (float)area);
    }
}

/* Takes out cells that tower above all their neighbours: hot pixels, which no point spread gives. */
static void drop_hot(blind_cells *c) {
    for (int i = 1; i + 1 < c->rows; i++)
        for (int j = 1; j + 1 < c->columns; j++) {
            int at = i * c->columns + j;
            float most = 0;
            for (int y = -1; y <= 1; y++)
                for (int x = -1; x <= 1; x++)
                    if ((y || x) && c->weight[at + y * c->columns + x] > 0)
                        most = fmaxf(most, c->value[at + y * c->columns + x]);
            if (c->value[at] > 5 * most + 20) c->weight[at] = 0, c->value[at] = 0;
        }
}

/* Joins squares of `factor` cells a side, 1 or 2. */
static void coarsen(const blind_cells *fine, int factor, blind_cells *out) {
    for (int i = 0; i < fine->rows; i++)
        for (int j = 0; j < fine->columns; j++) {
            int from = i * fine->columns + j, to = (i / factor) * out->columns + j / factor;
            out->value[to] += fine->weight[from] * fine->value[from];
            out->weight[to] += fine->weight[from];
        }
    for (size_t k = 0; k < count_of(out); k++) {
        if (out->weight[k] > 0) out->value[k] /= out->weight[k];
        out->weight[k] /= (float)(factor * factor);
    }
}

/* To ln(1 + counts) of mean 0 and variance 1; false where all is one level. */
static bool normalise(blind_cells *c) {
    double weight = 0, sum = 0, square = 0;
    for (size_t k = 0; k < count_of(c); k++) {
        c->value[k] = log1pf(c->value[k]);
        double w = (double)c->weight[k], v = (double)c->value[k];
        weight += w, sum += w * v, square += w * v * v;
    }
    if (weight <= 0) return false;
    c->mean = sum / weight;
    c->square = 1;
    c->sigma = sqrt(fmax(0, square / weight - c->mean * c->mean));
    if (!(c->sigma > 1e-6 * (1 + fabs(c->mean)))) return false;
    for (size_t k = 0; k < count_of(c); k++)
        c->value[k] = c->weight[k] > 0 ? (float)(((double)c->value[k] - c->mean) / c->sigma) : 0;
    return true;
}

static sl_status fill_finest(const sl_image *image, blind_cells *out) {
    int32_t height = image->height_px, width = image->width_px;
    double cell_px = fmax(1, (double)(height > width ? height : width) / BLIND_SIDE);
    bool *empty;
    SL_TRY(new_cells((int)ceil(height / cell_px), (int)ceil(width / cell_px), cell_px, out));
    SL_TRY(sl_alloc(&empty, (size_t)height + (size_t)width, sizeof *empty));
    mark_empty_lines(image, empty, empty + height);
    add_pixels(image, empty, empty + height, out);
    sl_free(empty);
    drop_hot(out);
    return SL_OK;
}

sl_status blind_pyramid_make(const sl_image *image, blind_cells out[BLIND_LEVELS]) {
    memset(out, 0, BLIND_LEVELS * sizeof *out);
    sl_status status = fill_finest(image, &out[BLIND_FINEST]);
    for (int k = BLIND_FINEST - 1; k >= 0 && !status; k--) {
        const blind_cells *fine = &out[k + 1];
        /* small images keep enough cells for the coarse search */
        int longer = fine->rows > fine->columns ? fine->rows : fine->columns,
            factor = longer > (BLIND_SIDE >> (BLIND_FINEST - k)) ? 2 : 1;
        status = new_cells((fine->rows + factor - 1) / factor, (fine->columns + factor - 1) / factor,
                           factor * fine->cell_px, &out[k]);
        if (!status) coarsen(fine, factor, &out[k]);
    }
    bool seen = true;
    for (int k = 0; k < BLIND_LEVELS && !status; k++) seen &= normalise(&out[k]);
    if (!status && !seen)
        status = sl_fail(SL_NUMERIC, "nothing but a level: the beam's place cannot be told");
    if (status) blind_pyramid_free(out);
    return status;
}

void blind_pyramid_free(blind_cells cells[BLIND_LEVELS]) {
    for (int k = 0; k < BLIND_LEVELS; k++) {
        sl_free(cells[k].value);
        cells[k] = (blind_cells){0};
    }
}
