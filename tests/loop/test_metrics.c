#include "test.h"

#include "loop/judge/calibration.h"
#include "loop/judge/metrics.h"

#include <math.h>

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g is not %.9g within %g", found, expected, tolerance);
}

/* Values of R: pnorm, qnorm, pbeta, qbeta. */
static void distributions_agree_with_tables(void **state) {
    (void)state;
    assert_near(sl_normal_cdf(1.96), 0.9750021048517795, 1e-14);
    assert_near(sl_normal_quantile(0.975), 1.959963984540054, 1e-11);
    assert_near(sl_normal_quantile(1e-9), -5.997807015007686, 1e-9);
    assert_near(sl_beta_cdf(0.3, 2, 5), 0.579825, 1e-12);
    assert_near(sl_beta_cdf(0.5, 0.5, 0.5), 0.5, 1e-13);
    assert_near(sl_beta_quantile(0.05, 10, 3), 0.5618946, 1e-6);
    /* P(X >= 8), X ~ Binomial(10, 0.7), is the beta function of 8, 3 */
    assert_near(sl_beta_cdf(0.7, 8, 3), 0.3827827864, 1e-10);
}

/* Wilson: Brown, Cai, DasGupta 2001; Clopper-Pearson: R's binom.test. */
static void proportions_agree_with_tables(void **state) {
    (void)state;
    sl_estimate wilson = sl_wilson(95, 100, 0.95), exact = sl_clopper_pearson(7, 10, 0.95);
    assert_near(wilson.low, 0.8882495307680808, 1e-9);
    assert_near(wilson.high, 0.9784563208456319, 1e-9);
    assert_near(exact.low, 0.3475471499, 1e-8);
    assert_near(exact.high, 0.9332604888, 1e-8);
    /* no error in 59 accepted bounds the error rate by 4.95 % (one-sided 95 %) */
    assert_near(1 - sl_clopper_pearson(59, 59, 0.90).low, 0.0495, 5e-5);
    assert_string_equal(sl_proportion(98, 100, 0, 0).method, "Clopper-Pearson");
    assert_string_equal(sl_proportion(90, 100, 0, 0).method, "Wilson");
    assert_true(isnan(sl_wilson(0, 0, 0).value));
    /* all of a population seen: nothing is left open */
    sl_estimate all = sl_proportion(60, 80, 80, 0.95);
    assert_true(all.low == 0.75 && all.high == 0.75);
    json_t *json = sl_estimate_to_json(&all), *sample = sl_estimate_to_json(&wilson);
    assert_true(sl_estimate_is_count(json) && !sl_estimate_is_count(sample));
    json_decref(json), json_decref(sample);
}

static void weights_undo_the_queue(void **state) {
    (void)state;
    /* population: 1000 of which 300 real; real ones are drawn five times as often */
    enum { RUNS = 400 };
    double mean = 0;
    int covered = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        sl_random random = sl_random_stream(11, SL_STREAM_TEST, run);
        bool label[1000];
        double propensity[1000];
        int64_t n = 0;
        for (int i = 0; i < 1000; i++) {
            double chance = i < 300 ? 0.5 : 0.1;
            if (sl_random_uniform(&random) >= chance) continue;
            label[n] = i < 300;
            propensity[n++] = chance;
        }
        sl_estimate estimate = sl_horvitz_thompson(label, propensity, n, 0.95);
        mean += estimate.value / RUNS;
        covered += estimate.low <= 0.3 && 0.3 <= estimate.high;
    }
    assert_near(mean, 0.3, 0.01);
    assert_in_range(covered, RUNS * 93 / 100, RUNS);
}

typedef struct coverage {
    int precision, recall, yield, specificity, f1;
} coverage;

