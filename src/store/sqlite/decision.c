/* The append-only log of decisions, its hash chain, and what the reviewers together say. */
#include "store/sqlite/internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

#define COLUMNS                                                                                              \
    "d.id, d.client_uuid, d.assignment, d.image, d.reviewer, d.label, d.reasons, d.score, d.note, "          \
    "d.display,"                                                                                             \
    " d.shown, d.decided, d.active_ms, d.received, d.supersedes, d.batch, d.previous_hash, d.hash"

static void read_decision(sqlite3_stmt *row, sl_arena *arena, void *item) {
    sl_decision *decision = item;
    *decision = (sl_decision){
        .id = sqlite3_column_int64(row, 0),
        .client_uuid = sl_db_text(row, 1, arena),
        .assignment = sqlite3_column_int64(row, 2),
        .image = sqlite3_column_int64(row, 3),
        .reviewer = sqlite3_column_int64(row, 4),
        .reasons = (uint32_t)sqlite3_column_int64(row, 6),
        .score = sqlite3_column_int64(row, 7),
        .note = sl_db_text(row, 8, arena),
        .display = sl_db_text(row, 9, arena),
        .shown_ms = sqlite3_column_int64(row, 10),
        .decided_ms = sqlite3_column_int64(row, 11),
        .active_ms = sqlite3_column_int64(row, 12),
        .received_ms = sqlite3_column_int64(row, 13),
        .supersedes = sqlite3_column_int64(row, 14),
        .batch = sl_db_text(row, 15, arena),
        .previous_hash = sl_db_text(row, 16, arena),
        .hash = sl_db_text(row, 17, arena),
    };
    (void)sl_label_parse((const char *)sqlite3_column_text(row, 5), &decision->label);
}

static void set_int(json_t *object, const char *key, int64_t value) {
    json_object_set_new(object, key, json_integer(value));
}

static void set_text(json_t *object, const char *key, const char *value) {
    json_object_set_new(object, key, value ? json_stringn_nocheck(value, strlen(value)) : json_null());
}

/* Hash of all that was decided and of the link before. */
static sl_status hash_decision(const sl_decision *decision, char out[SL_SHA256_HEX]) {
    json_t *object = json_object();
    set_int(object, "id", decision->id);
    set_text(object, "client_uuid", decision->client_uuid);
    set_int(object, "assignment", decision->assignment);
    set_int(object, "image", decision->image);
    set_int(object, "reviewer", decision->reviewer);
    set_text(object, "label", sl_label_name(decision->label));
    set_int(object, "reasons", decision->reasons);
    set_int(object, "score", decision->score);
    set_text(object, "note", decision->note);
    set_text(object, "display", decision->display);
    set_int(object, "shown", decision->shown_ms);
    set_int(object, "decided", decision->decided_ms);
    set_int(object, "active_ms", decision->active_ms);
    set_int(object, "received", decision->received_ms);
    set_int(object, "supersedes", decision->supersedes);
    set_text(object, "batch", decision->batch);
    set_text(object, "previous_hash", decision->previous_hash);
    char *text = object ? sl_json_canonical(object) : NULL;
    json_decref(object);
    if (!text) return sl_fail(SL_MEMORY, "out of memory hashing a decision");
    sl_sha256_hex(text, strlen(text), out);
    free(text);
    return SL_OK;
}

static sl_status check_assignment(sl_db *db, const sl_decision *decision) {
    if (!decision->assignment) return SL_OK;
    int64_t fits;
    bool known;
    SL_TRY(sl_db_number(
        db, "SELECT image = ? AND reviewer = ? FROM assignment WHERE id = ?",
        SL_VALUES(SL_INT(decision->image), SL_INT(decision->reviewer), SL_INT(decision->assignment)), &fits,
        &known));
    if (!known) return sl_fail(SL_NOT_FOUND, "no assignment %lld", (long long)decision->assignment);
    if (!fits)
        return sl_fail(SL_MISMATCH, "assignment %lld is not for image %lld and reviewer %lld",
                       (long long)decision->assignment, (long long)decision->image,
                       (long long)decision->reviewer);
    return SL_OK;
}

static sl_status resolve_superseded(sl_db *db, sl_decision *decision) {
    bool known;
    if (decision->supersedes_uuid) {
        SL_TRY(sl_db_number(db, "SELECT id FROM decision WHERE client_uuid = ?",
                            SL_VALUES(SL_TEXT(decision->supersedes_uuid)), &decision->supersedes, &known));
        if (!known) return sl_fail(SL_NOT_FOUND, "no decision '%s' to supersede", decision->supersedes_uuid);
    }
    if (!decision->supersedes) return SL_OK;
    int64_t fits;
    SL_TRY(sl_db_number(
        db,
        "SELECT image = ? AND reviewer = ? AND NOT EXISTS (SELECT 1 FROM decision s WHERE s.supersedes = "
        "d.id)"
        " FROM decision d WHERE id = ?",
        SL_VALUES(SL_INT(decision->image), SL_INT(decision->reviewer), SL_INT(decision->supersedes)), &fits,
        &known));
    if (!known)
        return sl_fail(SL_NOT_FOUND, "no decision %lld to supersede", (long long)decision->supersedes);
    if (!fits)
        return sl_fail(SL_MISMATCH, "decision %lld is superseded already, or not of this image and reviewer",
                       (long long)decision->supersedes);
    return SL_OK;
}

