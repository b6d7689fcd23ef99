/* Tar archives in which the files of an image follow each other. Readers take a name's part before its first
 * dot as the image's name and all behind it as the kind of file. */
#include "base/tar.h"
#include "loop/export/writer.h"

#include <stdlib.h>
#include <string.h>

static void archive_name(const sl_export_writer *writer, int split, char out[64]) {
    int64_t part = (writer->count[split] - 1) / writer->settings->per_archive;
    snprintf(out, 64, "%s-%06lld.tar", sl_export_split_name((sl_split)split), (long long)part);
}

static sl_status close_archive(sl_export_writer *writer, int split) {
    char name[64];
    if (!writer->is_open[split]) return SL_OK;
    archive_name(writer, split, name);
    SL_TRY(sl_context(sl_tar_end(writer->stream[split].stream), "writing '%s'", name));
    writer->is_open[split] = false;
    return sl_export_commit(writer, name, &writer->stream[split]);
}

static sl_status put(sl_export_writer *writer, const sl_export_item *item, const char *suffix,
                     const void *data, size_t bytes) {
    char name[64];
    snprintf(name, sizeof name, "image_%06lld.%s", (long long)item->row.record.id, suffix);
    return sl_tar_add(writer->stream[item->row.record.split].stream, name, data, bytes);
}

static sl_status put_members(sl_export_writer *writer, const sl_export_item *item) {
    const sl_export_row *row = &item->row;
    const char *caption = row->record.caption ? row->record.caption : "";
    json_t *object = sl_export_row_json(row, NULL);
    if (object) json_object_set(object, "provenance", row->provenance);
    char *text = object ? sl_json_canonical(object) : NULL;
    json_decref(object);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    sl_status status = put(writer, item, item->suffix, item->data, item->bytes);
    if (!status) status = put(writer, item, "json", text, strlen(text));
    if (!status) status = put(writer, item, "txt", caption, strlen(caption));
    free(text);
    if (!status && sl_export_row_is_labelled(row))
        status = put(writer, item, "cls", row->label == SL_LABEL_REAL ? "1" : "0", 1);
    return status;
}

static sl_status add(sl_export_writer *writer, const sl_export_item *item) {
    int split = (int)item->row.record.split;
    char name[64];
    if (writer->count[split] % writer->settings->per_archive == 0) SL_TRY(close_archive(writer, split));
    writer->count[split]++;
    archive_name(writer, split, name);
    if (!writer->is_open[split]) {
        SL_TRY(sl_export_open(writer, name, &writer->stream[split]));
        writer->is_open[split] = true;
    }
    return sl_context(put_members(writer, item), "writing '%s'", name);
}

static sl_status end(sl_export_writer *writer) {
    for (int split = 0; split < SL_SPLIT_COUNT; split++) SL_TRY(close_archive(writer, split));
    return SL_OK;
}

const sl_export_layout sl_export_webdataset = {
    .name = "webdataset",
    .pixels = "tiff",
    .read_with = "`webdataset.WebDataset(\"train-{000000..N}.tar\")`: `.tif` counts, `.json` what is known, "
                 "`.txt` caption, "
                 "`.cls` 1 real, 0 unreal",
    .add = add,
    .end = end,
};
