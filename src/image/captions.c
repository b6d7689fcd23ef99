#include "image/captions.h"

#include "base/file.h"
#include "base/limits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FAULT_COUNT_SHOWN = 10, ROW_COUNT_MAX = 10000000 };

struct sl_captions {
    sl_arena *arena;
    const char *folder; /* "" for the working folder */
    sl_caption *rows;
    int count, capacity;
    int *by_name; /* row numbers in order of file_name */
};

typedef struct faults {
    sl_text text;
    int count;
} faults;

static void fault(faults *f, const char *path, int line, const char *what) {
    if (f->count++ < FAULT_COUNT_SHOWN)
        sl_text_printf(&f->text, "%s%s:%d: %s", f->count > 1 ? "; " : "", path, line, what);
}

/* Relative, and not out of the folder. */
static bool is_inside(const char *name) {
    if (!name[0] || name[0] == '/') return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
    }
    return true;
}

/* What is wrong with a row, or NULL. */
static const char *row_fault(const json_t *row) {
    const json_t *name = json_object_get(row, "file_name"), *text = json_object_get(row, "text");
    if (!json_is_object(row)) return "not a JSON object";
    if (!name) return "key \"file_name\" is missing";
    if (!json_is_string(name)) return "key \"file_name\" is not a string";
    if (strlen(json_string_value(name)) != json_string_length(name)) return "key \"file_name\" holds a NUL";
    if (!is_inside(json_string_value(name))) return "key \"file_name\" leads out of the folder";
    if (text && !json_is_string(text) && !json_is_null(text)) return "key \"text\" is not a string";
    if (json_is_string(text) && json_string_length(text) > SL_LIMIT_CAPTION_BYTES)
        return "the text is too long";
    return NULL;
}

static sl_status add_row(sl_captions *captions, json_t *row, int line) {
    if (captions->count == captions->capacity) {
        int capacity = captions->capacity ? 2 * captions->capacity : 64;
        sl_caption *rows = realloc(captions->rows, (size_t)capacity * sizeof *rows);
        if (!rows) return sl_fail(SL_MEMORY, "out of memory for %d captions", capacity);
        captions->rows = rows;
        captions->capacity = capacity;
    }
    const char *name = json_string_value(json_object_get(row, "file_name"));
    while (strncmp(name, "./", 2) == 0) name += 2;
    const char *path = captions->folder[0] ? sl_path_join(captions->arena, captions->folder, name) : name;
    captions->rows[captions->count++] =
        (sl_caption){.file_name = name,
                     .path = path,
                     .text = json_string_value(json_object_get(row, "text")),
                     .group = json_string_value(json_object_get(row, "group")),
                     .columns = json_incref(row),
                     .line = line};
    return SL_OK;
}

static sl_status read_line(sl_captions *captions, const char *path, const char *text, size_t bytes, int line,
                           faults *f) {
    json_error_t error;
    json_t *row = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    sl_status status = SL_OK;
    if (!row) {
        fault(f, path, line, error.text);
    } else if (row_fault(row)) {
        fault(f, path, line, row_fault(row));
    } else {
        status = add_row(captions, row, line);
    }
    json_decref(row);
    return status;
}

static sl_status read_lines(sl_captions *captions, const char *path, const char *text, size_t bytes,
                            faults *f) {
    const char *end = text + bytes;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    for (int line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text);
        const char *next = stop ? stop + 1 : end;
        while (length && isspace((unsigned char)text[length - 1])) length--;
        if (line > ROW_COUNT_MAX)
            return sl_fail(SL_LIMIT, "'%s' has more than %d lines", path, ROW_COUNT_MAX);
        if (length) SL_TRY(read_line(captions, path, text, length, line, f));
        text = next;
    }
    return SL_OK;
}

static int compare_names(const void *a, const void *b, void *context) {
    const sl_caption *rows = context;
    int i = *(const int *)a, j = *(const int *)b;
    int order = strcmp(rows[i].file_name, rows[j].file_name);
    return order ? order : i - j;
}

/* Puts the rows in order of name and reports those named twice. */
static sl_status index_rows(sl_captions *captions, const char *path, faults *f) {
    SL_TRY(sl_alloc(&captions->by_name, (size_t)captions->count, sizeof *captions->by_name));
    for (int i = 0; i < captions->count; i++) captions->by_name[i] = i;
    qsort_r(captions->by_name, (size_t)captions->count, sizeof(int), compare_names, captions->rows);
    for (int i = 1; i < captions->count; i++) {
        const sl_caption *first = &captions->rows[captions->by_name[i - 1]];
        const sl_caption *second = &captions->rows[captions->by_name[i]];
        if (strcmp(first->file_name, second->file_name) != 0) continue;
        char text[128];
        snprintf(text, sizeof text, "'%.80s' has a row already in line %d", second->file_name, first->line);
        fault(f, path, second->line, text);
    }
    return SL_OK;
}

