/* Images of a workspace as a source of training images (train/feed.h): one channel in model space, all
 * prepared alike whatever their origin, so that nothing but the picture tells them apart. */
#ifndef SL_LOOP_CLASSIFY_FEED_WORKSPACE_H
#define SL_LOOP_CLASSIFY_FEED_WORKSPACE_H

#include "loop/workspace.h"
#include "train/feed.h"

#include <stdbool.h>

typedef struct sl_feed_item {
    sl_id image;
    int32_t label; /* -1: none */
    sl_feed_split split;
    bool reviewed;  /* the label is what reviewers said */
    uint64_t group; /* hash of its group */
} sl_feed_item;

/* Counts to what a network sees, out[size_px, size_px]: all of the frame between masked bars, log1p from 0 to
 * the 99.9th percentile of the unmasked pixels, as -1..1; masked pixels at -1. */
sl_status sl_prepare_image(const sl_image *image, int32_t size_px, float *out);

typedef struct sl_workspace_feed sl_workspace_feed;

/* The items are copied, the workspace is borrowed. Prepared images are kept while they take less than 1 GiB
 * in all. */
sl_status sl_workspace_feed_open(const sl_workspace *workspace, const sl_feed_item *items, int64_t count,
                                 int32_t size_px, sl_workspace_feed **out);
void sl_workspace_feed_close(sl_workspace_feed *feed);               /* NULL is fine */
const sl_feed *sl_workspace_feed_get(const sl_workspace_feed *feed); /* lives as long as `feed` */

#endif
