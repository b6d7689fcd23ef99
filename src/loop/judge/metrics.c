#include "loop/judge/metrics.h"

#include "base/numeric/groups.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/numeric/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double tail_of(double confidence) {
    return 0.5 * (1 - (confidence > 0 && confidence < 1 ? confidence : 0.95));
}

json_t *sl_estimate_to_json(const sl_estimate *estimate) {
    return json_pack("{s:o, s:o, s:o, s:I, s:s}", "value", sl_json_number(estimate->value), "low",
                     sl_json_number(estimate->low), "high", sl_json_number(estimate->high), "n",
                     (json_int_t)estimate->n, "method", estimate->method);
}

bool sl_estimate_is_count(const json_t *estimate) {
    const char *method = json_string_value(json_object_get(estimate, "method"));
    return method && strcmp(method, SL_ALL_JUDGED) == 0;
}

static sl_estimate unknown(const char *method) {
    return (sl_estimate){NAN, NAN, NAN, 0, method};
}

/* --- a proportion --- */

/* `n` need not be whole: effective numbers of observations are not. */
static void wilson_bounds(double p, double n, double tail, double *low, double *high) {
    double z = -sl_normal_quantile(tail), z2 = z * z;
    double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    *low = fmax(0, middle - half);
    *high = fmin(1, middle + half);
}

/* Seeing a good part of a finite population tells more than the same number from an endless one: observations
 * count (N - 1) / (N - n) fold (finite population correction). */
static double finite_gain(int64_t n, int64_t population) {
    const double most = 1e4; /* all but seen: the interval is as good as closed */
    if (population <= 0) return 1;
    if (n >= population) return most;
    return fmin(most, (double)(population - 1) / (double)(population - n));
}

static sl_estimate wilson_of(int64_t successes, int64_t n, double gain, double tail) {
    sl_estimate out = {.value = (double)successes / (double)n, .n = n, .method = "Wilson"};
    wilson_bounds(out.value, gain * (double)n, tail, &out.low, &out.high);
    return out;
}

static sl_estimate clopper_pearson_of(int64_t successes, int64_t n, double gain, double tail) {
    double k = gain * (double)successes, failures = gain * (double)(n - successes);
    return (sl_estimate){.value = (double)successes / (double)n,
                         .low = successes == 0 ? 0 : sl_beta_quantile(tail, k, failures + 1),
                         .high = successes == n ? 1 : sl_beta_quantile(1 - tail, k + 1, failures),
                         .n = n,
                         .method = "Clopper-Pearson"};
}

sl_estimate sl_wilson(int64_t successes, int64_t n, double confidence) {
    return n < 1 ? unknown("Wilson") : wilson_of(successes, n, 1, tail_of(confidence));
}

sl_estimate sl_clopper_pearson(int64_t successes, int64_t n, double confidence) {
    return n < 1 ? unknown("Clopper-Pearson") : clopper_pearson_of(successes, n, 1, tail_of(confidence));
}

sl_estimate sl_proportion(int64_t successes, int64_t n, int64_t population, double confidence) {
    enum { FEW = 5 };
    if (n < 1) return unknown("Wilson");
    double share = (double)successes / (double)n;
    if (population > 0 && n >= population) return (sl_estimate){share, share, share, n, SL_ALL_JUDGED};
    bool at_an_end = successes < FEW || n - successes < FEW;
    double gain = finite_gain(n, population), tail = tail_of(confidence);
    return at_an_end ? clopper_pearson_of(successes, n, gain, tail) : wilson_of(successes, n, gain, tail);
}

sl_estimate sl_horvitz_thompson(const bool *label, const double *propensity, int64_t n, double confidence) {
    double sum = 0, squares = 0, real = 0;
    for (int64_t i = 0; i < n; i++) {
        double weight = 1 / propensity[i];
        sum += weight;
        squares += weight * weight;
        if (label[i]) real += weight;
    }
    if (n < 1) return unknown("Horvitz-Thompson");
    sl_estimate out = {.value = real / sum, .n = n, .method = "Horvitz-Thompson"};
    wilson_bounds(out.value, sum * sum / squares, tail_of(confidence), &out.low, &out.high);
    return out;
}

/* --- audits --- */

/* A draw from the Jeffreys posterior of a share of which `real` of `seen` were real. */
static double draw_share(sl_random *random, int64_t real, int64_t seen, int64_t population) {
    double gain = finite_gain(seen, population);
    return sl_beta_draw(random, gain * (double)real + 0.5, gain * (double)(seen - real) + 0.5);
}

