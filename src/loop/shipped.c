#include "loop/shipped.h"

#include "base/file.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program, "" when the system does not tell. */
static const char *program_folder(sl_arena *arena) {
    char path[SL_LIMIT_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return "";
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
    return sl_arena_strdup(arena, path);
}

sl_status sl_shipped_model(sl_arena *arena, const char *name, const char **out) {
    const char *chosen = getenv("SCATTERLOOP_MODELS"), *program = program_folder(arena);
    const char *places[] = {chosen ? sl_path_join(arena, chosen, name) : NULL,
                            sl_arena_printf(arena, "%s/../models/%s", program, name),
                            sl_arena_printf(arena, "%s/../share/scatterloop/models/%s", program, name)};
    for (int i = 0; i < 3; i++) {
        if (!places[i] || !sl_path_is_folder(places[i])) continue;
        char *absolute = realpath(places[i], NULL);
        if (!absolute) continue;
        *out = sl_arena_strdup(arena, absolute);
        free(absolute);
        return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "the shipped model '%s' is not in $SCATTERLOOP_MODELS, %s or %s", name,
                   places[1], places[2]);
}
