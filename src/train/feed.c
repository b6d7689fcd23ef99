#include "train/feed.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sl_status sl_feed_get(const sl_feed *feed, int64_t item, float *image, sl_feed_about *about) {
    if (image && about && feed->both) return feed->both(feed->context, item, image, about);
    if (image) SL_TRY(feed->image(feed->context, item, image));
    return about ? feed->about(feed->context, item, about) : SL_OK;
}

typedef struct many_work {
    const sl_feed *feed;
    const int64_t *items;
    float *images;
    sl_feed_about *about;
} many_work;

static sl_status get_task(void *context, int64_t place, int worker) {
    (void)worker;
    const many_work *work = context;
    const sl_feed *feed = work->feed;
    int64_t pixels = (int64_t)feed->height_px * feed->width_px * feed->channels;
    return sl_context(sl_feed_get(feed, work->items[place],
                                  work->images ? work->images + place * pixels : NULL,
                                  work->about ? &work->about[place] : NULL),
                      "training image %lld", (long long)work->items[place]);
}

sl_status sl_feed_get_many(const sl_feed *feed, const int64_t *items, int count, float *images,
                           sl_feed_about *about) {
    many_work work = {.feed = feed, .items = items, .images = images, .about = about};
    return sl_parallel_try(count, get_task, &work);
}

/* ---- splits ---- */

typedef struct member {
    const char *group;
    int64_t item;
    uint8_t order[SL_SHA256_BYTES]; /* hash of seed and group: the order in which groups are taken */
} member;

static int by_order(const void *a, const void *b) {
    const member *x = a, *y = b;
    int first = memcmp(x->order, y->order, sizeof x->order);
    if (first) return first;
    return (x->item > y->item) - (x->item < y->item);
}

static void set_order(member *m, uint64_t seed) {
    char text[SL_FEED_GROUP_BYTES + 64];
    if (m->group[0])
        snprintf(text, sizeof text, "%llu/%s", (unsigned long long)seed, m->group);
    else
        snprintf(text, sizeof text, "%llu//%lld", (unsigned long long)seed, (long long)m->item);
    sl_sha256(text, strlen(text), m->order);
}

static bool begins_group(const member *members, int64_t i) {
    return i == 0 || memcmp(members[i].order, members[i - 1].order, sizeof members[i].order) != 0;
}

/* Hold-out first, then test, then training; the last group always trains, and of the others the last tests.
 */
static void deal(const member *members, int64_t count, double holdout, double test, sl_feed_split *out) {
    int64_t groups = 0, group = -1, filled = 0;
    for (int64_t i = 0; i < count; i++) groups += begins_group(members, i);
    sl_feed_split part = SL_FEED_HOLDOUT;
    for (int64_t i = 0; i < count; i++, filled++) {
        if (begins_group(members, i)) {
            group++;
            if (part == SL_FEED_HOLDOUT &&
                ((double)filled >= holdout || (test > 0 && group && group == groups - 2)))
                part = SL_FEED_TEST, filled = 0;
            if (part == SL_FEED_TEST && (double)filled >= test) part = SL_FEED_TRAIN;
            if (group == groups - 1) part = SL_FEED_TRAIN;
        }
        out[members[i].item] = part;
    }
}

sl_status sl_feed_split_by_group(const char *const *groups, int64_t count, double holdout_share,
                                 double test_share, uint64_t seed, sl_feed_split *out) {
    if (holdout_share < 0 || test_share < 0 || holdout_share + test_share >= 1)
        return sl_fail(SL_INVALID, "hold-out share %g and test share %g leave nothing to train on",
                       holdout_share, test_share);
    member *members;
    SL_TRY(sl_alloc(&members, (size_t)count + 1, sizeof *members));
    for (int64_t i = 0; i < count; i++) {
        members[i] = (member){.group = groups[i] ? groups[i] : "", .item = i};
        set_order(&members[i], seed);
    }
    qsort(members, (size_t)count, sizeof *members, by_order);
    deal(members, count, holdout_share * (double)count, test_share * (double)count, out);
    sl_free(members);
    return SL_OK;
}

/* ---- order ---- */

/* A permutation of 0..count-1 without memory: a Feistel network over the next power of four, walked until it
 * lands inside. Round keys come from the pass's random stream. */
int64_t sl_shuffled_item(uint64_t seed, int64_t position, int64_t count) {
    if (count <= 1) return 0;
    sl_random random = sl_random_stream(seed, SL_STREAM_SHUFFLE, (uint32_t)(position / count));
    uint32_t key[6];
    for (int i = 0; i < 6; i++) key[i] = sl_random_u32(&random);
    int half = 1;
    while (((int64_t)1 << 2 * half) < count) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, at = (uint64_t)(position % count);
    do {
        uint64_t left = at >> half, right = at & mask;
        for (int i = 0; i < 6; i++) {
            uint64_t mixed = (right + key[i]) * 0x9e3779b97f4a7c15u;
            mixed ^= mixed >> 29;
            mixed *= 0xbf58476d1ce4e5b9u;
            uint64_t next = left ^ ((mixed >> 32) & mask);
            left = right;
            right = next;
        }
        at = left << half | right;
    } while (at >= (uint64_t)count);
    return (int64_t)at;
}
