#include "loop/judge/round_metrics.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 30000, CALIBRATION_BINS = 15 };

static bool is_audit(sl_queue queue) {
    return queue == SL_QUEUE_AUDIT_POOL || queue == SL_QUEUE_AUDIT_ACCEPTED;
}

static sl_audit count_audit(const sl_reviewed *reviewed, int64_t count, int64_t pool, int64_t accepted) {
    sl_audit audit = {.pool = pool, .accepted = accepted};
    for (int64_t i = 0; i < count; i++) {
        if (!is_audit(reviewed[i].queue) || !reviewed[i].has_verdict) continue;
        bool real = reviewed[i].label == SL_LABEL_REAL;
        *(reviewed[i].accepted ? &audit.accepted_seen : &audit.rejected_seen) += 1;
        *(reviewed[i].accepted ? &audit.accepted_real : &audit.rejected_real) += real;
    }
    return audit;
}

static void measure_gold(const sl_reviewed *reviewed, int64_t count, double confidence, sl_audit *audit,
                         sl_round_metrics *out) {
    int64_t real = 0, unreal = 0, found = 0, seen_through = 0;
    for (int64_t i = 0; i < count; i++) {
        if (reviewed[i].queue != SL_QUEUE_GOLD || !reviewed[i].truth_known) continue;
        bool said_real = reviewed[i].label == SL_LABEL_REAL;
        *(reviewed[i].truth_real ? &real : &unreal) += 1;
        found += reviewed[i].truth_real && said_real;
        seen_through += !reviewed[i].truth_real && !said_real;
    }
    out->gold_sensitivity = sl_proportion(found, real, 0, confidence);
    out->gold_specificity = sl_proportion(seen_through, unreal, 0, confidence);
    audit->expert_real_seen = real;
    audit->expert_unreal_seen = unreal;
    audit->expert_sensitivity = real ? (double)found / (double)real : 0;
    audit->expert_specificity = unreal ? (double)seen_through / (double)unreal : 0;
}

static void measure_repeats(const sl_reviewed *reviewed, int64_t count, double confidence,
                            sl_round_metrics *out) {
    int64_t pairs = 0, differing = 0;
    for (int64_t i = 0; i < count; i++) {
        if (reviewed[i].queue != SL_QUEUE_REPEAT || reviewed[i].earlier == SL_LABEL_WITHDRAWN) continue;
        pairs++;
        differing += (reviewed[i].earlier == SL_LABEL_REAL) != (reviewed[i].label == SL_LABEL_REAL);
    }
    out->repeat_error = sl_repeat_error(differing, pairs, confidence);
}

/* What one would say who takes all reviewed images for a sample. */
static void measure_naive(const sl_reviewed *reviewed, int64_t count, double confidence,
                          sl_round_metrics *out) {
    int64_t seen = 0, real = 0, unsure = 0;
    for (int64_t i = 0; i < count; i++) {
        unsure += reviewed[i].label == SL_LABEL_UNSURE;
        if (!reviewed[i].has_verdict || !reviewed[i].accepted) continue;
        seen++;
        real += reviewed[i].label == SL_LABEL_REAL;
    }
    out->naive_precision = sl_wilson(real, seen, confidence);
    out->unsure = sl_proportion(unsure, count, 0, confidence);
}

