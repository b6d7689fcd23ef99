/* Where the reference files are that are too large for the repository: $SL_SHARED, else ../shared beside the
 * project. */
#ifndef SL_TESTS_SHARED_H
#define SL_TESTS_SHARED_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of `name` there, in a static buffer, or NULL where the file does not exist. Tests run in the
 * project's root. */
static inline const char *shared_path(const char *name) {
    static char path[1024];
    const char *chosen = getenv("SL_SHARED");
    snprintf(path, sizeof path, "%s/%s", chosen ? chosen : "../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}

#endif
