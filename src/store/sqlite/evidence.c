/* What is known or computed about images: predictions, physical tests, verdicts, truths, embeddings. */
#include "store/sqlite/internal.h"

#include "base/clock.h"

#include <string.h>

/* Records to be added one after the other by the same statement. */
typedef struct batch {
    const void *records;
    int count;
} batch;

static int64_t time_or_now(int64_t given_ms) {
    return given_ms ? given_ms : sl_clock_unix_ms();
}

static sl_status add_predictions(sl_db *db, void *context) {
    const batch *in = context;
    const sl_prediction *each = in->records;
    for (int i = 0; i < in->count; i++, each++)
        SL_TRY(sl_db_run(
            db,
            "INSERT OR REPLACE INTO prediction(image, model, fold, p_real, logit, uncertainty, created)"
            " VALUES(?,?,?,?,?,?,?)",
            SL_VALUES(SL_INT(each->image), SL_INT(each->model), SL_INT(each->fold), SL_REAL(each->p_real),
                      SL_REAL(each->logit), SL_REAL(each->uncertainty),
                      SL_INT(time_or_now(each->created_ms)))));
    return SL_OK;
}

sl_status sl_sqlite_predictions_add(sl_store *store, const sl_prediction *predictions, int count) {
    return sl_sqlite_write(store, add_predictions, &(batch){predictions, count});
}

static void read_prediction(sqlite3_stmt *row, sl_arena *arena, void *item) {
    (void)arena;
    *(sl_prediction *)item = (sl_prediction){
        .image = sqlite3_column_int64(row, 0),
        .model = sqlite3_column_int64(row, 1),
        .fold = sqlite3_column_int64(row, 2),
        .p_real = sqlite3_column_double(row, 3),
        .logit = sqlite3_column_double(row, 4),
        .uncertainty = sqlite3_column_double(row, 5),
        .created_ms = sqlite3_column_int64(row, 6),
    };
}

#define PREDICTION                                                                                           \
    "SELECT p.image, p.model, p.fold, p.p_real, p.logit, p.uncertainty, p.created FROM prediction p"

sl_status sl_sqlite_predictions(sl_store *store, sl_id image, sl_arena *arena, sl_prediction **out,
                                int *out_count) {
    sl_query query = sl_query_start(PREDICTION);
    sl_query_where(&query, "p.image = ?", SL_INT(image));
    sl_query_order(&query, "p.created DESC, p.model DESC, p.fold", 0);
    return sl_sqlite_list(store, &query, read_prediction, sizeof **out, arena, out, out_count);
}

sl_status sl_sqlite_scores(sl_store *store, sl_id model, sl_id round, sl_prediction **out,
                           int64_t *out_count) {
    sl_query query = sl_query_start(PREDICTION);
    if (round) sl_query_add(&query, " JOIN image i ON i.id = p.image");
    sl_query_where(&query, "p.model = ?", SL_INT(model));
    if (round) sl_query_where(&query, "i.round = ?", SL_INT(round));
    sl_query_add(&query, " ORDER BY p.image, p.fold");
    return sl_sqlite_list_long(store, &query, read_prediction, sizeof **out, NULL, out, out_count);
}

static sl_status add_tests(sl_db *db, void *context) {
    const batch *in = context;
    const sl_test_result *each = in->records;
    for (int i = 0; i < in->count; i++, each++)
        SL_TRY(sl_db_run(
            db,
            "INSERT OR REPLACE INTO physical_test(image, name, version, value, low, high, passed, created)"
            " VALUES(?,?,?,?,?,?,?,?)",
            SL_VALUES(SL_INT(each->image), SL_TEXT(each->name), SL_TEXT(each->version), SL_REAL(each->value),
                      SL_REAL(each->low), SL_REAL(each->high), SL_INT(each->passed),
                      SL_INT(time_or_now(each->created_ms)))));
    return SL_OK;
}

sl_status sl_sqlite_tests_add(sl_store *store, const sl_test_result *results, int count) {
    return sl_sqlite_write(store, add_tests, &(batch){results, count});
}

static void read_test(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(sl_test_result *)item = (sl_test_result){
        .image = sqlite3_column_int64(row, 0),
        .name = sl_db_text(row, 1, arena),
        .version = sl_db_text(row, 2, arena),
        .value = sqlite3_column_double(row, 3),
        .low = sqlite3_column_double(row, 4),
        .high = sqlite3_column_double(row, 5),
        .passed = sqlite3_column_int64(row, 6) != 0,
        .created_ms = sqlite3_column_int64(row, 7),
    };
}

sl_status sl_sqlite_tests(sl_store *store, sl_id image, sl_arena *arena, sl_test_result **out,
                          int *out_count) {
    sl_query query =
        sl_query_start("SELECT image, name, version, value, low, high, passed, created FROM physical_test");
    sl_query_where(&query, "image = ?", SL_INT(image));
    sl_query_order(&query, "name", 0);
    return sl_sqlite_list(store, &query, read_test, sizeof **out, arena, out, out_count);
}

