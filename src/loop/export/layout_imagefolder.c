/* A folder for each split, each with a metadata.jsonl: what Hugging Face datasets call an image folder. A
 * label stands in the table, not in folder names, which readers leave unread beside a table. */
#include "loop/export/writer.h"

#include <stdlib.h>

static void table_name(sl_split split, char out[64]) {
    snprintf(out, 64, "%s/metadata.jsonl", sl_export_split_name(split));
}

static sl_status add(sl_export_writer *writer, const sl_export_item *item) {
    sl_split split = item->row.record.split;
    char name[64], path[128], table[64];
    snprintf(name, sizeof name, "image_%06lld.%s", (long long)item->row.record.id, item->suffix);
    snprintf(path, sizeof path, "%s/%s", sl_export_split_name(split), name);
    SL_TRY(sl_export_put(writer, path, item->data, item->bytes));
    if (!writer->is_open[split]) {
        table_name(split, table);
        SL_TRY(sl_export_open(writer, table, &writer->stream[split]));
        writer->is_open[split] = true;
    }
    json_t *row = sl_export_row_json(&item->row, name);
    char *line = row ? sl_json_canonical(row) : NULL;
    json_decref(row);
    if (!line) return sl_fail(SL_MEMORY, "out of memory");
    fprintf(writer->stream[split].stream, "%s\n", line);
    free(line);
    return SL_OK;
}

static sl_status end(sl_export_writer *writer) {
    for (int split = 0; split < SL_SPLIT_COUNT; split++) {
        char table[64];
        if (!writer->is_open[split]) continue;
        table_name((sl_split)split, table);
        writer->is_open[split] = false;
        SL_TRY(sl_export_commit(writer, table, &writer->stream[split]));
    }
    return SL_OK;
}

const sl_export_layout sl_export_imagefolder = {
    .name = "imagefolder",
    .pixels = "tiff",
    .read_with = "`datasets.load_dataset(\"imagefolder\", data_dir=\"THIS_FOLDER\")`; each row of "
                 "`metadata.jsonl` is an image",
    .add = add,
    .end = end,
};
