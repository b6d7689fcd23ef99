/* Training a classifier on labelled images: its head alone, or all of it.
 *
 * The feed says which split an item belongs to. Weights are chosen by the hold-out loss; the test split is
 * looked at once, after that choice. */
#ifndef SL_TRAIN_CLASSIFIER_TRAIN_H
#define SL_TRAIN_CLASSIFIER_TRAIN_H

#include "train/classifier/classifier.h"
#include "train/feed.h"
#include "train/trainer.h"

enum { SL_CLASSES_MAX = 64 };

typedef struct sl_classifier_recipe {
    int batch;
    int64_t epochs;
    bool head_only; /* features are computed once, and the last layer trained on them */
    bool balance;   /* weight classes by how rare they are */
    bool augment;   /* flips and turns, as far as each item's geometry allows */
    sl_dtype dtype;
    uint64_t seed;
} sl_classifier_recipe;

typedef struct sl_classifier_score {
    int64_t count;
    double loss, accuracy;
    int64_t confusion[SL_CLASSES_MAX][SL_CLASSES_MAX]; /* [true][predicted] */
} sl_classifier_score;

typedef struct sl_classifier_outcome {
    sl_train_outcome train;
    int64_t best_epoch;
    sl_classifier_score score[SL_FEED_SPLIT_COUNT]; /* of the chosen weights, by split */
} sl_classifier_outcome;

/* The model ends with the chosen weights. options: steps, holdout_every and what follows from the recipe are
 * set here; a folder is needed, where history.json is left as well: {"train": {"loss": [], "acc": []},
 * "validation": {...}}. */
sl_status sl_train_classifier(sl_model *model, const sl_classifier_recipe *recipe, const sl_feed *feed,
                              const sl_train_options *options, const sl_progress *progress,
                              sl_classifier_outcome *out);

/* ---- a backbone that knows many attributes ---- */

typedef struct sl_backbone_recipe {
    int batch;
    int binary; /* the feed's first attributes, each 0 or 1 (cross-entropy); the others are numbers (squared
                   error) */
    sl_dtype dtype;
    uint64_t seed;
} sl_backbone_recipe;

/* Hold-out accuracy of an attribute, or its root mean square error. */
typedef struct sl_backbone_outcome {
    sl_train_outcome train;
    double score[SL_FEED_ATTRIBUTES_MAX];
} sl_backbone_outcome;

/* The model has as many classes as the feed has attributes. It ends with the best weights of options->folder.
 */
sl_status sl_train_backbone(sl_model *model, const sl_backbone_recipe *recipe, const sl_feed *feed,
                            const sl_feed *holdout, const sl_train_options *options,
                            const sl_progress *progress, sl_backbone_outcome *out);

#endif
