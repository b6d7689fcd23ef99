#include "loop/judge/evidence.h"

#include "base/memory.h"
#include "loop/judge/logistic.h"

enum { COLUMNS = 3 };
static const double least_slope = 1e-3;

double sl_evidence_apply(const sl_evidence *evidence, double logit, double oddness) {
    return sl_logistic(evidence->slope * logit + evidence->offset -
                       evidence->weight * (oddness - evidence->usual));
}

static sl_status check_enough(const bool *label, int64_t n) {
    int64_t real = 0;
    for (int64_t i = 0; i < n; i++) real += label[i];
    if (real >= SL_EVIDENCE_IMAGES_MIN && n - real >= SL_EVIDENCE_IMAGES_MIN) return SL_OK;
    return sl_fail(SL_INVALID,
                   "%lld real and %lld unreal images to weigh physical evidence by, expected %d of each",
                   (long long)real, (long long)(n - real), SL_EVIDENCE_IMAGES_MIN);
}

static double mean_of_real(const double *oddness, const bool *label, int64_t n) {
    double sum = 0, real = 0;
    for (int64_t i = 0; i < n; i++)
        if (label[i]) sum += oddness[i], real++;
    return sum / real;
}

/* Weights of oddness, offset and, with three columns, logit. */
static sl_status fit(const double *logit, const double *oddness, const bool *label, int64_t n, double usual,
                     int columns, double weight[COLUMNS]) {
    double *x;
    SL_TRY(sl_alloc(&x, (size_t)(n * columns), sizeof *x));
    for (int64_t i = 0; i < n; i++) {
        x[i * columns] = usual - oddness[i];
        x[i * columns + 1] = 1;
        if (columns == COLUMNS) x[i * columns + 2] = logit[i];
    }
    sl_status status = sl_logistic_fit(x, columns, label, n, weight);
    sl_free(x);
    return status;
}

sl_status sl_evidence_fit(const double *logit, const double *oddness, const bool *label, int64_t n,
                          sl_evidence *out) {
    double weight[COLUMNS] = {0, 0, 1};
    SL_TRY(check_enough(label, n));
    double usual = mean_of_real(oddness, label, n);
    SL_TRY(fit(logit, oddness, label, n, usual, COLUMNS, weight));
    if (weight[2] <= 0) { /* never turn the classifier round: the tests alone */
        SL_TRY(fit(logit, oddness, label, n, usual, COLUMNS - 1, weight));
        weight[2] = least_slope;
    }
    if (weight[0] <= 0) return sl_fail(SL_INVALID, "physically odd images are no less often real here");
    *out = (sl_evidence){true, weight[2], weight[1], weight[0], usual, n};
    return SL_OK;
}

json_t *sl_evidence_to_json(const sl_evidence *evidence) {
    if (!evidence->used) return json_null();
    return json_pack("{s:f, s:f, s:f, s:f, s:I}", "slope", evidence->slope, "offset", evidence->offset,
                     "weight", evidence->weight, "usual", evidence->usual, "n", (json_int_t)evidence->n);
}

sl_status sl_evidence_from_json(const json_t *object, sl_evidence *out) {
    sl_evidence read = {.used = true};
    *out = (sl_evidence){0};
    if (!object || json_is_null(object)) return SL_OK;
    SL_TRY(sl_json_real(object, "slope", &read.slope));
    SL_TRY(sl_json_real(object, "offset", &read.offset));
    SL_TRY(sl_json_real(object, "weight", &read.weight));
    SL_TRY(sl_json_real(object, "usual", &read.usual));
    SL_TRY(sl_json_int(object, "n", 0, INT64_MAX, &read.n));
    *out = read;
    return SL_OK;
}
