#include "loop/workspace.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "image/fingerprint.h"
#include "loop/pixels.h"
#include "store/object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char database[] = "scatterloop.db";
static const double train_share = 0.70, calibration_share = 0.15;

/* The seed comes last: a workspace without one was left by an 'init' that was killed, and is finished. */
static sl_status give_seed(sl_store *store, const char *folder, uint64_t split_seed) {
    char text[32];
    const char *seed;
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_setting_get(store, "split-seed", arena, &seed);
    if (!status && seed) status = sl_fail(SL_EXISTS, "'%s' is a workspace already", folder);
    sl_arena_free(arena);
    SL_TRY(status);
    snprintf(text, sizeof text, "%" PRIu64, split_seed);
    return sl_store_setting_set(store, "split-seed", text);
}

sl_status sl_workspace_init(const char *folder, uint64_t split_seed) {
    char path[SL_LIMIT_PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", folder, database) >= (int)sizeof path)
        return sl_fail(SL_LIMIT, "path of %zu bytes is too long", strlen(folder));
    SL_TRY(sl_folder_make(folder));
    sl_store *store;
    SL_TRY(sl_store_open(path, !sl_file_exists(path), &store));
    sl_status status = give_seed(store, folder, split_seed);
    sl_store_close(store);
    return status;
}

static bool is_workspace(const char *folder) {
    char path[SL_LIMIT_PATH_BYTES];
    return snprintf(path, sizeof path, "%s/%s", folder, database) < (int)sizeof path && sl_file_exists(path);
}

/* The current folder or the nearest above. */
static sl_status find_root(sl_arena *arena, const char **out) {
    char folder[SL_LIMIT_PATH_BYTES];
    if (!getcwd(folder, sizeof folder)) return sl_fail_errno("cannot tell the current folder");
    for (;;) {
        if (is_workspace(folder)) {
            *out = sl_arena_strdup(arena, folder);
            return SL_OK;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) break;
        *slash = '\0';
    }
    return sl_fail(SL_NOT_FOUND,
                   "no workspace here or above: make one with 'scatterloop init DIR', or name one "
                   "with --workspace DIR");
}

static sl_status locate(sl_arena *arena, const char *folder, const char **out) {
    if (!folder) return find_root(arena, out);
    if (!is_workspace(folder))
        return sl_fail(SL_NOT_FOUND, "'%s' is no workspace: make one with 'scatterloop init %s'", folder,
                       folder);
    char *absolute = realpath(folder, NULL);
    if (!absolute) return sl_fail_errno("cannot find '%s'", folder);
    *out = sl_arena_strdup(arena, absolute);
    free(absolute);
    return SL_OK;
}

static sl_status open_parts(sl_workspace *workspace, const char *folder) {
    sl_arena *arena = workspace->arena;
    const char *seed;
    SL_TRY(locate(arena, folder, &workspace->root));
    workspace->objects = sl_path_join(arena, workspace->root, "objects");
    workspace->models = sl_path_join(arena, workspace->root, "models");
    workspace->runs = sl_path_join(arena, workspace->root, "runs");
    SL_TRY(sl_store_open(sl_path_join(arena, workspace->root, database), false, &workspace->store));
    SL_TRY(sl_store_setting_get(workspace->store, "split-seed", arena, &seed));
    if (!seed)
        return sl_fail(SL_FORMAT, "workspace '%s' has no split seed: finish it with 'scatterloop init'",
                       workspace->root);
    workspace->split_seed = strtoull(seed, NULL, 10);
    return SL_OK;
}

sl_status sl_workspace_open(const char *folder, sl_workspace **out) {
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_workspace *workspace = SL_NEW(arena, sl_workspace, 1);
    workspace->arena = arena;
    sl_status status = open_parts(workspace, folder);
    if (status) {
        sl_workspace_close(workspace);
        return status;
    }
    *out = workspace;
    return SL_OK;
}

void sl_workspace_close(sl_workspace *workspace) {
    if (!workspace) return;
    sl_store_close(workspace->store);
    sl_arena_free(workspace->arena);
}

sl_split sl_workspace_split(const sl_workspace *workspace, const char *group_key) {
    char text[SL_LIMIT_PATH_BYTES + 32];
    uint8_t hash[SL_SHA256_BYTES];
    snprintf(text, sizeof text, "%" PRIu64 " %s", workspace->split_seed, group_key);
    sl_sha256(text, strlen(text), hash);
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) number = number << 8 | hash[i];
    double place = (double)(number >> 11) * 0x1p-53;
    return place < train_share                       ? SL_SPLIT_TRAIN
           : place < train_share + calibration_share ? SL_SPLIT_CALIBRATION
                                                     : SL_SPLIT_TEST;
}

