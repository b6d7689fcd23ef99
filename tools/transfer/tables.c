/* Detection by family, with intervals by seed. */
#include "transfer.h"

#include "base/memory.h"
#include "base/numeric/sort.h"
#include "loop/judge/metrics.h"

#include <math.h>
#include <stdlib.h>

static const double false_alarms = 0.05, strong = 0.5;

typedef enum judge { ALONE, ALONE_SEEN, TESTS, RULE, BOTH, BOTH_SEEN, JUDGES } judge;
static const char *const judge_words[JUDGES] = {
    "classifier, family unseen", "classifier, family seen",   "physical tests",
    "both, by rule, unseen",     "both, as evidence, unseen", "both, as evidence, seen"};

typedef struct work {
    const score_table *table;
    sl_evidence evidence[FOLDS];
    const score_row **item; /* of the test part */
    int64_t *seed, count;
    bool
        *twin; /* [count][families][2]: whether a clean image's seed has a weak or strong one of the family */
} work;

/* How unreal a judge finds an image when `fold` holds the family in question out. */
static double unreality(const work *w, const score_row *r, judge by, int fold) {
    int other = (fold + 1) % FOLDS; /* whose classifier has learnt it */
    switch (by) {
    case ALONE:
        return -r->logit[fold];
    case ALONE_SEEN:
        return -r->logit[other];
    case TESTS:
        return r->oddness;
    case RULE: /* impossible images first, as `classify` rejects them whatever the score */
        return r->oddness >= 2 ? 1e6 + r->oddness : -r->logit[fold];
    case BOTH:
        return -sl_evidence_apply(&w->evidence[fold], r->logit[fold], r->oddness);
    default:
        return -sl_evidence_apply(&w->evidence[other], r->logit[other], r->oddness);
    }
}

/* ---- evidence of each fold, from the calibration part without the fold's families ---- */

static sl_status fit_fold(const score_table *t, int fold, sl_evidence *out) {
    double *logit = NULL, *oddness = NULL;
    bool *label = NULL;
    int64_t n = 0;
    sl_status status;
    SL_GUARD(status, sl_alloc(&logit, (size_t)t->count, sizeof *logit), done);
    SL_GUARD(status, sl_alloc(&oddness, (size_t)t->count, sizeof *oddness), done);
    SL_GUARD(status, sl_alloc(&label, (size_t)t->count, sizeof *label), done);
    for (int64_t k = 0; k < t->count; k++) {
        const score_row *r = &t->row[k];
        if (r->part != PART_CALIBRATION || (r->family != CLEAN && r->fold == fold)) continue;
        logit[n] = r->logit[fold];
        oddness[n] = r->oddness;
        label[n++] = r->family == CLEAN;
    }
    status = sl_evidence_fit(logit, oddness, label, n, out);
done:
    sl_free(logit);
    sl_free(oddness);
    sl_free(label);
    return sl_context(status, "fold %d", fold);
}

/* ---- numbers ---- */

static bool is_strong(const score_row *r) {
    return r->severity >= strong;
}

static bool *twin_of(const work *w, int64_t item, int family, bool of_strong) {
    return &w->twin[(item * w->table->families + family) * 2 + of_strong];
}

static void find_twins(work *w) {
    for (int64_t k = 0; k < w->count; k++)
        for (int64_t i = 0; i < w->count && w->item[k]->family == CLEAN; i++) {
            const score_row *r = w->item[i];
            if (r->family != CLEAN && r->seed_index == w->item[k]->seed_index)
                *twin_of(w, k, r->family, is_strong(r)) = true;
        }
}

typedef struct question {
    const work *work;
    judge by;
    int than;   /* a judge whose value is taken off, or -1 */
    int family; /* or CLEAN: the mean over all families */
    bool of_strong, is_area;
    double *room; /* [3][count] */
} question;

static bool is_asked_about(const question *q, const score_row *r, int family) {
    return r->family == family && is_strong(r) == q->of_strong;
}

/* Share of pairs of which the faulty one is found the more unreal; ties count half. */
static double area(const double *faulty, int64_t n, const double *clean, int64_t m) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) sum += (faulty[i] > clean[j]) + 0.5 * (faulty[i] == clean[j]);
    return n && m ? sum / (double)(n * m) : NAN;
}

/* Share above what `false_alarms` of the clean images exceed. Sorts them. */
static double caught(const double *faulty, int64_t n, double *clean, int64_t m) {
    int64_t above = 0;
    if (n == 0 || m == 0) return NAN;
    sl_sort_doubles(clean, (size_t)m);
    double limit = clean[m - 1 - (int64_t)(false_alarms * (double)m)];
    for (int64_t i = 0; i < n; i++) above += faulty[i] > limit;
    return (double)above / (double)n;
}

static double of_judge(const question *q, judge by, int family, const int64_t *index, int64_t count) {
    const work *w = q->work;
    int fold = w->table->fold_of[family];
    double *faulty = q->room, *clean = faulty + count;
    int64_t n = 0, m = 0;
    for (int64_t i = 0; i < count; i++) {
        const score_row *r = w->item[index[i]];
        if (is_asked_about(q, r, family))
            faulty[n++] = unreality(w, r, by, fold);
        else if (r->family == CLEAN && (!q->is_area || *twin_of(w, index[i], family, q->of_strong)))
            clean[m++] = unreality(w, r, by, fold);
    }
    return q->is_area ? area(faulty, n, clean, m) : caught(faulty, n, clean, m);
}

