/* What the review page asks of the workspace, as values: no HTTP here.
 *
 * A review serves the open queue of one workspace to one reviewer. All JSON objects returned belong to the
 * caller (json_decref). Scores and test results of a blind item are withheld until it is decided. Calls may
 * come from several threads at once. */
#ifndef SL_LOOP_REVIEW_H
#define SL_LOOP_REVIEW_H

#include "base/json.h"
#include "base/status.h"

#include <stddef.h>

typedef struct sl_review sl_review;

/* `workspace` is the folder of a workspace, `reviewer` the name that decisions carry. */
sl_status sl_review_open(const char *workspace, const char *reviewer, sl_review **out);
void sl_review_close(sl_review *review);

/* 64 hex digits that name this workspace's folder and this reviewer; valid as long as the review. */
const char *sl_review_id(const sl_review *review);

/* {id, workspace, version, reviewer, reasons: [text, ...]} */
sl_status sl_review_session(sl_review *review, json_t **out);

/* {queue, items: [{assignment, image, prompt, blind, decision: null | {uuid, label, reasons, note,
 * batch: null | text, decided_at_ms}}]}, in the order of the queue; empty items when no queue is open. */
sl_status sl_review_items(sl_review *review, json_t **out);

/* {prompt, withheld: bool, p_real: null | number, tests: [{name, verdict: passed|fired|n/a, text, explain}],
 * centre_px: null | [x, y], q: null | {per_nm, distance_px}, provenance: {...}}: at a radius r about the
 * centre q is per_nm sin(1/2 atan(r / distance_px)). `assignment` may be NULL: then nothing is withheld only
 * if the image is not waiting blind in the open queue. */
sl_status sl_review_image(sl_review *review, const char *image, const char *assignment, json_t **out);

/* What the physical tests see on the image, to be drawn over it: {withheld: bool, marks: [{test, kind:
 * circle|line|box|point, odd: bool, row, column, row2, column2, size}]} in pixels from the image's corner;
 * odd only where the test fails; and as circles of test "told" the rings, arcs and spots that the generator
 * was told of, odd where the record says that they do not stand. Withheld as sl_review_image withholds. */
sl_status sl_review_marks(sl_review *review, const char *image, json_t **out);

/* The pixel block of an image: u32 magic "SLPX", width, height, 0; f32 values; u8 mask; little endian. *out
 * belongs to the caller (sl_free). */
sl_status sl_review_pixels(sl_review *review, const char *image, void **out, size_t *out_bytes);

/* Write an array of decisions ({uuid, assignment, label, reasons, note, supersedes, batch, display,
 * shown_at_ms, decided_at_ms, active_ms}), all or none, on disk before it returns. One that is already stored
 * (same uuid) counts as written. {saved, decided, total}. SL_INVALID names the decision and the field. */
sl_status sl_review_decide(sl_review *review, const json_t *decisions, json_t **out);

/* {queue, jobs: [{id, what, unit, done, total, note, state}]}: what runs now, and which queue is open. */
sl_status sl_review_live(sl_review *review, json_t **out);

#endif
