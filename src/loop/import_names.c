#include "loop/import_names.h"

#include "base/file.h"
#include "base/limits.h"

#include <ctype.h>
#include <string.h>

enum { METADATA_LIMIT_BYTES = 256 << 20 };

static const char *folder_of(sl_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? sl_arena_strndup(arena, path, (size_t)(slash - path)) : ".";
}

static sl_status row_failed(const char *path, int line, const char *what) {
    return sl_fail(SL_FORMAT, "%s:%d: %s", path, line, what);
}

/* One line of a metadata.jsonl into names->rows. */
static sl_status read_row(sl_import_names *names, const char *folder, const char *path, int line_number,
                          const char *line, size_t bytes) {
    json_t *row;
    char origin[SL_LIMIT_PATH_BYTES];
    snprintf(origin, sizeof origin, "%s:%d", path, line_number);
    SL_TRY(sl_json_parse(line, bytes, origin, &row));
    const char *file = json_string_value(json_object_get(row, "file_name"));
    const json_t *text = json_object_get(row, "text");
    sl_status status = SL_OK;
    if (!file || !file[0]) {
        status = row_failed(path, line_number, "no \"file_name\"");
    } else if (file[0] == '/' || strstr(file, "..")) {
        status = row_failed(path, line_number, "\"file_name\" must lie below the metadata.jsonl");
    } else if (text && !json_is_string(text) &&
               !(json_is_array(text) && json_is_string(json_array_get(text, 0)))) {
        status = row_failed(path, line_number, "\"text\" is neither a text nor a list of texts");
    }
    if (!status) {
        while (strncmp(file, "./", 2) == 0) file += 2;
        const char *key = sl_path_join(names->arena, folder, file);
        json_object_set_new(row, "line", json_string(origin));
        json_object_set(names->rows, key, row);
    }
    json_decref(row);
    return status;
}

static sl_status read_rows(sl_import_names *names, const char *folder, const char *path) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, METADATA_LIMIT_BYTES, &text, &bytes));
    sl_status status = SL_OK;
    int line_number = 0;
    for (const char *line = text; !status && *line;) {
        size_t length = strcspn(line, "\n");
        line_number++;
        if (strspn(line, " \t\r") < length) status = read_row(names, folder, path, line_number, line, length);
        line += length + (line[length] == '\n');
    }
    sl_free(text);
    return status;
}

static sl_status look_in(sl_import_names *names, const char *folder) {
    if (json_object_get(names->folders, folder)) return SL_OK;
    const char *path = sl_path_join(names->arena, folder, "metadata.jsonl");
    bool there = sl_file_exists(path);
    json_object_set_new(names->folders, folder, json_boolean(there));
    return there ? read_rows(names, folder, path) : SL_OK;
}

sl_status sl_import_names_look(sl_import_names *names, const char *root, const char *path) {
    const char *folder = folder_of(names->arena, path);
    for (;;) {
        SL_TRY(look_in(names, folder));
        if (strlen(folder) <= strlen(root) || !strchr(folder, '/')) return SL_OK;
        folder = folder_of(names->arena, folder);
    }
}

json_t *sl_import_names_row(const sl_import_names *names, const char *path) {
    while (strncmp(path, "./", 2) == 0) path += 2;
    json_t *row = json_object_get(names->rows, path);
    return row ? row : json_object_get(names->rows, sl_path_join(names->arena, ".", path));
}

const char *sl_import_names_caption(const sl_import_names *names, const char *root, const char *path) {
    const json_t *text = json_object_get(sl_import_names_row(names, path), "text");
    if (json_is_array(text)) text = json_array_get(text, 0);
    if (json_is_string(text)) return json_string_value(text);
    if (names->settings->caption) return names->settings->caption;
    const char *folder = folder_of(names->arena, path);
    if (!names->settings->folder_captions || strlen(folder) <= strlen(root)) return NULL;
    char *words = sl_arena_strdup(names->arena, sl_path_base(folder));
    for (char *at = words; *at; at++)
        if (*at == '_') *at = ' ';
    return words;
}

