#include "loop/image_folder.h"

#include "image/write.h"

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

/* Whether a file of that name would outlast the run, or be an image of a run that has ended. */
static bool is_in_the_way(const char *name, int64_t first, int64_t end, const char *suffix) {
    static const char stem[] = "image_";
    if (strcmp(name, "metadata.jsonl") == 0) return true;
    if (strncmp(name, stem, sizeof stem - 1) != 0) return false;
    const char *digits = name + sizeof stem - 1;
    char *rest;
    int64_t index = strtoll(digits, &rest, 10);
    if (rest == digits) return false;
    if (index < first || index >= end) return true;
    return *rest == '.' && is_counts(rest + 1) && strcmp(rest + 1, suffix) != 0;
}

sl_status sl_image_folder_check(const char *folder, int64_t first, int64_t end, const char *suffix) {
    DIR *entries = opendir(folder);
    if (!entries && errno == ENOENT) return SL_OK;
    if (!entries) return sl_fail_errno("cannot read folder '%s'", folder);
    sl_status status = SL_OK;
    for (const struct dirent *entry; !status && (entry = readdir(entries));)
        if (is_in_the_way(entry->d_name, first, end, suffix))
            status = sl_fail(SL_EXISTS,
                             "'%s' holds '%s' of another run; name a new folder, or remove the images there",
                             folder, entry->d_name);
    closedir(entries);
    return status;
}
