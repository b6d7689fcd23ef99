/* Train on one set, test on the other. */
#include "base/memory.h"
#include "loop/evaluate/comparison.h"

#include <math.h>
#include <string.h>

typedef struct scored {
    const bool *label;
    double *score;
} scored;

static double auc_of(const void *context, const int64_t *index, int64_t count) {
    const scored *s = context;
    double *score, auc;
    bool *label;
    if (sl_alloc(&score, (size_t)count, sizeof *score + sizeof *label)) return NAN;
    label = (bool *)(score + count);
    for (int64_t i = 0; i < count; i++) score[i] = s->score[index[i]], label[i] = s->label[index[i]];
    auc = sl_roc_auc(score, label, count);
    sl_free(score);
    return auc;
}

static sl_status score_reference(const sl_comparison *c, const bool *label, bool by_candidate,
                                 double *score) {
    int64_t *row, n = c->reference, m = c->candidate;
    if (!by_candidate) {
        const sl_points own = {n, c->physical.width, c->physical.at};
        return sl_probe_logistic(&own, label, c->group, 5, score);
    }
    SL_TRY(sl_alloc(&row, (size_t)(n + m), sizeof *row));
    for (int64_t i = 0; i < n + m; i++) row[i] = i;
    const sl_rows reference = {row, n}, candidate = {row + n, m};
    sl_status status = sl_probe_teach(&c->physical, label, &candidate, &reference, score);
    sl_free(row);
    return status;
}

sl_status sl_compare_transfer(const sl_comparison *comparison, const bool *label,
                              const sl_compare_settings *settings, sl_estimate *taught_by_candidate,
                              sl_estimate *taught_by_reference) {
    scored s = {label, NULL};
    int64_t n = comparison->reference;
    SL_TRY(sl_alloc(&s.score, (size_t)n, sizeof *s.score));
    sl_status status = SL_OK;
    for (int by_candidate = 0; by_candidate < 2 && !status; by_candidate++) {
        status = score_reference(comparison, label, by_candidate, s.score);
        if (!status)
            status = sl_bootstrap_grouped(auc_of, &s, comparison->group, n, (int)settings->draws, 0.95,
                                          settings->seed,
                                          by_candidate ? taught_by_candidate : taught_by_reference);
    }
    sl_free(s.score);
    return status;
}
