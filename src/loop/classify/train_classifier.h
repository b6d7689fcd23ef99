/* Use-case: train a classifier of real against unreal on the labels of a workspace. */
#ifndef SL_LOOP_CLASSIFY_TRAIN_CLASSIFIER_H
#define SL_LOOP_CLASSIFY_TRAIN_CLASSIFIER_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_train_classifier_settings {
    int preset, architecture, mode, optimizer, dtype, evidence;
    const char *begin_from;
    int64_t size_px, epochs, batch, seed;
    double rate, target_precision;
    bool augment;
} sl_train_classifier_settings;

extern const sl_option sl_train_classifier_options[];
extern const sl_preset sl_train_classifier_presets[];

/* Weights are chosen on a held-out fifth of the training groups; probabilities are calibrated, physical
 * evidence weighed and the threshold chosen on the calibration split, or by cross-fitting where reviews alone
 * teach (labels.h, cross_fit.h); the numbers in `result` (an object, may
 * be NULL) are those of the test split, which nothing else has seen, with intervals. *out_model is the new
 * record of kind "classifier". */
sl_status sl_train_classifier_run(const sl_train_classifier_settings *settings, const sl_workspace *workspace,
                                  sl_id round, const sl_progress *progress, json_t *result, sl_id *out_model);

#endif