sl_status sl_workspace_put_image(const sl_workspace *workspace, const sl_image *image, sl_arena *arena,
                                 sl_image_record *record) {
    char content_hash[SL_SHA256_HEX], object_hash[SL_SHA256_HEX];
    unsigned char *data;
    size_t bytes;
    sl_fingerprint looks;
    char fingerprint[SL_FINGERPRINT_TEXT];
    SL_TRY(sl_image_fingerprint(image, &looks));
    sl_fingerprint_to_text(&looks, fingerprint);
    sl_pixels_hash(image, content_hash);
    SL_TRY(sl_pixels_encode(image, &data, &bytes));
    sl_status status = sl_object_put(workspace->objects, data, bytes, object_hash);
    sl_free(data);
    SL_TRY(status);
    record->content_hash = sl_arena_strdup(arena, content_hash);
    record->object_hash = sl_arena_strdup(arena, object_hash);
    record->fingerprint = sl_arena_strdup(arena, fingerprint);
    record->height_px = image->height_px;
    record->width_px = image->width_px;
    record->split = sl_workspace_split(workspace, record->group_key);
    if (!record->dtype) record->dtype = "F32";
    return SL_OK;
}

sl_status sl_workspace_get_image(const sl_workspace *workspace, const char *object_hash, sl_image *out) {
    char *data;
    size_t bytes;
    SL_TRY(sl_object_get(workspace->objects, object_hash, SL_LIMIT_FILE_BYTES, &data, &bytes));
    sl_status status = sl_pixels_decode(data, bytes, out);
    sl_free(data);
    return sl_context(status, "pixels %.12s", object_hash);
}

char *sl_workspace_path(const sl_workspace *workspace, sl_arena *arena, const char *relative) {
    return relative[0] == '/' ? sl_arena_strdup(arena, relative)
                              : sl_path_join(arena, workspace->root, relative);
}

typedef struct image_check {
    const sl_workspace *workspace;
    sl_workspace_report *report;
} image_check;

static sl_status check_image(const image_check *in, const sl_image_record *record, sl_arena *arena) {
    if (!sl_file_exists(sl_object_path(arena, in->workspace->objects, record->object_hash)))
        return sl_fail(SL_FORMAT, "image %lld has lost its pixels (object %s)", (long long)record->id,
                       record->object_hash);
    in->report->images++;
    if (record->origin != SL_ORIGIN_SIMULATED || record->source) return SL_OK;
    sl_truth truth;
    bool known;
    SL_TRY(sl_store_truth(in->workspace->store, record->id, arena, &truth, &known));
    if (known) return SL_OK;
    if (in->report->truthless < SL_TRUTHLESS_NAMED)
        in->report->truthless_image[in->report->truthless] = record->id;
    in->report->truthless++;
    return SL_OK;
}

static sl_status check_page(void *context, const sl_image_page *page) {
    for (int i = 0; i < page->count; i++) SL_TRY(check_image(context, &page->record[i], page->arena));
    return SL_OK;
}

sl_status sl_workspace_check(const sl_workspace *workspace, sl_workspace_report *out) {
    sl_workspace_report report = {0};
    sl_object_check objects;
    image_check images = {workspace, &report};
    SL_TRY(sl_store_check(workspace->store, &report.decisions));
    SL_TRY(sl_objects_check(workspace->objects, &objects));
    SL_TRY(sl_store_image_pages(workspace->store, &SL_IMAGE_FILTER_ALL, check_page, &images));
    report.objects = objects.objects;
    report.bytes = objects.bytes;
    report.leftovers = objects.leftovers;
    *out = report;
    return SL_OK;
}
