#include "store/sqlite/internal.h"

#include "base/clock.h"

#define COLUMNS                                                                                              \
    "i.id, i.content_hash, i.object_hash, i.origin, i.split, i.group_key, i.caption, i.source, i.run,"       \
    " i.run_index, i.round, i.parent, i.seed, i.generator, i.lora, i.steps, i.guidance, i.scheduler,"        \
    " i.height_px, i.width_px, i.dtype, i.fingerprint, i.created"

static void read_image(sqlite3_stmt *row, sl_arena *arena, void *item) {
    sl_image_record *image = item;
    *image = (sl_image_record){
        .id = sqlite3_column_int64(row, 0),
        .content_hash = sl_db_text(row, 1, arena),
        .object_hash = sl_db_text(row, 2, arena),
        .group_key = sl_db_text(row, 5, arena),
        .caption = sl_db_text(row, 6, arena),
        .source = sl_db_text(row, 7, arena),
        .run = sqlite3_column_int64(row, 8),
        .run_index = sqlite3_column_int64(row, 9),
        .round = sqlite3_column_int64(row, 10),
        .parent = sqlite3_column_int64(row, 11),
        .seed = (uint64_t)sqlite3_column_int64(row, 12),
        .generator = sqlite3_column_int64(row, 13),
        .lora = sqlite3_column_int64(row, 14),
        .steps = sqlite3_column_int64(row, 15),
        .guidance = sqlite3_column_double(row, 16),
        .scheduler = sl_db_text(row, 17, arena),
        .height_px = sqlite3_column_int64(row, 18),
        .width_px = sqlite3_column_int64(row, 19),
        .dtype = sl_db_text(row, 20, arena),
        .fingerprint = sl_db_text(row, 21, arena),
        .created_ms = sqlite3_column_int64(row, 22),
    };
    (void)sl_origin_parse((const char *)sqlite3_column_text(row, 3), &image->origin);
    (void)sl_split_parse((const char *)sqlite3_column_text(row, 4), &image->split);
}

typedef struct add_arguments {
    sl_image_record *records;
    int count, added;
    bool unique_content;
} add_arguments;

static sl_status find_known(sl_db *db, const sl_image_record *record, bool unique_content, sl_id *out,
                            bool *out_found) {
    *out_found = false;
    if (record->run)
        SL_TRY(sl_db_number(db, "SELECT id FROM image WHERE run = ? AND run_index = ?",
                            SL_VALUES(SL_INT(record->run), SL_INT(record->run_index)), out, out_found));
    if (!*out_found && record->round)
        SL_TRY(sl_db_number(db, "SELECT id FROM image WHERE round = ? AND run_index = ? LIMIT 1",
                            SL_VALUES(SL_INT(record->round), SL_INT(record->run_index)), out, out_found));
    if (!*out_found && unique_content)
        SL_TRY(sl_db_number(db, "SELECT id FROM image WHERE content_hash = ? LIMIT 1",
                            SL_VALUES(SL_TEXT(record->content_hash)), out, out_found));
    return SL_OK;
}

static sl_status insert(sl_db *db, sl_image_record *record) {
    SL_TRY(sl_db_run(
        db,
        "INSERT INTO image(content_hash, object_hash, origin, split, group_key, caption, source, "
        "run, run_index, round,"
        " parent, seed, generator, lora, steps, guidance, scheduler, height_px, width_px, dtype,"
        "fingerprint, created)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        SL_VALUES(SL_TEXT(record->content_hash), SL_TEXT(record->object_hash),
                  SL_TEXT(sl_origin_name(record->origin)), SL_TEXT(sl_split_name(record->split)),
                  SL_TEXT(record->group_key), SL_TEXT(record->caption), SL_TEXT(record->source),
                  SL_REF(record->run), SL_INT(record->run_index), SL_REF(record->round),
                  SL_REF(record->parent), SL_INT(record->seed), SL_REF(record->generator),
                  SL_REF(record->lora), SL_INT(record->steps), SL_REAL(record->guidance),
                  SL_TEXT(record->scheduler), SL_INT(record->height_px), SL_INT(record->width_px),
                  SL_TEXT(record->dtype), SL_TEXT(record->fingerprint), SL_INT(record->created_ms))));
    record->id = sqlite3_last_insert_rowid(db->handle);
    if (record->truth) SL_TRY(sl_sqlite_put_truth(db, record->id, record->truth));
    if (!record->provenance) return SL_OK;
    return sl_db_run(db, "INSERT INTO provenance(image, json) VALUES(?,?)",
                     SL_VALUES(SL_INT(record->id), SL_TEXT(record->provenance)));
}

