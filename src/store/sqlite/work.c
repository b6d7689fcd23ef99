/* Models, runs, rounds with their steps. */
#include "store/sqlite/internal.h"

#include "base/clock.h"

#include <unistd.h>

/* --- models --- */

static sl_status add_model(sl_db *db, void *context) {
    sl_model_record *record = context;
    if (!record->created_ms) record->created_ms = sl_clock_unix_ms();
    SL_TRY(sl_db_run(
        db,
        "INSERT INTO model(hash, kind, name, path, config, metrics, parents, run, round, created)"
        " VALUES(?,?,?,?,?,?,?,?,?,?) ON CONFLICT(kind, hash) DO UPDATE SET"
        " metrics = ifnull(excluded.metrics, metrics)",
        SL_VALUES(SL_TEXT(record->hash), SL_TEXT(record->kind), SL_TEXT(record->name), SL_TEXT(record->path),
                  SL_TEXT(record->config), SL_TEXT(record->metrics), SL_TEXT(record->parents),
                  SL_REF(record->run), SL_REF(record->round), SL_INT(record->created_ms))));
    return sl_db_number(db, "SELECT id FROM model WHERE kind = ? AND hash = ?",
                        SL_VALUES(SL_TEXT(record->kind), SL_TEXT(record->hash)), &record->id, NULL);
}

sl_status sl_sqlite_model_add(sl_store *store, sl_model_record *record) {
    return sl_sqlite_write(store, add_model, record);
}

#define MODEL "SELECT id, hash, kind, name, path, config, metrics, parents, run, round, created FROM model"

static void read_model(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(sl_model_record *)item = (sl_model_record){
        .id = sqlite3_column_int64(row, 0),
        .hash = sl_db_text(row, 1, arena),
        .kind = sl_db_text(row, 2, arena),
        .name = sl_db_text(row, 3, arena),
        .path = sl_db_text(row, 4, arena),
        .config = sl_db_text(row, 5, arena),
        .metrics = sl_db_text(row, 6, arena),
        .parents = sl_db_text(row, 7, arena),
        .run = sqlite3_column_int64(row, 8),
        .round = sqlite3_column_int64(row, 9),
        .created_ms = sqlite3_column_int64(row, 10),
    };
}

sl_status sl_sqlite_model_get(sl_store *store, sl_id model, sl_arena *arena, sl_model_record *out) {
    sl_query query = sl_query_start(MODEL);
    sl_query_where(&query, "id = ?", SL_INT(model));
    return sl_sqlite_one(store, &query, read_model, arena, out, "model", model);
}

sl_status sl_sqlite_model_newest(sl_store *store, const char *kind, sl_arena *arena, sl_model_record *out) {
    sl_query query = sl_query_start(MODEL);
    sl_query_where(&query, "kind = ?", SL_TEXT(kind));
    sl_query_order(&query, "id DESC", 1);
    bool found;
    SL_TRY(sl_sqlite_first(store, &query, read_model, arena, out, &found));
    return found ? SL_OK : sl_fail(SL_NOT_FOUND, "the workspace has no %s yet", kind);
}

sl_status sl_sqlite_models(sl_store *store, const char *kind, sl_arena *arena, sl_model_record **out,
                           int *out_count) {
    sl_query query = sl_query_start(MODEL);
    if (kind) sl_query_where(&query, "kind = ?", SL_TEXT(kind));
    sl_query_order(&query, "id", 0);
    return sl_sqlite_list(store, &query, read_model, sizeof **out, arena, out, out_count);
}

/* --- runs --- */

static sl_status start_run(sl_db *db, void *context) {
    sl_run_record *record = context;
    record->state = SL_RUN_RUNNING;
    record->process = getpid();
    record->created_ms = record->updated_ms = sl_clock_unix_ms();
    record->version = SL_VERSION;
    SL_TRY(sl_db_run(
        db,
        "INSERT INTO run(round, kind, config, seed, state, total, unit, process, created, updated, version)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?)",
        SL_VALUES(SL_REF(record->round), SL_TEXT(record->kind), SL_TEXT(record->config), SL_INT(record->seed),
                  SL_TEXT(sl_run_state_name(record->state)), SL_INT(record->total), SL_TEXT(record->unit),
                  SL_INT(record->process), SL_INT(record->created_ms), SL_INT(record->updated_ms),
                  SL_TEXT(record->version))));
    record->id = sqlite3_last_insert_rowid(db->handle);
    return SL_OK;
}

sl_status sl_sqlite_run_start(sl_store *store, sl_run_record *record) {
    return sl_sqlite_write(store, start_run, record);
}

static sl_status expect_change(sl_db *db, const char *what, sl_id id) {
    if (sqlite3_changes(db->handle) > 0) return SL_OK;
    return sl_fail(SL_NOT_FOUND, "no %s %lld", what, (long long)id);
}

