/* A line through few numbers that tells real from unreal: logistic regression with Platt's targets. */
#ifndef SL_LOOP_JUDGE_LOGISTIC_H
#define SL_LOOP_JUDGE_LOGISTIC_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { SL_LOGISTIC_WIDTH_MAX = 8 };

/* 1 / (1 + exp(-x)), without overflow. */
double sl_logistic(double x);

/* weight[width] of least log loss, P(real) = logistic(sum weight[k] x[i * width + k]) over x[n, width]; for
 * an offset give a column of ones. Targets are a little inside of 0 and 1 (Platt 1999), so that what can be
 * separated stays finite. weight[] holds where to begin. SL_INVALID without both labels, SL_NUMERIC where a
 * number is not finite, SL_LIMIT beyond SL_LOGISTIC_WIDTH_MAX columns. */
sl_status sl_logistic_fit(const double *x, int width, const bool *label, int64_t n, double *weight);

#endif
