/* Dispatch to the implementation, and the checks that hold for all of them. */
#include "store/store.h"

#include "store/methods.h"

#include <string.h>

sl_status sl_store_open(const char *path, bool create, sl_store **out) {
    return sl_store_open_sqlite(path, create, out);
}

void sl_store_close(sl_store *store) {
    if (store) store->methods->close(store);
}

sl_status sl_store_check(sl_store *store, int64_t *out_decisions) {
    return store->methods->check(store, out_decisions);
}

sl_status sl_store_revision(sl_store *store, int64_t *out) {
    return store->methods->revision(store, out);
}

sl_status sl_store_setting_set(sl_store *store, const char *key, const char *value) {
    return store->methods->setting_set(store, key, value);
}

sl_status sl_store_setting_get(sl_store *store, const char *key, sl_arena *arena, const char **out) {
    return store->methods->setting_get(store, key, arena, out);
}

sl_status sl_store_images_add(sl_store *store, sl_image_record *records, int count, bool unique_content,
                              int *out_added) {
    return count ? store->methods->images_add(store, records, count, unique_content, out_added) : SL_OK;
}

sl_status sl_store_image_get(sl_store *store, sl_id image, sl_arena *arena, sl_image_record *out) {
    return store->methods->image_get(store, image, arena, out);
}

sl_status sl_store_image_find(sl_store *store, const char *content_hash, sl_id *out_id) {
    return store->methods->image_find(store, content_hash, out_id);
}

sl_status sl_store_image_provenance(sl_store *store, sl_id image, sl_arena *arena, const char **out_json) {
    return store->methods->image_provenance(store, image, arena, out_json);
}

sl_status sl_store_images(sl_store *store, const sl_image_filter *filter, sl_arena *arena,
                          sl_image_record **out, int *out_count) {
    return store->methods->images(store, filter, arena, out, out_count);
}

sl_status sl_store_image_count(sl_store *store, const sl_image_filter *filter, int64_t *out) {
    return store->methods->image_count(store, filter, out);
}

sl_status sl_store_predictions_add(sl_store *store, const sl_prediction *predictions, int count) {
    return count ? store->methods->predictions_add(store, predictions, count) : SL_OK;
}

sl_status sl_store_predictions(sl_store *store, sl_id image, sl_arena *arena, sl_prediction **out,
                               int *out_count) {
    return store->methods->predictions(store, image, arena, out, out_count);
}

sl_status sl_store_scores(sl_store *store, sl_id model, sl_id round, sl_prediction **out,
                          int64_t *out_count) {
    return store->methods->scores(store, model, round, out, out_count);
}

sl_status sl_store_tests_add(sl_store *store, const sl_test_result *results, int count) {
    return count ? store->methods->tests_add(store, results, count) : SL_OK;
}

sl_status sl_store_tests(sl_store *store, sl_id image, sl_arena *arena, sl_test_result **out,
                         int *out_count) {
    return store->methods->tests(store, image, arena, out, out_count);
}

sl_status sl_store_verdicts_add(sl_store *store, const sl_verdict *verdicts, int count) {
    return count ? store->methods->verdicts_add(store, verdicts, count) : SL_OK;
}

sl_status sl_store_verdicts(sl_store *store, sl_id round, sl_id image, sl_arena *arena, sl_verdict **out,
                            int64_t *out_count) {
    return store->methods->verdicts(store, round, image, arena, out, out_count);
}

sl_status sl_store_truths_add(sl_store *store, const sl_truth *truths, int count) {
    return count ? store->methods->truths_add(store, truths, count) : SL_OK;
}

sl_status sl_store_truth(sl_store *store, sl_id image, sl_arena *arena, sl_truth *out, bool *out_known) {
    return store->methods->truth(store, image, arena, out, out_known);
}

sl_status sl_store_embedding_set(sl_store *store, sl_id image, sl_id model, const float *vector, int width) {
    return store->methods->embedding_set(store, image, model, vector, width);
}

sl_status sl_store_embedding_get(sl_store *store, sl_id image, sl_id model, float *out_vector, int width) {
    return store->methods->embedding_get(store, image, model, out_vector, width);
}

sl_status sl_store_reviewer(sl_store *store, const char *name, bool simulated, sl_id *out) {
    return store->methods->reviewer(store, name, simulated, out);
}

sl_status sl_store_reviewers(sl_store *store, sl_arena *arena, sl_reviewer **out, int *out_count) {
    return store->methods->reviewers(store, arena, out, out_count);
}

sl_status sl_store_assignments_add(sl_store *store, sl_assignment_record *records, int count) {
    return count ? store->methods->assignments_add(store, records, count) : SL_OK;
}

sl_status sl_store_queue_add(sl_store *store, sl_round_record *round, sl_assignment_record *records,
                             int count) {
    return store->methods->queue_add(store, round, records, count);
}

sl_status sl_store_assignment_get(sl_store *store, sl_id assignment, sl_assignment_record *out) {
    return store->methods->assignment_get(store, assignment, out);
}

sl_status sl_store_assignments(sl_store *store, const sl_assignment_filter *filter, sl_arena *arena,
                               sl_assignment_record **out, int *out_count) {
    return store->methods->assignments(store, filter, arena, out, out_count);
}

sl_status sl_store_assignment_count(sl_store *store, const sl_assignment_filter *filter, int64_t *out_total,
                                    int64_t *out_decided) {
    return store->methods->assignment_count(store, filter, out_total, out_decided);
}

