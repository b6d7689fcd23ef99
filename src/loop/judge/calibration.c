#include "loop/judge/calibration.h"

#include "base/memory.h"
#include "loop/judge/metrics.h"

#include <math.h>
#include <stdlib.h>

double sl_calibration_apply(const sl_calibration *calibration, double logit) {
    double x = calibration->slope * logit + calibration->offset;
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

typedef struct problem {
    const double *logit;
    const bool *label;
    int64_t n;
    double target_real, target_unreal;
    bool with_offset;
} problem;

/* Cross entropy, written so that large numbers do not overflow. */
static double loss(const problem *in, const sl_calibration *at) {
    double sum = 0;
    for (int64_t i = 0; i < in->n; i++) {
        double x = at->slope * in->logit[i] + at->offset,
               t = in->label[i] ? in->target_real : in->target_unreal;
        sum += fmax(x, 0) - t * x + log1p(exp(-fabs(x)));
    }
    return sum;
}

/* Newton's step on a convex function of one or two numbers, with a little weight on the diagonal. */
static void newton_step(const problem *in, const sl_calibration *at, double *slope_step,
                        double *offset_step) {
    double g0 = 0, g1 = 0, h00 = 1e-12, h01 = 0, h11 = 1e-12;
    for (int64_t i = 0; i < in->n; i++) {
        double p = sl_calibration_apply(at, in->logit[i]),
               t = in->label[i] ? in->target_real : in->target_unreal;
        double weight = p * (1 - p), z = in->logit[i];
        g0 += (p - t) * z;
        g1 += p - t;
        h00 += weight * z * z;
        h01 += weight * z;
        h11 += weight;
    }
    if (!in->with_offset) {
        *slope_step = -g0 / h00;
        *offset_step = 0;
        return;
    }
    double determinant = h00 * h11 - h01 * h01;
    *slope_step = -(h11 * g0 - h01 * g1) / determinant;
    *offset_step = -(h00 * g1 - h01 * g0) / determinant;
}

/* Newton with halved steps until the loss falls. */
static sl_calibration minimise(const problem *in) {
    sl_calibration at = SL_CALIBRATION_NONE;
    double current = loss(in, &at);
    for (int iteration = 0; iteration < 200; iteration++) {
        double slope_step, offset_step, part = 1;
        newton_step(in, &at, &slope_step, &offset_step);
        sl_calibration next = at;
        double next_loss = current;
        for (; part > 1e-10; part *= 0.5) {
            next = (sl_calibration){at.slope + part * slope_step, at.offset + part * offset_step};
            next_loss = loss(in, &next);
            if (next_loss < current) break;
        }
        if (!(next_loss < current - 1e-12 * (1 + fabs(current)))) break;
        at = next;
        current = next_loss;
    }
    return at;
}

sl_status sl_calibration_fit(sl_calibration_kind kind, const double *logit, const bool *label, int64_t n,
                             sl_calibration *out) {
    int64_t real = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(logit[i])) return sl_fail(SL_NUMERIC, "score %lld is not finite", (long long)i);
        real += label[i];
    }
    if (real == 0 || real == n)
        return sl_fail(SL_INVALID, "calibration needs both labels: %lld real of %lld", (long long)real,
                       (long long)n);
    double reals = (double)real, unreals = (double)(n - real);
    problem in = {logit, label, n, (reals + 1) / (reals + 2), 1 / (unreals + 2), kind == SL_CALIBRATE_PLATT};
    sl_calibration found = minimise(&in);
    if (found.slope <= 0) found = (sl_calibration){1e-3, found.offset}; /* never turn the classifier round */
    *out = found;
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
    int rank = 0; /* of the rule met so far: 3 lower bound, 2 value, 1 best */
    int64_t hits = 0;
    static const char *const rules[] = {"", "best", "value", "lower bound"};
    for (int64_t i = 0; i < n; i++) {
        hits += order[i].real;
        if (i + 1 < n && order[i + 1].p == order[i].p) continue;
        sl_estimate precision = sl_proportion(hits, i + 1, 0, confidence);
        int met = precision.low >= target ? 3 : precision.value >= target ? 2 : 1;
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
                     isfinite(threshold->recall) ? json_real(threshold->recall) : json_null(), "accepted",
                     (json_int_t)threshold->accepted, "n", (json_int_t)threshold->n, "rule", threshold->rule);
}
