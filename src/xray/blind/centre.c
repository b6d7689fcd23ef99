/* The centre of symmetry of a transmission image. */
#include "xray/blind.h"

#include <math.h>
#include <string.h>

enum { RADII = 192, AXES = 6, CANDIDATES = 16, APART = 3 };

/* The image averaged over cells: sqrt of counts, which has the same noise everywhere, and how much of the
 * cell is good. */
typedef struct cells {
    int rows, columns;
    double cell_px;
    float *value, *weight; /* [rows, columns] */
} cells;

static void normalise(cells *c) {
    double weight = 0, sum = 0, square = 0;
    for (int k = 0; k < c->rows * c->columns; k++) {
        double w = (double)c->weight[k], v = (double)c->value[k];
        weight += w, sum += w * v, square += w * v * v;
    }
    double mean = weight > 0 ? sum / weight : 0,
           sigma = weight > 0 ? sqrt(fmax(0, square / weight - mean * mean)) : 0;
    for (int k = 0; k < c->rows * c->columns; k++)
        c->value[k] = sigma > 0 && c->weight[k] > 0 ? (float)(((double)c->value[k] - mean) / sigma) : 0;
    if (sigma <= 0) memset(c->weight, 0, (size_t)c->rows * (size_t)c->columns * sizeof(float));
}

static void fill_cells(const sl_image *image, cells *out) {
    memset(out->value, 0, (size_t)out->rows * (size_t)out->columns * sizeof(float));
    memset(out->weight, 0, (size_t)out->rows * (size_t)out->columns * sizeof(float));
    for (int32_t i = 0; i < image->height_px; i++)
        for (int32_t j = 0; j < image->width_px; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            int r = (int)(i / out->cell_px), c = (int)(j / out->cell_px);
            if (image->mask[k] || r >= out->rows || c >= out->columns) continue;
            out->value[r * out->columns + c] += fmaxf(image->value[k], 0);
            out->weight[r * out->columns + c]++;
        }
    for (int k = 0; k < out->rows * out->columns; k++)
        if (out->weight[k] > 0) out->value[k] = log1pf(out->value[k] / out->weight[k]);
    normalise(out);
}

static sl_status new_cells(const sl_image *image, int most, cells *out) {
    int32_t longer = image->height_px > image->width_px ? image->height_px : image->width_px;
    *out = (cells){.cell_px = fmax(1, (double)longer / most)};
    out->rows = (int)ceil(image->height_px / out->cell_px);
    out->columns = (int)ceil(image->width_px / out->cell_px);
    size_t count = (size_t)out->rows * (size_t)out->columns;
    SL_TRY(sl_alloc(&out->value, 2 * count, sizeof(float)));
    out->weight = out->value + count;
    fill_cells(image, out);
    return SL_OK;
}

typedef struct bins {
    float sum[RADII][AXES], weight[RADII][AXES];
    int filled[RADII][AXES];
} bins;

/* Which of AXES lines through the centre, of which opposite sides are one: even steps of the diamond angle,
 * which is cheaper than the arc tangent. */
static int axis_of(float y, float x) {
    float sign = y < 0 ? -1 : 1, sum = fabsf(x) + fabsf(y);
    float turn = sum > 0 ? sign * x / sum : 0;
    int axis = (int)((1 - turn) * (AXES * 0.5f));
    return axis < AXES ? axis : 0;
}

/* Share of the variance that remains inside bins of radius and axis about (row, column), in cells; the
 * values' own variance is 1. */
static double left_over(const cells *c, bins *b, double row, double column) {
    memset(b, 0, sizeof *b);
    float scale = RADII / hypotf((float)c->rows, (float)c->columns);
    for (int i = 0; i < c->rows; i++) {
        float y = (float)(i + 0.5 - row);
        for (int j = 0; j < c->columns; j++) {
            float w = c->weight[i * c->columns + j], x = (float)(j + 0.5 - column);
            if (w <= 0) continue;
            int r = (int)(sqrtf(x * x + y * y) * scale), axis = axis_of(y, x);
            if (r >= RADII) r = RADII - 1;
            b->sum[r][axis] += w * c->value[i * c->columns + j];
            b->weight[r][axis] += w;
            b->filled[r][axis]++;
        }
    }
    double between = 0, freedom = 0, all = 0;
    for (int r = 0; r < RADII; r++)
        for (int a = 0; a < AXES; a++) {
            if (b->filled[r][a] == 0) continue;
            double w = (double)b->weight[r][a], sum = (double)b->sum[r][a];
            between += sum * sum / w;
            freedom += w * (1 - 1.0 / b->filled[r][a]); /* a bin of one cell says nothing */
            all += w;
        }
    return freedom > 0.2 * all ? (all - between) / freedom : INFINITY;
}

