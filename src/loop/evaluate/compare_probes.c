#include "base/memory.h"
#include "base/threads.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FOLDS = 5, SPLITS = 20, PROBES = 3 };

/* Rows of both sides as one problem; rows of `b` have label true. */
typedef struct problem {
    sl_points points;
    bool *label;
    int64_t *group;
    double *score;
    int64_t count;
} problem;

static void free_problem(problem *p) {
    sl_points_free(&p->points);
    sl_free(p->label);
    sl_free(p->group);
    sl_free(p->score);
    *p = (problem){0};
}

static sl_status make_problem(const sl_comparison *c, const sl_points *from, const sl_rows *a,
                              const sl_rows *b, problem *p) {
    int64_t n = a->count + b->count;
    *p = (problem){.count = n};
    sl_status status;
    SL_GUARD(status, sl_points_new(n, from->width, &p->points), done);
    SL_GUARD(status, sl_alloc(&p->label, (size_t)n + 1, sizeof *p->label), done);
    SL_GUARD(status, sl_alloc(&p->group, (size_t)n + 1, sizeof *p->group), done);
    SL_GUARD(status, sl_alloc(&p->score, (size_t)n + 1, sizeof *p->score), done);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i < a->count ? a->row[i] : b->row[i - a->count];
        memcpy(p->points.at + i * from->width, sl_points_row(from, row),
               (size_t)from->width * sizeof(double));
        p->label[i] = i >= a->count;
        p->group[i] = c->group[row];
    }
done:
    if (status) free_problem(p);
    return status;
}

static sl_status score_problem(problem *p, bool nearest) {
    if (!nearest) return sl_probe_logistic(&p->points, p->label, p->group, FOLDS, p->score);
    sl_pairs distance;
    SL_TRY(sl_pairs_new(&p->points, SL_PAIR_EUCLID, &distance));
    sl_probe_nearest(&distance, p->label, p->group, p->score);
    sl_pairs_free(&distance);
    return SL_OK;
}

/* AUC over some items of a problem, those without a score left out; NAN with one side only. */
static double auc_of(const void *context, const int64_t *index, int64_t count) {
    const problem *p = context;
    double *score, auc = NAN;
    bool *label = NULL;
    if (sl_alloc(&score, (size_t)count + 1, sizeof *score)) return NAN;
    if (sl_alloc(&label, (size_t)count + 1, sizeof *label) == SL_OK) {
        int64_t used = 0;
        for (int64_t i = 0; i < count; i++) {
            if (!isfinite(p->score[index[i]])) continue;
            score[used] = p->score[index[i]];
            label[used++] = p->label[index[i]];
        }
        if (used) auc = sl_roc_auc(score, label, used);
    }
    sl_free(score);
    sl_free(label);
    return auc;
}

typedef struct split_work {
    const sl_comparison *c;
    const sl_points *points;
    const sl_rows *reference;
    const int64_t *group;
    bool nearest;
    uint64_t seed;
    double auc[2][SPLITS]; /* floor, ceiling */
} split_work;

static sl_status auc_between(const split_work *w, const sl_rows *a, const sl_rows *b, double *out) {
    problem p;
    *out = NAN;
    if (!a->count || !b->count) return SL_OK;
    SL_TRY(make_problem(w->c, w->points, a, b, &p));
    sl_status status = score_problem(&p, w->nearest);
    double usable = 0;
    for (int64_t i = 0; i < p.count && !status; i++) usable += isfinite(p.score[i]);
    if (!status && usable > 0) {
        int64_t *index;
        status = sl_alloc(&index, (size_t)p.count, sizeof *index);
        for (int64_t i = 0; i < p.count && !status; i++) index[i] = i;
        if (!status) *out = auc_of(&p, index, p.count), sl_free(index);
    }
    free_problem(&p);
    return status == SL_INVALID ? SL_OK : status; /* halves with too few groups: no number */
}

