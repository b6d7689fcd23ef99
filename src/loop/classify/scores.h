/* What a classifier says of many images of a workspace. */
#ifndef SL_LOOP_CLASSIFY_SCORES_H
#define SL_LOOP_CLASSIFY_SCORES_H

#include "base/progress.h"
#include "loop/classify/classifier_model.h"
#include "loop/classify/feed_workspace.h"

#include <stdbool.h>

typedef struct sl_scores {
    int64_t count;
    double *logit;   /* of real against unreal, before calibration */
    double *p_real;  /* after sl_scores_apply or sl_scores_judge */
    double *oddness; /* of the physical tests; zeros until sl_scores_see_physics */
    bool *label;     /* of the items, where known */
} sl_scores;

/* Room for `count` scores, all zero. */
sl_status sl_scores_new(int64_t count, sl_scores *out);

/* Scores of the items in their order; count 0 gives empty ones. Free with sl_scores_free. */
sl_status sl_scores_compute(const sl_classifier_model *classifier, const sl_workspace *workspace,
                            const sl_feed_item *items, int64_t count, sl_scores *out);
void sl_scores_apply(sl_scores *scores, const sl_calibration *calibration);

/* Entropy of a P(real) in bits: 1 where nothing is known. */
double sl_scores_entropy(double p_real);

/* Runs the physical tests on the same items: oddness. */
sl_status sl_scores_see_physics(sl_scores *scores, const sl_workspace *workspace, const sl_feed_item *items);
/* p_real becomes what verdicts rest on. */
void sl_scores_judge(sl_scores *scores, const sl_classifier_model *classifier);
void sl_scores_free(sl_scores *scores);

#endif