/* A round as it is: fixed pool, random audits of it and of the accepted, both known only by sample. */
static void audit_round(uint32_t run, double pool_real_accepted, double pool_real_rejected, coverage *count) {
    enum { POOL = 2400, ACCEPTED = 800, SEEN_ACCEPTED = 180, SEEN_REJECTED = 120 };
    sl_random random = sl_random_stream(23, SL_STREAM_TEST, run);
    int64_t real_accepted = 0, real_rejected = 0;
    sl_audit audit = {.pool = POOL, .accepted = ACCEPTED};
    for (int i = 0; i < POOL; i++) {
        bool accepted = i < ACCEPTED,
             real = sl_random_uniform(&random) < (accepted ? pool_real_accepted : pool_real_rejected);
        bool seen = accepted ? i < SEEN_ACCEPTED : i - ACCEPTED < SEEN_REJECTED;
        *(accepted ? &real_accepted : &real_rejected) += real;
        *(accepted ? &audit.accepted_seen : &audit.rejected_seen) += seen;
        *(accepted ? &audit.accepted_real : &audit.rejected_real) += seen && real;
    }
    sl_audit_result result;
    sl_audit_evaluate(&audit, 0.95, run, 1000, &result);
    double hits = (double)real_accepted, misses = (double)real_rejected;
    double truth[5] = {hits / ACCEPTED, hits / (hits + misses), hits / POOL,
                       (POOL - ACCEPTED - misses) / (POOL - hits - misses),
                       2 * hits / (ACCEPTED + hits + misses)};
    const sl_estimate *estimate[5] = {&result.precision, &result.recall, &result.yield, &result.specificity,
                                      &result.f1};
    int *counts[5] = {&count->precision, &count->recall, &count->yield, &count->specificity, &count->f1};
    for (int k = 0; k < 5; k++) *counts[k] += estimate[k]->low <= truth[k] && truth[k] <= estimate[k]->high;
}

/* The pool is finite and a good part of it is seen, so that the truth is caught somewhat more often than 95
 * %. */
static void intervals_cover_the_truth(void **state) {
    (void)state;
    enum { RUNS = 500 };
    static const double cases[][2] = {{0.95, 0.30}, {0.75, 0.10}, {0.99, 0.02}};
    for (uint32_t which = 0; which < 3; which++) {
        coverage count = {0};
        for (uint32_t run = 0; run < RUNS; run++)
            audit_round(which * RUNS + run, cases[which][0], cases[which][1], &count);
        print_message("real %.2f / %.2f: precision %.3f recall %.3f yield %.3f specificity %.3f f1 %.3f\n",
                      cases[which][0], cases[which][1], count.precision / (double)RUNS,
                      count.recall / (double)RUNS, count.yield / (double)RUNS,
                      count.specificity / (double)RUNS, count.f1 / (double)RUNS);
        const int counts[5] = {count.precision, count.recall, count.yield, count.specificity, count.f1};
        for (int k = 0; k < 5; k++) assert_in_range(counts[k], RUNS * 93 / 100, RUNS);
    }
}

static void the_experts_errors_are_taken_out(void **state) {
    (void)state;
    /* true precision 0.90, expert finds 0.97 of real and 0.85 of unreal: sees 0.90 * 0.97 + 0.10 * 0.15 =
     * 0.888 */
    sl_audit audit = {.pool = 4000,
                      .accepted = 2000,
                      .accepted_seen = 1000,
                      .accepted_real = 888,
                      .rejected_seen = 10,
                      .expert_sensitivity = 0.97,
                      .expert_specificity = 0.85,
                      .expert_real_seen = 200,
                      .expert_unreal_seen = 200};
    sl_audit_result result;
    sl_audit_evaluate(&audit, 0.95, 1, 0, &result);
    assert_near(result.precision_corrected.value, 0.90, 1e-9);
    assert_true(result.precision_corrected.low < 0.888 && result.precision_corrected.high > 0.90);
    audit.expert_real_seen = 0;
    sl_audit_evaluate(&audit, 0.95, 1, 0, &result);
    assert_true(isnan(result.precision_corrected.value));
    audit.rejected_seen = 0;
    sl_audit_evaluate(&audit, 0.95, 1, 0, &result);
    assert_true(isnan(result.recall.value) && !isnan(result.precision.value));
}

