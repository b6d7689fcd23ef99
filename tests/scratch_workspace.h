/* A workspace in a temporary folder, for tests of the loop: give scratch_open and scratch_close to
 * TEST_MAIN_WITH. */
#ifndef SL_TESTS_SCRATCH_WORKSPACE_H
#define SL_TESTS_SCRATCH_WORKSPACE_H

#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "loop/simulate.h"
#include "loop/workspace.h"

#include <stdlib.h>
#include <string.h>

/* `folder` is removed at the end; the workspace is scratch_root inside it, the rest is the test's. */
static char folder[SCRATCH_FOLDER_BYTES], scratch_root[80];
static sl_workspace *workspace;
static sl_arena *arena;

static int scratch_open(void **state) {
    (void)state;
    if (!scratch_folder_make(folder) || sl_arena_new(&arena)) return 1;
    snprintf(scratch_root, sizeof scratch_root, "%s/workspace", folder);
    return sl_workspace_init(scratch_root, 1) || sl_workspace_open(scratch_root, &workspace);
}

static int scratch_close(void **state) {
    (void)state;
    sl_workspace_close(workspace);
    sl_arena_free(arena);
    return !scratch_folder_remove(folder);
}

/* Rows like `model`, which have no pixels but contents of their own; the last of them is row `count` - 1. */
static inline void scratch_add_rows(sl_image_record model, int count) {
    sl_image_record *rows = SL_NEW(arena, sl_image_record, count);
    for (int k = 0; k < count; k++) {
        rows[k] = model;
        rows[k].content_hash = rows[k].object_hash =
            sl_arena_printf(arena, "%02x%062x", (unsigned)model.origin, (unsigned)k);
        rows[k].height_px = rows[k].width_px = 64;
        rows[k].dtype = "F32";
    }
    assert_ok(sl_store_images_add(workspace->store, rows, count, false, NULL));
}

/* Settings to simulate so many images, all else as usual. */
static inline sl_simulate_settings scratch_simulated(int64_t count, int64_t size_px) {
    sl_simulate_settings settings;
    assert_ok(sl_options_default(sl_simulate_options, arena, &settings));
    settings.count = count;
    settings.size_px = size_px;
    return settings;
}

/* A group that `split` takes, a new one for each `number`. */
static inline const char *group_in(sl_split split, int number) {
    for (int k = 0;; k++) {
        const char *name = sl_arena_printf(arena, "%d-%d", number, k);
        if (sl_workspace_split(workspace, name) == split) return name;
    }
}

#endif
