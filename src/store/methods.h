/* What an implementation of the store provides: the functions of store.h with the same contracts, plus its
 * end. The callers' arguments have been checked by store.c where all implementations would check the same. */
#ifndef SL_STORE_METHODS_H
#define SL_STORE_METHODS_H

#include "store/store.h"

typedef struct sl_store_methods {
    void (*close)(sl_store *store);
    sl_status (*check)(sl_store *store, int64_t *out_decisions);
    sl_status (*revision)(sl_store *store, int64_t *out);
    sl_status (*setting_set)(sl_store *store, const char *key, const char *value);
    sl_status (*setting_get)(sl_store *store, const char *key, sl_arena *arena, const char **out);
    sl_status (*images_add)(sl_store *store, sl_image_record *records, int count, bool unique_content,
                            int *out_added);
    sl_status (*image_get)(sl_store *store, sl_id image, sl_arena *arena, sl_image_record *out);
    sl_status (*image_find)(sl_store *store, const char *content_hash, sl_id *out_id);
    sl_status (*image_provenance)(sl_store *store, sl_id image, sl_arena *arena, const char **out_json);
    sl_status (*images)(sl_store *store, const sl_image_filter *filter, sl_arena *arena,
                        sl_image_record **out, int *out_count);
    sl_status (*image_count)(sl_store *store, const sl_image_filter *filter, int64_t *out);
    sl_status (*predictions_add)(sl_store *store, const sl_prediction *predictions, int count);
    sl_status (*predictions)(sl_store *store, sl_id image, sl_arena *arena, sl_prediction **out,
                             int *out_count);
    sl_status (*scores)(sl_store *store, sl_id model, sl_id round, sl_prediction **out, int64_t *out_count);
    sl_status (*tests_add)(sl_store *store, const sl_test_result *results, int count);
    sl_status (*tests)(sl_store *store, sl_id image, sl_arena *arena, sl_test_result **out, int *out_count);
    sl_status (*verdicts_add)(sl_store *store, const sl_verdict *verdicts, int count);
    sl_status (*verdicts)(sl_store *store, sl_id round, sl_id image, sl_arena *arena, sl_verdict **out,
                          int64_t *out_count);
    sl_status (*truths_add)(sl_store *store, const sl_truth *truths, int count);
    sl_status (*truth)(sl_store *store, sl_id image, sl_arena *arena, sl_truth *out, bool *out_known);
    sl_status (*embedding_set)(sl_store *store, sl_id image, sl_id model, const float *vector, int width);
    sl_status (*embedding_get)(sl_store *store, sl_id image, sl_id model, float *out_vector, int width);
    sl_status (*reviewer)(sl_store *store, const char *name, bool simulated, sl_id *out);
    sl_status (*reviewers)(sl_store *store, sl_arena *arena, sl_reviewer **out, int *out_count);
    sl_status (*assignments_add)(sl_store *store, sl_assignment_record *records, int count);
    sl_status (*queue_add)(sl_store *store, sl_round_record *round, sl_assignment_record *records, int count);
    sl_status (*assignment_get)(sl_store *store, sl_id assignment, sl_assignment_record *out);
    sl_status (*assignments)(sl_store *store, const sl_assignment_filter *filter, sl_arena *arena,
                             sl_assignment_record **out, int *out_count);
    sl_status (*assignment_count)(sl_store *store, const sl_assignment_filter *filter, int64_t *out_total,
                                  int64_t *out_decided);
    sl_status (*assignment_shown)(sl_store *store, sl_id assignment, int64_t shown_ms);
    sl_status (*decide_all)(sl_store *store, sl_arena *arena, sl_decision *decisions, int count);
    sl_status (*decisions)(sl_store *store, const sl_decision_filter *filter, sl_arena *arena,
                           sl_decision **out, int *out_count);
    sl_status (*decision_find)(sl_store *store, const char *client_uuid, sl_arena *arena, sl_decision *out);
    sl_status (*consensus)(sl_store *store, sl_id image, sl_consensus *out);
    sl_status (*consensus_all)(sl_store *store, sl_id round, sl_consensus **out, int64_t *out_count);
    sl_status (*model_add)(sl_store *store, sl_model_record *record);
    sl_status (*model_get)(sl_store *store, sl_id model, sl_arena *arena, sl_model_record *out);
    sl_status (*model_newest)(sl_store *store, const char *kind, sl_arena *arena, sl_model_record *out);
    sl_status (*models)(sl_store *store, const char *kind, sl_arena *arena, sl_model_record **out,
                        int *out_count);
    sl_status (*run_start)(sl_store *store, sl_run_record *record);
    sl_status (*run_progress)(sl_store *store, sl_id run, int64_t done, int64_t total, const char *note);
    sl_status (*run_finish)(sl_store *store, sl_id run, sl_run_state state, const char *result_json);
    sl_status (*run_get)(sl_store *store, sl_id run, sl_arena *arena, sl_run_record *out);
    sl_status (*runs)(sl_store *store, const sl_run_filter *filter, sl_arena *arena, sl_run_record **out,
                      int *out_count);
    sl_status (*round_start)(sl_store *store, sl_round_record *record);
    sl_status (*round_finish)(sl_store *store, sl_id round, sl_run_state state, const char *metrics_json);
    sl_status (*round_get)(sl_store *store, sl_id round, sl_arena *arena, sl_round_record *out);
    sl_status (*rounds)(sl_store *store, sl_arena *arena, sl_round_record **out, int *out_count);
    sl_status (*step_set)(sl_store *store, sl_id round, const char *name, sl_run_state state,
                          const char *result_json);
    sl_status (*step_get)(sl_store *store, sl_id round, const char *name, sl_arena *arena,
                          sl_round_step *out);
    sl_status (*summarise)(sl_store *store, sl_store_summary *out);
} sl_store_methods;

/* First member of every implementation's own struct. */
struct sl_store {
    const sl_store_methods *methods;
};

/* src/store/sqlite */
sl_status sl_store_open_sqlite(const char *path, bool create, sl_store **out);

#endif
