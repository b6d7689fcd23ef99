/* Opening, bringing up to date, closing; the table of methods. */
#include "store/sqlite/internal.h"
#include "store/sqlite/schema.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Marks the file as a workspace (the header field that SQLite keeps for this): "SLWS". */
enum { APPLICATION_ID = 0x534c5753 };

static sl_status migrate(sl_db *db, int64_t from) {
    for (int64_t step = from; step < sl_schema_version; step++)
        for (const char *const *statement = sl_schema_steps[step]; *statement; statement++)
            SL_TRY(sl_db_script(db, *statement));
    char marks[96];
    snprintf(marks, sizeof marks, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
             sl_schema_version);
    return sl_db_script(db, marks);
}

/* Runs in one transaction, so that two processes may open an old file at once. */
static sl_status bring_up_to_date(sl_db *db, const char *path) {
    int64_t application, version, tables;
    SL_TRY(sl_db_number(db, "PRAGMA application_id", SL_NO_VALUES, &application, NULL));
    SL_TRY(sl_db_number(db, "PRAGMA user_version", SL_NO_VALUES, &version, NULL));
    SL_TRY(sl_db_number(db, "SELECT count(*) FROM sqlite_schema", SL_NO_VALUES, &tables, NULL));
    if (tables > 0 && application != APPLICATION_ID)
        return sl_fail(SL_FORMAT, "'%s' is a database, but not of a workspace", path);
    if (version > sl_schema_version)
        return sl_fail(SL_UNSUPPORTED, "'%s' has format %lld, this program knows up to %d: use a newer one",
                       path, (long long)version, sl_schema_version);
    if (version == sl_schema_version) return SL_OK;
    return migrate(db, version);
}

static bool process_lives(int64_t process) {
    return process > 0 && (kill((pid_t)process, 0) == 0 || errno == EPERM);
}

