/* A store in a folder of its own, with images to decide about. */
#ifndef SL_TESTS_STORE_FIXTURE_H
#define SL_TESTS_STORE_FIXTURE_H

#include "test.h"
#include "scratch_folder.h"

#include "base/memory.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    char folder[SCRATCH_FOLDER_BYTES], path[128];
    sl_store *store;
    sl_arena *arena;
    sl_id reviewer;
} fixture;

static inline int fixture_open(void **state) {
    fixture *made = calloc(1, sizeof *made);
    if (!scratch_folder_make(made->folder)) return 1;
    snprintf(made->path, sizeof made->path, "%s/scatterloop.db", made->folder);
    if (sl_store_open(made->path, true, &made->store) || sl_arena_new(&made->arena)) return 1;
    *state = made;
    return sl_store_reviewer(made->store, "anna", false, &made->reviewer) != SL_OK;
}

static inline int fixture_close(void **state) {
    fixture *made = *state;
    sl_store_close(made->store);
    sl_arena_free(made->arena);
    int code = !scratch_folder_remove(made->folder);
    free(made);
    return code;
}

/* An image whose content is number `k`. */
static inline sl_image_record fixture_image(sl_arena *arena, int64_t k) {
    return (sl_image_record){
        .content_hash = sl_arena_printf(arena, "%064llx", (long long)k),
        .object_hash = sl_arena_printf(arena, "%064llx", (long long)k),
        .origin = (sl_origin)(k % SL_ORIGIN_COUNT),
        .split = (sl_split)(k % SL_SPLIT_COUNT),
        .group_key = sl_arena_printf(arena, "group-%lld", (long long)(k / 4)),
        .caption = "SAXS data showing rings",
        .height_px = 256,
        .width_px = 256,
        .dtype = "F32",
        .fingerprint = "00ff",
        .seed = UINT64_MAX,
    };
}

static inline sl_id fixture_add_image(fixture *in, int64_t k) {
    sl_image_record image = fixture_image(in->arena, k);
    assert_ok(sl_store_images_add(in->store, &image, 1, true, NULL));
    return image.id;
}

/* A name made of two numbers in the form of a UUID. */
static inline const char *fixture_uuid(sl_arena *arena, int64_t who, int64_t k) {
    return sl_arena_printf(arena, "%08llx-0000-4000-8000-%012llx", (long long)who, (long long)k);
}

static inline sl_decision fixture_decision(fixture *in, sl_id image, sl_label label, int64_t k) {
    return (sl_decision){
        .client_uuid = fixture_uuid(in->arena, 1, k),
        .image = image,
        .reviewer = in->reviewer,
        .label = label,
        .decided_ms = 1000 + k,
        .active_ms = 1500,
    };
}

#endif
