#include "store/object.h"

#include "base/file.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char *sl_object_path(sl_arena *arena, const char *root, const char *hash) {
    return sl_arena_printf(arena, "%s/%.2s/%s", root, hash, hash + 2);
}

static sl_status object_path(const char *root, const char *hash, char out[SL_LIMIT_PATH_BYTES]) {
    if (strlen(hash) != SL_SHA256_HEX - 1 || strspn(hash, "0123456789abcdef") != SL_SHA256_HEX - 1)
        return sl_fail(SL_INVALID, "'%s' is no object name", hash);
    if (snprintf(out, SL_LIMIT_PATH_BYTES, "%s/%.2s/%s", root, hash, hash + 2) >= SL_LIMIT_PATH_BYTES)
        return sl_fail(SL_LIMIT, "path too long below '%s'", root);
    return SL_OK;
}

static sl_status make_folder_of(char *path) {
    char *slash = strrchr(path, '/');
    *slash = '\0';
    sl_status status = sl_folder_make(path);
    *slash = '/';
    return status;
}

sl_status sl_object_put(const char *root, const void *data, size_t bytes, char out_hash[SL_SHA256_HEX]) {
    char hash[SL_SHA256_HEX], path[SL_LIMIT_PATH_BYTES];
    sl_sha256_hex(data, bytes, hash);
    SL_TRY(object_path(root, hash, path));
    if (!sl_file_exists(path)) {
        SL_TRY(make_folder_of(path));
        SL_TRY(sl_file_write_atomic(path, data, bytes));
    }
    memcpy(out_hash, hash, sizeof hash);
    return SL_OK;
}

sl_status sl_object_put_file(const char *root, const char *path, char out_hash[SL_SHA256_HEX]) {
    sl_file_map map;
    SL_TRY(sl_file_map_open(&map, path));
    sl_status status = sl_object_put(root, map.data, map.bytes, out_hash);
    sl_file_map_close(&map);
    return status;
}

sl_status sl_object_get(const char *root, const char *hash, int64_t limit_bytes, char **out,
                        size_t *out_bytes) {
    char path[SL_LIMIT_PATH_BYTES];
    SL_TRY(object_path(root, hash, path));
    return sl_file_read(path, limit_bytes, out, out_bytes);
}

/* No object takes so long to be written. */
enum { LEFT_S = 3600 };

/* Written by sl_file_writer beside its target while under way. */
static bool is_temporary(const char *name) {
    return strstr(name, ".tmp-") != NULL;
}

/* One that nobody has touched for long; another process may be at work on the others. */
static bool is_leftover(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && time(NULL) - info.st_mtime > LEFT_S;
}

static sl_status check_object(sl_object_check *check, const char *path) {
    const char *name = sl_path_base(path);
    if (is_temporary(name)) {
        if (is_leftover(path) && unlink(path) == 0) check->leftovers++;
        return SL_OK;
    }
    char found[SL_SHA256_HEX], expected[SL_SHA256_HEX];
    SL_TRY(sl_sha256_file_hex(path, found));
    snprintf(expected, sizeof expected, "%.2s%s", name - 3, name);
    if (strcmp(found, expected) != 0)
        return sl_fail(SL_FORMAT, "object '%s' was changed: its bytes do not fit its name", path);
    struct stat info;
    if (stat(path, &info) == 0) check->bytes += info.st_size;
    check->objects++;
    return SL_OK;
}

static sl_status visit(void *context, const char *path) {
    return check_object(context, path);
}

sl_status sl_objects_check(const char *root, sl_object_check *out) {
    *out = (sl_object_check){0};
    if (!sl_path_is_folder(root)) return SL_OK;
    return sl_folder_walk(root, visit, out);
}
