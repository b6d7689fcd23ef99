/* What the record that we write into files, and into the workspace, says about where an image comes from. */
#ifndef SL_LOOP_ORIGIN_H
#define SL_LOOP_ORIGIN_H

#include "base/json.h"
#include "store/record.h"

/* The group of an image that this program makes: each is made by itself, and so a group of its own, in a
 * workspace as in a folder. */
enum { SL_ORIGIN_GROUP_BYTES = 64 };
void sl_origin_group(sl_origin origin, int64_t seed, int64_t index, char out[SL_ORIGIN_GROUP_BYTES]);

/* Whether `provenance` (may be NULL) is the record of an image that this program simulated or generated, from
 * which it can be made again. */
bool sl_origin_of_made(const json_t *provenance, sl_origin *out);

/* How the record of an imported image names its origin: it may be written into a file again. */
#define SL_IMPORTED_AS "imported_as"

/* The record that the image was made with: of an imported one that of its file, however often it went from a
 * workspace to a file and back. A part of `provenance`; NULL where that is, or where the file had none. */
const json_t *sl_origin_record(const json_t *provenance);

#endif
