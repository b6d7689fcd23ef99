/* Which images of a workspace teach the classifier what, and to what split they belong. */
#ifndef SL_LOOP_CLASSIFY_LABELS_H
#define SL_LOOP_CLASSIFY_LABELS_H

#include "loop/classify/feed_workspace.h"

/* Where a label comes from, most trusted first: what reviewers decided, what is known of a simulated image,
 * that an image was measured. */
typedef struct sl_label_counts {
    int64_t reviewed, known, measured;
    int64_t real, unreal;
    int64_t split[3]; /* by store split: train, calibration, test */
} sl_label_counts;

typedef struct sl_labelled {
    sl_feed_item
        *train; /* of the store's train split: a fifth of its groups is held out to choose the weights */
    sl_feed_item *calibration; /* for probabilities and threshold; seen by no training */
    sl_feed_item *test;        /* for the numbers; seen by nothing else */
    int64_t train_count, calibration_count, test_count;
    sl_label_counts counts;
} sl_labelled;

/* All labelled images; texts and arrays in the arena. Unsure images teach nothing, nor do simulated
 * faults too faint to see. SL_INVALID where real or
 * unreal ones lack in the training part, or training or hold-out is empty. */
sl_status sl_labels_collect(const sl_workspace *workspace, sl_arena *arena, sl_labelled *out);

#endif
