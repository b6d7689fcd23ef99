/* Is the file whole, and what is in it. */
#include "store/sqlite/internal.h"

#include <string.h>

static sl_status check_structure(sl_db *db) {
    sqlite3_stmt *statement;
    bool row;
    SL_TRY(sl_db_query(db, "PRAGMA integrity_check(1)", SL_NO_VALUES, &statement));
    SL_TRY(sl_db_step(db, statement, &row));
    const char *word = row ? (const char *)sqlite3_column_text(statement, 0) : "no answer";
    sl_status status =
        word && strcmp(word, "ok") == 0 ? SL_OK : sl_fail(SL_FORMAT, "damaged database: %s", word);
    sqlite3_reset(statement);
    SL_TRY(status);
    SL_TRY(sl_db_query(db, "PRAGMA foreign_key_check", SL_NO_VALUES, &statement));
    SL_TRY(sl_db_step(db, statement, &row));
    if (row)
        status = sl_fail(SL_FORMAT, "row %lld of table %s refers to a missing %s",
                         (long long)sqlite3_column_int64(statement, 1), sqlite3_column_text(statement, 0),
                         sqlite3_column_text(statement, 2));
    sqlite3_reset(statement);
    return status;
}

sl_status sl_sqlite_check(sl_store *store, int64_t *out_decisions) {
    sl_db db;
    int64_t links = 0;
    SL_TRY(sl_sqlite_read_begin(store, &db));
    sl_status status = check_structure(&db);
    if (!status) status = sl_sqlite_check_chain(&db, &links);
    sl_sqlite_read_end(store, &db);
    if (!status && out_decisions) *out_decisions = links;
    return status;
}

typedef struct named_count {
    const char *name;
    int64_t count;
} named_count;

static void read_named(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(named_count *)item = (named_count){sl_db_text(row, 0, arena), sqlite3_column_int64(row, 1)};
}

/* Counts by name into out[], indexed by what parse makes of the name. */
static sl_status count_named(sl_store *store, const char *sql, sl_status (*parse)(const char *, int *),
                             int64_t *out) {
    sl_query query = sl_query_start(sql);
    sl_arena *arena;
    named_count *rows;
    int count;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_sqlite_list(store, &query, read_named, sizeof *rows, arena, &rows, &count);
    for (int i = 0; !status && i < count; i++) {
        int index;
        status = parse(rows[i].name, &index);
        if (!status) out[index] = rows[i].count;
    }
    sl_arena_free(arena);
    return status;
}

#define PARSER(noun)                                                                                         \
    static sl_status parse_##noun(const char *name, int *out) {                                              \
        sl_##noun value;                                                                                     \
        SL_TRY(sl_##noun##_parse(name, &value));                                                             \
        *out = (int)value;                                                                                   \
        return SL_OK;                                                                                        \
    }
PARSER(origin)
PARSER(split)
PARSER(label)

static sl_status count_all(sl_store *store, const char *sql, int64_t *out) {
    sl_query query = sl_query_start(sql);
    return sl_sqlite_number(store, &query, out);
}

sl_status sl_sqlite_summarise(sl_store *store, sl_store_summary *out) {
    *out = (sl_store_summary){0};
    SL_TRY(
        count_named(store, "SELECT origin, count(*) FROM image GROUP BY origin", parse_origin, out->images));
    SL_TRY(count_named(store, "SELECT split, count(*) FROM image GROUP BY split", parse_split, out->splits));
    SL_TRY(
        count_named(store, "SELECT label, count(*) FROM consensus GROUP BY label", parse_label, out->labels));
    SL_TRY(count_all(store, "SELECT count(*) FROM decision", &out->decisions));
    SL_TRY(count_all(store,
                     "SELECT count(*) FROM assignment a WHERE NOT EXISTS"
                     " (SELECT 1 FROM counting_decision d WHERE d.assignment = a.id)",
                     &out->assignments_open));
    SL_TRY(count_all(store, "SELECT count(*) FROM model", &out->models));
    SL_TRY(count_all(store, "SELECT count(*) FROM round", &out->rounds));
    return count_all(store, "SELECT count(*) FROM run WHERE state = 'running'", &out->runs_running);
}