typedef struct shares {
    double accepted, rejected; /* real ones among them */
} shares;

enum { DRAWS_MAX = 4000 };
enum { RECALL, SPECIFICITY, F1, YIELD, MIXED_COUNT };

/* What follows from the shares of real ones in both parts. */
static void mix(const sl_audit *audit, const shares *share, double out[MIXED_COUNT]) {
    double accepted = (double)audit->accepted, rejected = (double)(audit->pool - audit->accepted);
    double hits = accepted * share->accepted, misses = rejected * share->rejected;
    double false_alarms = accepted - hits, rightly_rejected = rejected - misses;
    out[RECALL] = hits + misses > 0 ? hits / (hits + misses) : NAN;
    out[SPECIFICITY] =
        false_alarms + rightly_rejected > 0 ? rightly_rejected / (false_alarms + rightly_rejected) : NAN;
    out[F1] = accepted + hits + misses > 0 ? 2 * hits / (accepted + hits + misses) : NAN;
    out[YIELD] = audit->pool > 0 ? hits / (double)audit->pool : NAN;
}

/* Percentile interval of `count` draws, which are reordered. */
static void set_bounds(double *draws, int count, double tail, sl_estimate *out) {
    sl_sort_doubles(draws, (size_t)count);
    int low = (int)floor(tail * (count - 1)), high = (int)ceil((1 - tail) * (count - 1));
    out->low = draws[low];
    out->high = draws[high];
}

static double rogan_gladen(double share, double sensitivity, double specificity) {
    double gain = sensitivity + specificity - 1;
    if (!(gain > 0)) return NAN;
    double corrected = (share + specificity - 1) / gain;
    return corrected < 0 ? 0 : corrected > 1 ? 1 : corrected;
}

static double corrected_draw(const sl_audit *audit, sl_random *random, double share) {
    int64_t right_real = (int64_t)llround(audit->expert_sensitivity * (double)audit->expert_real_seen);
    int64_t right_unreal = (int64_t)llround(audit->expert_specificity * (double)audit->expert_unreal_seen);
    double sensitivity = draw_share(random, right_real, audit->expert_real_seen, 0);
    double specificity = draw_share(random, right_unreal, audit->expert_unreal_seen, 0);
    return rogan_gladen(share, sensitivity, specificity);
}

static bool has_gold(const sl_audit *audit) {
    return audit->expert_real_seen > 0 && audit->expert_unreal_seen > 0;
}

static void evaluate_corrected(const sl_audit *audit, double tail, uint64_t seed, double *draws, int count,
                               sl_estimate *out) {
    *out = unknown("Rogan-Gladen");
    if (!has_gold(audit) || audit->accepted_seen < 1) return;
    sl_random random = sl_random_stream(seed, SL_STREAM_BOOTSTRAP, 2);
    int usable = 0;
    for (int i = 0; i < count; i++) {
        double share = draw_share(&random, audit->accepted_real, audit->accepted_seen, audit->accepted);
        double draw = corrected_draw(audit, &random, share);
        if (isfinite(draw)) draws[usable++] = draw;
    }
    if (usable == 0) return;
    out->value = rogan_gladen((double)audit->accepted_real / (double)audit->accepted_seen,
                              audit->expert_sensitivity, audit->expert_specificity);
    out->n = audit->accepted_seen;
    set_bounds(draws, usable, tail, out);
}

static void evaluate_mixed(const sl_audit *audit, double tail, uint64_t seed, int count,
                           sl_estimate out[MIXED_COUNT]) {
    bool knows_accepted = audit->accepted_seen > 0 || audit->accepted == 0;
    bool knows_rejected = audit->rejected_seen > 0 || audit->accepted == audit->pool;
    for (int k = 0; k < MIXED_COUNT; k++) out[k] = unknown("Monte Carlo");
    if (!knows_accepted || !knows_rejected) return;
    shares middle = {audit->accepted_seen ? (double)audit->accepted_real / (double)audit->accepted_seen : 0,
                     audit->rejected_seen ? (double)audit->rejected_real / (double)audit->rejected_seen : 0};
    double value[MIXED_COUNT], draws[MIXED_COUNT][DRAWS_MAX];
    int usable[MIXED_COUNT] = {0};
    sl_random random = sl_random_stream(seed, SL_STREAM_BOOTSTRAP, 1);
    for (int i = 0; i < count; i++) {
        double drawn[MIXED_COUNT];
        shares share = {
            draw_share(&random, audit->accepted_real, audit->accepted_seen, audit->accepted),
            draw_share(&random, audit->rejected_real, audit->rejected_seen, audit->pool - audit->accepted)};
        mix(audit, &share, drawn);
        for (int k = 0; k < MIXED_COUNT; k++)
            if (isfinite(drawn[k])) draws[k][usable[k]++] = drawn[k];
    }
    mix(audit, &middle, value);
    for (int k = 0; k < MIXED_COUNT; k++) {
        out[k].value = value[k];
        out[k].n = audit->accepted_seen + audit->rejected_seen;
        if (usable[k]) set_bounds(draws[k], usable[k], tail, &out[k]);
    }
}

