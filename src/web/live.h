/* The live stream: turns snapshots of the workspace (sl_review_live) into server-sent events, one stream a
 * client. */
#ifndef SL_WEB_LIVE_H
#define SL_WEB_LIVE_H

#include "base/text.h"
#include "loop/review.h"

typedef struct sl_live {
    sl_review *review;
    json_t *last; /* the snapshot that the client knows; NULL at first */
} sl_live;

/* Append the events that lead from the last snapshot to now: "job" for a job that is new or changed, or has
 * ended (state "done"), "queue" when another queue is open; a comment line when nothing changed, to keep the
 * line alive. */
sl_status sl_live_poll(sl_live *live, sl_text *out);
void sl_live_end(sl_live *live);

#endif
