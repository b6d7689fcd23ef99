/* From raw scores to probabilities that mean what they say, and to a threshold; both from a calibration split
 * that took no part in training. */
#ifndef SL_LOOP_JUDGE_CALIBRATION_H
#define SL_LOOP_JUDGE_CALIBRATION_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* p_real = 1 / (1 + exp(-(slope * logit + offset))). Temperature scaling is offset 0, slope 1/T (Guo et al.
 * 2017); Platt (1999) fits both. */
typedef struct sl_calibration {
    double slope, offset;
} sl_calibration;
#define SL_CALIBRATION_NONE ((sl_calibration){1, 0})

typedef enum sl_calibration_kind { SL_CALIBRATE_TEMPERATURE, SL_CALIBRATE_PLATT } sl_calibration_kind;

/* Least log loss; Platt with his softened targets, so that separable scores stay finite. SL_INVALID without
 * both labels. */
sl_status sl_calibration_fit(sl_calibration_kind kind, const double *logit, const bool *label, int64_t n,
                             sl_calibration *out);
double sl_calibration_apply(const sl_calibration *calibration, double logit);
json_t *sl_calibration_to_json(const sl_calibration *calibration);
sl_status sl_calibration_from_json(const json_t *object, sl_calibration *out);

/* The lowest threshold t on p_real (accept where p_real >= t) whose acceptance on the calibration split has a
 * precision of at least `target`, by its lower bound at `confidence` where that can be reached, else by its
 * value over ten images and more, else the threshold of the best lower bound. */
typedef struct sl_threshold {
    double threshold;
    double precision, precision_low; /* on the calibration split */
    double recall;
    int64_t accepted, n;
    const char *rule; /* "lower bound", "value", "best": which of the three was possible */
} sl_threshold;
sl_status sl_threshold_choose(const double *p_real, const bool *label, int64_t n, double target,
                              double confidence, sl_threshold *out);
json_t *sl_threshold_to_json(const sl_threshold *threshold);

#endif