static sl_status split_task(void *context, int64_t task, int worker) {
    split_work *w = context;
    (void)worker;
    int64_t *room, n = w->reference->count;
    sl_random random = sl_random_stream(w->seed, SL_STREAM_BOOTSTRAP, 2000000 + (uint32_t)task);
    SL_TRY(sl_alloc(&room, 2 * (size_t)n + 1, sizeof *room));
    sl_rows a = {room, 0}, b = {room + n, 0};
    sl_status status = sl_halves_draw(w->reference, w->group, &random, &a, &b);
    if (!status) status = auc_between(w, &a, &b, &w->auc[0][task]);
    for (int64_t i = 0; i < b.count; i++) b.row[i] += sl_comparison_shuffled(w->c);
    if (!status) status = auc_between(w, &a, &b, &w->auc[1][task]);
    sl_free(room);
    return status;
}

static sl_status measure_splits(split_work *w, sl_set_number *number) {
    SL_TRY(sl_parallel_try(SPLITS, split_task, w));
    int64_t half = w->reference->count / 2;
    number->floor = sl_estimate_of_draws(w->auc[0], SPLITS, half, "20 splits");
    number->ceiling = sl_estimate_of_draws(w->auc[1], SPLITS, half, "20 splits");
    return SL_OK;
}

static sl_status measure_value(const sl_comparison *c, const sl_points *points, const sl_rows *a,
                               const sl_rows *b, bool nearest, const sl_compare_settings *settings,
                               sl_set_number *number) {
    problem p;
    SL_TRY(make_problem(c, points, a, b, &p));
    sl_status status = score_problem(&p, nearest);
    if (!status)
        status = sl_bootstrap_grouped(auc_of, &p, p.group, p.count, (int)settings->draws, 0.95,
                                      settings->seed, &number->value);
    free_problem(&p);
    return status;
}

static sl_status measure_probe(const sl_comparison *c, const sl_points *points, const sl_rows *a,
                               const sl_rows *b, bool nearest, const sl_compare_settings *settings,
                               sl_set_number *number) {
    int64_t *group;
    sl_status status = measure_value(c, points, a, b, nearest, settings, number);
    if (status == SL_INVALID) {
        snprintf(number->missing, sizeof number->missing, "%s", sl_error_message());
        return SL_OK;
    }
    SL_TRY(status);
    split_work *w;
    SL_TRY(sl_alloc(&w, 1, sizeof *w));
    *w = (split_work){.c = c, .points = points, .reference = a, .nearest = nearest, .seed = settings->seed};
    status = sl_alloc(&group, (size_t)a->count + 1, sizeof *group);
    if (!status) {
        for (int64_t i = 0; i < a->count; i++) group[i] = c->group[a->row[i]];
        w->group = group;
        status = measure_splits(w, number);
        sl_free(group);
    }
    sl_free(w);
    return status;
}

sl_status sl_compare_probes(const sl_comparison *comparison, const sl_rows *reference,
                            const sl_rows *candidate, const sl_compare_settings *settings,
                            const sl_progress *progress, sl_set_number numbers[SL_SET_NUMBER_COUNT]) {
    static const sl_estimate unknown = {(double)NAN, (double)NAN, (double)NAN, 0, "grouped bootstrap"};
    const sl_points *spaces[PROBES] = {&comparison->physical, &comparison->physical, &comparison->backbone};
    int64_t smaller = reference->count < candidate->count ? reference->count : candidate->count;
    for (int i = 0; i < PROBES; i++) {
        sl_set_number_id id = (sl_set_number_id)(SL_SET_NUMBER_AUC_NEAREST + i);
        sl_set_number *number = &numbers[id];
        *number = (sl_set_number){unknown, unknown, unknown, ""};
        if (!spaces[i]->width)
            snprintf(number->missing, sizeof number->missing, "the backbone was not used");
        else if (smaller < sl_set_number_needs(id))
            snprintf(number->missing, sizeof number->missing, "needs %lld images in each set, one has %lld",
                     (long long)sl_set_number_needs(id), (long long)smaller);
        else
            SL_TRY(measure_probe(comparison, spaces[i], reference, candidate, i == 0, settings, number));
        SL_TRY(sl_progress_check(progress));
        sl_progress_tell(progress, "telling apart", "probe", i + 1, PROBES, NULL);
    }
    return SL_OK;
}
