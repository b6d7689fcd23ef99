/* What the record that we write into files, and into the workspace, says about where an image comes from. */
#ifndef SL_LOOP_ORIGIN_H
#define SL_LOOP_ORIGIN_H

#include "base/json.h"
#include "store/record.h"

/* Whether `provenance` (may be NULL) is the record of an image that this program simulated or generated, from
 * which it can be made again. */
bool sl_origin_of_made(const json_t *provenance, sl_origin *out);

#endif
