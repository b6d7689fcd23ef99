/* The numbers of a round: honest ones from the blind audits, beside those that the paper's way would give. */
#ifndef SL_LOOP_JUDGE_ROUND_METRICS_H
#define SL_LOOP_JUDGE_ROUND_METRICS_H

#include "loop/judge/metrics.h"
#include "loop/workspace.h"

/* A decided assignment, with what the machine thought of its image. */
typedef struct sl_reviewed {
    sl_id image;
    sl_queue queue;
    bool accepted;    /* by the machine */
    bool has_verdict; /* false: not of this round's pool (gold, repeats of earlier rounds) */
    double p_real;
    sl_label label;
    uint32_t reasons;
    int64_t active_ms;
    bool truth_known, truth_real; /* gold */
    sl_label earlier;             /* repeats: what the same reviewer said before; WITHDRAWN: nothing */
} sl_reviewed;

typedef struct sl_round_metrics {
    sl_audit_result audit;
    sl_estimate naive_precision; /* accepted share of real among all reviewed and accepted, queue or not */
    sl_estimate unsure;          /* share of unsure answers */
    sl_estimate gold_sensitivity, gold_specificity, repeat_error;
    double roc_auc, pr_auc, brier, log_loss, calibration_error; /* over the audit of the pool */
    int64_t pool, accepted, decided, audited;
    int64_t reasons[SL_REASON_COUNT]; /* among all answers unreal */
    double active_s, decisions_per_minute, seconds_median;
    double confidence; /* of all intervals */
    bool simulated;    /* an expert that is none took part */
} sl_round_metrics;

/* Unsure counts as not real: the expert would not take the image. `pool` and `accepted` count the machine's
 * verdicts. Idle times above 30 s count as 30 s. */
sl_status sl_round_metrics_compute(const sl_reviewed *reviewed, int64_t count, int64_t pool, int64_t accepted,
                                   double confidence, uint64_t seed, sl_round_metrics *out);

/* The same from the records of a round. */
sl_status sl_round_metrics_measure(const sl_workspace *workspace, sl_id round, double confidence,
                                   sl_round_metrics *out);

json_t *sl_round_metrics_to_json(const sl_round_metrics *metrics);

#endif
