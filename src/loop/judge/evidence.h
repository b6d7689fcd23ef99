/* What physical tests add to a classifier's word: one number, fitted on images that taught the classifier
 * nothing.
 *
 * All tests share one weight. A weight of its own for each test would be learnt from the faults at hand, and
 * a test that none of them fails would get none: it would then be deaf to the one fault it is for. */
#ifndef SL_LOOP_JUDGE_EVIDENCE_H
#define SL_LOOP_JUDGE_EVIDENCE_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* P(real) = logistic(slope * logit + offset - weight * (oddness - usual)). `usual` is the mean oddness of
 * real images: there the tests say neither this nor that. Zeroed: no evidence. */
typedef struct sl_evidence {
    bool used;
    double slope, offset, weight, usual;
    int64_t n; /* images it was fitted on */
} sl_evidence;

/* Fewer images of a label than this teach no weight. */
enum { SL_EVIDENCE_IMAGES_MIN = 20 };

/* logit[n]: of the classifier, before calibration; oddness[n]: larger is odder. SL_INVALID says why there can
 * be no evidence: too few images, or odder ones are not less often real. A classifier that is no better than
 * chance beside the tests gets next to no weight. */
sl_status sl_evidence_fit(const double *logit, const double *oddness, const bool *label, int64_t n,
                          sl_evidence *out);

/* Probability that an image is real, by the formula above, whether or not it is used. */
double sl_evidence_apply(const sl_evidence *evidence, double logit, double oddness);

json_t *sl_evidence_to_json(const sl_evidence *evidence); /* null where it is not used */
/* NULL and null give no evidence. */
sl_status sl_evidence_from_json(const json_t *object, sl_evidence *out);

#endif