static int rising(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sl_status measure_time(const sl_reviewed *reviewed, int64_t count, sl_round_metrics *out) {
    int64_t *active_ms;
    SL_TRY(sl_alloc(&active_ms, count ? (size_t)count : 1, sizeof *active_ms));
    for (int64_t i = 0; i < count; i++) {
        active_ms[i] = reviewed[i].active_ms < IDLE_MS ? reviewed[i].active_ms : IDLE_MS;
        out->active_s += (double)active_ms[i] / 1000;
        if (reviewed[i].label != SL_LABEL_UNREAL) continue;
        for (int reason = 0; reason < SL_REASON_COUNT; reason++)
            out->reasons[reason] += reviewed[i].reasons >> reason & 1;
    }
    qsort(active_ms, (size_t)count, sizeof *active_ms, rising);
    out->seconds_median = count ? (double)active_ms[count / 2] / 1000 : NAN;
    out->decisions_per_minute = out->active_s > 0 ? 60 * (double)count / out->active_s : NAN;
    sl_free(active_ms);
    return SL_OK;
}

/* Only the audit of the pool is a fair sample to judge scores by. */
static sl_status measure_scores(const sl_reviewed *reviewed, int64_t count, sl_round_metrics *out) {
    double *p_real;
    bool *label;
    int64_t n = 0;
    SL_TRY(sl_alloc(&p_real, count ? (size_t)count : 1, sizeof *p_real));
    sl_status status = sl_alloc(&label, count ? (size_t)count : 1, sizeof *label);
    for (int64_t i = 0; i < count && !status; i++) {
        if (reviewed[i].queue != SL_QUEUE_AUDIT_POOL || !reviewed[i].has_verdict) continue;
        if (reviewed[i].label == SL_LABEL_UNSURE) continue;
        p_real[n] = reviewed[i].p_real;
        label[n++] = reviewed[i].label == SL_LABEL_REAL;
    }
    if (!status) {
        out->roc_auc = sl_roc_auc(p_real, label, n);
        out->pr_auc = sl_pr_auc(p_real, label, n);
        out->brier = sl_brier(p_real, label, n);
        out->log_loss = sl_log_loss(p_real, label, n);
        out->calibration_error = sl_calibration_error(p_real, label, n, CALIBRATION_BINS);
        sl_free(label);
    }
    sl_free(p_real);
    return status;
}

sl_status sl_round_metrics_compute(const sl_reviewed *reviewed, int64_t count, int64_t pool, int64_t accepted,
                                   double confidence, uint64_t seed, sl_round_metrics *out) {
    *out = (sl_round_metrics){.pool = pool,
                              .accepted = accepted,
                              .decided = count,
                              .confidence = confidence > 0 ? confidence : 0.95};
    sl_audit audit = count_audit(reviewed, count, pool, accepted);
    out->audited = audit.accepted_seen + audit.rejected_seen;
    measure_gold(reviewed, count, confidence, &audit, out);
    measure_repeats(reviewed, count, confidence, out);
    measure_naive(reviewed, count, confidence, out);
    SL_TRY(measure_time(reviewed, count, out));
    SL_TRY(measure_scores(reviewed, count, out));
    sl_audit_evaluate(&audit, confidence, seed, 0, &out->audit);
    return SL_OK;
}

/* --- from the records --- */

typedef struct loader {
    const sl_workspace *workspace;
    sl_id round;
    sl_arena *arena;
    sl_verdict *verdicts;
    int64_t verdict_count;
    sl_reviewed *reviewed;
    int64_t count, capacity;
} loader;

static int by_image(const void *key, const void *item) {
    sl_id image = *(const sl_id *)key, other = ((const sl_verdict *)item)->image;
    return (image > other) - (image < other);
}

static sl_status append(loader *in, const sl_reviewed *item) {
    if (in->count == in->capacity) {
        int64_t capacity = in->capacity ? 2 * in->capacity : 256;
        sl_reviewed *grown;
        SL_TRY(sl_alloc(&grown, (size_t)capacity, sizeof *grown));
        if (in->count) memcpy(grown, in->reviewed, (size_t)in->count * sizeof *grown);
        sl_free(in->reviewed);
        in->reviewed = grown;
        in->capacity = capacity;
    }
    in->reviewed[in->count++] = *item;
    return SL_OK;
}

/* The same reviewer's last counting word on the image before this decision. */
static sl_status find_earlier(loader *in, const sl_decision *decision, sl_label *out) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *earlier;
    int count;
    filter.image = decision->image;
    filter.reviewer = decision->reviewer;
    filter.counting = true;
    filter.newest_first = true;
    filter.after = decision->id;
    filter.limit = 1;
    SL_TRY(sl_store_decisions(in->workspace->store, &filter, in->arena, &earlier, &count));
    *out = count ? earlier[0].label : SL_LABEL_WITHDRAWN;
    return SL_OK;
}

static sl_status load_one(loader *in, const sl_decision *decision) {
    sl_assignment_record assignment;
    sl_truth truth;
    SL_TRY(sl_store_assignment_get(in->workspace->store, decision->assignment, &assignment));
    if (assignment.decision != decision->id)
        return SL_OK; /* decided again in another window: the last one counts */
    sl_reviewed item = {.image = decision->image,
                        .queue = assignment.queue,
                        .label = decision->label,
                        .reasons = decision->reasons,
                        .active_ms = decision->active_ms,
                        .earlier = SL_LABEL_WITHDRAWN};
    const sl_verdict *verdict =
        bsearch(&decision->image, in->verdicts, (size_t)in->verdict_count, sizeof *in->verdicts, by_image);
    if (verdict) {
        item.has_verdict = true;
        item.accepted = verdict->accepted;
        item.p_real = verdict->p_real;
    }
    if (item.queue == SL_QUEUE_REPEAT) SL_TRY(find_earlier(in, decision, &item.earlier));
    if (item.queue == SL_QUEUE_GOLD) {
        SL_TRY(sl_store_truth(in->workspace->store, decision->image, in->arena, &truth, &item.truth_known));
        item.truth_real = item.truth_known && truth.real;
    }
    return append(in, &item);
}