/* The best of a (2n+1)^2 grid about (*row, *column), which it becomes. */
static double search(const cells *c, bins *b, int n, double step, double *row, double *column) {
    double best = INFINITY, y0 = *row, x0 = *column;
    for (int i = -n; i <= n; i++)
        for (int j = -n; j <= n; j++) {
            double value = left_over(c, b, y0 + i * step, x0 + j * step);
            if (value < best) best = value, *row = y0 + i * step, *column = x0 + j * step;
        }
    return best;
}

/* A place that may be the centre, in cells of the level at hand, and what it leaves over. */
typedef struct candidate {
    double row, column, left;
} candidate;

/* Puts a place among the best, at most one within APART cells. */
static void consider(candidate *best, candidate found) {
    int at = CANDIDATES;
    for (int k = 0; k < CANDIDATES; k++) {
        if (fmax(fabs(best[k].row - found.row), fabs(best[k].column - found.column)) >= APART) continue;
        if (best[k].left <= found.left) return;
        at = k;
        break;
    }
    if (at == CANDIDATES) {
        at = CANDIDATES - 1;
        if (best[at].left <= found.left) return;
    }
    best[at] = found;
    for (; at > 0 && best[at].left < best[at - 1].left; at--) {
        candidate swap = best[at];
        best[at] = best[at - 1], best[at - 1] = swap;
    }
}

/* Looks everywhere within the image and a quarter of its side around it. */
static void search_all(const cells *c, bins *b, candidate best[CANDIDATES]) {
    int margin_rows = c->rows / 4, margin_columns = c->columns / 4;
    for (int k = 0; k < CANDIDATES; k++) best[k] = (candidate){-1e9, -1e9, INFINITY};
    for (int i = -margin_rows; i <= c->rows + margin_rows; i++)
        for (int j = -margin_columns; j <= c->columns + margin_columns; j++)
            consider(best, (candidate){i, j, left_over(c, b, i, j)});
}

/* At small angles the beam is where it is brightest, whatever the coarse search says of sharp rings. */
static candidate brightest(const cells *c) {
    candidate out = {0, 0, 1};
    float most = -INFINITY;
    for (int k = 0; k < c->rows * c->columns; k++)
        if (c->weight[k] > 0 && c->value[k] > most) {
            most = c->value[k];
            out.row = k / c->columns + 0.5, out.column = k % c->columns + 0.5;
        }
    return out;
}

static void refine(const cells *level, bins *b, double factor, int reach, double step, candidate *place) {
    place->row *= factor, place->column *= factor;
    place->left = search(level, b, reach, step, &place->row, &place->column);
}

sl_status sl_blind_centre_find(const sl_image *image, sl_blind_centre *out) {
    enum { LEVELS = 4 };
    static const int sizes[LEVELS] = {32, 64, 128, 256};
    cells level[LEVELS] = {{0}};
    candidate best[CANDIDATES];
    bins *b = NULL;
    sl_status status;
    for (int k = 0; k < LEVELS; k++) SL_GUARD(status, new_cells(image, sizes[k], &level[k]), done);
    SL_GUARD(status, sl_alloc(&b, 1, sizeof *b), done);
    search_all(&level[0], b, best);
    best[CANDIDATES - 1] = brightest(&level[0]);
    for (int k = 0; k < CANDIDATES; k++)
        if (isfinite(best[k].left)) {
            refine(&level[1], b, level[0].cell_px / level[1].cell_px, 2, 0.75, &best[k]);
            refine(&level[2], b, level[1].cell_px / level[2].cell_px, 2, 0.75, &best[k]);
        }
    int first = 0;
    for (int k = 1; k < CANDIDATES; k++)
        if (best[k].left < best[first].left) first = k;
    candidate *place = &best[first];
    if (!isfinite(place->left)) {
        status = sl_fail(SL_NUMERIC, "nothing but a level: the beam's place cannot be told");
        goto done;
    }
    refine(&level[3], b, level[2].cell_px / level[3].cell_px, 1, 1, place);
    refine(&level[3], b, 1, 1, 0.5, place);
    refine(&level[3], b, 1, 1, 0.25, place);
    *out = (sl_blind_centre){place->row * level[3].cell_px, place->column * level[3].cell_px,
                             fmax(0, 1 - place->left)};
done:
    for (int k = 0; k < LEVELS; k++) sl_free(level[k].value);
    sl_free(b);
    return status;
}
