/* Cross-fitting: every reviewed image scored by a classifier that has not seen it nor any of its group, so
 * that a few dozen reviews are enough to calibrate on (Stone 1974). */
#ifndef SL_LOOP_CLASSIFY_CROSS_FIT_H
#define SL_LOOP_CLASSIFY_CROSS_FIT_H

#include "loop/classify/fit.h"
#include "loop/classify/labels.h"
#include "loop/classify/scores.h"

enum { SL_CROSS_FOLDS = 5 };

/* The fold of an item, 0 to SL_CROSS_FOLDS - 1: whose fit has not seen it. */
int sl_cross_fold(const sl_feed_item *item);

/* SL_CROSS_FOLDS fits as `like`, each without the reviewed groups of its fold, on the training and the
 * calibration part (the test part is not touched). *out_items (arena) and *out (sl_scores_free): the reviewed
 * images of both parts and their scores. Checkpoints in folder/fold-N. SL_INVALID where a fold leaves too
 * little to train on. */
sl_status sl_cross_fit(const sl_fit *like, const sl_labelled *labels, sl_arena *arena, const char *folder,
                       const sl_progress *progress, const sl_feed_item **out_items, sl_scores *out);

#endif
