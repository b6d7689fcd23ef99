/* Where training images come from: a workspace, a folder, the simulator.
 *
 * A feed is numbered; item k is the same whenever it is asked for. Calls may come from several threads at
 * once. */
#ifndef SL_TRAIN_FEED_H
#define SL_TRAIN_FEED_H

#include "base/status.h"
#include "diffusion/beam_map.h"

#include <stdint.h>

typedef enum sl_feed_split {
    SL_FEED_TRAIN,
    SL_FEED_HOLDOUT,
    SL_FEED_TEST,
    SL_FEED_SPLIT_COUNT
} sl_feed_split;

enum { SL_FEED_CAPTION_BYTES = 1024, SL_FEED_GROUP_BYTES = 128, SL_FEED_ATTRIBUTES_MAX = 64 };

/* What is known of an item besides its image. */
typedef struct sl_feed_about {
    char caption[SL_FEED_CAPTION_BYTES];
    char group[SL_FEED_GROUP_BYTES]; /* sample, scan: items of a group stay in one split */
    sl_feed_split split;
    int32_t label;                           /* class, 0..; -1: none */
    float attribute[SL_FEED_ATTRIBUTES_MAX]; /* the first `attributes` of the feed */
    sl_direct_beam beam;                     /* in the image */
    sl_sketch sketch;                        /* about it */
    uint32_t augment;                        /* SL_AUGMENT_*: what the geometry allows */
} sl_feed_about;

/* Changes of an image that leave its physics possible. Grazing incidence has an up and a down: no flip upside
 * down. */
enum {
    SL_AUGMENT_FLIP_LEFT_RIGHT = 1,
    SL_AUGMENT_FLIP_UP_DOWN = 2,
    SL_AUGMENT_TURN = 4, /* quarter turns */
};

typedef struct sl_feed {
    void *context;
    int64_t count; /* items; 0: without end */
    int32_t height_px, width_px, channels;
    int32_t attributes; /* numbers in sl_feed_about.attribute */

    /* Image [height, width, channels] in model space, -1..1. */
    sl_status (*image)(void *context, int64_t item, float *out);
    sl_status (*about)(void *context, int64_t item, sl_feed_about *out);
    /* Both at once, where that is cheaper; NULL: the two above. */
    sl_status (*both)(void *context, int64_t item, float *image, sl_feed_about *out);
} sl_feed;

sl_status sl_feed_get(const sl_feed *feed, int64_t item, float *image, sl_feed_about *about);

/* Items first..first+count-1 in parallel into images[count, height, width, channels] and about[count]; either
 * may be NULL. On failure the message names the item. */
sl_status sl_feed_get_many(const sl_feed *feed, const int64_t *items, int count, float *images,
                           sl_feed_about *about);

/* Splits by group: whole groups go to the hold-out and the test set, in an order drawn from the seed, until
 * each has its share of the items (at least one group each where there are three or more). `groups[i]` names
 * item i's group; an empty name is a group of its own. */
sl_status sl_feed_split_by_group(const char *const *groups, int64_t count, double holdout_share,
                                 double test_share, uint64_t seed, sl_feed_split *out);

/* Which item stands at `position` of an endless walk over `count` items, each pass in its own random order.
 */
int64_t sl_shuffled_item(uint64_t seed, int64_t position, int64_t count);

#endif
