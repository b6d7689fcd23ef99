/* Numbers with their uncertainty. Every estimate says how many observations it rests on and how its interval
 * was made; intervals are for `confidence` (0.95 when 0 is given).
 *
 * Labels are bool: true is "real". Nothing here knows of a store. */
#ifndef SL_LOOP_JUDGE_METRICS_H
#define SL_LOOP_JUDGE_METRICS_H

#include "base/json.h"
#include "base/random/random.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sl_estimate {
    double value, low, high; /* NAN where nothing is known */
    int64_t n;
    const char *method; /* "Wilson", "Clopper-Pearson", "Horvitz-Thompson", "Monte Carlo", "bootstrap", or: */
} sl_estimate;

/* The method of a count of the whole population: low and high are the value, and nothing is estimated. */
#define SL_ALL_JUDGED "all judged"

json_t *
sl_estimate_to_json(const sl_estimate *estimate);  /* {value, low, high, n, method}; NAN becomes null */
bool sl_estimate_is_count(const json_t *estimate); /* of such JSON: whether all were judged */

/* --- a proportion --- */

/* successes of n. Wilson (1927) score interval. */
sl_estimate sl_wilson(int64_t successes, int64_t n, double confidence);
/* Clopper and Pearson (1934): never below the confidence; for proportions at the ends. */
sl_estimate sl_clopper_pearson(int64_t successes, int64_t n, double confidence);
/* Wilson, and Clopper-Pearson where fewer than 5 successes or failures were seen; narrower where n is a good
 * part of a finite `population` (0: endless), and SL_ALL_JUDGED where n is all of it. */
sl_estimate sl_proportion(int64_t successes, int64_t n, int64_t population, double confidence);

/* Share of true among a population of which item i was drawn with chance propensity[i] in (0, 1]: ratio of
 * Horvitz-Thompson sums; Wilson interval with Kish's effective number of observations. */
sl_estimate sl_horvitz_thompson(const bool *label, const double *propensity, int64_t n, double confidence);

/* --- a pool of which the machine accepted a part, judged from blind samples of both parts --- */
typedef struct sl_audit {
    int64_t pool, accepted;                        /* images */
    int64_t accepted_seen, accepted_real;          /* audited among the accepted; of them called real */
    int64_t rejected_seen, rejected_real;          /* audited among the rejected */
    double expert_sensitivity, expert_specificity; /* for the correction; 0: unknown */
    int64_t expert_real_seen, expert_unreal_seen;  /* gold images these rest on */
} sl_audit;
typedef struct sl_audit_result {
    sl_estimate accepted_rate;       /* of the pool: a count, so without interval */
    sl_estimate precision;           /* of the accepted */
    sl_estimate recall, specificity; /* over the pool */
    sl_estimate f1;
    sl_estimate yield; /* true and accepted, as a share of the pool */
    sl_estimate
        precision_corrected; /* for the expert's own errors (Rogan and Gladen 1978); NAN without gold */
} sl_audit_result;
/* Intervals of what mixes both parts come from `draws` draws of the two Jeffreys posteriors (0: 4000). */
void sl_audit_evaluate(const sl_audit *audit, double confidence, uint64_t seed, int draws,
                       sl_audit_result *out);

/* --- scores against labels --- */

double sl_brier(const double *p_real, const bool *label, int64_t n);
double sl_log_loss(const double *p_real, const bool *label, int64_t n); /* p held to [1e-12, 1 - 1e-12] */
/* Expected calibration error over `bins` bins of equal numbers. */
double sl_calibration_error(const double *p_real, const bool *label, int64_t n, int bins);
/* Area under the receiver operating characteristic; ties count half; NAN with one class only. */
double sl_roc_auc(const double *score, const bool *label, int64_t n);
/* Area under precision over recall by steps (average precision); NAN without real ones. */
double sl_pr_auc(const double *score, const bool *label, int64_t n);

/* A number computed from the items index[0..count-1] (with repetitions). */
typedef double (*sl_statistic)(const void *context, const int64_t *index, int64_t count);
/* Percentile interval over `draws` resamples of whole groups; items of one group[] value stay together.
 * SL_INVALID: n < 1. */
sl_status sl_bootstrap_grouped(sl_statistic statistic, const void *context, const int64_t *group, int64_t n,
                               int draws, double confidence, uint64_t seed, sl_estimate *out);

/* The share of true where items of one group[] value are no independent observations (frames of one sample):
 * sl_bootstrap_grouped, and where all groups say the same, sl_proportion with as many observations as groups.
 * n counts items. NAN without items. */
sl_status sl_proportion_grouped(const bool *label, const int64_t *group, int64_t n, double confidence,
                                uint64_t seed, sl_estimate *out, int64_t *out_groups);

/* --- noise of the expert --- */

/* Error rate from pairs judged twice, of which `differing` differ: e = (1 - sqrt(1 - 2 d)) / 2. */
sl_estimate sl_repeat_error(int64_t differing, int64_t pairs, double confidence);
/* Agreement beyond chance between two reviewers on the same items (Cohen 1960); NAN when undefined. */
double sl_cohen_kappa(const bool *a, const bool *b, int64_t n);

/* --- distributions --- */
double sl_normal_cdf(double x);
double sl_normal_quantile(double p);
double sl_beta_cdf(double x, double a, double b);      /* regularised incomplete beta function */
double sl_beta_quantile(double p, double a, double b); /* by bisection, to 1e-12 */
double sl_beta_draw(sl_random *random, double a, double b);

#endif
