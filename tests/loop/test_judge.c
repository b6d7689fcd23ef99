/* From a queue through an expert to the numbers of a round, with everything known. */
#include "test.h"

#include "base/random/random.h"
#include "loop/judge/expert.h"
#include "loop/judge/queue.h"
#include "loop/judge/round_metrics.h"

#include <math.h>
#include <string.h>

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g is not %.9g within %g", found, expected, tolerance);
}

enum { POOL = 1200 };

typedef struct world {
    sl_queue_item pool[POOL];
    bool real[POOL];
} world;

/* Two thirds real; the classifier is good but not perfect; accepted is p >= 0.6. Image k has id k + 1. */
static void make_world(uint32_t run, world *out) {
    sl_random random = sl_random_stream(41, SL_STREAM_TEST, run);
    for (int i = 0; i < POOL; i++) {
        out->real[i] = sl_random_uniform(&random) < 0.67;
        double logit = (out->real[i] ? 1.2 : -1.2) + 1.3 * sl_random_normal(&random);
        double p = 1 / (1 + exp(-1.5 * logit));
        out->pool[i] = (sl_queue_item){.image = i + 1, .p_real = p, .accepted = p >= 0.6};
    }
}

static void a_queue_keeps_its_shares(void **state) {
    (void)state;
    static world all;
    sl_assignment_record out[200];
    sl_id gold[30], repeat[4];
    int64_t count, shares[SL_QUEUE_COUNT] = {0}, seen[POOL + 100] = {0};
    make_world(1, &all);
    for (int i = 0; i < 30; i++) gold[i] = POOL + 1 + i;
    for (int i = 0; i < 4; i++) repeat[i] = POOL + 50 + i;
    sl_queue_extra extra = {.gold = gold, .golds = 30, .repeat = repeat, .repeats = 4};
    sl_queue_settings settings = SL_QUEUE_SETTINGS_DEFAULT;
    assert_ok(sl_queue_build(all.pool, POOL, &extra, &settings, 7, out, &count));
    assert_int_equal(count, 200);
    for (int i = 0; i < count; i++) {
        shares[out[i].queue]++;
        assert_int_equal(out[i].position, i + 1);
        assert_int_equal(seen[out[i].image]++, 0);
        assert_true(out[i].propensity > 0 && out[i].propensity <= 1 && out[i].blind);
        if (out[i].queue == SL_QUEUE_AUDIT_ACCEPTED) assert_true(all.pool[out[i].image - 1].accepted);
        if (out[i].queue == SL_QUEUE_AUDIT_POOL) assert_near(out[i].propensity, 30.0 / POOL, 1e-12);
    }
    assert_int_equal(shares[SL_QUEUE_AUDIT_POOL], 30);
    assert_int_equal(shares[SL_QUEUE_AUDIT_ACCEPTED], 30);
    assert_int_equal(shares[SL_QUEUE_GOLD], 10);
    assert_int_equal(shares[SL_QUEUE_REPEAT], 4);
    assert_int_equal(shares[SL_QUEUE_INFORMATIVE], 126);
    sl_assignment_record again[200];
    assert_ok(sl_queue_build(all.pool, POOL, &extra, &settings, 7, again, &count));
    assert_memory_equal(out, again, sizeof out);
    settings.assisted = true;
    assert_ok(sl_queue_build(all.pool, POOL, &extra, &settings, 7, again, &count));
    for (int i = 0; i < count; i++)
        assert_int_equal(again[i].blind,
                         again[i].queue != SL_QUEUE_INFORMATIVE && again[i].queue != SL_QUEUE_SUSPECT);
    settings.gold = 0.9;
    assert_status(sl_queue_build(all.pool, POOL, &extra, &settings, 7, again, &count), SL_INVALID);
}

static void small_pools_and_duplicates(void **state) {
    (void)state;
    sl_queue_item pool[20];
    sl_assignment_record out[50];
    int64_t count;
    sl_queue_settings settings = SL_QUEUE_SETTINGS_DEFAULT;
    settings.size = 50;
    for (int i = 0; i < 20; i++) pool[i] = (sl_queue_item){.image = i + 1, .p_real = 0.5, .accepted = i % 2};
    assert_ok(sl_queue_build(pool, 20, NULL, &settings, 1, out, &count));
    assert_int_equal(count, 20);
    for (int i = 0; i < 20; i++) pool[i].cluster = 1 + i / 10;
    settings.audit_pool = settings.audit_accepted = 0;
    assert_ok(sl_queue_build(pool, 20, NULL, &settings, 1, out, &count));
    assert_int_equal(count, 2);
    assert_ok(sl_queue_build(pool, 0, NULL, &settings, 1, out, &count));
    assert_int_equal(count, 0);
}