static sl_status insert(sl_db *db, const sl_decision *decision) {
    return sl_db_run(
        db,
        "INSERT INTO decision(id, client_uuid, assignment, image, reviewer, label, reasons, score, note, "
        "display, shown,"
        " decided, active_ms, received, supersedes, batch, previous_hash, hash)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        SL_VALUES(SL_INT(decision->id), SL_TEXT(decision->client_uuid), SL_REF(decision->assignment),
                  SL_INT(decision->image), SL_INT(decision->reviewer),
                  SL_TEXT(sl_label_name(decision->label)), SL_INT(decision->reasons), SL_INT(decision->score),
                  SL_TEXT(decision->note), SL_TEXT(decision->display), SL_INT(decision->shown_ms),
                  SL_INT(decision->decided_ms), SL_INT(decision->active_ms), SL_INT(decision->received_ms),
                  SL_REF(decision->supersedes), SL_TEXT(decision->batch), SL_TEXT(decision->previous_hash),
                  SL_TEXT(decision->hash)));
}

static sl_status read_known(sl_db *db, sl_arena *arena, sl_decision *decision, bool *out_known) {
    sqlite3_stmt *statement;
    SL_TRY(sl_db_query(db, "SELECT " COLUMNS " FROM decision d WHERE d.client_uuid = ?",
                       SL_VALUES(SL_TEXT(decision->client_uuid)), &statement));
    SL_TRY(sl_db_step(db, statement, out_known));
    if (*out_known) read_decision(statement, arena, decision);
    sqlite3_reset(statement);
    return SL_OK;
}

static sl_status last_link(sl_db *db, sl_arena *arena, sl_decision *decision) {
    sqlite3_stmt *statement;
    bool row;
    SL_TRY(
        sl_db_query(db, "SELECT id, hash FROM decision ORDER BY id DESC LIMIT 1", SL_NO_VALUES, &statement));
    SL_TRY(sl_db_step(db, statement, &row));
    decision->id = row ? sqlite3_column_int64(statement, 0) + 1 : 1;
    decision->previous_hash = row ? sl_db_text(statement, 1, arena) : no_hash;
    sqlite3_reset(statement);
    return SL_OK;
}

static sl_status decide_one(sl_db *db, sl_arena *arena, sl_decision *decision) {
    bool known;
    SL_TRY(read_known(db, arena, decision, &known));
    if (known) return SL_OK;
    SL_TRY(check_assignment(db, decision));
    SL_TRY(resolve_superseded(db, decision));
    SL_TRY(last_link(db, arena, decision));
    char hash[SL_SHA256_HEX];
    decision->received_ms = sl_clock_unix_ms();
    SL_TRY(hash_decision(decision, hash));
    decision->hash = sl_arena_strdup(arena, hash);
    return insert(db, decision);
}

typedef struct decide_arguments {
    sl_arena *arena; /* the caller waits, so the writer thread may use it */
    sl_decision *decisions;
    int count;
} decide_arguments;

static sl_status decide(sl_db *db, void *context) {
    decide_arguments *in = context;
    for (int i = 0; i < in->count; i++) SL_TRY(decide_one(db, in->arena, &in->decisions[i]));
    return SL_OK;
}

sl_status sl_sqlite_decide_all(sl_store *store, sl_arena *arena, sl_decision *decisions, int count) {
    return sl_sqlite_write(store, decide, &(decide_arguments){arena, decisions, count});
}

