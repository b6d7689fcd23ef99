/* Which images of a workspace teach the classifier what, and to what split they belong. */
#ifndef SL_LOOP_CLASSIFY_LABELS_H
#define SL_LOOP_CLASSIFY_LABELS_H

#include "loop/classify/feed_workspace.h"

#include <stdbool.h>

/* Where a label comes from, most trusted first: what reviewers decided, what is known of a simulated image,
 * that an image was measured. */
typedef enum sl_label_source {
    SL_LABEL_BY_NOBODY,
    SL_LABEL_BY_REVIEW,
    SL_LABEL_BY_SIMULATED_REVIEW, /* some of the deciding reviewers are simulated experts */
    SL_LABEL_BY_TRUTH,            /* a simulated image: its faults are known */
    SL_LABEL_BY_MEASUREMENT,      /* a measured image is real */
} sl_label_source;

typedef struct sl_image_label {
    sl_label_source source;
    sl_label label;   /* REAL, UNREAL or UNSURE; UNSURE where nobody says */
    double strength;  /* BY_TRUTH: of the fault, 0 to 1 */
    uint32_t reasons; /* by review: bits 1 << sl_reason */
    bool conflict;    /* reviewers differ */
} sl_image_label;

/* What is said of one image, by the most trusted who says anything. Simulated images of other
 * programs are real, since no truth comes with them; ours have it in their files. A generated image with a
 * known truth is what simulated experts are asked about: its truth is theirs alone. */
sl_status sl_image_label_get(const sl_workspace *workspace, const sl_image_record *record, sl_arena *arena,
                             sl_image_label *out);

typedef struct sl_label_counts {
    int64_t reviewed, known, measured;
    int64_t real, unreal;
    int64_t split[3];  /* by store split: train, calibration, test */
    int64_t set_aside; /* labelled, but left out: see sl_labels_collect */
} sl_label_counts;

typedef struct sl_labelled {
    sl_feed_item
        *train; /* of the store's train split: a fifth of its groups is held out to choose the weights */
    sl_feed_item *calibration; /* for probabilities and threshold; seen by no training */
    sl_feed_item *test;        /* for the numbers; seen by nothing else */
    int64_t train_count, calibration_count, test_count;
    sl_label_counts counts;
    bool from_reviews; /* training has reviewed images alone */
} sl_labelled;

/* Reviews from which on a part of the labels is what reviewers said. */
enum { SL_REVIEWS_MIN = 10, SL_REVIEWS_OF_A_LABEL_MIN = 3 };

/* All labelled images; texts and arrays in the arena. Unsure images teach nothing, nor do simulated
 * faults too faint to see.
 *
 * A generator's errors are not the simulator's faults, and measured images come from other instruments:
 * where a part holds SL_REVIEWS_MIN reviewed images, SL_REVIEWS_OF_A_LABEL_MIN of each label, all others are
 * set aside there. Mixed in, they make a classifier of generated images worse (docs/first-run.md).
 *
 * SL_INVALID where real or unreal ones lack in the training part, or training or hold-out is empty. */
sl_status sl_labels_collect(const sl_workspace *workspace, sl_arena *arena, sl_labelled *out);

/* A fixed fifth of the groups (their hash), whatever else is in the workspace: weights are chosen on them. */
bool sl_label_is_held_out(uint64_t group);

#endif
