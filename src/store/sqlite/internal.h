/* The SQLite store: one writer thread with its own connection, and a pool of connections for readers. */
#ifndef SL_STORE_SQLITE_INTERNAL_H
#define SL_STORE_SQLITE_INTERNAL_H

#include "store/methods.h"
#include "store/sqlite/db.h"

#include <pthread.h>

enum { SL_READERS_IDLE_MAX = 16 };

/* A write waiting for its turn. Lives on the stack of the thread that waits for it. */
typedef struct sl_write {
    sl_status (*run)(sl_db *db, void *arguments);
    void *arguments;
    sl_status status;
    char message[512];
    bool done;
    struct sl_write *next;
} sl_write;

typedef struct sl_sqlite_store {
    sl_store base;
    char *path;

    sl_db writer;
    pthread_t thread;
    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled, batch_done;
    sl_write *queue_head, *queue_tail;
    bool stopping;

    pthread_mutex_t reader_lock;
    sl_db idle[SL_READERS_IDLE_MAX];
    int idle_count;
    pthread_mutex_t watch_lock;
    sl_db watch; /* asks only for the revision, since that number is one connection's own */
} sl_sqlite_store;

/* Runs `run` in the writer thread inside a transaction that may hold other threads' writes too; returns when
 * it is on disk or has failed alone. */
sl_status sl_sqlite_write(sl_store *store, sl_status (*run)(sl_db *db, void *arguments), void *arguments);
sl_status sl_sqlite_writer_start(sl_sqlite_store *store);
void sl_sqlite_writer_stop(sl_sqlite_store *store); /* after what is queued */

/* A connection for reading, to be handed back. */
sl_status sl_sqlite_read_begin(sl_store *store, sl_db *out);
void sl_sqlite_read_end(sl_store *store, sl_db *db);

/* A query under construction: text and the values of its marks. */
typedef struct sl_query {
    char sql[2048];
    size_t length;
    sl_db_value value[16];
    int count;
    bool has_where, too_long;
} sl_query;
sl_query sl_query_start(const char *sql);
void sl_query_add(sl_query *query, const char *sql); /* text alone */
void sl_query_where(sl_query *query, const char *sql,
                    sl_db_value value);                    /* "column = ?": joined by WHERE or AND */
void sl_query_condition(sl_query *query, const char *sql); /* the same without a value */
/* " ORDER BY ... LIMIT ?"; limit 0 or more than SL_STORE_LIST_MAX: SL_STORE_LIST_MAX. */
void sl_query_order(sl_query *query, const char *order, int limit);

/* Fills one zeroed item from a row. */
typedef void (*sl_row_reader)(sqlite3_stmt *row, sl_arena *arena, void *item);
/* Rows into an array in the arena. */
sl_status sl_sqlite_list(sl_store *store, const sl_query *query, sl_row_reader read, size_t item_bytes,
                         sl_arena *arena, void *out, int *out_count);
/* Any number of rows into memory of its own (sl_free). */
sl_status sl_sqlite_list_long(sl_store *store, const sl_query *query, sl_row_reader read, size_t item_bytes,
                              sl_arena *arena, void *out, int64_t *out_count);
/* The first row into *item; *out_found tells whether there is one. */
sl_status sl_sqlite_first(sl_store *store, const sl_query *query, sl_row_reader read, sl_arena *arena,
                          void *item, bool *out_found);
/* The same; SL_NOT_FOUND names `what` and `id` where there is none. */
sl_status sl_sqlite_one(sl_store *store, const sl_query *query, sl_row_reader read, sl_arena *arena,
                        void *item, const char *what, sl_id id);
/* A single number, such as a count. */
sl_status sl_sqlite_number(sl_store *store, const sl_query *query, int64_t *out);

/* image.c */
sl_status sl_sqlite_images_add(sl_store *store, sl_image_record *records, int count, bool unique_content,
                               int *out_added);
sl_status sl_sqlite_image_get(sl_store *store, sl_id image, sl_arena *arena, sl_image_record *out);
sl_status sl_sqlite_image_find(sl_store *store, const char *content_hash, sl_id *out_id);
sl_status sl_sqlite_image_provenance(sl_store *store, sl_id image, sl_arena *arena, const char **out_json);
sl_status sl_sqlite_images(sl_store *store, const sl_image_filter *filter, sl_arena *arena,
                           sl_image_record **out, int *out_count);
sl_status sl_sqlite_image_count(sl_store *store, const sl_image_filter *filter, int64_t *out);
/* evidence.c */
sl_status sl_sqlite_predictions_add(sl_store *store, const sl_prediction *predictions, int count);
sl_status sl_sqlite_predictions(sl_store *store, sl_id image, sl_arena *arena, sl_prediction **out,
                                int *out_count);
sl_status sl_sqlite_scores(sl_store *store, sl_id model, sl_id round, sl_prediction **out,
                           int64_t *out_count);
sl_status sl_sqlite_tests_add(sl_store *store, const sl_test_result *results, int count);
sl_status sl_sqlite_tests(sl_store *store, sl_id image, sl_arena *arena, sl_test_result **out,
                          int *out_count);
