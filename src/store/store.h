/* The records of a workspace behind one interface. Today's implementation is SQLite.
 *
 * Every function: store first, what is asked next, then the arena for texts, then results. Any thread may
 * call at any time, and several processes may hold the same workspace open. A write returns once it is on
 * disk (SL_OK means that neither kill -9 nor a power cut can undo it); writes of many threads share one
 * transaction. Functions that add many records add all or none. Reading lists: rows come in the order of
 * their ids unless said otherwise, at most `limit` of them (0: SL_STORE_LIST_MAX), after the id given as
 * `after`, so that a page costs the same anywhere in the list; all images: sl_store_image_pages. No list
 * touches pixels, embeddings or provenance.
 *
 * Besides what is named with each function: SL_BUSY after 10 s of another process' long transaction, SL_FULL,
 * SL_IO, SL_FORMAT for a damaged file, SL_NOT_FOUND where an id names nothing. */
#ifndef SL_STORE_STORE_H
#define SL_STORE_STORE_H

#include "base/memory.h"
#include "store/record.h"

typedef struct sl_store sl_store;

enum { SL_STORE_LIST_MAX = 10000 };

/* Opens or creates the database file. SL_EXISTS / SL_NOT_FOUND when `create` does not fit; SL_UNSUPPORTED for
 * one made by a newer program; older ones are brought up to date. Runs whose process died become INTERRUPTED.
 */
sl_status sl_store_open(const char *path, bool create, sl_store **out);
void sl_store_close(sl_store *store); /* waits for writes under way; NULL is fine */

/* Structure, references, and the hash chain of decisions. SL_FORMAT names the first fault; *out_decisions
 * (may be NULL) counts the links that hold. */
sl_status sl_store_check(sl_store *store, int64_t *out_decisions);

/* A number that changes whenever anything was written, by this process or another; cheap enough to be polled.
 */
sl_status sl_store_revision(sl_store *store, int64_t *out);

/* Small named texts: the split seed, the workspace's name. */
sl_status sl_store_setting_set(sl_store *store, const char *key, const char *value);
sl_status sl_store_setting_get(sl_store *store, const char *key, sl_arena *arena,
                               const char **out); /* NULL: unset */

/* --- images --- */

/* Fills in the ids. A record whose (run, run_index) or (round, run_index) is there already gets the id of
 * that image; so does one whose content is there with unique_content. *out_added (may be NULL) counts the new
 * ones. created_ms 0 means now. */
sl_status sl_store_images_add(sl_store *store, sl_image_record *records, int count, bool unique_content,
                              int *out_added);
sl_status sl_store_image_get(sl_store *store, sl_id image, sl_arena *arena, sl_image_record *out);
/* id 0 in *out_id when there is none. */
sl_status sl_store_image_find(sl_store *store, const char *content_hash, sl_id *out_id);
sl_status sl_store_image_provenance(sl_store *store, sl_id image, sl_arena *arena, const char **out_json);

enum { SL_ANY = -1 };
typedef struct sl_image_filter {
    int origin;            /* sl_origin or SL_ANY */
    int split;             /* sl_split or SL_ANY */
    int label;             /* sl_label of the consensus, SL_ANY, or SL_UNLABELLED */
    sl_id round, run;      /* 0: any */
    const char *group_key; /* NULL: any */
    sl_id after;
    int limit;
} sl_image_filter;
enum { SL_UNLABELLED = -2 };
#define SL_IMAGE_FILTER_ALL ((sl_image_filter){.origin = SL_ANY, .split = SL_ANY, .label = SL_ANY})

sl_status sl_store_images(sl_store *store, const sl_image_filter *filter, sl_arena *arena,
                          sl_image_record **out, int *out_count);
sl_status sl_store_image_count(sl_store *store, const sl_image_filter *filter,
                               int64_t *out); /* after, limit unused */

/* A part of the images of a filter. The records and their texts end with the visit, and so does the arena,
 * which is for what else the visit needs. */
typedef struct sl_image_page {
    const sl_image_record *record;
    int count;
    int64_t first, total; /* images before these, and in all pages */
    sl_arena *arena;
} sl_image_page;
typedef sl_status (*sl_image_visit)(void *context, const sl_image_page *page);
/* Visits all images of the filter, however many, by their ids: limit of them at a time (0: SL_STORE_LIST_MAX;
 * after is unused), none that is added meanwhile. No image, no visit. Ends with the status of the first visit
 * that fails. */