/* Drawn again and again, every image turns up as often as its propensity says. */
static void propensities_are_true(void **state) {
    (void)state;
    enum { SMALL = 60, RUNS = 4000 };
    sl_queue_item pool[SMALL];
    sl_assignment_record out[20];
    double times[SMALL] = {0}, promised[SMALL] = {0};
    sl_queue_settings settings = {.size = 20, .power = 1};
    for (int i = 0; i < SMALL; i++)
        pool[i] = (sl_queue_item){.image = i + 1, .uncertainty = 0.05 + 0.9 * i / SMALL};
    for (uint64_t run = 0; run < RUNS; run++) {
        int64_t count;
        assert_ok(sl_queue_build(pool, SMALL, NULL, &settings, run, out, &count));
        for (int i = 0; i < count; i++) {
            times[out[i].image - 1] += 1.0 / RUNS;
            /* 1/propensity of those drawn has mean 1: what Horvitz and Thompson need */
            promised[out[i].image - 1] += 1 / out[i].propensity / RUNS;
        }
    }
    assert_true(times[SMALL - 1] > 3 * times[0]);
    for (int i = 5; i < SMALL; i++) assert_near(promised[i], 1, 0.15);
}

static void alike_images_are_one_cluster(void **state) {
    (void)state;
    static const char a[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char b[] = "000000000000000000000000000000000000000000000000000000000000000f";
    static const char c[] = "00000000000000000000000000000000000000000000000000000000000000ff";
    static const char d[] = "ffffffffffffffff000000000000000000000000000000000000000000000000";
    const char *const prints[] = {a, d, c, NULL, b};
    int64_t cluster[5];
    assert_ok(sl_queue_cluster(prints, 5, 4, cluster));
    assert_true(cluster[0] == cluster[2] && cluster[2] == cluster[4]);
    assert_true(cluster[1] != cluster[0] && cluster[3] != cluster[0] && cluster[3] != cluster[1]);
}

static void the_expert_errs_as_told(void **state) {
    (void)state;
    enum { N = 20000 };
    sl_expert expert = sl_expert_default(3);
    const sl_expert_view views[] = {{.real = true},
                                    {.artefact = "ring ellipticity", .strength = 0.30},
                                    {.artefact = "ring ellipticity", .strength = 1.0},
                                    {.artefact = "correlated noise", .strength = 0.30}};
    double chance[4];
    for (int v = 0; v < 4; v++) {
        int unreal = 0;
        chance[v] = sl_expert_chance_unreal(&expert, &views[v]);
        expert.unsure_rate = 0;
        for (sl_id k = 1; k <= N; k++)
            unreal += sl_expert_judge(&expert, &views[v], k).label == SL_LABEL_UNREAL;
        double expected = chance[v] * (1 - expert.slip) + (1 - chance[v]) * expert.slip;
        assert_near(unreal / (double)N, expected, 0.015);
    }
    assert_near(chance[0], 0.02, 1e-12);
    assert_near(chance[1], 0.5, 1e-12);
    assert_true(chance[2] > 0.97 && chance[3] < 0.2);
    assert_int_equal(sl_expert_judge(&expert, &views[2], 5).reasons, 1u << SL_REASON_RING_SHAPE);
    sl_expert_answer one = sl_expert_judge(&expert, &views[1], 9),
                     same = sl_expert_judge(&expert, &views[1], 9);
    assert_true(one.label == same.label && one.active_ms == same.active_ms);

    sl_expert follower = expert;
    follower.anchoring = 1;
    follower.slip = 0;
    sl_expert_view shown = views[2];
    shown.score_shown = shown.machine_accepts = true;
    assert_int_equal(sl_expert_judge(&follower, &shown, 1).label, SL_LABEL_REAL);
    shown.score_shown = false;
    assert_int_equal(sl_expert_judge(&follower, &shown, 1).label, SL_LABEL_UNREAL);
    expert.fatigue = 0.2;
    shown.strength = 0.35;
    double fresh = sl_expert_chance_unreal(&expert, &shown);
    shown.place = 300;
    assert_true(sl_expert_chance_unreal(&expert, &shown) < fresh);
}

/* One simulated round: what the queue asks, a perfect or erring expert answers. */
static sl_round_metrics review(const world *all, uint32_t run, double error,
                               const sl_queue_settings *settings) {
    sl_assignment_record queue[400];
    sl_reviewed reviewed[400];
    sl_expert expert = sl_expert_with_error(run, error);
    sl_round_metrics metrics;
    int64_t count, accepted = 0;
    assert_ok(sl_queue_build(all->pool, POOL, NULL, settings, run, queue, &count));
    for (int i = 0; i < POOL; i++) accepted += all->pool[i].accepted;
    for (int i = 0; i < count; i++) {
        int64_t k = queue[i].image - 1;
        sl_expert_view view = {.real = all->real[k], .strength = all->real[k] ? 0 : 1};
        sl_expert_answer answer = sl_expert_judge(&expert, &view, i + 1);
        reviewed[i] = (sl_reviewed){.image = k + 1,
                                    .queue = queue[i].queue,
                                    .accepted = all->pool[k].accepted,
                                    .has_verdict = true,
                                    .p_real = all->pool[k].p_real,
                                    .label = answer.label,
                                    .reasons = answer.reasons,
                                    .active_ms = answer.active_ms,
                                    .earlier = SL_LABEL_WITHDRAWN};
    }
    assert_ok(sl_round_metrics_compute(reviewed, count, POOL, accepted, 0.95, run, &metrics));
    return metrics;
}

/* The blind audits keep their promise in repeated rounds, while the number read off the queue is far away. */
static void audits_are_honest_where_the_queue_is_not(void **state) {
    (void)state;
    enum { RUNS = 400 };
    static world all;
    sl_queue_settings settings = SL_QUEUE_SETTINGS_DEFAULT;
    int precision = 0, recall = 0, yield = 0;
    double honest = 0, naive = 0, truth = 0;
    settings.size = 400;
    for (uint32_t run = 0; run < RUNS; run++) {
        make_world(run, &all);
        double accepted = 0, hits = 0, real = 0;
        for (int i = 0; i < POOL; i++) {
            accepted += all.pool[i].accepted;
            real += all.real[i];
            hits += all.pool[i].accepted && all.real[i];
        }
        sl_round_metrics m = review(&all, run, 0, &settings);
        const sl_audit_result *audit = &m.audit;
        precision += audit->precision.low <= hits / accepted && hits / accepted <= audit->precision.high;
        recall += audit->recall.low <= hits / real && hits / real <= audit->recall.high;
        yield += audit->yield.low <= hits / POOL && hits / POOL <= audit->yield.high;
        honest += audit->precision.value / RUNS;
        naive += m.naive_precision.value / RUNS;
        truth += hits / accepted / RUNS;
        assert_true(m.roc_auc > 0.6 && m.decisions_per_minute > 10);
    }
    print_message(
        "precision: true %.3f, audit %.3f, read off the queue %.3f; covered: precision %.3f recall %.3f "
        "yield %.3f\n",
        truth, honest, naive, precision / (double)RUNS, recall / (double)RUNS, yield / (double)RUNS);
    assert_near(honest, truth, 0.01);
    assert_true(naive < truth - 0.015);
    assert_in_range(precision, RUNS * 93 / 100, RUNS);
    assert_in_range(recall, RUNS * 93 / 100, RUNS);
    assert_in_range(yield, RUNS * 93 / 100, RUNS);
}

static void gold_and_repeats_are_read(void **state) {
    (void)state;
    sl_reviewed reviewed[8] = {
        {.queue = SL_QUEUE_GOLD, .truth_known = true, .truth_real = true, .label = SL_LABEL_REAL},
        {.queue = SL_QUEUE_GOLD, .truth_known = true, .truth_real = true, .label = SL_LABEL_UNSURE},
        {.queue = SL_QUEUE_GOLD,
         .truth_known = true,
         .truth_real = false,
         .label = SL_LABEL_UNREAL,
         .reasons = 3},
        {.queue = SL_QUEUE_REPEAT, .label = SL_LABEL_REAL, .earlier = SL_LABEL_REAL},
        {.queue = SL_QUEUE_REPEAT, .label = SL_LABEL_REAL, .earlier = SL_LABEL_UNREAL, .active_ms = 90000},
        {.queue = SL_QUEUE_REPEAT, .label = SL_LABEL_REAL, .earlier = SL_LABEL_WITHDRAWN},
        {.queue = SL_QUEUE_AUDIT_POOL, .has_verdict = true, .accepted = true, .label = SL_LABEL_UNSURE},
        {.queue = SL_QUEUE_AUDIT_ACCEPTED, .has_verdict = true, .accepted = true, .label = SL_LABEL_REAL},
    };
    sl_round_metrics metrics;
    assert_ok(sl_round_metrics_compute(reviewed, 8, 10, 4, 0.95, 1, &metrics));
    assert_near(metrics.gold_sensitivity.value, 0.5, 1e-12);
    assert_near(metrics.gold_specificity.value, 1, 1e-12);
    assert_int_equal(metrics.repeat_error.n, 2);
    assert_near(metrics.audit.precision.value, 0.5, 1e-12);
    assert_int_equal(metrics.audit.precision.n, 2);
    assert_near(metrics.active_s, 30, 1e-12);
    assert_true(metrics.reasons[0] == 1 && metrics.reasons[1] == 1);
    json_t *json = sl_round_metrics_to_json(&metrics);
    assert_non_null(json_object_get(json_object_get(json, "precision"), "method"));
    json_decref(json);
    assert_ok(sl_round_metrics_compute(reviewed, 0, 0, 0, 0.95, 1, &metrics));
    assert_true(isnan(metrics.audit.precision.value) && isnan(metrics.roc_auc));
    json = sl_round_metrics_to_json(&metrics);
    assert_true(json_is_null(json_object_get(json, "roc_auc")));
    json_decref(json);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_queue_keeps_its_shares),  cmocka_unit_test(small_pools_and_duplicates),
    cmocka_unit_test(propensities_are_true),     cmocka_unit_test(alike_images_are_one_cluster),
    cmocka_unit_test(the_expert_errs_as_told),   cmocka_unit_test(audits_are_honest_where_the_queue_is_not),
    cmocka_unit_test(gold_and_repeats_are_read),
};
TEST_MAIN(tests)
