#include "loop/export/writer.h"

#include "base/hash.h"
#include "base/limits.h"

#include <string.h>
#include <unistd.h>

static sl_status path_of(const sl_export_writer *writer, const char *name, char out[SL_LIMIT_PATH_BYTES]) {
    int length = snprintf(out, SL_LIMIT_PATH_BYTES, "%s/%s", writer->root, name);
    return length < SL_LIMIT_PATH_BYTES ? SL_OK : sl_fail(SL_LIMIT, "path too long below '%s'", writer->root);
}

static sl_status make_folder_of(const char *path) {
    char folder[SL_LIMIT_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) return SL_OK;
    *slash = '\0';
    return sl_folder_make(folder);
}

sl_status sl_export_put(sl_export_writer *writer, const char *name, const void *data, size_t bytes) {
    char path[SL_LIMIT_PATH_BYTES], sum[SL_SHA256_HEX];
    SL_TRY(path_of(writer, name, path));
    SL_TRY(make_folder_of(path));
    SL_TRY(sl_file_write_atomic(path, data, bytes));
    sl_sha256_hex(data, bytes, sum);
    sl_text_printf(&writer->sums, "%s  %s\n", sum, name);
    writer->bytes += (int64_t)bytes;
    return SL_OK;
}

sl_status sl_export_open(sl_export_writer *writer, const char *name, sl_file_writer *out) {
    char path[SL_LIMIT_PATH_BYTES];
    SL_TRY(path_of(writer, name, path));
    SL_TRY(make_folder_of(path));
    return sl_file_writer_open(out, path);
}

sl_status sl_export_commit(sl_export_writer *writer, const char *name, sl_file_writer *file) {
    char path[SL_LIMIT_PATH_BYTES], sum[SL_SHA256_HEX];
    long bytes = ftell(file->stream);
    SL_TRY(path_of(writer, name, path));
    SL_TRY(sl_file_writer_commit(file));
    SL_TRY(sl_sha256_file_hex(path, sum));
    sl_text_printf(&writer->sums, "%s  %s\n", sum, name);
    writer->bytes += bytes;
    return SL_OK;
}

/* Up from `path`, folders that are empty now, the root included. */
static void remove_empty(char *path, size_t root_length) {
    for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) >= root_length;) {
        *slash = '\0';
        if (rmdir(path)) return;
    }
}

void sl_export_discard(sl_export_writer *writer) {
    for (int split = 0; split < SL_SPLIT_COUNT; split++)
        if (writer->is_open[split]) sl_file_writer_abandon(&writer->stream[split]);
    json_decref(writer->tasks);
    writer->tasks = NULL;
    char path[SL_LIMIT_PATH_BYTES];
    for (const char *line = sl_text_get(&writer->sums); *line;) {
        const char *name = line + SL_SHA256_HEX + 1, *end = strchr(line, '\n');
        snprintf(path, sizeof path, "%s/%.*s", writer->root, (int)(end - name), name);
        unlink(path);
        remove_empty(path, strlen(writer->root));
        line = end + 1;
    }
    rmdir(writer->root); /* fails where anything is left, or it is gone */
}