sl_status sl_sqlite_verdicts_add(sl_store *store, const sl_verdict *verdicts, int count);
sl_status sl_sqlite_verdicts(sl_store *store, sl_id round, sl_id image, sl_arena *arena, sl_verdict **out,
                             int64_t *out_count);
sl_status sl_sqlite_truths_add(sl_store *store, const sl_truth *truths, int count);
sl_status sl_sqlite_put_truth(sl_db *db, sl_id image, const sl_truth *truth); /* within a write */
sl_status sl_sqlite_truth(sl_store *store, sl_id image, sl_arena *arena, sl_truth *out, bool *out_known);
sl_status sl_sqlite_embedding_set(sl_store *store, sl_id image, sl_id model, const float *vector, int width);
sl_status sl_sqlite_embedding_get(sl_store *store, sl_id image, sl_id model, float *out_vector, int width);
/* assignment.c */
sl_status sl_sqlite_reviewer(sl_store *store, const char *name, bool simulated, sl_id *out);
sl_status sl_sqlite_reviewers(sl_store *store, sl_arena *arena, sl_reviewer **out, int *out_count);
sl_status sl_sqlite_assignments_add(sl_store *store, sl_assignment_record *records, int count);
sl_status sl_sqlite_queue_add(sl_store *store, sl_round_record *round, sl_assignment_record *records,
                              int count);
sl_status sl_sqlite_assignment_get(sl_store *store, sl_id assignment, sl_assignment_record *out);
sl_status sl_sqlite_assignments(sl_store *store, const sl_assignment_filter *filter, sl_arena *arena,
                                sl_assignment_record **out, int *out_count);
sl_status sl_sqlite_assignment_count(sl_store *store, const sl_assignment_filter *filter, int64_t *out_total,
                                     int64_t *out_decided);
sl_status sl_sqlite_assignment_shown(sl_store *store, sl_id assignment, int64_t shown_ms);
/* decision.c */
sl_status sl_sqlite_decide_all(sl_store *store, sl_arena *arena, sl_decision *decisions, int count);
sl_status sl_sqlite_decisions(sl_store *store, const sl_decision_filter *filter, sl_arena *arena,
                              sl_decision **out, int *out_count);
sl_status sl_sqlite_decision_find(sl_store *store, const char *client_uuid, sl_arena *arena,
                                  sl_decision *out);
sl_status sl_sqlite_consensus(sl_store *store, sl_id image, sl_consensus *out);
sl_status sl_sqlite_consensus_all(sl_store *store, sl_id round, sl_consensus **out, int64_t *out_count);
/* work.c */
sl_status sl_sqlite_model_add(sl_store *store, sl_model_record *record);
sl_status sl_sqlite_model_get(sl_store *store, sl_id model, sl_arena *arena, sl_model_record *out);
sl_status sl_sqlite_model_newest(sl_store *store, const char *kind, sl_arena *arena, sl_model_record *out);
sl_status sl_sqlite_models(sl_store *store, const char *kind, sl_arena *arena, sl_model_record **out,
                           int *out_count);
sl_status sl_sqlite_run_start(sl_store *store, sl_run_record *record);
sl_status sl_sqlite_run_progress(sl_store *store, sl_id run, int64_t done, int64_t total, const char *note);
sl_status sl_sqlite_run_finish(sl_store *store, sl_id run, sl_run_state state, const char *result_json);
sl_status sl_sqlite_run_get(sl_store *store, sl_id run, sl_arena *arena, sl_run_record *out);
sl_status sl_sqlite_runs(sl_store *store, const sl_run_filter *filter, sl_arena *arena, sl_run_record **out,
                         int *out_count);
sl_status sl_sqlite_round_start(sl_store *store, sl_round_record *record);
sl_status sl_sqlite_round_finish(sl_store *store, sl_id round, sl_run_state state, const char *metrics_json);
sl_status sl_sqlite_round_get(sl_store *store, sl_id round, sl_arena *arena, sl_round_record *out);
sl_status sl_sqlite_rounds(sl_store *store, sl_arena *arena, sl_round_record **out, int *out_count);
sl_status sl_sqlite_step_set(sl_store *store, sl_id round, const char *name, sl_run_state state,
                             const char *result_json);
sl_status sl_sqlite_step_get(sl_store *store, sl_id round, const char *name, sl_arena *arena,
                             sl_round_step *out);
/* Within a write: `round` is a sl_round_record, as for sl_store_round_start and sl_store_round_finish. */
sl_status sl_sqlite_start_round(sl_db *db, void *round);
sl_status sl_sqlite_finish_round(sl_db *db, void *round);
/* check.c */
sl_status sl_sqlite_check(sl_store *store, int64_t *out_decisions);
sl_status sl_sqlite_summarise(sl_store *store, sl_store_summary *out);
/* Every link of the chain of decisions, from the first. */
sl_status sl_sqlite_check_chain(sl_db *db, int64_t *out_links);

#endif