static sl_status load(loader *in) {
    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    sl_decision *decisions;
    int count;
    filter.round = in->round;
    filter.counting = true;
    SL_TRY(
        sl_store_verdicts(in->workspace->store, in->round, 0, in->arena, &in->verdicts, &in->verdict_count));
    do {
        SL_TRY(sl_store_decisions(in->workspace->store, &filter, in->arena, &decisions, &count));
        for (int i = 0; i < count; i++) SL_TRY(load_one(in, &decisions[i]));
        if (count) filter.after = decisions[count - 1].id;
    } while (count > 0);
    return SL_OK;
}

/* Did a simulated expert decide anything in this round? */
static sl_status find_simulated(const loader *in, bool *out) {
    sl_reviewer *reviewers;
    int count;
    *out = false;
    SL_TRY(sl_store_reviewers(in->workspace->store, in->arena, &reviewers, &count));
    for (int i = 0; i < count; i++) {
        sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
        int64_t total, decided;
        filter.round = in->round;
        filter.reviewer = reviewers[i].id;
        SL_TRY(sl_store_assignment_count(in->workspace->store, &filter, &total, &decided));
        *out |= reviewers[i].simulated && decided > 0;
    }
    return SL_OK;
}

sl_status sl_round_metrics_measure(const sl_workspace *workspace, sl_id round, double confidence,
                                   sl_round_metrics *out) {
    loader in = {.workspace = workspace, .round = round};
    SL_TRY(sl_arena_new(&in.arena));
    bool simulated = false;
    sl_status status = load(&in);
    if (!status) status = find_simulated(&in, &simulated);
    int64_t accepted = 0;
    for (int64_t i = 0; !status && i < in.verdict_count; i++) accepted += in.verdicts[i].accepted;
    if (!status)
        status = sl_round_metrics_compute(in.reviewed, in.count, in.verdict_count, accepted, confidence,
                                          (uint64_t)round, out);
    if (!status) out->simulated = simulated;
    sl_free(in.verdicts);
    sl_free(in.reviewed);
    sl_arena_free(in.arena);
    return status;
}

static void set_estimate(json_t *object, const char *key, const sl_estimate *estimate) {
    json_object_set_new(object, key, sl_estimate_to_json(estimate));
}

static void set_number(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, sl_json_number(value));
}

json_t *sl_round_metrics_to_json(const sl_round_metrics *in) {
    json_t *out = json_pack("{s:I, s:I, s:I, s:I, s:b}", "pool", (json_int_t)in->pool, "accepted",
                            (json_int_t)in->accepted, "decided", (json_int_t)in->decided, "audited",
                            (json_int_t)in->audited, "simulated_expert", in->simulated);
    set_number(out, "confidence", in->confidence);
    set_estimate(out, "accepted_rate", &in->audit.accepted_rate);
    set_estimate(out, "precision", &in->audit.precision);
    set_estimate(out, "precision_corrected", &in->audit.precision_corrected);
    set_estimate(out, "recall", &in->audit.recall);
    set_estimate(out, "specificity", &in->audit.specificity);
    set_estimate(out, "f1", &in->audit.f1);
    set_estimate(out, "yield", &in->audit.yield);
    set_estimate(out, "naive_precision", &in->naive_precision);
    set_estimate(out, "unsure", &in->unsure);
    set_estimate(out, "gold_sensitivity", &in->gold_sensitivity);
    set_estimate(out, "gold_specificity", &in->gold_specificity);
    set_estimate(out, "repeat_error", &in->repeat_error);
    set_number(out, "roc_auc", in->roc_auc);
    set_number(out, "pr_auc", in->pr_auc);
    set_number(out, "brier", in->brier);
    set_number(out, "log_loss", in->log_loss);
    set_number(out, "calibration_error", in->calibration_error);
    set_number(out, "active_s", in->active_s);
    set_number(out, "decisions_per_minute", in->decisions_per_minute);
    set_number(out, "seconds_median", in->seconds_median);
    json_t *reasons = json_object();
    for (int i = 0; i < SL_REASON_COUNT; i++)
        json_object_set_new(reasons, sl_reason_name((sl_reason)i), json_integer(in->reasons[i]));
    json_object_set_new(out, "reasons", reasons);
    return out;
}
