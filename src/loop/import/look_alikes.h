/* Groups of measured images that look as if they were one: a split by group is only honest where groups are
 * what they say. */
#ifndef SL_LOOP_IMPORT_LOOK_ALIKES_H
#define SL_LOOP_IMPORT_LOOK_ALIKES_H

#include "base/json.h"
#include "loop/workspace.h"

/* Pairs of groups that lie in different splits though images of theirs are near duplicates (fingerprints at
 * most SL_FINGERPRINT_NEAR_BITS apart): [{"group", "split", "like", "like_split", "images"}] (new reference),
 * `images` being those of "group" that have a near duplicate in "like". Looks at images of `origin`, the
 * newest SL_LOOK_ALIKES_MAX at most: all pairs of them take a second. */
enum { SL_LOOK_ALIKES_MAX = 10000 };
sl_status sl_look_alikes(const sl_workspace *workspace, sl_origin origin, json_t **out);

#endif