void sl_audit_evaluate(const sl_audit *audit, double confidence, uint64_t seed, int draws,
                       sl_audit_result *out) {
    double room[DRAWS_MAX], tail = tail_of(confidence);
    int count = draws > 0 && draws < DRAWS_MAX ? draws : DRAWS_MAX;
    sl_estimate mixed[MIXED_COUNT];
    double rate = audit->pool > 0 ? (double)audit->accepted / (double)audit->pool : NAN;
    evaluate_mixed(audit, tail, seed, count, mixed);
    out->accepted_rate = (sl_estimate){rate, rate, rate, audit->pool, "count"};
    out->precision = sl_proportion(audit->accepted_real, audit->accepted_seen, audit->accepted, confidence);
    out->recall = mixed[RECALL];
    out->specificity = mixed[SPECIFICITY];
    out->f1 = mixed[F1];
    out->yield = mixed[YIELD];
    evaluate_corrected(audit, tail, seed, room, count, &out->precision_corrected);
}

/* --- scores against labels --- */

double sl_brier(const double *p_real, const bool *label, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (p_real[i] - label[i]) * (p_real[i] - label[i]);
    return n ? sum / (double)n : NAN;
}

double sl_log_loss(const double *p_real, const bool *label, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = fmin(fmax(p_real[i], 1e-12), 1 - 1e-12);
        sum -= log(label[i] ? p : 1 - p);
    }
    return n ? sum / (double)n : NAN;
}

typedef struct scored {
    double score;
    int64_t item;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Items in rising order of score, or NULL. Caller frees (sl_free). */
static scored *sort_scores(const double *score, int64_t n) {
    scored *order;
    if (n < 1 || sl_alloc(&order, (size_t)n, sizeof *order) != SL_OK) return NULL;
    for (int64_t i = 0; i < n; i++) order[i] = (scored){score[i], i};
    qsort(order, (size_t)n, sizeof *order, by_score);
    return order;
}

double sl_calibration_error(const double *p_real, const bool *label, int64_t n, int bins) {
    scored *order = sort_scores(p_real, n);
    if (!order) return NAN;
    double error = 0;
    for (int bin = 0; bin < bins; bin++) {
        int64_t first = n * bin / bins, end = n * (bin + 1) / bins;
        double gap = 0;
        for (int64_t i = first; i < end; i++) gap += order[i].score - label[order[i].item];
        error += fabs(gap) / (double)n;
    }
    sl_free(order);
    return error;
}

double sl_roc_auc(const double *score, const bool *label, int64_t n) {
    scored *order = sort_scores(score, n);
    if (!order) return NAN;
    double ranks = 0, real = 0;
    for (int64_t first = 0; first < n;) {
        int64_t end = first, tied_real = 0;
        for (; end < n && order[end].score == order[first].score; end++) tied_real += label[order[end].item];
        ranks += (double)tied_real * 0.5 * (double)(first + 1 + end);
        real += (double)tied_real;
        first = end;
    }
    sl_free(order);
    double unreal = (double)n - real;
    return real > 0 && unreal > 0 ? (ranks - real * (real + 1) / 2) / (real * unreal) : NAN;
}

double sl_pr_auc(const double *score, const bool *label, int64_t n) {
    scored *order = sort_scores(score, n);
    if (!order) return NAN;
    double real = 0, area = 0, hits = 0;
    for (int64_t i = 0; i < n; i++) real += label[i];
    for (int64_t end = n; end > 0;) {
        int64_t first = end, tied_real = 0;
        for (; first > 0 && order[first - 1].score == order[end - 1].score; first--)
            tied_real += label[order[first - 1].item];
        hits += (double)tied_real;
        area += (double)tied_real / real * hits / (double)(n - first);
        end = first;
    }
    sl_free(order);
    return real > 0 ? area : NAN;
}

/* --- bootstrap --- */

static int64_t resample(const sl_groups *in, sl_random *random, int64_t *index, int64_t room) {
    int64_t count = 0;
    for (int64_t g = 0; g < in->count; g++) {
        uint32_t drawn = sl_random_below(random, (uint32_t)in->count);
        for (int64_t i = in->first[drawn]; i < in->first[drawn + 1] && count < room; i++)
            index[count++] = in->item[i];
    }
    return count;
}

static int64_t largest_resample(const sl_groups *in) {
    int64_t largest = 1;
    for (int64_t g = 0; g < in->count; g++)
        if (in->first[g + 1] - in->first[g] > largest) largest = in->first[g + 1] - in->first[g];
    return largest * in->count;
}

sl_status sl_bootstrap_grouped(sl_statistic statistic, const void *context, const int64_t *group, int64_t n,
                               int draws, double confidence, uint64_t seed, sl_estimate *out) {
    if (n < 1 || draws < 1)
        return sl_fail(SL_INVALID, "bootstrap of %lld items, %d draws", (long long)n, draws);
    sl_groups in;
    int64_t *index = NULL;
    double *value = NULL;
    sl_status status = sl_groups_collect(group, n, &in);
    int64_t room = status ? 0 : largest_resample(&in);
    if (!status) status = sl_alloc(&index, (size_t)(room > n ? room : n), sizeof *index);
    if (!status) status = sl_alloc(&value, (size_t)draws, sizeof *value);
    if (!status) {
        for (int64_t i = 0; i < n; i++) index[i] = i;
        *out = (sl_estimate){statistic(context, index, n), NAN, NAN, n, "bootstrap"};
        int usable = 0;
        for (int draw = 0; draw < draws; draw++) {
            sl_random random = sl_random_stream(seed, SL_STREAM_BOOTSTRAP, 16 + (uint32_t)draw);
            double each = statistic(context, index, resample(&in, &random, index, room));
            if (isfinite(each)) value[usable++] = each;
        }
        if (usable) set_bounds(value, usable, tail_of(confidence), out);
    }
    sl_groups_free(&in);
    sl_free(index);
    sl_free(value);
    return status;
}

static double share_of_true(const void *context, const int64_t *index, int64_t count) {
    const bool *label = context;
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) found += label[index[i]];
    return (double)found / (double)count;
}

