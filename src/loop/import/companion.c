#include "loop/import/companion.h"

#include "base/file.h"
#include "base/limits.h"
#include "image/write/write.h"
#include "loop/origin.h"

#include <string.h>

static bool is_there(const char *path, size_t stem, const char *suffix) {
    char name[SL_LIMIT_PATH_BYTES];
    int length = snprintf(name, sizeof name, "%.*s.%s", (int)stem, path, suffix);
    return length < (int)sizeof name && sl_file_exists(name);
}

static bool counts_are_there(const char *path, size_t stem) {
    for (int format = 0; format < SL_WRITE_COUNT; format++)
        if (is_there(path, stem, sl_write_suffix((sl_write_format)format))) return true;
    return false;
}

bool sl_is_companion(const char *path, const json_t *provenance) {
    static const char mean[] = "expectation"; /* behind "_" in folders, "." in archives */
    const char *dot = strrchr(path, '.');
    sl_origin origin;
    if (!dot || !sl_origin_of_made(provenance, &origin)) return false;
    size_t stem = (size_t)(dot - path), tail = sizeof mean;
    if (strcmp(dot, ".png") == 0) return counts_are_there(path, stem);
    return stem > tail && (dot[-(int)tail] == '_' || dot[-(int)tail] == '.') &&
           memcmp(dot - tail + 1, mean, tail - 1) == 0 && is_there(path, stem - tail, dot + 1);
}
