#include "loop/evaluate/points.h"

#include "base/memory.h"
#include "base/threads.h"

#include <math.h>

sl_status sl_points_new(int64_t count, int64_t width, sl_points *out) {
    size_t numbers;
    *out = (sl_points){.count = count, .width = width};
    SL_TRY(sl_size_mul((size_t)count, (size_t)width, &numbers));
    return sl_alloc(&out->at, numbers ? numbers : 1, sizeof *out->at);
}

void sl_points_free(sl_points *points) {
    sl_free(points->at);
    *points = (sl_points){0};
}

typedef struct column {
    double mean, deviation;
    int64_t present;
} column;

static column measure_column(const sl_points *raw, int64_t index, int64_t first, int64_t end) {
    column c = {0};
    double squares = 0;
    for (int64_t i = first; i < end; i++) {
        double v = sl_points_row(raw, i)[index];
        if (isfinite(v)) c.mean += v, c.present++;
    }
    if (c.present) c.mean /= (double)c.present;
    for (int64_t i = first; i < end; i++) {
        double v = sl_points_row(raw, i)[index];
        if (isfinite(v)) squares += (v - c.mean) * (v - c.mean);
    }
    c.deviation = c.present > 1 ? sqrt(squares / (double)(c.present - 1)) : 0;
    return c;
}

static double held(double v) {
    return fmax(-SL_STANDARD_REACH, fmin(SL_STANDARD_REACH, v));
}

sl_status sl_points_standardise(const sl_points *raw, int64_t reference, int64_t rows, unsigned char *kept,
                                sl_points *out) {
    column *columns;
    int64_t width = 0;
    SL_TRY(sl_alloc(&columns, (size_t)raw->width, sizeof *columns));
    for (int64_t c = 0; c < raw->width; c++) {
        column here = measure_column(raw, c, 0, reference), other = measure_column(raw, c, reference, rows);
        double least = 1e-9 * (1 + fabs(here.mean));
        if (here.deviation <= least) here.deviation = measure_column(raw, c, 0, rows).deviation;
        kept[c] =
            2 * here.present >= reference && 2 * other.present >= rows - reference && here.deviation > least;
        columns[c] = here;
        width += kept[c];
    }
    sl_status status = sl_points_new(raw->count, width, out);
    for (int64_t i = 0; !status && i < raw->count; i++) {
        double *row = out->at + i * width;
        for (int64_t c = 0; c < raw->width; c++) {
            if (!kept[c]) continue;
            double v = (sl_points_row(raw, i)[c] - columns[c].mean) / columns[c].deviation;
            *row++ = isfinite(v) ? held(v) : 0;
        }
    }
    sl_free(columns);
    return status;
}

static double measure_pair(const double *x, const double *y, int64_t width, sl_pair_kind kind) {
    double sum = 0;
    switch (kind) {
    case SL_PAIR_EUCLID:
        for (int64_t c = 0; c < width; c++) sum += (x[c] - y[c]) * (x[c] - y[c]);
        return sqrt(sum);
    case SL_PAIR_ABSOLUTE:
        for (int64_t c = 0; c < width; c++) sum += fabs(x[c] - y[c]);
        return width ? sum / (double)width : 0;
    case SL_PAIR_POLYNOMIAL:
        for (int64_t c = 0; c < width; c++) sum += x[c] * y[c];
        sum = (width ? sum / (double)width : 0) + 1;
        return sum * sum * sum;
    }
    return NAN;
}

typedef struct work {
    const sl_points *points;
    sl_pair_kind kind;
    sl_pairs *pairs;
} work;

static void fill_row(void *context, int64_t i, int worker) {
    const work *w = context;
    (void)worker;
    for (int64_t j = 0; j <= i; j++) {
        float v = (float)measure_pair(sl_points_row(w->points, i), sl_points_row(w->points, j),
                                      w->points->width, w->kind);
        w->pairs->at[i * w->pairs->count + j] = w->pairs->at[j * w->pairs->count + i] = v;
    }
}

sl_status sl_pairs_new(const sl_points *points, sl_pair_kind kind, sl_pairs *out) {
    size_t numbers;
    *out = (sl_pairs){.count = points->count};
    SL_TRY(sl_size_mul((size_t)points->count, (size_t)points->count, &numbers));
    SL_TRY(sl_alloc(&out->at, numbers ? numbers : 1, sizeof *out->at));
    work w = {points, kind, out};
    sl_parallel_for(points->count, fill_row, &w);
    return SL_OK;
}

void sl_pairs_free(sl_pairs *pairs) {
    sl_free(pairs->at);
    *pairs = (sl_pairs){0};
}