static sl_status count_groups(const int64_t *group, int64_t n, int64_t *out) {
    sl_groups in;
    sl_status status = sl_groups_collect(group, n, &in);
    *out = in.count;
    sl_groups_free(&in);
    return status;
}

sl_status sl_proportion_grouped(const bool *label, const int64_t *group, int64_t n, double confidence,
                                uint64_t seed, sl_estimate *out, int64_t *out_groups) {
    enum { DRAWS = 2000 };
    *out = unknown("bootstrap");
    *out_groups = 0;
    if (n < 1) return SL_OK;
    SL_TRY(count_groups(group, n, out_groups));
    SL_TRY(sl_bootstrap_grouped(share_of_true, label, group, n, DRAWS, confidence, seed, out));
    if (out->low < out->high) return SL_OK;
    /* resamples of groups that are alike are alike, however few they are */
    sl_estimate alike = sl_proportion(llround(out->value * (double)*out_groups), *out_groups, 0, confidence);
    out->low = fmin(out->value, alike.low);
    out->high = fmax(out->value, alike.high);
    out->method = alike.method;
    return SL_OK;
}

/* --- noise of the expert --- */

static double repeat_rate(double differing_share) {
    return differing_share < 0.5 ? 0.5 * (1 - sqrt(1 - 2 * differing_share)) : 0.5;
}

sl_estimate sl_repeat_error(int64_t differing, int64_t pairs, double confidence) {
    sl_estimate share = sl_proportion(differing, pairs, 0, confidence);
    if (pairs < 1) return share;
    share.value = repeat_rate(share.value);
    share.low = repeat_rate(share.low);
    share.high = repeat_rate(share.high);
    return share;
}

double sl_cohen_kappa(const bool *a, const bool *b, int64_t n) {
    double same = 0, real_a = 0, real_b = 0;
    for (int64_t i = 0; i < n; i++) {
        same += a[i] == b[i];
        real_a += a[i];
        real_b += b[i];
    }
    double total = (double)n;
    double by_chance = (real_a * real_b + (total - real_a) * (total - real_b)) / (total * total);
    return n > 0 && by_chance < 1 ? (same / total - by_chance) / (1 - by_chance) : NAN;
}