sl_status sl_store_image_pages(sl_store *store, const sl_image_filter *filter, sl_image_visit visit,
                               void *context);

/* --- evidence about images --- */

/* Replaces an earlier one of the same (image, model, fold). */
sl_status sl_store_predictions_add(sl_store *store, const sl_prediction *predictions, int count);
/* Of one image, newest first. */
sl_status sl_store_predictions(sl_store *store, sl_id image, sl_arena *arena, sl_prediction **out,
                               int *out_count);
/* Of a model over the images of a round (0: all), by image. *out belongs to the caller (sl_free): may be
 * long. */
sl_status sl_store_scores(sl_store *store, sl_id model, sl_id round, sl_prediction **out, int64_t *out_count);

/* Replaces earlier ones of the same (image, name). */
sl_status sl_store_tests_add(sl_store *store, const sl_test_result *results, int count);
sl_status sl_store_tests(sl_store *store, sl_id image, sl_arena *arena, sl_test_result **out, int *out_count);

/* Replaces earlier ones of the same (image, round). */
sl_status sl_store_verdicts_add(sl_store *store, const sl_verdict *verdicts, int count);
/* Of a round, by image; `image` other than 0: of that image in all rounds. *out: sl_free; its texts: arena.
 */
sl_status sl_store_verdicts(sl_store *store, sl_id round, sl_id image, sl_arena *arena, sl_verdict **out,
                            int64_t *out_count);

/* What is true of simulated images; replaces what was said of them before. */
sl_status sl_store_truths_add(sl_store *store, const sl_truth *truths, int count);
/* *out_known tells whether there is one. */
sl_status sl_store_truth(sl_store *store, sl_id image, sl_arena *arena, sl_truth *out, bool *out_known);

/* vector[width] of the image in the space of `model`; replaces an earlier one. */
sl_status sl_store_embedding_set(sl_store *store, sl_id image, sl_id model, const float *vector, int width);
/* SL_MISMATCH unless it has `width` numbers. */
sl_status sl_store_embedding_get(sl_store *store, sl_id image, sl_id model, float *out_vector, int width);

/* --- review --- */

/* The reviewer of that name, made if new. SL_MISMATCH when `simulated` differs from the known one. */
sl_status sl_store_reviewer(sl_store *store, const char *name, bool simulated, sl_id *out);
sl_status sl_store_reviewers(sl_store *store, sl_arena *arena, sl_reviewer **out, int *out_count);

/* Fills in the ids. One whose (round, reviewer, position) is there already gets that id. */
sl_status sl_store_assignments_add(sl_store *store, sl_assignment_record *records, int count);
/* A round that only groups these assignments and is done from the start. `round` as sl_store_round_start has
 * it; the records get its id. */
sl_status sl_store_queue_add(sl_store *store, sl_round_record *round, sl_assignment_record *records,
                             int count);
sl_status sl_store_assignment_get(sl_store *store, sl_id assignment, sl_assignment_record *out);
typedef struct sl_assignment_filter {
    sl_id reviewer, round, image; /* 0: any */
    int queue;                    /* sl_queue or SL_ANY */
    int decided;                  /* 0: open ones, 1: decided ones, SL_ANY */
    int64_t after_position;       /* 0: from the start; positions start at 1 */
    int limit;
} sl_assignment_filter;
#define SL_ASSIGNMENT_FILTER_ALL ((sl_assignment_filter){.queue = SL_ANY, .decided = SL_ANY})
/* By round, then position. */
sl_status sl_store_assignments(sl_store *store, const sl_assignment_filter *filter, sl_arena *arena,
                               sl_assignment_record **out, int *out_count);
/* How many, and how many of them are decided; limit and after_position unused. */
sl_status sl_store_assignment_count(sl_store *store, const sl_assignment_filter *filter, int64_t *out_total,
                                    int64_t *out_decided);
/* Keeps the first time told. */
sl_status sl_store_assignment_shown(sl_store *store, sl_id assignment, int64_t shown_ms);

/* Adds a decision: id, received_ms, supersedes and the hashes come back in *decision (texts in the arena).
 * The image and reviewer must be those of the assignment, where one is named (SL_MISMATCH). An equal
 * client_uuid returns what was recorded then, unchanged. Superseding what is superseded already, or what is
 * another reviewer's: SL_MISMATCH. */