sl_status sl_sqlite_decisions(sl_store *store, const sl_decision_filter *filter, sl_arena *arena,
                              sl_decision **out, int *out_count) {
    sl_query query = sl_query_start("SELECT " COLUMNS " FROM ");
    sl_query_add(&query, filter->counting ? "counting_decision d" : "decision d");
    if (filter->round || filter->queue >= 0)
        sl_query_add(&query, " JOIN assignment a ON a.id = d.assignment");
    if (filter->image) sl_query_where(&query, "d.image = ?", SL_INT(filter->image));
    if (filter->reviewer) sl_query_where(&query, "d.reviewer = ?", SL_INT(filter->reviewer));
    if (filter->assignment) sl_query_where(&query, "d.assignment = ?", SL_INT(filter->assignment));
    if (filter->round) sl_query_where(&query, "a.round = ?", SL_INT(filter->round));
    if (filter->queue >= 0)
        sl_query_where(&query, "a.queue = ?", SL_TEXT(sl_queue_name((sl_queue)filter->queue)));
    if (filter->batch) sl_query_where(&query, "d.batch = ?", SL_TEXT(filter->batch));
    if (filter->after)
        sl_query_where(&query, filter->newest_first ? "d.id < ?" : "d.id > ?", SL_INT(filter->after));
    sl_query_order(&query, filter->newest_first ? "d.id DESC" : "d.id", filter->limit);
    return sl_sqlite_list(store, &query, read_decision, sizeof **out, arena, out, out_count);
}

sl_status sl_sqlite_decision_find(sl_store *store, const char *client_uuid, sl_arena *arena,
                                  sl_decision *out) {
    sl_query query = sl_query_start("SELECT " COLUMNS " FROM decision d");
    sl_query_where(&query, "d.client_uuid = ?", SL_TEXT(client_uuid));
    bool found;
    *out = (sl_decision){0};
    return sl_sqlite_first(store, &query, read_decision, arena, out, &found);
}

#define CONSENSUS                                                                                            \
    "SELECT c.image, c.label, c.n_real, c.n_unreal, c.n_unsure, c.simulated, c.decided, c.reasons"

static void read_consensus(sqlite3_stmt *row, sl_arena *arena, void *item) {
    (void)arena;
    sl_consensus *consensus = item;
    *consensus = (sl_consensus){
        .image = sqlite3_column_int64(row, 0),
        .real = sqlite3_column_int64(row, 2),
        .unreal = sqlite3_column_int64(row, 3),
        .unsure = sqlite3_column_int64(row, 4),
        .simulated = sqlite3_column_int64(row, 5) != 0,
        .decided_ms = sqlite3_column_int64(row, 6),
        .reasons = (uint32_t)sqlite3_column_int64(row, 7),
    };
    consensus->conflict = consensus->real > 0 && consensus->unreal > 0;
    (void)sl_label_parse((const char *)sqlite3_column_text(row, 1), &consensus->label);
}

sl_status sl_sqlite_consensus(sl_store *store, sl_id image, sl_consensus *out) {
    sl_query query = sl_query_start(CONSENSUS " FROM consensus c");
    sl_query_where(&query, "c.image = ?", SL_INT(image));
    bool found;
    *out = (sl_consensus){.image = image, .label = SL_LABEL_UNSURE};
    return sl_sqlite_first(store, &query, read_consensus, NULL, out, &found);
}

sl_status sl_sqlite_consensus_all(sl_store *store, sl_id round, sl_consensus **out, int64_t *out_count) {
    sl_query query = sl_query_start(CONSENSUS " FROM consensus c");
    if (round) {
        sl_query_add(&query, " JOIN image i ON i.id = c.image");
        sl_query_where(&query, "i.round = ?", SL_INT(round));
    }
    sl_query_add(&query, " ORDER BY c.image");
    return sl_sqlite_list_long(store, &query, read_consensus, sizeof **out, NULL, out, out_count);
}

static sl_status check_link(const sl_decision *decision, const char *previous_hash, int64_t links) {
    char hash[SL_SHA256_HEX];
    SL_TRY(hash_decision(decision, hash));
    if (decision->id != links + 1)
        return sl_fail(SL_FORMAT, "decision %lld follows decision %lld: one was removed",
                       (long long)decision->id, (long long)links);
    if (strcmp(decision->previous_hash, previous_hash) != 0 || strcmp(decision->hash, hash) != 0)
        return sl_fail(SL_FORMAT, "decision %lld was changed after it was made: its hash does not fit",
                       (long long)decision->id);
    return SL_OK;
}

sl_status sl_sqlite_check_chain(sl_db *db, int64_t *out_links) {
    sqlite3_stmt *statement;
    char previous[SL_SHA256_HEX];
    memcpy(previous, no_hash, sizeof previous);
    *out_links = 0;
    SL_TRY(sl_db_query(db, "SELECT " COLUMNS " FROM decision d ORDER BY d.id", SL_NO_VALUES, &statement));
    for (;;) {
        bool row;
        SL_TRY(sl_db_step(db, statement, &row));
        if (!row) return SL_OK;
        sl_arena *arena;
        SL_TRY(sl_arena_new(&arena));
        sl_decision decision;
        read_decision(statement, arena, &decision);
        sl_status status = check_link(&decision, previous, *out_links);
        snprintf(previous, sizeof previous, "%s", decision.hash);
        sl_arena_free(arena);
        if (status) {
            sqlite3_reset(statement);
            return status;
        }
        (*out_links)++;
    }
}
