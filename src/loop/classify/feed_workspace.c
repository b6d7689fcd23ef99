#include "loop/classify/feed_workspace.h"

#include "image/intensity_map.h"
#include "image/resize.h"
#include "xray/technique.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const size_t cache_bytes_max = (size_t)1 << 30;

struct sl_workspace_feed {
    const sl_workspace *workspace;
    sl_feed_item *items;
    float *cache;        /* [count, size, size], or NULL */
    atomic_uchar *ready; /* [count] */
    int32_t size_px;
    sl_feed feed;
};

sl_status sl_prepare_image(const sl_image *image, int32_t size_px, float *out) {
    sl_image fitted;
    sl_intensity_map map;
    SL_TRY(sl_image_fit(image, SL_FIT_LETTERBOX, size_px, size_px, &fitted));
    sl_status status = sl_intensity_fit(&sl_intensity_default, &fitted, &map);
    if (!status) sl_intensity_apply(&map, &fitted, out);
    sl_image_free(&fitted);
    return status;
}

static sl_status prepare_item(const sl_workspace_feed *feed, sl_id id, float *out) {
    sl_arena *arena;
    sl_image_record record;
    sl_image image;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_image_get(feed->workspace->store, id, arena, &record);
    if (!status) status = sl_workspace_get_image(feed->workspace, record.object_hash, &image);
    sl_arena_free(arena);
    SL_TRY(status);
    status = sl_prepare_image(&image, feed->size_px, out);
    sl_image_free(&image);
    return status;
}

static sl_status get_image(void *context, int64_t item, float *out) {
    sl_workspace_feed *feed = context;
    size_t pixels = (size_t)feed->size_px * (size_t)feed->size_px;
    float *kept = feed->cache ? feed->cache + (size_t)item * pixels : NULL;
    /* one item is asked for by one thread at a time: a feed's batch names each item once */
    if (kept && atomic_load(&feed->ready[item])) {
        memcpy(out, kept, pixels * sizeof *out);
        return SL_OK;
    }
    SL_TRY(prepare_item(feed, feed->items[item].image, out));
    if (kept) {
        memcpy(kept, out, pixels * sizeof *out);
        atomic_store(&feed->ready[item], 1);
    }
    return SL_OK;
}

/* Changes that leave the physics possible: grazing incidence has an up and a down. */
static uint32_t allowed_changes(const char *caption) {
    sl_technique technique = sl_technique_of_caption(caption);
    if (technique == SL_TECHNIQUE_UNKNOWN) return 0;
    if (sl_technique_is_grazing(technique)) return SL_AUGMENT_FLIP_LEFT_RIGHT;
    return SL_AUGMENT_FLIP_LEFT_RIGHT | SL_AUGMENT_FLIP_UP_DOWN | SL_AUGMENT_TURN;
}

static sl_status get_about(void *context, int64_t item, sl_feed_about *out) {
    const sl_workspace_feed *feed = context;
    sl_arena *arena;
    sl_image_record record;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_image_get(feed->workspace->store, feed->items[item].image, arena, &record);
    if (!status) {
        *out = (sl_feed_about){.split = feed->items[item].split, .label = feed->items[item].label};
        snprintf(out->caption, sizeof out->caption, "%s", record.caption ? record.caption : "");
        snprintf(out->group, sizeof out->group, "%s", record.group_key ? record.group_key : "");
        out->augment = allowed_changes(record.caption);
    }
    sl_arena_free(arena);
    return status;
}

static sl_status reserve_cache(sl_workspace_feed *feed, int64_t count) {
    size_t bytes = (size_t)count * (size_t)feed->size_px * (size_t)feed->size_px * sizeof(float);
    if (bytes > cache_bytes_max) return SL_OK;
    SL_TRY(sl_alloc(&feed->ready, (size_t)count, sizeof *feed->ready));
    return sl_alloc(&feed->cache, bytes, 1);
}

sl_status sl_workspace_feed_open(const sl_workspace *workspace, const sl_feed_item *items, int64_t count,
                                 int32_t size_px, sl_workspace_feed **out) {
    if (count < 1) return sl_fail(SL_INVALID, "no images in the workspace fit the request");
    sl_workspace_feed *feed;
    SL_TRY(sl_alloc(&feed, 1, sizeof *feed));
    feed->workspace = workspace;
    feed->size_px = size_px;
    feed->feed = (sl_feed){.context = feed,
                           .count = count,
                           .height_px = size_px,
                           .width_px = size_px,
                           .channels = 1,
                           .image = get_image,
                           .about = get_about};
    sl_status status = sl_alloc(&feed->items, (size_t)count, sizeof *items);
    if (!status) memcpy(feed->items, items, (size_t)count * sizeof *items);
    if (!status) status = reserve_cache(feed, count);
    if (status) {
        sl_workspace_feed_close(feed);
        return status;
    }
    *out = feed;
    return SL_OK;
}

void sl_workspace_feed_close(sl_workspace_feed *feed) {
    if (!feed) return;
    sl_free(feed->items);
    sl_free(feed->cache);
    sl_free((void *)feed->ready);
    sl_free(feed);
}

const sl_feed *sl_workspace_feed_get(const sl_workspace_feed *feed) {
    return &feed->feed;
}
