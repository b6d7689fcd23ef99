/* A workspace in a temporary folder, for tests of the loop: give scratch_open and scratch_close to
 * TEST_MAIN_WITH. */
#ifndef SL_TESTS_SCRATCH_WORKSPACE_H
#define SL_TESTS_SCRATCH_WORKSPACE_H

#include "test.h"

#include "base/file.h"
#include "loop/workspace.h"

#include <stdlib.h>
#include <string.h>

/* `folder` is removed at the end; the workspace is scratch_root inside it, the rest is the test's. */
static char folder[64], scratch_root[80];
static sl_workspace *workspace;
static sl_arena *arena;

static int scratch_open(void **state) {
    (void)state;
    strcpy(folder, "/tmp/sl-test-XXXXXX");
    if (!mkdtemp(folder) || sl_arena_new(&arena)) return 1;
    snprintf(scratch_root, sizeof scratch_root, "%s/workspace", folder);
    return sl_workspace_init(scratch_root, 1) || sl_workspace_open(scratch_root, &workspace);
}

static int scratch_close(void **state) {
    (void)state;
    char command[128];
    sl_workspace_close(workspace);
    sl_arena_free(arena);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A group that `split` takes, a new one for each `number`. */
static inline const char *group_in(sl_split split, int number) {
    for (int k = 0;; k++) {
        const char *name = sl_arena_printf(arena, "%d-%d", number, k);
        if (sl_workspace_split(workspace, name) == split) return name;
    }
}

#endif