static sl_status set_progress(sl_db *db, void *context) {
    const sl_run_record *in = context;
    SL_TRY(sl_db_run(db, "UPDATE run SET done = ?, total = ?, note = ?, updated = ? WHERE id = ?",
                     SL_VALUES(SL_INT(in->done), SL_INT(in->total), SL_TEXT(in->note),
                               SL_INT(sl_clock_unix_ms()), SL_INT(in->id))));
    return expect_change(db, "run", in->id);
}

sl_status sl_sqlite_run_progress(sl_store *store, sl_id run, int64_t done, int64_t total, const char *note) {
    return sl_sqlite_write(store, set_progress,
                           &(sl_run_record){.id = run, .done = done, .total = total, .note = note});
}

static sl_status finish_run(sl_db *db, void *context) {
    const sl_run_record *in = context;
    int64_t now_ms = sl_clock_unix_ms();
    SL_TRY(sl_db_run(db, "UPDATE run SET state = ?, result = ?, updated = ?, finished = ? WHERE id = ?",
                     SL_VALUES(SL_TEXT(sl_run_state_name(in->state)), SL_TEXT(in->result), SL_INT(now_ms),
                               SL_INT(now_ms), SL_INT(in->id))));
    return expect_change(db, "run", in->id);
}

sl_status sl_sqlite_run_finish(sl_store *store, sl_id run, sl_run_state state, const char *result_json) {
    return sl_sqlite_write(store, finish_run,
                           &(sl_run_record){.id = run, .state = state, .result = result_json});
}

#define RUN                                                                                                  \
    "SELECT id, round, kind, config, seed, state, done, total, unit, note, result, process, created, "       \
    "updated,"                                                                                               \
    " finished, version FROM run"

static void read_run(sqlite3_stmt *row, sl_arena *arena, void *item) {
    sl_run_record *run = item;
    *run = (sl_run_record){
        .id = sqlite3_column_int64(row, 0),
        .round = sqlite3_column_int64(row, 1),
        .kind = sl_db_text(row, 2, arena),
        .config = sl_db_text(row, 3, arena),
        .seed = (uint64_t)sqlite3_column_int64(row, 4),
        .done = sqlite3_column_int64(row, 6),
        .total = sqlite3_column_int64(row, 7),
        .unit = sl_db_text(row, 8, arena),
        .note = sl_db_text(row, 9, arena),
        .result = sl_db_text(row, 10, arena),
        .process = sqlite3_column_int64(row, 11),
        .created_ms = sqlite3_column_int64(row, 12),
        .updated_ms = sqlite3_column_int64(row, 13),
        .finished_ms = sqlite3_column_int64(row, 14),
        .version = sl_db_text(row, 15, arena),
    };
    (void)sl_run_state_parse((const char *)sqlite3_column_text(row, 5), &run->state);
}

sl_status sl_sqlite_run_get(sl_store *store, sl_id run, sl_arena *arena, sl_run_record *out) {
    sl_query query = sl_query_start(RUN);
    sl_query_where(&query, "id = ?", SL_INT(run));
    return sl_sqlite_one(store, &query, read_run, arena, out, "run", run);
}

sl_status sl_sqlite_runs(sl_store *store, const sl_run_filter *filter, sl_arena *arena, sl_run_record **out,
                         int *out_count) {
    sl_query query = sl_query_start(RUN);
    if (filter->kind) sl_query_where(&query, "kind = ?", SL_TEXT(filter->kind));
    if (filter->state >= 0)
        sl_query_where(&query, "state = ?", SL_TEXT(sl_run_state_name((sl_run_state)filter->state)));
    if (filter->round) sl_query_where(&query, "round = ?", SL_INT(filter->round));
    sl_query_order(&query, "id DESC", filter->limit);
    return sl_sqlite_list(store, &query, read_run, sizeof **out, arena, out, out_count);
}

/* --- rounds --- */

sl_status sl_sqlite_start_round(sl_db *db, void *context) {
    sl_round_record *record = context;
    SL_TRY(sl_db_number(db, "SELECT ifnull(max(number), 0) + 1 FROM round", SL_NO_VALUES, &record->number,
                        NULL));
    record->state = SL_RUN_RUNNING;
    record->created_ms = sl_clock_unix_ms();
    SL_TRY(sl_db_run(db,
                     "INSERT INTO round(parent, number, config, seed, dataset_hash, state, created)"
                     " VALUES(?,?,?,?,?,?,?)",
                     SL_VALUES(SL_REF(record->parent), SL_INT(record->number), SL_TEXT(record->config),
                               SL_INT(record->seed), SL_TEXT(record->dataset_hash),
                               SL_TEXT(sl_run_state_name(record->state)), SL_INT(record->created_ms))));
    record->id = sqlite3_last_insert_rowid(db->handle);
    return SL_OK;
}

