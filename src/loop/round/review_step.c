/* Steps of a round: the review, by a person or a simulated expert, and the numbers that follow from it. */
#include "loop/round/round.h"

#include "base/clock.h"
#include "base/hash.h"
#include "loop/judge/expert.h"
#include "loop/classify/physics.h"
#include "loop/judge/round_metrics.h"
#include "xray/artefact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char simulated_name[] = "simulated expert";

const char *sl_round_reviewer_name(const sl_round_settings *settings) {
    const char *user = getenv("USER");
    if (settings->reviewer) return settings->reviewer;
    if (settings->expert == SL_EXPERT_SIMULATED) return simulated_name;
    return user && user[0] ? user : "expert";
}

/* Of a generated image: tests of the mean counts behind it, which no classifier and no test of the loop sees;
 * else those of the image. */
static sl_status tests_of(sl_round *round, sl_id image, sl_test_result **out, int *count) {
    sl_image_record record;
    sl_physics physics;
    bool found;
    SL_TRY(sl_store_image_get(round->workspace->store, image, round->arena, &record));
    SL_TRY(sl_physics_judge_expectation(round->workspace, &record, &physics, &found));
    if (!found) return sl_store_tests(round->workspace->store, image, round->arena, out, count);
    *out = SL_NEW(round->arena, sl_test_result, SL_PHYSICAL_COUNT);
    *count = sl_physics_records(&physics, image, *out);
    return SL_OK;
}

/* What the simulated expert sees without a known truth: how far the image is beyond the limits of the
 * physical tests. A value at its limit (which one clean image in a hundred passes) is seen by about a third,
 * one at twice the limit by nine tenths. */
static sl_status view_by_tests(sl_round *round, sl_id image, sl_expert_view *out) {
    sl_test_result *tests;
    int count;
    SL_TRY(tests_of(round, image, &tests, &count));
    out->real = true;
    for (int i = 0; i < count; i++) {
        if (tests[i].passed || !(tests[i].high > 0)) continue;
        double strength = fmin(1, 0.3 + 0.25 * (tests[i].value / tests[i].high - 1));
        if (strength <= out->strength) continue;
        out->real = false;
        out->strength = strength;
        out->artefact = tests[i].name;
    }
    return SL_OK;
}

static sl_status view_image(sl_round *round, const sl_assignment_record *assignment, sl_expert_view *out) {
    sl_truth truth;
    bool known;
    SL_TRY(sl_store_truth(round->workspace->store, assignment->image, round->arena, &truth, &known));
    *out = (sl_expert_view){.score_shown = !assignment->blind};
    if (!known) return view_by_tests(round, assignment->image, out);
    sl_artefact_kind kind;
    bool named = truth.artefact && sl_artefact_find(truth.artefact, &kind) == SL_OK;
    out->real = truth.real;
    out->strength = truth.strength;
    out->artefact = named ? sl_artefact_words(kind) : truth.artefact;
    return SL_OK;
}

static sl_status see_verdict(sl_round *round, sl_id image, sl_expert_view *out) {
    sl_verdict *verdicts;
    int64_t count;
    SL_TRY(sl_store_verdicts(round->workspace->store, round->id, image, round->arena, &verdicts, &count));
    out->score_shown = out->score_shown && count > 0;
    out->machine_accepts = count > 0 && verdicts[0].accepted;
    sl_free(verdicts);
    return SL_OK;
}

/* The same name for the same assignment whenever it is made, so that deciding it again changes nothing. */
static const char *decision_uuid(const sl_round *round, sl_id assignment) {
    char text[96], hex[SL_SHA256_HEX];
    snprintf(text, sizeof text, "simulated decision %llu %lld", (unsigned long long)round->seed,
             (long long)assignment);
    sl_sha256_hex(text, strlen(text), hex);
    return sl_arena_printf(round->arena, "%.8s-%.4s-8%.3s-8%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15,
                           hex + 18);
}

static sl_status decide_one(sl_round *round, const sl_expert *expert, const sl_assignment_record *assignment,
                            int64_t place) {
    sl_expert_view view;
    SL_TRY(view_image(round, assignment, &view));
    SL_TRY(see_verdict(round, assignment->image, &view));
    view.place = place;
    sl_expert_answer answer = sl_expert_judge(expert, &view, assignment->id);
    int64_t now_ms = sl_clock_unix_ms();
    sl_decision decision = {.client_uuid = decision_uuid(round, assignment->id),
                            .assignment = assignment->id,
                            .image = assignment->image,
                            .reviewer = assignment->reviewer,
                            .label = answer.label,
                            .reasons = answer.reasons,
                            .note = "simulated",
                            .shown_ms = now_ms,
                            .decided_ms = now_ms,
                            .active_ms = answer.active_ms};
    return sl_store_decide(round->workspace->store, round->arena, &decision);
}

static sl_expert expert_of(const sl_round *round) {
    double error = round->settings->expert_error;
    return error > 0 ? sl_expert_with_error(round->seed, error) : sl_expert_default(round->seed);
}

static sl_status review_simulated(sl_round *round, sl_assignment_filter *filter, int64_t total,
                                  int64_t decided) {
    sl_expert expert = expert_of(round);
    sl_assignment_record *open;
    int count;
    SL_TRY(sl_store_assignments(round->workspace->store, filter, round->arena, &open, &count));
    for (int i = 0; i < count; i++) {
        SL_TRY(sl_progress_check(round->progress));
        SL_TRY(decide_one(round, &expert, &open[i], decided + i));
        sl_progress_tell(round->progress, "simulated review", "image", decided + i + 1, total, NULL);
    }
    return SL_OK;
}

sl_status sl_round_review(sl_round *round, json_t *result) {
    sl_store *store = round->workspace->store;
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    int64_t total, decided;
    filter.round = round->id; /* whoever was asked: who resumes the round may be somebody else */
    SL_TRY(sl_store_assignment_count(store, &filter, &total, &decided));
    if (!total) return sl_fail(SL_NOT_FOUND, "nobody was asked about any image of the round");
    filter.decided = 0;
    if (decided < total && round->settings->expert == SL_EXPERT_SIMULATED) {
        SL_TRY(review_simulated(round, &filter, total, decided));
    } else if (decided < total) {
        round->waiting = true;
        return SL_OK;
    }
    json_object_set_new(result, "decided", json_integer(total));
    json_object_set_new(result, "expert",
                        json_string(round->settings->expert == SL_EXPERT_SIMULATED ? "simulated" : "person"));
    return SL_OK;
}

sl_status sl_round_measure(sl_round *round, json_t *result) {
    sl_round_metrics metrics;
    SL_TRY(sl_round_metrics_measure(round->workspace, round->id, round->settings->confidence, &metrics));
    json_t *object = sl_round_metrics_to_json(&metrics);
    if (!object) return sl_fail(SL_MEMORY, "out of memory for the metrics of a round");
    json_object_update(result, object);
    json_decref(object);
    return SL_OK;
}