sl_status sl_captions_parse(const char *text, size_t bytes, const char *path, sl_captions **out) {
    sl_captions *captions = NULL;
    faults f = {0};
    sl_status status;
    SL_GUARD(status, sl_alloc(&captions, 1, sizeof *captions), done);
    SL_GUARD(status, sl_arena_new(&captions->arena), done);
    const char *base = sl_path_base(path);
    size_t folder_length = base == path ? 0 : base - path == 1 ? 1 : (size_t)(base - path) - 1;
    captions->folder = sl_arena_strndup(captions->arena, path, folder_length);
    SL_GUARD(status, read_lines(captions, path, text, bytes, &f), done);
    SL_GUARD(status, index_rows(captions, path, &f), done);
    if (f.count > 0)
        status = sl_fail(SL_FORMAT, "%d faulty line%s: %s%s", f.count, f.count > 1 ? "s" : "",
                         sl_text_get(&f.text), f.count > FAULT_COUNT_SHOWN ? "; ..." : "");
done:
    sl_text_free(&f.text);
    if (status) {
        sl_captions_free(captions);
        return status;
    }
    *out = captions;
    return SL_OK;
}

sl_status sl_captions_read(const char *path, sl_captions **out) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, SL_LIMIT_JSON_BYTES, &text, &bytes));
    sl_status status = sl_captions_parse(text, bytes, path, out);
    sl_free(text);
    return status;
}

void sl_captions_free(sl_captions *captions) {
    if (!captions) return;
    for (int i = 0; i < captions->count; i++) json_decref(captions->rows[i].columns);
    free(captions->rows);
    sl_free(captions->by_name);
    sl_arena_free(captions->arena);
    sl_free(captions);
}

int sl_captions_count(const sl_captions *captions) {
    return captions->count;
}

const sl_caption *sl_captions_at(const sl_captions *captions, int index) {
    return index >= 0 && index < captions->count ? &captions->rows[index] : NULL;
}

/* The part of `path` behind the folder of the table, or NULL. Doubled slashes and "./" count for nothing. */
static bool relative_name(const sl_captions *captions, const char *path, char *out, size_t capacity) {
    char clean[2][SL_LIMIT_PATH_BYTES];
    const char *sources[2] = {captions->folder, path};
    for (int i = 0; i < 2; i++) {
        size_t length = 0;
        for (const char *at = sources[i]; *at && length + 1 < sizeof clean[i];) {
            bool start = at == sources[i] || at[-1] == '/';
            if (start && at[0] == '.' && at[1] == '/') {
                at += 2;
            } else if (*at == '/' && length && clean[i][length - 1] == '/') {
                at++;
            } else {
                clean[i][length++] = *at++;
            }
        }
        while (i == 0 && length > 1 && clean[i][length - 1] == '/') length--;
        clean[i][length] = '\0';
    }
    if (strcmp(clean[0], ".") == 0) clean[0][0] = '\0';
    size_t folder = strlen(clean[0]);
    if (strncmp(clean[0], clean[1], folder) != 0) return false;
    const char *rest = clean[1] + folder;
    if (folder && *rest == '/')
        rest++;
    else if (folder && clean[0][folder - 1] != '/')
        return false;
    snprintf(out, capacity, "%s", rest);
    return true;
}

const sl_caption *sl_captions_find(sl_captions *captions, const char *image_path) {
    char name[SL_LIMIT_PATH_BYTES];
    if (!relative_name(captions, image_path, name, sizeof name)) return NULL;
    int low = 0, high = captions->count - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2;
        sl_caption *row = &captions->rows[captions->by_name[middle]];
        int order = strcmp(name, row->file_name);
        if (order == 0) {
            row->used = true;
            return row;
        }
        if (order < 0) high = middle - 1;
        if (order > 0) low = middle + 1;
    }
    return NULL;
}

int sl_captions_report_unused(const sl_captions *captions, sl_text *report) {
    int unused = 0;
    for (int i = 0; i < captions->count; i++) {
        const sl_caption *row = &captions->rows[i];
        if (row->used) continue;
        unused++;
        sl_text_printf(report, "line %d: '%s' %s\n", row->line, row->file_name,
                       sl_file_exists(row->path) ? "was not among the images read" : "does not exist");
    }
    return unused;
}

static bool same_word(const char *word, size_t length, const char *const names[]) {
    for (; *names; names++)
        if (strlen(*names) == length && strncasecmp(word, *names, length) == 0) return true;
    return false;
}

const char *sl_folder_label(const char *path) {
    static const char *const real[] = {"real", "measured", "true", NULL};
    static const char *const fake[] = {"fake", "unreal", "generated", "synthetic", "false", NULL};
    for (const char *end = strrchr(path, '/'); end;) {
        const char *start = end;
        while (start > path && start[-1] != '/') start--;
        size_t length = (size_t)(end - start);
        if (same_word(start, length, real)) return "real";
        if (same_word(start, length, fake)) return "fake";
        end = start > path ? start - 1 : NULL;
    }
    return NULL;
}

char *sl_group_of_path(sl_arena *arena, const char *path) {
    const char *base = sl_path_base(path);
    size_t prefix = (size_t)(base - path), length = strlen(base);
    /* suffixes: up to two, of at most five letters or digits of which one is a letter (".tif", ".cbf.gz") */
    for (int round = 0; round < 2; round++) {
        size_t dot = length;
        while (dot && base[dot - 1] != '.') dot--;
        bool letter = false;
        for (size_t i = dot; i < length; i++) letter |= isalpha((unsigned char)base[i]) != 0;
        if (dot < 2 || !letter || length - dot > 5) break;
        length = dot - 1;
    }
    size_t digits = length;
    while (digits && isdigit((unsigned char)base[digits - 1])) digits--;
    if (digits < length && digits > 1 && strchr("_-. ", base[digits - 1])) length = digits - 1;
    return sl_arena_strndup(arena, path, prefix + length);
}
