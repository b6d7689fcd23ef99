#include "loop/judge/calibration.h"

#include "base/json.h"
#include "base/memory.h"
#include "loop/judge/logistic.h"
#include "loop/judge/metrics.h"

#include <math.h>
#include <stdlib.h>

double sl_calibration_apply(const sl_calibration *calibration, double logit) {
    return sl_logistic(calibration->slope * logit + calibration->offset);
}

sl_status sl_calibration_fit(sl_calibration_kind kind, const double *logit, const bool *label, int64_t n,
                             sl_calibration *out) {
    double *x, weight[2] = {1, 0};
    int width = kind == SL_CALIBRATE_PLATT ? 2 : 1;
    SL_TRY(sl_alloc(&x, (size_t)n * 2 + 1, sizeof *x));
    for (int64_t i = 0; i < n; i++) {
        x[i * width] = logit[i];
        if (width == 2) x[i * width + 1] = 1;
    }
    sl_status status = sl_logistic_fit(x, width, label, n, weight);
    sl_free(x);
    SL_TRY(status);
    if (weight[0] <= 0) weight[0] = 1e-3; /* never turn the classifier round */
    *out = (sl_calibration){weight[0], weight[1]};
    return SL_OK;
}

json_t *sl_calibration_to_json(const sl_calibration *calibration) {
    return json_pack("{s:f, s:f}", "slope", calibration->slope, "offset", calibration->offset);
}

sl_status sl_calibration_from_json(const json_t *object, sl_calibration *out) {
    sl_calibration read;
    SL_TRY(sl_json_real(object, "slope", &read.slope));
    SL_TRY(sl_json_real(object, "offset", &read.offset));
    *out = read;
    return SL_OK;
}

typedef struct scored {
    double p;
    bool real;
} scored;

static int falling(const void *a, const void *b) {
    double x = ((const scored *)a)->p, y = ((const scored *)b)->p;
    return (x < y) - (x > y);
}

/* The deepest cut of each rule; cuts fall only between different scores. */
static void search(const scored *order, int64_t n, int64_t real, double target, double confidence,
                   sl_threshold *out) {
    enum { VALUE_OF_AT_LEAST = 10 }; /* the value of a few images says nothing */
    int rank = 0;                    /* of the rule met so far: 3 lower bound, 2 value, 1 best */
    int64_t hits = 0;
    static const char *const rules[] = {"", "best", "value", "lower bound"};
    for (int64_t i = 0; i < n; i++) {
        hits += order[i].real;
        if (i + 1 < n && order[i + 1].p == order[i].p) continue;
        sl_estimate precision = sl_proportion(hits, i + 1, 0, confidence);
        int met = precision.low >= target                                   ? 3
                  : precision.value >= target && i + 1 >= VALUE_OF_AT_LEAST ? 2
                                                                            : 1;
        bool better = met > rank || (met == rank && (met > 1 || precision.low > out->precision_low));
        if (!better) continue;
        rank = met;
        *out = (sl_threshold){.threshold = order[i].p,
                              .precision = precision.value,
                              .precision_low = precision.low,
                              .recall = real ? (double)hits / (double)real : NAN,
                              .accepted = i + 1,
                              .n = n,
                              .rule = rules[met]};
    }
}

sl_status sl_threshold_choose(const double *p_real, const bool *label, int64_t n, double target,
                              double confidence, sl_threshold *out) {
    if (n < 1) return sl_fail(SL_INVALID, "no labelled image to choose a threshold by");
    scored *order;
    SL_TRY(sl_alloc(&order, (size_t)n, sizeof *order));
    int64_t real = 0;
    for (int64_t i = 0; i < n; i++) {
        order[i] = (scored){p_real[i], label[i]};
        real += label[i];
    }
    qsort(order, (size_t)n, sizeof *order, falling);
    search(order, n, real, target, confidence, out);
    sl_free(order);
    return SL_OK;
}

json_t *sl_threshold_to_json(const sl_threshold *threshold) {
    return json_pack("{s:f, s:f, s:f, s:o, s:I, s:I, s:s}", "threshold", threshold->threshold, "precision",
                     threshold->precision, "precision_low", threshold->precision_low, "recall",
                     sl_json_number(threshold->recall), "accepted", (json_int_t)threshold->accepted, "n",
                     (json_int_t)threshold->n, "rule", threshold->rule);
}
