#include "loop/import/look_alikes.h"

#include "image/fingerprint.h"

#include <stdio.h>

typedef struct look {
    sl_fingerprint print;
    const char *group;
    int group_number;
    sl_split split;
} look;

typedef struct looks {
    look *item;
    int count;
    int *counted; /* of each group, the last image (from 1) that was counted as like one of its */
} looks;

static int number_of(json_t *numbers, const char *group) {
    const json_t *known = json_object_get(numbers, group);
    if (known) return (int)json_integer_value(known);
    int number = (int)json_object_size(numbers);
    json_object_set_new(numbers, group, json_integer(number));
    return number;
}

typedef struct collector {
    looks *out;
    json_t *numbers; /* of groups */
    sl_arena *arena;
} collector;

static void collect(collector *in, const sl_image_record *record) {
    look *each = &in->out->item[in->out->count];
    if (!record->group_key || !sl_fingerprint_parse(record->fingerprint, &each->print)) return;
    each->group = sl_arena_strdup(in->arena, record->group_key);
    each->group_number = number_of(in->numbers, each->group);
    each->split = record->split;
    in->out->count++;
}

static sl_status collect_page(void *context, const sl_image_page *page) {
    int64_t newest = page->total - SL_LOOK_ALIKES_MAX; /* index of the first one that counts */
    for (int i = 0; i < page->count; i++)
        if (page->first + i >= newest) collect(context, &page->record[i]);
    return SL_OK;
}

static sl_status collect_newest(const sl_workspace *workspace, sl_origin origin, sl_arena *arena,
                                looks *out) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    collector in = {out, json_object(), arena};
    filter.origin = (int)origin;
    out->item = SL_NEW(arena, look, SL_LOOK_ALIKES_MAX);
    sl_status status = sl_store_image_pages(workspace->store, &filter, collect_page, &in);
    out->counted = SL_NEW(arena, int, json_object_size(in.numbers) + 1);
    json_decref(in.numbers);
    return status;
}

/* Counts one image for each group of another split that holds its like. `pairs`: "number number" to entry. */
static void compare(const looks *all, int i, json_t *pairs) {
    const look *a = &all->item[i];
    for (int k = 0; k < all->count; k++) {
        const look *b = &all->item[k];
        if (a->split <= b->split || all->counted[b->group_number] == i + 1 ||
            sl_fingerprint_distance(&a->print, &b->print) > SL_FINGERPRINT_NEAR_BITS)
            continue;
        all->counted[b->group_number] = i + 1;
        char key[32];
        snprintf(key, sizeof key, "%d %d", a->group_number, b->group_number);
        json_t *entry = json_object_get(pairs, key);
        if (!entry) {
            entry =
                json_pack("{s:s, s:s, s:s, s:s, s:i}", "group", a->group, "split", sl_split_name(a->split),
                          "like", b->group, "like_split", sl_split_name(b->split), "images", 0);
            json_object_set_new(pairs, key, entry);
        }
        json_object_set_new(entry, "images",
                            json_integer(json_integer_value(json_object_get(entry, "images")) + 1));
    }
}

sl_status sl_look_alikes(const sl_workspace *workspace, sl_origin origin, json_t **out) {
    sl_arena *arena;
    looks all = {0};
    SL_TRY(sl_arena_new(&arena));
    sl_status status = collect_newest(workspace, origin, arena, &all);
    if (!status) {
        json_t *pairs = json_object(), *entry;
        const char *key;
        for (int i = 0; i < all.count; i++) compare(&all, i, pairs);
        *out = json_array();
        json_object_foreach(pairs, key, entry) json_array_append(*out, entry);
        json_decref(pairs);
    }
    sl_arena_free(arena);
    return status;
}