static void scores_are_measured(void **state) {
    (void)state;
    const double p[6] = {0.1, 0.4, 0.35, 0.8, 0.8, 0.2};
    const bool label[6] = {false, false, true, true, false, false};
    /* by hand: pairs (real, unreal) won 3 + 3.5 of 8; ranks of precision at the two real ones 1/2 and 2/4 */
    assert_near(sl_roc_auc(p, label, 6), (2.0 + 3.5) / 8, 1e-12);
    assert_near(sl_pr_auc(p, label, 6), 0.5 * (1.0 / 2) + 0.5 * (2.0 / 4), 1e-12);
    assert_near(sl_brier(p, label, 6), (0.01 + 0.16 + 0.4225 + 0.04 + 0.64 + 0.04) / 6, 1e-12);
    assert_near(sl_log_loss(p, label, 6),
                -(log(0.9) + log(0.6) + log(0.35) + log(0.8) + log(0.2) + log(0.8)) / 6, 1e-12);
    const double sure[4] = {0.25, 0.25, 0.25, 0.25};
    const bool quarter[4] = {true, false, false, false};
    assert_near(sl_calibration_error(sure, quarter, 4, 1), 0, 1e-12);
    assert_near(sl_calibration_error(sure, quarter, 4, 2), 0.25, 1e-12);
    assert_true(isnan(sl_roc_auc(p, (const bool[6]){false}, 6)));
    const bool other[6] = {false, true, true, true, false, false};
    assert_near(sl_cohen_kappa(label, other, 6), (5.0 / 6 - 0.5) / 0.5, 1e-12);
}

static double mean_of(const void *context, const int64_t *index, int64_t count) {
    const double *value = context;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += value[index[i]];
    return sum / (double)count;
}

/* Ten copies of each of 40 numbers: resampling single items would claim ten times the knowledge. */
static void groups_stay_together(void **state) {
    (void)state;
    enum { GROUPS = 40, COPIES = 10, RUNS = 200 };
    int covered = 0;
    double width = 0, width_alone = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        sl_random random = sl_random_stream(31, SL_STREAM_TEST, run);
        double value[GROUPS * COPIES];
        int64_t group[GROUPS * COPIES];
        for (int g = 0; g < GROUPS; g++) {
            double shared = sl_random_normal(&random);
            for (int i = 0; i < COPIES; i++) {
                value[g * COPIES + i] = shared;
                group[g * COPIES + i] = g * 7919;
            }
        }
        sl_estimate grouped, alone;
        assert_ok(sl_bootstrap_grouped(mean_of, value, group, GROUPS * COPIES, 300, 0.95, run, &grouped));
        covered += grouped.low <= 0 && 0 <= grouped.high;
        if (run > 0) continue;
        assert_ok(sl_bootstrap_grouped(mean_of, value, NULL, GROUPS * COPIES, 300, 0.95, run, &alone));
        width = grouped.high - grouped.low;
        width_alone = alone.high - alone.low;
    }
    assert_true(width > 2.5 * width_alone && width < 4 * width_alone);
    assert_in_range(covered, RUNS * 90 / 100, RUNS * 98 / 100);
}

/* Frames of a group are equal: three groups say as much as three frames. */
static void equal_frames_of_a_group_are_one_observation(void **state) {
    (void)state;
    enum { FRAMES = 40, N = 3 * FRAMES };
    bool label[N];
    int64_t group[N], single[N], groups;
    sl_estimate e, all, plain;
    for (int i = 0; i < N; i++) label[i] = i >= FRAMES, group[i] = 7 * (i / FRAMES), single[i] = i;
    assert_ok(sl_proportion_grouped(label, group, N, 0.95, 1, &e, &groups));
    assert_int_equal(groups, 3);
    assert_int_equal(e.n, N);
    assert_near(e.value, 2.0 / 3, 1e-12);
    assert_true(e.high - e.low > 0.8);
    for (int i = 0; i < N; i++) label[i] = true;
    assert_ok(sl_proportion_grouped(label, group, N, 0.95, 1, &all, &groups));
    assert_true(all.value == 1 && all.high == 1);
    assert_near(all.low, sl_clopper_pearson(3, 3, 0.95).low, 1e-12);
    /* in groups of their own they are N observations */
    for (int i = 0; i < N; i++) label[i] = i % 3 > 0;
    plain = sl_proportion(N * 2 / 3, N, 0, 0.95);
    assert_ok(sl_proportion_grouped(label, single, N, 0.95, 1, &e, &groups));
    assert_int_equal(groups, N);
    assert_near(e.low, plain.low, 0.03);
    assert_near(e.high, plain.high, 0.03);
    assert_ok(sl_proportion_grouped(label, single, 0, 0.95, 1, &e, &groups));
    assert_true(isnan(e.value) && groups == 0);
}

