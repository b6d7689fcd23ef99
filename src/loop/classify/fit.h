/* One fit of a classifier to labelled images: the part of `train classifier` that cross-fitting repeats. */
#ifndef SL_LOOP_CLASSIFY_FIT_H
#define SL_LOOP_CLASSIFY_FIT_H

#include "loop/classify/classifier_model.h"
#include "loop/classify/feed_workspace.h"
#include "loop/classify/train_classifier.h"
#include "train/classifier/classifier_train.h"

typedef struct sl_fit {
    const sl_train_classifier_settings *settings;
    const sl_workspace *workspace;
    sl_classifier_model classifier;
    sl_classifier_outcome outcome;
    bool head_only;
    char parent[65]; /* hash of what it began from, "" when from nothing */
} sl_fit;

/* The architecture with its first values; uncalibrated, threshold one half. Texts in the arena. */
sl_status sl_fit_begin(const sl_train_classifier_settings *settings, const sl_workspace *workspace,
                       sl_arena *arena, sl_fit *out);
/* Trains on the items of split train and chooses by those held out; checkpoints go to `folder`, which is
 * there. */
sl_status sl_fit_train(sl_fit *fit, const sl_feed_item *items, int64_t count, const char *folder,
                       const sl_progress *progress);
void sl_fit_end(sl_fit *fit);

#endif
