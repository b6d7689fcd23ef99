/* A connection: prepared statements kept by their text, values bound by type, SQLite's codes as sl_status.
 *
 * One thread at a time. A statement stays valid until the same text is queried again. */
#ifndef SL_STORE_SQLITE_DB_H
#define SL_STORE_SQLITE_DB_H

#include "base/memory.h"
#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { SL_DB_STATEMENTS_MAX = 128, SL_DB_BUSY_MS = 10000 };

typedef struct sl_db {
    sqlite3 *handle;
    struct {
        char *sql; /* a copy: statements are found by their text */
        sqlite3_stmt *statement;
    } cache[SL_DB_STATEMENTS_MAX];
    int cached, oldest; /* when full, the oldest makes room */
} sl_db;

typedef struct sl_db_value {
    enum { SL_VALUE_NULL, SL_VALUE_INT, SL_VALUE_REAL, SL_VALUE_TEXT, SL_VALUE_BLOB } type;
    int64_t integer; /* also the bytes of a blob */
    double real;
    const void *data;
} sl_db_value;

#define SL_INT(x)  ((sl_db_value){SL_VALUE_INT, (int64_t)(x), 0, NULL})
#define SL_REAL(x) ((sl_db_value){SL_VALUE_REAL, 0, (x), NULL})
#define SL_TEXT(x) ((sl_db_value){(x) ? SL_VALUE_TEXT : SL_VALUE_NULL, 0, 0, (x)})
/* An id that may be absent. */
#define SL_REF(x)         ((sl_db_value){(x) ? SL_VALUE_INT : SL_VALUE_NULL, (x), 0, NULL})
#define SL_BLOB(x, bytes) ((sl_db_value){SL_VALUE_BLOB, (int64_t)(bytes), 0, (x)})
#define SL_VALUES(...)                                                                                       \
    (const sl_db_value[]){__VA_ARGS__},                                                                      \
        (int)(sizeof((const sl_db_value[]){__VA_ARGS__}) / sizeof(sl_db_value))
#define SL_NO_VALUES NULL, 0

sl_status sl_db_open(const char *path, bool create, sl_db *out);
void sl_db_close(sl_db *db);

/* SQL without values, several statements allowed. */
sl_status sl_db_script(sl_db *db, const char *sql);
/* A statement ready to be stepped; values are bound in the order of ?1, ?2 ... and must outlive the steps. */
sl_status sl_db_query(sl_db *db, const char *sql, const sl_db_value *values, int count, sqlite3_stmt **out);
/* *out_row: there is a row; false at the end, and the statement is reset. */
sl_status sl_db_step(sl_db *db, sqlite3_stmt *statement, bool *out_row);
/* Query and step to the end, rows ignored. */
sl_status sl_db_run(sl_db *db, const char *sql, const sl_db_value *values, int count);
/* First column of the first row as a number; *out_found false where there is no row (out_found NULL:
 * SL_NOT_FOUND). */
sl_status sl_db_number(sl_db *db, const char *sql, const sl_db_value *values, int count, int64_t *out,
                       bool *out_found);

const char *sl_db_text(sqlite3_stmt *row, int column, sl_arena *arena); /* NULL for NULL */

#endif