static void repeats_tell_the_error_rate(void **state) {
    (void)state;
    sl_estimate error = sl_repeat_error(19, 200, 0.95); /* d = 2 e (1 - e) with e = 0.05 */
    assert_near(error.value, 0.05, 1e-12);
    assert_true(error.low < 0.05 && error.high > 0.05 && error.high < 0.1);
    assert_near(sl_repeat_error(60, 100, 0.95).value, 0.5, 1e-12);
}

/* Scores of a known logistic law, made overconfident: the fit finds the law again. */
static void calibration_finds_the_law(void **state) {
    (void)state;
    enum { N = 20000 };
    static double logit[N], p[N];
    static bool label[N];
    sl_random random = sl_random_stream(5, SL_STREAM_TEST, 1);
    for (int i = 0; i < N; i++) {
        double x = 2 * sl_random_normal(&random);
        label[i] = sl_random_uniform(&random) < 1 / (1 + exp(-x));
        logit[i] = 3 * x + 1.5;
    }
    sl_calibration platt, temperature;
    assert_ok(sl_calibration_fit(SL_CALIBRATE_PLATT, logit, label, N, &platt));
    assert_near(platt.slope, 1.0 / 3, 0.02);
    assert_near(platt.offset, -0.5, 0.06);
    for (int i = 0; i < N; i++) p[i] = sl_calibration_apply(&platt, logit[i]);
    assert_true(sl_calibration_error(p, label, N, 15) < 0.015);
    assert_ok(sl_calibration_fit(SL_CALIBRATE_TEMPERATURE, logit, label, N, &temperature));
    assert_near(temperature.offset, 0, 0);
    assert_true(temperature.slope > 0.2 && temperature.slope < 0.4);
    json_t *json = sl_calibration_to_json(&platt);
    sl_calibration again;
    assert_ok(sl_calibration_from_json(json, &again));
    json_decref(json);
    assert_true(again.slope == platt.slope && again.offset == platt.offset);

    const double separable[4] = {-2, -1, 1, 2};
    const bool halves[4] = {false, false, true, true};
    assert_ok(sl_calibration_fit(SL_CALIBRATE_PLATT, separable, halves, 4, &platt));
    assert_true(isfinite(platt.slope) && platt.slope < 10);
    assert_status(sl_calibration_fit(SL_CALIBRATE_PLATT, separable, (const bool[4]){false}, 4, &platt),
                  SL_INVALID);
}

static void thresholds_keep_their_promise(void **state) {
    (void)state;
    enum { N = 4000 };
    static double p[N];
    static bool label[N];
    sl_random random = sl_random_stream(6, SL_STREAM_TEST, 1);
    for (int i = 0; i < N; i++) {
        p[i] = sl_random_uniform(&random);
        label[i] = sl_random_uniform(&random) < p[i];
    }
    sl_threshold chosen;
    assert_ok(sl_threshold_choose(p, label, N, 0.9, 0.95, &chosen));
    assert_string_equal(chosen.rule, "lower bound");
    assert_true(chosen.precision_low >= 0.9);
    /* above t the mean of p is (1 + t) / 2: 0.9 is reached at t = 0.8 */
    assert_true(chosen.threshold > 0.78 && chosen.threshold < 0.9);
    assert_ok(sl_threshold_choose(p, label, 20, 0.999, 0.95, &chosen));
    assert_string_not_equal(chosen.rule, "lower bound");
    const double tied[4] = {0.5, 0.5, 0.5, 0.5};
    assert_ok(sl_threshold_choose(tied, label, 4, 0.5, 0.95, &chosen));
    assert_int_equal(chosen.accepted, 4);
    assert_status(sl_threshold_choose(p, label, 0, 0.9, 0.95, &chosen), SL_INVALID);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(distributions_agree_with_tables),
    cmocka_unit_test(proportions_agree_with_tables),
    cmocka_unit_test(weights_undo_the_queue),
    cmocka_unit_test(intervals_cover_the_truth),
    cmocka_unit_test(the_experts_errors_are_taken_out),
    cmocka_unit_test(scores_are_measured),
    cmocka_unit_test(groups_stay_together),
    cmocka_unit_test(equal_frames_of_a_group_are_one_observation),
    cmocka_unit_test(repeats_tell_the_error_rate),
    cmocka_unit_test(calibration_finds_the_law),
    cmocka_unit_test(thresholds_keep_their_promise),
};
TEST_MAIN(tests)
