/* A classifier as it lies in a folder: config.json, weights, and classifier.json with what turns its outputs
 * into probabilities and verdicts. */
#ifndef SL_LOOP_CLASSIFY_CLASSIFIER_MODEL_H
#define SL_LOOP_CLASSIFY_CLASSIFIER_MODEL_H

#include "loop/judge/calibration.h"
#include "loop/judge/evidence.h"
#include "model/model.h"

enum { SL_CLASS_UNREAL, SL_CLASS_REAL, SL_CLASSES }; /* alphabetical by folder: fake/unreal 0, real 1 */

typedef struct sl_classifier_model {
    sl_model *model;
    char architecture[32];
    int64_t size_px;
    sl_calibration calibration;
    sl_evidence evidence; /* of the physical tests; not used: the classifier judges alone */
    double threshold;     /* accept where P(real) is at least this */
    json_t *about;        /* all of classifier.json; owned */
} sl_classifier_model;

/* `about` gets architecture, size, calibration, evidence and threshold; weights as F32. */
sl_status sl_classifier_model_save(const sl_classifier_model *classifier, const char *folder);
sl_status sl_classifier_model_load(const char *folder, sl_classifier_model *out);
void sl_classifier_model_free(sl_classifier_model *classifier);

/* P(real) that verdicts rest on: with the physical tests' oddness (sl_physics_oddness) where the classifier
 * takes evidence, else the calibrated one of the logit alone. */
double sl_classifier_model_p_real(const sl_classifier_model *classifier, double logit, double oddness);

/* The classifier's name in the records: a hash of its weights, and of calibration, evidence and threshold
 * where the folder has them, as the same weights with another evidence judge otherwise. */
sl_status sl_classifier_model_hash(const char *folder, char out_hash[65]);

#endif
