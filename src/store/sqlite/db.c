#include "store/sqlite/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The status of a failed call; what SQLite says is kept in the message. */
static sl_status db_fail(sl_db *db, const char *what) {
    int code = sqlite3_extended_errcode(db->handle);
    sl_status status;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = SL_BUSY;
        break;
    case SQLITE_FULL:
        status = SL_FULL;
        break;
    case SQLITE_NOMEM:
        status = SL_MEMORY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = SL_FORMAT;
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        status = SL_DENIED;
        break;
    case SQLITE_TOOBIG:
        status = SL_LIMIT;
        break;
    case SQLITE_CONSTRAINT:
        status = code == SQLITE_CONSTRAINT_FOREIGNKEY                                       ? SL_NOT_FOUND
                 : code == SQLITE_CONSTRAINT_TRIGGER                                        ? SL_DENIED
                 : code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ? SL_EXISTS
                                                                                            : SL_INVALID;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        status = SL_IO;
        break;
    default:
        status = SL_INTERNAL;
    }
    return sl_fail(status, "database: %s: %s", what, sqlite3_errmsg(db->handle));
}

sl_status sl_db_script(sl_db *db, const char *sql) {
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK) return SL_OK;
    char first[48];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(sql, "\n"), sql);
    return db_fail(db, first);
}

sl_status sl_db_open(const char *path, bool create, sl_db *out) {
    *out = (sl_db){0};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &out->handle, flags, NULL) != SQLITE_OK) {
        sl_status status =
            out->handle ? db_fail(out, path) : sl_fail(SL_MEMORY, "out of memory opening '%s'", path);
        sqlite3_close_v2(out->handle);
        out->handle = NULL;
        return status;
    }
    sqlite3_busy_timeout(out->handle, SL_DB_BUSY_MS);
    sl_status status =
        sl_db_script(out, "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                          "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-16000");
    if (status) sl_db_close(out);
    return status;
}

void sl_db_close(sl_db *db) {
    for (int i = 0; i < db->cached; i++) {
        sqlite3_finalize(db->cache[i].statement);
        free(db->cache[i].sql);
    }
    sqlite3_close_v2(db->handle);
    *db = (sl_db){0};
}

static sl_status prepare(sl_db *db, const char *sql, sqlite3_stmt **out) {
    for (int i = 0; i < db->cached; i++) {
        if (strcmp(db->cache[i].sql, sql) != 0) continue;
        sqlite3_reset(db->cache[i].statement);
        *out = db->cache[i].statement;
        return SL_OK;
    }
    char *key = strdup(sql);
    if (!key) return sl_fail(SL_MEMORY, "out of memory preparing a statement");
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK) {
        free(key);
        return db_fail(db, sql);
    }
    int slot = db->cached;
    if (slot == SL_DB_STATEMENTS_MAX) {
        slot = db->oldest;
        db->oldest = (db->oldest + 1) % SL_DB_STATEMENTS_MAX;
        sqlite3_finalize(db->cache[slot].statement);
        free(db->cache[slot].sql);
    } else {
        db->cached++;
    }
    db->cache[slot].sql = key;
    db->cache[slot].statement = *out;
    return SL_OK;
}

static int bind(sqlite3_stmt *statement, int at, const sl_db_value *value) {
    switch (value->type) {
    case SL_VALUE_NULL:
        return sqlite3_bind_null(statement, at);
    case SL_VALUE_INT:
        return sqlite3_bind_int64(statement, at, value->integer);
    case SL_VALUE_REAL:
        return sqlite3_bind_double(statement, at, value->real);
    case SL_VALUE_TEXT:
        return sqlite3_bind_text(statement, at, value->data, -1, SQLITE_STATIC);
    case SL_VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, value->data, (sqlite3_uint64)value->integer, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

sl_status sl_db_query(sl_db *db, const char *sql, const sl_db_value *values, int count, sqlite3_stmt **out) {
    SL_TRY(prepare(db, sql, out));
    for (int i = 0; i < count; i++)
        if (bind(*out, i + 1, &values[i]) != SQLITE_OK) return db_fail(db, sql);
    return SL_OK;
}

sl_status sl_db_step(sl_db *db, sqlite3_stmt *statement, bool *out_row) {
    int code = sqlite3_step(statement);
    *out_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) return SL_OK;
    sl_status status = SL_OK;
    if (code != SQLITE_DONE) {
        char first[64];
        snprintf(first, sizeof first, "%s", sqlite3_sql(statement));
        status = db_fail(db, first);
    }
    sqlite3_reset(statement);
    return status;
}

sl_status sl_db_run(sl_db *db, const char *sql, const sl_db_value *values, int count) {
    sqlite3_stmt *statement;
    bool row = true;
    SL_TRY(sl_db_query(db, sql, values, count, &statement));
    while (row) SL_TRY(sl_db_step(db, statement, &row));
    return SL_OK;
}

sl_status sl_db_number(sl_db *db, const char *sql, const sl_db_value *values, int count, int64_t *out,
                       bool *out_found) {
    sqlite3_stmt *statement;
    bool row;
    SL_TRY(sl_db_query(db, sql, values, count, &statement));
    SL_TRY(sl_db_step(db, statement, &row));
    if (row) *out = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    if (out_found) *out_found = row;
    return row || out_found ? SL_OK : sl_fail(SL_NOT_FOUND, "no such record");
}

const char *sl_db_text(sqlite3_stmt *row, int column, sl_arena *arena) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? sl_arena_strdup(arena, text) : NULL;
}
