#include "train/history.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void keep_lines(const char *data, int64_t step, sl_text *kept) {
    for (const char *line = data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *value;
        int64_t at;
        if (sl_json_parse(line, (size_t)(end - line), "history", &value) != SL_OK) continue;
        if (sl_json_int(value, "step", 0, INT64_MAX, &at) == SL_OK && at <= step)
            sl_text_add_bytes(kept, line, (size_t)(end - line) + 1);
        json_decref(value);
    }
}

sl_status sl_history_open(sl_history *history, const char *path, int64_t step) {
    history->stream = NULL;
    sl_text kept = SL_TEXT_INIT;
    if (sl_file_exists(path)) {
        char *data;
        size_t bytes;
        SL_TRY(sl_file_read(path, SL_LIMIT_JSON_BYTES, &data, &bytes));
        keep_lines(data, step, &kept);
        sl_free(data);
    }
    sl_status status = sl_text_status(&kept);
    if (status == SL_OK) status = sl_file_write_atomic(path, sl_text_get(&kept), kept.length);
    sl_text_free(&kept);
    if (status != SL_OK) return status;
    history->stream = fopen(path, "a");
    return history->stream ? SL_OK : sl_fail_errno("opening history '%s'", path);
}

sl_status sl_history_add(sl_history *history, json_t *line) {
    sl_status status = SL_OK;
    if (history->stream) {
        char *text = sl_json_canonical(line);
        if (!text)
            status = sl_fail(SL_MEMORY, "no memory for a line of history");
        else if (fprintf(history->stream, "%s\n", text) < 0 || fflush(history->stream) != 0)
            status = sl_fail_errno("writing history");
        free(text);
    }
    json_decref(line);
    return status;
}

sl_status sl_history_read(const char *path, json_t **out) {
    char *data;
    size_t bytes;
    SL_TRY(sl_file_read(path, SL_LIMIT_JSON_BYTES, &data, &bytes));
    *out = json_array();
    for (const char *line = data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *value;
        if (sl_json_parse(line, (size_t)(end - line), path, &value) == SL_OK)
            json_array_append_new(*out, value);
    }
    sl_free(data);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "no memory for the history '%s'", path);
}

void sl_history_close(sl_history *history) {
    if (history->stream) fclose(history->stream);
    history->stream = NULL;
}
