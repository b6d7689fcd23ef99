#include "loop/import/import_names.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_LIMIT_BYTES = 256 << 20 };

static const char *folder_of(sl_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? sl_arena_strndup(arena, path, (size_t)(slash - path)) : ".";
}

static sl_status look_in(sl_import_names *names, const char *folder) {
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->table[i].folder, folder) == 0) return SL_OK;
    if (names->count == names->capacity) {
        int capacity = names->capacity ? 2 * names->capacity : 16;
        sl_import_table *grown = SL_NEW(names->arena, sl_import_table, capacity);
        if (names->count) memcpy(grown, names->table, (size_t)names->count * sizeof *grown);
        names->table = grown;
        names->capacity = capacity;
    }
    const char *path = sl_path_join(names->arena, folder, "metadata.jsonl");
    sl_captions *captions = NULL;
    if (sl_file_exists(path)) SL_TRY(sl_captions_read(path, &captions));
    names->table[names->count++] = (sl_import_table){folder, captions};
    return SL_OK;
}

sl_status sl_import_names_look(sl_import_names *names, const char *root, const char *path) {
    const char *folder = folder_of(names->arena, path);
    for (;;) {
        SL_TRY(look_in(names, folder));
        if (strlen(folder) <= strlen(root) || !strchr(folder, '/')) return SL_OK;
        folder = folder_of(names->arena, folder);
    }
}

const sl_caption *sl_import_names_row(const sl_import_names *names, const char *path) {
    const sl_caption *nearest = NULL;
    size_t depth = 0;
    for (int i = 0; i < names->count; i++) {
        const sl_import_table *table = &names->table[i];
        const sl_caption *row = table->captions ? sl_captions_find(table->captions, path) : NULL;
        if (!row || (nearest && strlen(table->folder) <= depth)) continue;
        nearest = row;
        depth = strlen(table->folder);
    }
    return nearest;
}

const char *sl_import_names_caption(const sl_import_names *names, const char *root, const char *path) {
    const sl_caption *row = sl_import_names_row(names, path);
    if (row && row->text) return row->text;
    if (names->settings->caption) return names->settings->caption;
    const char *folder = folder_of(names->arena, path);
    if (!names->settings->folder_captions || strlen(folder) <= strlen(root)) return NULL;
    char *words = sl_arena_strdup(names->arena, sl_path_base(folder));
    for (char *at = words; *at; at++)
        if (*at == '_') *at = ' ';
    return words;
}

/* The folder of a file by one name, from wherever it is named: absolute, links followed. Group keys are
 * texts: what is not UTF-8 is written out. */
static const char *whole_folder_of(sl_arena *arena, const char *path) {
    const char *folder = folder_of(arena, path);
    char *absolute = realpath(folder[0] ? folder : "/", NULL);
    json_t *text = sl_json_text(absolute ? absolute : folder);
    const char *out = sl_arena_strdup(arena, json_string_value(text));
    json_decref(text);
    free(absolute);
    return out;
}

/* Folder and name of the file alone: the same group wherever the data lie. */
static const char *series_of(sl_arena *arena, const char *path) {
    const char *folder = sl_path_base(whole_folder_of(arena, path));
    return sl_group_of_path(arena, sl_path_join(arena, folder, sl_path_base(path)));
}

const char *sl_import_names_group(const sl_import_names *names, const char *path) {
    const sl_import_settings *settings = names->settings;
    if (settings->group) return settings->group;
    const char *listed = json_string_value(json_object_get(names->groups, sl_path_base(path)));
    if (listed) return listed;
    const sl_caption *row = sl_import_names_row(names, path);
    if (row && row->group) return row->group;
    switch ((sl_import_grouping)settings->group_by) {
    case SL_GROUP_BY_FOLDER:
        return whole_folder_of(names->arena, path);
    case SL_GROUP_BY_FILE:
        return sl_path_join(names->arena, whole_folder_of(names->arena, path), sl_path_base(path));
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
    SL_TRY(sl_file_read(path, TABLE_LIMIT_BYTES, &text, &bytes));
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
    *out = (sl_import_names){.settings = settings, .groups = json_object()};
    SL_TRY(sl_arena_new(&out->arena));
    for (int i = 0; i < settings->groups.count; i++) SL_TRY(read_groups(out, settings->groups.item[i]));
    return SL_OK;
}

void sl_import_names_close(sl_import_names *names) {
    for (int i = 0; i < names->count; i++) sl_captions_free(names->table[i].captions);
    json_decref(names->groups);
    sl_arena_free(names->arena);
}