/* "scans/agbeh_0012.tif.gz" -> "scans/agbeh": the name up to its first dot, without the number at its end. */
static const char *series_of(sl_arena *arena, const char *path) {
    const char *base = sl_path_base(path), *folder = sl_path_base(folder_of(arena, path));
    size_t length = strcspn(base, ".");
    size_t kept = length;
    while (kept > 0 && isdigit((unsigned char)base[kept - 1])) kept--;
    while (kept > 0 && kept < length && strchr("-_ ", base[kept - 1])) kept--;
    if (kept == 0) return folder;
    return sl_arena_printf(arena, "%s/%.*s", folder, (int)kept, base);
}

const char *sl_import_names_group(const sl_import_names *names, const char *path) {
    const sl_import_settings *settings = names->settings;
    if (settings->group) return settings->group;
    const char *listed = json_string_value(json_object_get(names->groups, sl_path_base(path)));
    if (listed) return listed;
    const char *told = json_string_value(json_object_get(sl_import_names_row(names, path), "group"));
    if (told) return told;
    switch ((sl_import_grouping)settings->group_by) {
    case SL_GROUP_BY_FOLDER:
        return folder_of(names->arena, path);
    case SL_GROUP_BY_FILE:
        return path;
    case SL_GROUP_BY_SERIES:
        break;
    }
    return series_of(names->arena, path);
}

/* Field `column` of a line separated by tabs or commas. */
static char *field(sl_arena *arena, const char *line, size_t length, char separator, int column) {
    size_t start = 0;
    for (; column > 0 && start < length; start++)
        if (line[start] == separator) column--;
    size_t end = start;
    while (end < length && line[end] != separator && line[end] != '\r') end++;
    return column > 0 ? NULL : sl_arena_strndup(arena, line + start, end - start);
}

static int find_column(sl_arena *arena, const char *line, size_t length, char separator, const char *name) {
    for (int column = 0;; column++) {
        const char *found = field(arena, line, length, separator, column);
        if (!found) return -1;
        if (strcmp(found, name) == 0) return column;
    }
}

/* A table whose first line names its columns, among them "file" and "group". */
static sl_status read_groups(sl_import_names *names, const char *path) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, METADATA_LIMIT_BYTES, &text, &bytes));
    size_t length = strcspn(text, "\n");
    char separator = memchr(text, '\t', length) ? '\t' : ',';
    int file_column = find_column(names->arena, text, length, separator, "file");
    int group_column = find_column(names->arena, text, length, separator, "group");
    sl_status status = SL_OK;
    if (file_column < 0 || group_column < 0)
        status = sl_fail(SL_FORMAT, "%s:1: expected columns 'file' and 'group', separated by tabs or commas",
                         path);
    for (const char *line = text + length; !status && *line;) {
        line++;
        length = strcspn(line, "\n");
        const char *file = field(names->arena, line, length, separator, file_column);
        const char *group = field(names->arena, line, length, separator, group_column);
        if (file && group && file[0] && group[0])
            json_object_set_new(names->groups, sl_path_base(file), json_string(group));
        line += length;
    }
    sl_free(text);
    return status;
}

sl_status sl_import_names_open(const sl_import_settings *settings, sl_import_names *out) {
    *out = (sl_import_names){
        .settings = settings, .rows = json_object(), .folders = json_object(), .groups = json_object()};
    SL_TRY(sl_arena_new(&out->arena));
    for (int i = 0; i < settings->groups.count; i++) SL_TRY(read_groups(out, settings->groups.item[i]));
    return SL_OK;
}

void sl_import_names_close(sl_import_names *names) {
    json_decref(names->rows);
    json_decref(names->folders);
    json_decref(names->groups);
    sl_arena_free(names->arena);
}