static sl_status add_verdicts(sl_db *db, void *context) {
    const batch *in = context;
    const sl_verdict *each = in->records;
    for (int i = 0; i < in->count; i++, each++)
        SL_TRY(sl_db_run(
            db,
            "INSERT OR REPLACE INTO verdict(round, image, model, accepted, p_real, threshold, reasons)"
            " VALUES(?,?,?,?,?,?,?)",
            SL_VALUES(SL_INT(each->round), SL_INT(each->image), SL_REF(each->model), SL_INT(each->accepted),
                      SL_REAL(each->p_real), SL_REAL(each->threshold), SL_TEXT(each->reasons))));
    return SL_OK;
}

sl_status sl_sqlite_verdicts_add(sl_store *store, const sl_verdict *verdicts, int count) {
    return sl_sqlite_write(store, add_verdicts, &(batch){verdicts, count});
}

static void read_verdict(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(sl_verdict *)item = (sl_verdict){
        .round = sqlite3_column_int64(row, 0),
        .image = sqlite3_column_int64(row, 1),
        .model = sqlite3_column_int64(row, 2),
        .accepted = sqlite3_column_int64(row, 3) != 0,
        .p_real = sqlite3_column_double(row, 4),
        .threshold = sqlite3_column_double(row, 5),
        .reasons = sl_db_text(row, 6, arena),
    };
}

sl_status sl_sqlite_verdicts(sl_store *store, sl_id round, sl_id image, sl_arena *arena, sl_verdict **out,
                             int64_t *out_count) {
    sl_query query =
        sl_query_start("SELECT round, image, model, accepted, p_real, threshold, reasons FROM verdict");
    if (round) sl_query_where(&query, "round = ?", SL_INT(round));
    if (image) sl_query_where(&query, "image = ?", SL_INT(image));
    sl_query_add(&query, " ORDER BY round, image");
    return sl_sqlite_list_long(store, &query, read_verdict, sizeof **out, arena, out, out_count);
}

sl_status sl_sqlite_put_truth(sl_db *db, sl_id image, const sl_truth *truth) {
    return sl_db_run(
        db, "INSERT OR REPLACE INTO truth(image, is_real, artefact, strength) VALUES(?,?,?,?)",
        SL_VALUES(SL_INT(image), SL_INT(truth->real), SL_TEXT(truth->artefact), SL_REAL(truth->strength)));
}

static sl_status add_truths(sl_db *db, void *context) {
    const batch *in = context;
    const sl_truth *each = in->records;
    for (int i = 0; i < in->count; i++, each++) SL_TRY(sl_sqlite_put_truth(db, each->image, each));
    return SL_OK;
}

sl_status sl_sqlite_truths_add(sl_store *store, const sl_truth *truths, int count) {
    return sl_sqlite_write(store, add_truths, &(batch){truths, count});
}

static void read_truth(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(sl_truth *)item = (sl_truth){
        .image = sqlite3_column_int64(row, 0),
        .real = sqlite3_column_int64(row, 1) != 0,
        .artefact = sl_db_text(row, 2, arena),
        .strength = sqlite3_column_double(row, 3),
    };
}

sl_status sl_sqlite_truth(sl_store *store, sl_id image, sl_arena *arena, sl_truth *out, bool *out_known) {
    sl_query query = sl_query_start("SELECT image, is_real, artefact, strength FROM truth");
    sl_query_where(&query, "image = ?", SL_INT(image));
    return sl_sqlite_first(store, &query, read_truth, arena, out, out_known);
}

typedef struct embedding {
    sl_id image, model;
    const float *vector;
    int width;
} embedding;

static sl_status set_embedding(sl_db *db, void *context) {
    const embedding *in = context;
    return sl_db_run(db, "INSERT OR REPLACE INTO embedding(image, model, vector) VALUES(?,?,?)",
                     SL_VALUES(SL_INT(in->image), SL_INT(in->model),
                               SL_BLOB(in->vector, (size_t)in->width * sizeof *in->vector)));
}

sl_status sl_sqlite_embedding_set(sl_store *store, sl_id image, sl_id model, const float *vector, int width) {
    return sl_sqlite_write(store, set_embedding, &(embedding){image, model, vector, width});
}

typedef struct vector_out {
    float *vector;
    int width, found_width;
} vector_out;

static void read_vector(sqlite3_stmt *row, sl_arena *arena, void *item) {
    (void)arena;
    vector_out *out = item;
    const void *blob = sqlite3_column_blob(row, 0);
    out->found_width = sqlite3_column_bytes(row, 0) / (int)sizeof(float);
    if (blob && out->found_width == out->width) memcpy(out->vector, blob, (size_t)out->width * sizeof(float));
}

sl_status sl_sqlite_embedding_get(sl_store *store, sl_id image, sl_id model, float *out_vector, int width) {
    sl_query query = sl_query_start("SELECT vector FROM embedding");
    sl_query_where(&query, "image = ?", SL_INT(image));
    sl_query_where(&query, "model = ?", SL_INT(model));
    vector_out out = {out_vector, width, 0};
    SL_TRY(sl_sqlite_one(store, &query, read_vector, NULL, &out, "embedding of image", image));
    if (out.found_width != width)
        return sl_fail(SL_MISMATCH, "embedding of image %lld has %d numbers, expected %d", (long long)image,
                       out.found_width, width);
    return SL_OK;
}
