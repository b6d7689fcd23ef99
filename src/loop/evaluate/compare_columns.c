#include "base/memory.h"
#include "base/threads.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdlib.h>

/* Mean and standard deviation of the present values of a column. */
static double column_mean(const sl_points *points, int64_t column, const sl_rows *set, double *deviation,
                          double *missing) {
    double sum = 0, squares = 0, n = 0;
    for (int64_t i = 0; i < set->count; i++) {
        double v = sl_points_row(points, set->row[i])[column];
        if (isfinite(v)) sum += v, n++;
    }
    double mean = n > 0 ? sum / n : NAN;
    for (int64_t i = 0; i < set->count; i++) {
        double v = sl_points_row(points, set->row[i])[column];
        if (isfinite(v)) squares += (v - mean) * (v - mean);
    }
    if (deviation) *deviation = n > 1 ? sqrt(squares / (n - 1)) : 0;
    if (missing) *missing = set->count ? 1 - n / (double)set->count : 1;
    return mean;
}

typedef struct work {
    const sl_comparison *c;
    const sl_compare_settings *settings;
    sl_rows reference, candidate;
    const double *deviation; /* of each column in the reference */
    double *shift;           /* [draws][columns] */
} work;

static sl_status draw_shift(void *context, int64_t task, int worker) {
    const work *w = context;
    (void)worker;
    int64_t n = w->reference.count, m = w->candidate.count, *room;
    SL_TRY(sl_alloc(&room, 2 * (size_t)(n + m) + 1, sizeof *room));
    sl_rows a = {room, 0}, b = {room + n, 0}, other = {room + 2 * n, 0}, rest = {room + 2 * n + m, 0};
    sl_random random = sl_random_stream(w->settings->seed, SL_STREAM_BOOTSTRAP, 3000000 + (uint32_t)task);
    sl_status status = sl_halves_draw(&w->reference, w->c->group, &random, &a, &b);
    if (!status) status = sl_halves_draw(&w->candidate, w->c->group + n, &random, &other, &rest);
    for (int64_t f = 0; f < SL_IMAGE_FEATURE_COUNT && !status; f++)
        w->shift[task * SL_IMAGE_FEATURE_COUNT + f] =
            (column_mean(&w->c->raw, f, &other, NULL, NULL) - column_mean(&w->c->raw, f, &a, NULL, NULL)) /
            w->deviation[f];
    sl_free(room);
    return status;
}

static int by_p(const void *a, const void *b) {
    const sl_column_difference *x = a, *y = b;
    if (isnan(x->ks.p) != isnan(y->ks.p)) return isnan(x->ks.p) ? 1 : -1;
    if (x->ks.p != y->ks.p && !isnan(x->ks.p)) return x->ks.p > y->ks.p ? 1 : -1;
    if (x->ks.statistic != y->ks.statistic && !isnan(x->ks.statistic))
        return x->ks.statistic < y->ks.statistic ? 1 : -1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static sl_status test_columns(const work *w, double *deviation, sl_column_difference *out) {
    double p[SL_IMAGE_FEATURE_COUNT];
    for (int f = 0; f < SL_IMAGE_FEATURE_COUNT; f++) {
        sl_column_difference *d = &out[f];
        *d = (sl_column_difference){.feature = (sl_image_feature)f, .used = w->c->kept[f]};
        d->reference_mean = column_mean(&w->c->raw, f, &w->reference, &deviation[f], &d->reference_missing);
        d->candidate_mean = column_mean(&w->c->raw, f, &w->candidate, NULL, &d->candidate_missing);
        SL_TRY(sl_ks_test(&w->c->raw, f, w->c->group_rows, &w->reference, &w->candidate, &d->ks));
        p[f] = d->ks.p;
    }
    sl_holm(p, SL_IMAGE_FEATURE_COUNT);
    for (int f = 0; f < SL_IMAGE_FEATURE_COUNT; f++) out[f].p_adjusted = p[f];
    return SL_OK;
}

static sl_status draw_shifts(work *w, sl_column_difference *out) {
    int64_t draws = w->settings->draws, n = w->reference.count;
    double *column;
    SL_TRY(sl_alloc(&column, (size_t)draws, sizeof *column));
    sl_status status = sl_parallel_try(draws, draw_shift, w);
    for (int f = 0; f < SL_IMAGE_FEATURE_COUNT && !status; f++) {
        for (int64_t d = 0; d < draws; d++) column[d] = w->shift[d * SL_IMAGE_FEATURE_COUNT + f];
        out[f].shift = sl_estimate_of_draws(column, draws, n / 2, "half-samples");
        out[f].shift.value = (out[f].candidate_mean - out[f].reference_mean) / w->deviation[f];
        if (!isfinite(out[f].shift.value)) out[f].shift.value = NAN;
    }
    sl_free(column);
    return status;
}

sl_status sl_compare_columns(const sl_comparison *comparison, const sl_compare_settings *settings,
                             sl_column_difference out[SL_IMAGE_FEATURE_COUNT]) {
    int64_t n = comparison->reference, m = comparison->candidate, *room = NULL;
    double deviation[SL_IMAGE_FEATURE_COUNT];
    work w = {.c = comparison, .settings = settings, .deviation = deviation};
    sl_status status;
    SL_GUARD(status, sl_alloc(&room, (size_t)(n + m), sizeof *room), done);
    SL_GUARD(status, sl_alloc(&w.shift, (size_t)(settings->draws * SL_IMAGE_FEATURE_COUNT), sizeof *w.shift),
             done);
    for (int64_t i = 0; i < n + m; i++) room[i] = i;
    w.reference = (sl_rows){room, n};
    w.candidate = (sl_rows){room + n, m};
    SL_GUARD(status, test_columns(&w, deviation, out), done);
    SL_GUARD(status, draw_shifts(&w, out), done);
    qsort(out, SL_IMAGE_FEATURE_COUNT, sizeof *out, by_p);
done:
    sl_free(room);
    sl_free(w.shift);
    return status;
}