static sl_status add(sl_db *db, void *context) {
    add_arguments *in = context;
    in->added = 0;
    for (int i = 0; i < in->count; i++) {
        sl_image_record *record = &in->records[i];
        bool known;
        SL_TRY(find_known(db, record, in->unique_content, &record->id, &known));
        if (known) continue;
        if (!record->created_ms) record->created_ms = sl_clock_unix_ms();
        SL_TRY(insert(db, record));
        in->added++;
    }
    return SL_OK;
}

sl_status sl_sqlite_images_add(sl_store *store, sl_image_record *records, int count, bool unique_content,
                               int *out_added) {
    add_arguments in = {records, count, 0, unique_content};
    SL_TRY(sl_sqlite_write(store, add, &in));
    if (out_added) *out_added = in.added;
    return SL_OK;
}

sl_status sl_sqlite_image_get(sl_store *store, sl_id image, sl_arena *arena, sl_image_record *out) {
    sl_query query = sl_query_start("SELECT " COLUMNS " FROM image i");
    sl_query_where(&query, "i.id = ?", SL_INT(image));
    return sl_sqlite_one(store, &query, read_image, arena, out, "image", image);
}

sl_status sl_sqlite_image_find(sl_store *store, const char *content_hash, sl_id *out_id) {
    sl_query query = sl_query_start("SELECT id FROM image");
    sl_query_where(&query, "content_hash = ?", SL_TEXT(content_hash));
    sl_query_order(&query, "id", 1);
    return sl_sqlite_number(store, &query, out_id);
}

static void read_text(sqlite3_stmt *row, sl_arena *arena, void *item) {
    *(const char **)item = sl_db_text(row, 0, arena);
}

sl_status sl_sqlite_image_provenance(sl_store *store, sl_id image, sl_arena *arena, const char **out_json) {
    sl_query query = sl_query_start("SELECT json FROM provenance");
    sl_query_where(&query, "image = ?", SL_INT(image));
    return sl_sqlite_one(store, &query, read_text, arena, (void *)out_json, "provenance of image", image);
}

static void add_filter(sl_query *query, const sl_image_filter *filter) {
    if (filter->label >= 0)
        sl_query_where(query, "i.id IN (SELECT image FROM consensus WHERE label = ?)",
                       SL_TEXT(sl_label_name((sl_label)filter->label)));
    if (filter->label == SL_UNLABELLED)
        sl_query_condition(query, "NOT EXISTS (SELECT 1 FROM counting_decision d WHERE d.image = i.id)");
    if (filter->origin >= 0)
        sl_query_where(query, "i.origin = ?", SL_TEXT(sl_origin_name((sl_origin)filter->origin)));
    if (filter->split >= 0)
        sl_query_where(query, "i.split = ?", SL_TEXT(sl_split_name((sl_split)filter->split)));
    if (filter->round) sl_query_where(query, "i.round = ?", SL_INT(filter->round));
    if (filter->run) sl_query_where(query, "i.run = ?", SL_INT(filter->run));
    if (filter->group_key) sl_query_where(query, "i.group_key = ?", SL_TEXT(filter->group_key));
}

sl_status sl_sqlite_images(sl_store *store, const sl_image_filter *filter, sl_arena *arena,
                           sl_image_record **out, int *out_count) {
    sl_query query = sl_query_start("SELECT " COLUMNS " FROM image i");
    add_filter(&query, filter);
    sl_query_where(&query, "i.id > ?", SL_INT(filter->after));
    sl_query_order(&query, "i.id", filter->limit);
    return sl_sqlite_list(store, &query, read_image, sizeof **out, arena, out, out_count);
}

sl_status sl_sqlite_image_count(sl_store *store, const sl_image_filter *filter, int64_t *out) {
    sl_query query = sl_query_start("SELECT count(*) FROM image i");
    add_filter(&query, filter);
    return sl_sqlite_number(store, &query, out);
}
