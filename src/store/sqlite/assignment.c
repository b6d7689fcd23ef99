/* Reviewers, and what they are asked to judge. */
#include "store/sqlite/internal.h"

#include <string.h>

typedef struct reviewer_arguments {
    const char *name;
    bool simulated;
    sl_id id;
} reviewer_arguments;

static sl_status ensure_reviewer(sl_db *db, void *context) {
    reviewer_arguments *in = context;
    SL_TRY(sl_db_run(db, "INSERT OR IGNORE INTO reviewer(name, role, simulated) VALUES(?, 'reviewer', ?)",
                     SL_VALUES(SL_TEXT(in->name), SL_INT(in->simulated))));
    int64_t simulated;
    SL_TRY(sl_db_number(db, "SELECT simulated FROM reviewer WHERE name = ?", SL_VALUES(SL_TEXT(in->name)),
                        &simulated, NULL));
    if ((simulated != 0) != in->simulated)
        return sl_fail(SL_MISMATCH, "reviewer '%s' is known as a %s", in->name,
                       simulated ? "simulated expert" : "person");
    return sl_db_number(db, "SELECT id FROM reviewer WHERE name = ?", SL_VALUES(SL_TEXT(in->name)), &in->id,
                        NULL);
}

sl_status sl_sqlite_reviewer(sl_store *store, const char *name, bool simulated, sl_id *out) {
    reviewer_arguments in = {name, simulated, 0};
    SL_TRY(sl_sqlite_write(store, ensure_reviewer, &in));
    *out = in.id;
    return SL_OK;
}

static void read_reviewer(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(sl_reviewer *)item = (sl_reviewer){
        .id = sqlite3_column_int64(row, 0),
        .name = sl_db_text(row, 1, arena),
        .role = sl_db_text(row, 2, arena),
        .simulated = sqlite3_column_int64(row, 3) != 0,
    };
}

sl_status sl_sqlite_reviewers(sl_store *store, sl_arena *arena, sl_reviewer **out, int *out_count) {
    sl_query query = sl_query_start("SELECT id, name, role, simulated FROM reviewer");
    sl_query_order(&query, "id", 0);
    return sl_sqlite_list(store, &query, read_reviewer, sizeof **out, arena, out, out_count);
}

typedef struct batch {
    sl_assignment_record *records;
    int count;
} batch;

static sl_status add_assignments(sl_db *db, void *context) {
    const batch *in = context;
    for (int i = 0; i < in->count; i++) {
        sl_assignment_record *each = &in->records[i];
        bool known;
        SL_TRY(sl_db_number(
            db, "SELECT id FROM assignment WHERE ifnull(round, 0) = ? AND reviewer = ? AND position = ?",
            SL_VALUES(SL_INT(each->round), SL_INT(each->reviewer), SL_INT(each->position)), &each->id,
            &known));
        if (known) continue;
        SL_TRY(sl_db_run(
            db,
            "INSERT INTO assignment(round, image, reviewer, queue, propensity, blind, position, shown)"
            " VALUES(?,?,?,?,?,?,?,?)",
            SL_VALUES(SL_REF(each->round), SL_INT(each->image), SL_INT(each->reviewer),
                      SL_TEXT(sl_queue_name(each->queue)), SL_REAL(each->propensity), SL_INT(each->blind),
                      SL_INT(each->position), SL_INT(each->shown_ms))));
        each->id = sqlite3_last_insert_rowid(db->handle);
    }
    return SL_OK;
}

sl_status sl_sqlite_assignments_add(sl_store *store, sl_assignment_record *records, int count) {
    return sl_sqlite_write(store, add_assignments, &(batch){records, count});
}

typedef struct queue_arguments {
    sl_round_record *round;
    batch batch;
} queue_arguments;

static sl_status add_queue(sl_db *db, void *context) {
    queue_arguments *in = context;
    SL_TRY(sl_sqlite_start_round(db, in->round));
    for (int i = 0; i < in->batch.count; i++) in->batch.records[i].round = in->round->id;
    SL_TRY(add_assignments(db, &in->batch));
    in->round->state = SL_RUN_DONE;
    return sl_sqlite_finish_round(db, in->round);
}

