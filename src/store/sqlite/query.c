/* Reading: queries put together from conditions, and rows into records. */
#include "store/sqlite/internal.h"

#include <string.h>

void sl_query_add(sl_query *query, const char *sql) {
    size_t bytes = strlen(sql);
    if (query->length + bytes >= sizeof query->sql) {
        query->too_long = true;
        return;
    }
    memcpy(query->sql + query->length, sql, bytes + 1);
    query->length += bytes;
}

sl_query sl_query_start(const char *sql) {
    sl_query query = {0};
    sl_query_add(&query, sql);
    return query;
}

static void add_value(sl_query *query, sl_db_value value) {
    if (query->count == (int)(sizeof query->value / sizeof *query->value)) {
        query->too_long = true;
        return;
    }
    query->value[query->count++] = value;
}

void sl_query_condition(sl_query *query, const char *sql) {
    sl_query_add(query, query->has_where ? " AND " : " WHERE ");
    sl_query_add(query, sql);
    query->has_where = true;
}

void sl_query_where(sl_query *query, const char *sql, sl_db_value value) {
    sl_query_condition(query, sql);
    add_value(query, value);
}

void sl_query_order(sl_query *query, const char *order, int limit) {
    sl_query_add(query, " ORDER BY ");
    sl_query_add(query, order);
    sl_query_add(query, " LIMIT ?");
    add_value(query, SL_INT(limit > 0 && limit < SL_STORE_LIST_MAX ? limit : SL_STORE_LIST_MAX));
}

static sl_status begin(sl_store *store, const sl_query *query, sl_db *db, sqlite3_stmt **out) {
    if (query->too_long) return sl_fail(SL_INTERNAL, "query too long: %s", query->sql);
    SL_TRY(sl_sqlite_read_begin(store, db));
    sl_status status = sl_db_query(db, query->sql, query->value, query->count, out);
    if (status) sl_sqlite_read_end(store, db);
    return status;
}

/* Doubles an array when full. */
static sl_status grow(char **items, int64_t count, int64_t *capacity, size_t item_bytes) {
    if (count < *capacity) return SL_OK;
    int64_t larger = *capacity ? 2 * *capacity : 64;
    char *grown;
    SL_TRY(sl_alloc(&grown, (size_t)larger, item_bytes));
    if (count) memcpy(grown, *items, (size_t)count * item_bytes);
    sl_free(*items);
    *items = grown;
    *capacity = larger;
    return SL_OK;
}

sl_status sl_sqlite_list_long(sl_store *store, const sl_query *query, sl_row_reader read, size_t item_bytes,
                              sl_arena *arena, void *out, int64_t *out_count) {
    sl_db db;
    sqlite3_stmt *statement;
    SL_TRY(begin(store, query, &db, &statement));
    char *items = NULL;
    int64_t count = 0, capacity = 0;
    sl_status status;
    for (;;) {
        bool row;
        SL_GUARD(status, sl_db_step(&db, statement, &row), end);
        if (!row) break;
        SL_GUARD(status, grow(&items, count, &capacity, item_bytes), end);
        read(statement, arena, items + (size_t)count++ * item_bytes);
    }
end:
    sqlite3_reset(statement);
    sl_sqlite_read_end(store, &db);
    if (status) {
        sl_free(items);
        return status;
    }
    *(void **)out = items;
    *out_count = count;
    return SL_OK;
}

sl_status sl_sqlite_list(sl_store *store, const sl_query *query, sl_row_reader read, size_t item_bytes,
                         sl_arena *arena, void *out, int *out_count) {
    void *items;
    int64_t count;
    SL_TRY(sl_sqlite_list_long(store, query, read, item_bytes, arena, &items, &count));
    void *kept = sl_arena_alloc(arena, count ? (size_t)count : 1, item_bytes);
    if (count) memcpy(kept, items, (size_t)count * item_bytes);
    sl_free(items);
    *(void **)out = kept;
    *out_count = (int)count;
    return SL_OK;
}

sl_status sl_sqlite_first(sl_store *store, const sl_query *query, sl_row_reader read, sl_arena *arena,
                          void *item, bool *out_found) {
    sl_db db;
    sqlite3_stmt *statement;
    SL_TRY(begin(store, query, &db, &statement));
    sl_status status = sl_db_step(&db, statement, out_found);
    if (!status && *out_found) read(statement, arena, item);
    sqlite3_reset(statement);
    sl_sqlite_read_end(store, &db);
    return status;
}

sl_status sl_sqlite_one(sl_store *store, const sl_query *query, sl_row_reader read, sl_arena *arena,
                        void *item, const char *what, sl_id id) {
    bool found;
    SL_TRY(sl_sqlite_first(store, query, read, arena, item, &found));
    return found ? SL_OK : sl_fail(SL_NOT_FOUND, "no %s %lld", what, (long long)id);
}

static void read_number(sqlite3_stmt *row, sl_arena *arena, void *item) {
    (void)arena;
    *(int64_t *)item = sqlite3_column_int64(row, 0);
}

sl_status sl_sqlite_number(sl_store *store, const sl_query *query, int64_t *out) {
    *out = 0;
    bool found;
    return sl_sqlite_first(store, query, read_number, NULL, out, &found);
}
