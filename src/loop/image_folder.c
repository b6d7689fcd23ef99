#include "loop/image_folder.h"

#include "image/write/write.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_counts(const char *suffix) {
    for (int format = 0; format < SL_WRITE_COUNT; format++)
        if (strcmp(suffix, sl_write_suffix((sl_write_format)format)) == 0) return true;
    return false;
}

/* The index in "STEMnnnnnn..." and what follows it; false: the name is no such. */
static bool index_in(const char *name, const char *stem, int64_t *index, const char **rest) {
    size_t length = strlen(stem);
    char *end;
    if (strncmp(name, stem, length) != 0) return false;
    *index = strtoll(name + length, &end, 10);
    *rest = end;
    return end != name + length;
}

/* Whether a file beside the image would be written again: `rest` is the name behind its number. */
static bool is_written(const char *rest, const sl_image_run *run) {
    static const char mean[] = "_expectation";
    if (strncmp(rest, mean, sizeof mean - 1) == 0) {
        rest += sizeof mean - 1;
        return run->expectations && rest[0] == '.' && strcmp(rest + 1, run->suffix) == 0;
    }
    if (rest[0] != '.') return false;
    if (strcmp(rest, ".poni") == 0) return run->ponis;
    return !is_counts(rest + 1) || strcmp(rest + 1, run->suffix) == 0;
}

static bool is_in_the_way(const char *name, const sl_image_run *run) {
    int64_t index;
    const char *rest;
    if (run->archives)
        return index_in(name, "images_", &index, &rest) && index >= run->first && index < run->end;
    if (strcmp(name, "metadata.jsonl") == 0) return true;
    if (!index_in(name, "image_", &index, &rest)) return false;
    return index < run->first || index >= run->end || !is_written(rest, run);
}

sl_status sl_image_folder_check(const char *folder, const sl_image_run *run) {
    DIR *entries = opendir(folder);
    if (!entries && errno == ENOENT) return SL_OK;
    if (!entries) return sl_fail_errno("cannot read folder '%s'", folder);
    sl_status status = SL_OK;
    for (const struct dirent *entry; !status && (entry = readdir(entries));)
        if (is_in_the_way(entry->d_name, run))
            status = sl_fail(SL_EXISTS,
                             "'%s' holds '%s' of another run; name a new folder, or remove the images there",
                             folder, entry->d_name);
    closedir(entries);
    return status;
}