/* A run that says "running" while its process is gone was interrupted. */
static sl_status mark_interrupted(sl_db *db) {
    int64_t dead[256];
    int count = 0;
    bool row = true;
    sqlite3_stmt *statement;
    SL_TRY(sl_db_query(db, "SELECT id, process FROM run WHERE state = 'running'", SL_NO_VALUES, &statement));
    while (row && count < 256) {
        SL_TRY(sl_db_step(db, statement, &row));
        if (row && !process_lives(sqlite3_column_int64(statement, 1)))
            dead[count++] = sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    for (int i = 0; i < count; i++)
        SL_TRY(
            sl_db_run(db, "UPDATE run SET state = 'interrupted' WHERE id = ?", SL_VALUES(SL_INT(dead[i]))));
    return SL_OK;
}

static sl_status in_transaction(sl_db *db, const char *path) {
    SL_TRY(sl_db_script(db, "BEGIN IMMEDIATE"));
    sl_status status = bring_up_to_date(db, path);
    if (!status) status = mark_interrupted(db);
    if (!status) status = sl_db_script(db, "COMMIT");
    if (!sqlite3_get_autocommit(db->handle)) sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static sl_status set_journal(sl_db *db, const char *path) {
    sqlite3_stmt *statement;
    bool row;
    SL_TRY(sl_db_query(db, "PRAGMA journal_mode=WAL", SL_NO_VALUES, &statement));
    SL_TRY(sl_db_step(db, statement, &row));
    const char *mode = row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (!mode || strcmp(mode, "wal") != 0)
        sl_warn("'%s': write-ahead log not possible here (journal mode %s), several writers will wait for "
                "each other",
                path, mode ? mode : "unknown");
    sqlite3_reset(statement);
    return SL_OK;
}

static sl_status open_connections(sl_sqlite_store *store, bool create) {
    SL_TRY(sl_db_open(store->path, create, &store->writer));
    SL_TRY(set_journal(&store->writer, store->path));
    SL_TRY(in_transaction(&store->writer, store->path));
    return sl_db_open(store->path, false, &store->watch);
}

static void free_store(sl_sqlite_store *store) {
    for (int i = 0; i < store->idle_count; i++) sl_db_close(&store->idle[i]);
    sl_db_close(&store->watch);
    sl_db_close(&store->writer);
    pthread_mutex_destroy(&store->queue_lock);
    pthread_mutex_destroy(&store->reader_lock);
    pthread_mutex_destroy(&store->watch_lock);
    pthread_cond_destroy(&store->queue_filled);
    pthread_cond_destroy(&store->batch_done);
    free(store->path);
    sl_free(store);
}

static void close_store(sl_store *base) {
    sl_sqlite_store *store = (sl_sqlite_store *)base;
    sl_sqlite_writer_stop(store);
    free_store(store);
}

sl_status sl_sqlite_read_begin(sl_store *base, sl_db *out) {
    sl_sqlite_store *store = (sl_sqlite_store *)base;
    pthread_mutex_lock(&store->reader_lock);
    bool found = store->idle_count > 0;
    if (found) *out = store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->reader_lock);
    if (found) return SL_OK;
    SL_TRY(sl_db_open(store->path, false, out));
    sl_status status = sl_db_script(out, "PRAGMA query_only=ON");
    if (status) sl_db_close(out);
    return status;
}

void sl_sqlite_read_end(sl_store *base, sl_db *db) {
    sl_sqlite_store *store = (sl_sqlite_store *)base;
    pthread_mutex_lock(&store->reader_lock);
    bool kept = store->idle_count < SL_READERS_IDLE_MAX;
    if (kept) store->idle[store->idle_count++] = *db;
    pthread_mutex_unlock(&store->reader_lock);
    if (!kept) sl_db_close(db);
}

static sl_status revision(sl_store *base, int64_t *out) {
    sl_sqlite_store *store = (sl_sqlite_store *)base;
    pthread_mutex_lock(&store->watch_lock);
    sl_status status = sl_db_number(&store->watch, "PRAGMA data_version", SL_NO_VALUES, out, NULL);
    pthread_mutex_unlock(&store->watch_lock);
    return status;
}

typedef struct setting {
    const char *key, *value;
} setting;

static sl_status write_setting(sl_db *db, void *context) {
    const setting *in = context;
    return sl_db_run(db, "INSERT OR REPLACE INTO setting(key, value) VALUES(?,?)",
                     SL_VALUES(SL_TEXT(in->key), SL_TEXT(in->value)));
}

static sl_status setting_set(sl_store *store, const char *key, const char *value) {
    return sl_sqlite_write(store, write_setting, &(setting){key, value});
}

static void read_setting(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(const char **)item = sl_db_text(row, 0, arena);
}

static sl_status setting_get(sl_store *store, const char *key, sl_arena *arena, const char **out) {
    sl_query query = sl_query_start("SELECT value FROM setting");
    sl_query_where(&query, "key = ?", SL_TEXT(key));
    bool found;
    *out = NULL;
    return sl_sqlite_first(store, &query, read_setting, arena, (void *)out, &found);
}

static const sl_store_methods methods = {
    .close = close_store,
    .check = sl_sqlite_check,
    .revision = revision,
    .setting_set = setting_set,
    .setting_get = setting_get,
    .images_add = sl_sqlite_images_add,
    .image_get = sl_sqlite_image_get,
    .image_find = sl_sqlite_image_find,
    .image_provenance = sl_sqlite_image_provenance,
    .images = sl_sqlite_images,
    .image_count = sl_sqlite_image_count,
    .predictions_add = sl_sqlite_predictions_add,
    .predictions = sl_sqlite_predictions,
    .scores = sl_sqlite_scores,
    .tests_add = sl_sqlite_tests_add,
    .tests = sl_sqlite_tests,
    .verdicts_add = sl_sqlite_verdicts_add,
    .verdicts = sl_sqlite_verdicts,
    .truths_add = sl_sqlite_truths_add,
    .truth = sl_sqlite_truth,
    .embedding_set = sl_sqlite_embedding_set,
    .embedding_get = sl_sqlite_embedding_get,
    .reviewer = sl_sqlite_reviewer,
    .reviewers = sl_sqlite_reviewers,
    .assignments_add = sl_sqlite_assignments_add,
    .queue_add = sl_sqlite_queue_add,
    .assignment_get = sl_sqlite_assignment_get,
    .assignments = sl_sqlite_assignments,
    .assignment_count = sl_sqlite_assignment_count,
    .assignment_shown = sl_sqlite_assignment_shown,
    .decide_all = sl_sqlite_decide_all,
    .decisions = sl_sqlite_decisions,
    .decision_find = sl_sqlite_decision_find,
    .consensus = sl_sqlite_consensus,
    .consensus_all = sl_sqlite_consensus_all,
    .model_add = sl_sqlite_model_add,
    .model_get = sl_sqlite_model_get,
    .model_newest = sl_sqlite_model_newest,
    .models = sl_sqlite_models,
    .run_start = sl_sqlite_run_start,
    .run_progress = sl_sqlite_run_progress,
    .run_finish = sl_sqlite_run_finish,
    .run_get = sl_sqlite_run_get,
    .runs = sl_sqlite_runs,
    .round_start = sl_sqlite_round_start,
    .round_finish = sl_sqlite_round_finish,
    .round_get = sl_sqlite_round_get,
    .rounds = sl_sqlite_rounds,
    .step_set = sl_sqlite_step_set,
    .step_get = sl_sqlite_step_get,
    .summarise = sl_sqlite_summarise,
};

sl_status sl_store_open_sqlite(const char *path, bool create, sl_store **out) {
    bool there = sl_file_exists(path);
    if (create && there) return sl_fail(SL_EXISTS, "'%s' exists already", path);
    if (!create && !there) return sl_fail(SL_NOT_FOUND, "no workspace database '%s'", path);
    sl_sqlite_store *store;
    SL_TRY(sl_alloc(&store, 1, sizeof *store));
    store->base.methods = &methods;
    pthread_mutex_init(&store->queue_lock, NULL);
    pthread_mutex_init(&store->reader_lock, NULL);
    pthread_mutex_init(&store->watch_lock, NULL);
    pthread_cond_init(&store->queue_filled, NULL);
    pthread_cond_init(&store->batch_done, NULL);
    store->path = strdup(path);
    sl_status status = store->path ? SL_OK : sl_fail(SL_MEMORY, "out of memory opening '%s'", path);
    if (!status) status = open_connections(store, create);
    if (!status) status = sl_sqlite_writer_start(store);
    if (status) {
        free_store(store);
        return sl_context(status, "opening '%s'", path);
    }
    *out = &store->base;
    return SL_OK;
}