sl_status sl_sqlite_round_start(sl_store *store, sl_round_record *record) {
    return sl_sqlite_write(store, sl_sqlite_start_round, record);
}

sl_status sl_sqlite_finish_round(sl_db *db, void *context) {
    const sl_round_record *in = context;
    SL_TRY(sl_db_run(db,
                     "UPDATE round SET state = ?, metrics = ifnull(?, metrics), finished = ? WHERE id = ?",
                     SL_VALUES(SL_TEXT(sl_run_state_name(in->state)), SL_TEXT(in->metrics),
                               SL_INT(sl_clock_unix_ms()), SL_INT(in->id))));
    return expect_change(db, "round", in->id);
}

sl_status sl_sqlite_round_finish(sl_store *store, sl_id round, sl_run_state state, const char *metrics_json) {
    return sl_sqlite_write(store, sl_sqlite_finish_round,
                           &(sl_round_record){.id = round, .state = state, .metrics = metrics_json});
}

#define ROUND                                                                                                \
    "SELECT id, parent, number, config, seed, dataset_hash, state, metrics, created, finished FROM round"

static void read_round(sqlite3_stmt *row, sl_arena *arena, void *item) {
    sl_round_record *round = item;
    *round = (sl_round_record){
        .id = sqlite3_column_int64(row, 0),
        .parent = sqlite3_column_int64(row, 1),
        .number = sqlite3_column_int64(row, 2),
        .config = sl_db_text(row, 3, arena),
        .seed = (uint64_t)sqlite3_column_int64(row, 4),
        .dataset_hash = sl_db_text(row, 5, arena),
        .metrics = sl_db_text(row, 7, arena),
        .created_ms = sqlite3_column_int64(row, 8),
        .finished_ms = sqlite3_column_int64(row, 9),
    };
    (void)sl_run_state_parse((const char *)sqlite3_column_text(row, 6), &round->state);
}

sl_status sl_sqlite_round_get(sl_store *store, sl_id round, sl_arena *arena, sl_round_record *out) {
    sl_query query = sl_query_start(ROUND);
    sl_query_where(&query, "id = ?", SL_INT(round));
    return sl_sqlite_one(store, &query, read_round, arena, out, "round", round);
}

sl_status sl_sqlite_rounds(sl_store *store, sl_arena *arena, sl_round_record **out, int *out_count) {
    sl_query query = sl_query_start(ROUND);
    sl_query_order(&query, "number", 0);
    return sl_sqlite_list(store, &query, read_round, sizeof **out, arena, out, out_count);
}

static sl_status set_step(sl_db *db, void *context) {
    const sl_round_step *in = context;
    int64_t now_ms = sl_clock_unix_ms();
    bool ended = in->state != SL_RUN_PENDING && in->state != SL_RUN_RUNNING;
    return sl_db_run(
        db,
        "INSERT INTO round_step(round, name, state, result, started, finished) VALUES(?,?,?,?,?,?)"
        " ON CONFLICT(round, name) DO UPDATE SET state = excluded.state,"
        " result = ifnull(excluded.result, result), finished = excluded.finished",
        SL_VALUES(SL_INT(in->round), SL_TEXT(in->name), SL_TEXT(sl_run_state_name(in->state)),
                  SL_TEXT(in->result), SL_INT(now_ms), SL_INT(ended ? now_ms : 0)));
}

sl_status sl_sqlite_step_set(sl_store *store, sl_id round, const char *name, sl_run_state state,
                             const char *result_json) {
    return sl_sqlite_write(
        store, set_step,
        &(sl_round_step){.round = round, .name = name, .state = state, .result = result_json});
}

static void read_step(sqlite3_stmt *row, sl_arena *arena, void *item) {
    sl_round_step *step = item;
    *step = (sl_round_step){
        .round = sqlite3_column_int64(row, 0),
        .name = sl_db_text(row, 1, arena),
        .result = sl_db_text(row, 3, arena),
        .started_ms = sqlite3_column_int64(row, 4),
        .finished_ms = sqlite3_column_int64(row, 5),
    };
    (void)sl_run_state_parse((const char *)sqlite3_column_text(row, 2), &step->state);
}

sl_status sl_sqlite_step_get(sl_store *store, sl_id round, const char *name, sl_arena *arena,
                             sl_round_step *out) {
    sl_query query = sl_query_start("SELECT round, name, state, result, started, finished FROM round_step");
    sl_query_where(&query, "round = ?", SL_INT(round));
    sl_query_where(&query, "name = ?", SL_TEXT(name));
    bool found;
    SL_TRY(sl_sqlite_first(store, &query, read_step, arena, out, &found));
    if (!found) *out = (sl_round_step){.round = round, .name = name, .state = SL_RUN_PENDING};
    return SL_OK;
}