static double of_family(const question *q, int family, const int64_t *index, int64_t count) {
    double value = of_judge(q, q->by, family, index, count);
    return q->than < 0 ? value : value - of_judge(q, (judge)q->than, family, index, count);
}

static double answer(const void *context, const int64_t *index, int64_t count) {
    const question *q = context;
    double sum = 0, families = 0;
    if (q->family != CLEAN) return of_family(q, q->family, index, count);
    for (int f = 0; f < q->work->table->families; f++) {
        double value = of_family(q, f, index, count);
        if (isfinite(value)) sum += value, families++;
    }
    return families > 0 ? sum / families : NAN;
}

static sl_status ask(const question *asked, sl_estimate *out) {
    const work *w = asked->work;
    question q = *asked;
    SL_TRY(sl_alloc(&q.room, 8 * (size_t)w->count + 1, sizeof *q.room)); /* resamples vary in length */
    sl_status status = sl_bootstrap_grouped(answer, &q, w->seed, w->count, DRAWS, 0.95, 1, out);
    sl_free(q.room);
    return status;
}

/* ---- tables ---- */

static void print_estimate(const sl_estimate *e, bool is_area) {
    if (is_area)
        printf(" %.2f [%.2f, %.2f] |", e->value, e->low, e->high);
    else
        printf(" %.0f [%.0f, %.0f] |", 100 * e->value, 100 * e->low, 100 * e->high);
}

static int64_t count_images(const work *w, int family, bool of_strong) {
    question q = {.of_strong = of_strong};
    int64_t n = 0;
    for (int64_t k = 0; k < w->count; k++) n += is_asked_about(&q, w->item[k], family);
    return n;
}

static sl_status print_mean(const work *w, const char *words, judge by, int than) {
    printf("| %s |", words);
    for (int k = 0; k < 4; k++) {
        question q = {w, by, than, CLEAN, k < 2, k % 2 == 0, NULL};
        sl_estimate e;
        SL_TRY(ask(&q, &e));
        print_estimate(&e, q.is_area);
    }
    printf("\n");
    return SL_OK;
}

static sl_status print_means(const work *w) {
    printf("| mean over families | area, strong | caught, strong | area, weak | caught, weak |\n"
           "|---|---|---|---|---|\n");
    for (int by = 0; by < JUDGES; by++) SL_TRY(print_mean(w, judge_words[by], (judge)by, -1));
    SL_TRY(print_mean(w, "evidence less classifier, unseen", BOTH, ALONE));
    SL_TRY(print_mean(w, "evidence less rule", BOTH, RULE));
    SL_TRY(print_mean(w, "evidence less physical tests", BOTH, TESTS));
    printf("\n");
    return SL_OK;
}

static sl_status print_families(const work *w, bool is_area) {
    static const judge shown[] = {ALONE, ALONE_SEEN, TESTS, BOTH};
    printf(is_area ? "Area under the ROC curve, strong:\n\n"
                   : "Caught at 5 %% false alarms, strong, percent:\n\n");
    printf("| fault | fold | n | classifier, unseen | classifier, seen | physical tests | both, unseen |\n"
           "|---|---|---|---|---|---|---|\n");
    for (int f = 0; f < w->table->families; f++) {
        printf("| %s | %d | %lld |", w->table->family[f], w->table->fold_of[f] + 1,
               (long long)count_images(w, f, true));
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) {
            question q = {w, shown[k], -1, f, true, is_area, NULL};
            sl_estimate e;
            SL_TRY(ask(&q, &e));
            print_estimate(&e, is_area);
        }
        printf("\n");
    }
    printf("\n");
    return SL_OK;
}

static void print_head(const work *w) {
    int64_t clean = 0, impossible = 0;
    for (int64_t k = 0; k < w->count; k++) {
        if (w->item[k]->family != CLEAN) continue;
        clean++;
        impossible += w->item[k]->oddness >= 2;
    }
    printf(
        "%lld clean and %lld faulty test images; of the clean ones %lld impossible at family-wise p 0.01\n",
        (long long)clean, (long long)(w->count - clean), (long long)impossible);
    printf("log-odds of real by fold, for one unit of logit:");
    for (int f = 0; f < FOLDS; f++) printf(" %.2f", w->evidence[f].slope);
    printf("; for a tenth of the family-wise p:");
    for (int f = 0; f < FOLDS; f++) printf(" -%.2f", w->evidence[f].weight);
    printf("\n\n");
}

sl_status tables_print(const score_table *table) {
    work w = {.table = table};
    sl_status status;
    SL_GUARD(status, sl_alloc(&w.item, (size_t)table->count, sizeof *w.item), done);
    SL_GUARD(status, sl_alloc(&w.seed, (size_t)table->count, sizeof *w.seed), done);
    for (int64_t k = 0; k < table->count; k++) {
        if (table->row[k].part != PART_TEST) continue;
        w.item[w.count] = &table->row[k];
        w.seed[w.count++] = table->row[k].seed_index;
    }
    SL_GUARD(status, sl_alloc(&w.twin, (size_t)(w.count * table->families * 2), sizeof *w.twin), done);
    find_twins(&w);
    for (int f = 0; f < FOLDS; f++) SL_GUARD(status, fit_fold(table, f, &w.evidence[f]), done);
    print_head(&w);
    SL_GUARD(status, print_means(&w), done);
    SL_GUARD(status, print_families(&w, false), done);
    status = print_families(&w, true);
done:
    sl_free(w.item);
    sl_free(w.seed);
    sl_free(w.twin);
    return status;
}