sl_status sl_sqlite_queue_add(sl_store *store, sl_round_record *round, sl_assignment_record *records,
                              int count) {
    return sl_sqlite_write(store, add_queue, &(queue_arguments){round, {records, count}});
}

#define DECISION "(SELECT max(d.id) FROM counting_decision d WHERE d.assignment = a.id)"

static void read_assignment(sqlite3_stmt *row, sl_arena *arena, void *item) {
    (void)arena;
    sl_assignment_record *assignment = item;
    *assignment = (sl_assignment_record){
        .id = sqlite3_column_int64(row, 0),
        .round = sqlite3_column_int64(row, 1),
        .image = sqlite3_column_int64(row, 2),
        .reviewer = sqlite3_column_int64(row, 3),
        .propensity = sqlite3_column_double(row, 5),
        .blind = sqlite3_column_int64(row, 6) != 0,
        .position = sqlite3_column_int64(row, 7),
        .shown_ms = sqlite3_column_int64(row, 8),
        .decision = sqlite3_column_int64(row, 9),
    };
    (void)sl_queue_parse((const char *)sqlite3_column_text(row, 4), &assignment->queue);
}

#define COLUMNS                                                                                              \
    "SELECT a.id, a.round, a.image, a.reviewer, a.queue, a.propensity, a.blind, a.position, "                \
    "a.shown, " DECISION " FROM assignment a"

sl_status sl_sqlite_assignment_get(sl_store *store, sl_id assignment, sl_assignment_record *out) {
    sl_query query = sl_query_start(COLUMNS);
    sl_query_where(&query, "a.id = ?", SL_INT(assignment));
    return sl_sqlite_one(store, &query, read_assignment, NULL, out, "assignment", assignment);
}

static void add_filter(sl_query *query, const sl_assignment_filter *filter) {
    static const char open[] = "NOT EXISTS (SELECT 1 FROM counting_decision d WHERE d.assignment = a.id)";
    if (filter->reviewer) sl_query_where(query, "a.reviewer = ?", SL_INT(filter->reviewer));
    if (filter->round) sl_query_where(query, "a.round = ?", SL_INT(filter->round));
    if (filter->image) sl_query_where(query, "a.image = ?", SL_INT(filter->image));
    if (filter->queue >= 0)
        sl_query_where(query, "a.queue = ?", SL_TEXT(sl_queue_name((sl_queue)filter->queue)));
    if (filter->decided == 0) sl_query_condition(query, open);
    if (filter->decided == 1) sl_query_condition(query, open + strlen("NOT "));
}

sl_status sl_sqlite_assignments(sl_store *store, const sl_assignment_filter *filter, sl_arena *arena,
                                sl_assignment_record **out, int *out_count) {
    sl_query query = sl_query_start(COLUMNS);
    add_filter(&query, filter);
    if (filter->after_position) sl_query_where(&query, "a.position > ?", SL_INT(filter->after_position));
    sl_query_order(&query, "a.round, a.position, a.id", filter->limit);
    return sl_sqlite_list(store, &query, read_assignment, sizeof **out, arena, out, out_count);
}

sl_status sl_sqlite_assignment_count(sl_store *store, const sl_assignment_filter *filter, int64_t *out_total,
                                     int64_t *out_decided) {
    sl_assignment_filter decided = *filter;
    decided.decided = 1;
    sl_query all = sl_query_start("SELECT count(*) FROM assignment a");
    sl_query done = all;
    add_filter(&all, filter);
    add_filter(&done, &decided);
    SL_TRY(sl_sqlite_number(store, &all, out_total));
    return sl_sqlite_number(store, &done, out_decided);
}

typedef struct shown_arguments {
    sl_id assignment;
    int64_t shown_ms;
} shown_arguments;

static sl_status set_shown(sl_db *db, void *context) {
    const shown_arguments *in = context;
    return sl_db_run(db, "UPDATE assignment SET shown = ? WHERE id = ? AND shown = 0",
                     SL_VALUES(SL_INT(in->shown_ms), SL_INT(in->assignment)));
}

sl_status sl_sqlite_assignment_shown(sl_store *store, sl_id assignment, int64_t shown_ms) {
    return sl_sqlite_write(store, set_shown, &(shown_arguments){assignment, shown_ms});
}