sl_status sl_store_assignment_shown(sl_store *store, sl_id assignment, int64_t shown_ms) {
    return store->methods->assignment_shown(store, assignment, shown_ms);
}

static sl_status check_decision(const sl_decision *decision) {
    const char *uuid = decision->client_uuid;
    if (!uuid || strlen(uuid) != 36)
        return sl_fail(SL_INVALID, "client_uuid '%.40s' has %zu characters, expected 36", uuid ? uuid : "",
                       uuid ? strlen(uuid) : 0);
    if (decision->image <= 0 || decision->reviewer <= 0)
        return sl_fail(SL_INVALID, "a decision needs an image and a reviewer");
    if ((unsigned)decision->label >= SL_LABEL_COUNT)
        return sl_fail(SL_INVALID, "unknown label %d", (int)decision->label);
    if (decision->label == SL_LABEL_WITHDRAWN && !decision->supersedes && !decision->supersedes_uuid)
        return sl_fail(SL_INVALID, "a withdrawal names the decision it takes back");
    if (decision->reasons >> SL_REASON_COUNT)
        return sl_fail(SL_INVALID, "unknown reasons 0x%x", decision->reasons);
    if (decision->score < 0 || decision->score > 5)
        return sl_fail(SL_INVALID, "score %lld is outside 0 to 5", (long long)decision->score);
    return SL_OK;
}

sl_status sl_store_decide(sl_store *store, sl_arena *arena, sl_decision *decision) {
    return sl_store_decide_all(store, arena, decision, 1);
}

sl_status sl_store_decide_all(sl_store *store, sl_arena *arena, sl_decision *decisions, int count) {
    for (int i = 0; i < count; i++) SL_TRY(check_decision(&decisions[i]));
    return count ? store->methods->decide_all(store, arena, decisions, count) : SL_OK;
}

sl_status sl_store_decisions(sl_store *store, const sl_decision_filter *filter, sl_arena *arena,
                             sl_decision **out, int *out_count) {
    return store->methods->decisions(store, filter, arena, out, out_count);
}

sl_status sl_store_decision_find(sl_store *store, const char *client_uuid, sl_arena *arena,
                                 sl_decision *out) {
    return store->methods->decision_find(store, client_uuid, arena, out);
}

sl_status sl_store_consensus(sl_store *store, sl_id image, sl_consensus *out) {
    return store->methods->consensus(store, image, out);
}

sl_status sl_store_consensus_all(sl_store *store, sl_id round, sl_consensus **out, int64_t *out_count) {
    return store->methods->consensus_all(store, round, out, out_count);
}

sl_status sl_store_model_add(sl_store *store, sl_model_record *record) {
    return store->methods->model_add(store, record);
}

sl_status sl_store_model_get(sl_store *store, sl_id model, sl_arena *arena, sl_model_record *out) {
    return store->methods->model_get(store, model, arena, out);
}

sl_status sl_store_model_newest(sl_store *store, const char *kind, sl_arena *arena, sl_model_record *out) {
    return store->methods->model_newest(store, kind, arena, out);
}

sl_status sl_store_models(sl_store *store, const char *kind, sl_arena *arena, sl_model_record **out,
                          int *out_count) {
    return store->methods->models(store, kind, arena, out, out_count);
}

sl_status sl_store_run_start(sl_store *store, sl_run_record *record) {
    return store->methods->run_start(store, record);
}

sl_status sl_store_run_progress(sl_store *store, sl_id run, int64_t done, int64_t total, const char *note) {
    return store->methods->run_progress(store, run, done, total, note);
}

sl_status sl_store_run_finish(sl_store *store, sl_id run, sl_run_state state, const char *result_json) {
    return store->methods->run_finish(store, run, state, result_json);
}

sl_status sl_store_run_get(sl_store *store, sl_id run, sl_arena *arena, sl_run_record *out) {
    return store->methods->run_get(store, run, arena, out);
}

sl_status sl_store_runs(sl_store *store, const sl_run_filter *filter, sl_arena *arena, sl_run_record **out,
                        int *out_count) {
    return store->methods->runs(store, filter, arena, out, out_count);
}

sl_status sl_store_round_start(sl_store *store, sl_round_record *record) {
    return store->methods->round_start(store, record);
}

sl_status sl_store_round_finish(sl_store *store, sl_id round, sl_run_state state, const char *metrics_json) {
    return store->methods->round_finish(store, round, state, metrics_json);
}

sl_status sl_store_round_get(sl_store *store, sl_id round, sl_arena *arena, sl_round_record *out) {
    return store->methods->round_get(store, round, arena, out);
}

sl_status sl_store_rounds(sl_store *store, sl_arena *arena, sl_round_record **out, int *out_count) {
    return store->methods->rounds(store, arena, out, out_count);
}

sl_status sl_store_step_set(sl_store *store, sl_id round, const char *name, sl_run_state state,
                            const char *result_json) {
    return store->methods->step_set(store, round, name, state, result_json);
}

sl_status sl_store_step_get(sl_store *store, sl_id round, const char *name, sl_arena *arena,
                            sl_round_step *out) {
    return store->methods->step_get(store, round, name, arena, out);
}

sl_status sl_store_summarise(sl_store *store, sl_store_summary *out) {
    return store->methods->summarise(store, out);
}