sl_status sl_store_decide(sl_store *store, sl_arena *arena, sl_decision *decision);
/* Several at once, all or none: a contact sheet, a bulk label, an undo of a batch. */
sl_status sl_store_decide_all(sl_store *store, sl_arena *arena, sl_decision *decisions, int count);

typedef struct sl_decision_filter {
    sl_id image, reviewer, assignment, round; /* 0: any */
    int queue;                                /* sl_queue or SL_ANY */
    bool counting;                            /* only those not superseded and not withdrawn */
    bool newest_first;
    const char *batch; /* NULL: any */
    sl_id after;       /* with newest_first: before; 0: from the end */
    int limit;
} sl_decision_filter;
#define SL_DECISION_FILTER_ALL ((sl_decision_filter){.queue = SL_ANY})
sl_status sl_store_decisions(sl_store *store, const sl_decision_filter *filter, sl_arena *arena,
                             sl_decision **out, int *out_count);
/* id 0 in *out when there is none. */
sl_status sl_store_decision_find(sl_store *store, const char *client_uuid, sl_arena *arena, sl_decision *out);

/* Of one image; all counts 0 and label UNSURE when nobody decided. */
sl_status sl_store_consensus(sl_store *store, sl_id image, sl_consensus *out);
/* Of every decided image of a round (0: all), by image. *out belongs to the caller (sl_free). */
sl_status sl_store_consensus_all(sl_store *store, sl_id round, sl_consensus **out, int64_t *out_count);

/* --- work --- */

/* Fills in the id. One whose (kind, hash) is there already gets that id; its metrics are replaced. */
sl_status sl_store_model_add(sl_store *store, sl_model_record *record);
sl_status sl_store_model_get(sl_store *store, sl_id model, sl_arena *arena, sl_model_record *out);
/* The newest of a kind; SL_NOT_FOUND names the kind. */
sl_status sl_store_model_newest(sl_store *store, const char *kind, sl_arena *arena, sl_model_record *out);
/* kind NULL: all. */
sl_status sl_store_models(sl_store *store, const char *kind, sl_arena *arena, sl_model_record **out,
                          int *out_count);

/* Starts a run (state RUNNING, this process) from kind, config, seed, round, total, unit. */
sl_status sl_store_run_start(sl_store *store, sl_run_record *record);
sl_status sl_store_run_progress(sl_store *store, sl_id run, int64_t done, int64_t total, const char *note);
sl_status sl_store_run_finish(sl_store *store, sl_id run, sl_run_state state, const char *result_json);
sl_status sl_store_run_get(sl_store *store, sl_id run, sl_arena *arena, sl_run_record *out);
typedef struct sl_run_filter {
    const char *kind; /* NULL: any */
    int state;        /* sl_run_state or SL_ANY */
    sl_id round;      /* 0: any */
    int limit;        /* newest first */
} sl_run_filter;
#define SL_RUN_FILTER_ALL ((sl_run_filter){.state = SL_ANY})
sl_status sl_store_runs(sl_store *store, const sl_run_filter *filter, sl_arena *arena, sl_run_record **out,
                        int *out_count);

/* Starts a round from config, seed, dataset_hash, parent; fills in id, number and created_ms. */
sl_status sl_store_round_start(sl_store *store, sl_round_record *record);
sl_status sl_store_round_finish(sl_store *store, sl_id round, sl_run_state state, const char *metrics_json);
sl_status sl_store_round_get(sl_store *store, sl_id round, sl_arena *arena, sl_round_record *out);
sl_status sl_store_rounds(sl_store *store, sl_arena *arena, sl_round_record **out, int *out_count);
/* Sets the step's state; result NULL keeps the one there. */
sl_status sl_store_step_set(sl_store *store, sl_id round, const char *name, sl_run_state state,
                            const char *result_json);
/* state PENDING where the step was never started. */
sl_status sl_store_step_get(sl_store *store, sl_id round, const char *name, sl_arena *arena,
                            sl_round_step *out);

/* --- numbers for a status line --- */
typedef struct sl_store_summary {
    int64_t images[SL_ORIGIN_COUNT], splits[SL_SPLIT_COUNT], labels[SL_LABEL_COUNT];
    int64_t decisions, assignments_open, models, rounds, runs_running;
} sl_store_summary;
sl_status sl_store_summarise(sl_store *store, sl_store_summary *out);

#endif
