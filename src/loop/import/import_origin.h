/* Where an image comes from, by what is said of it. */
#ifndef SL_LOOP_IMPORT_ORIGIN_H
#define SL_LOOP_IMPORT_ORIGIN_H

#include "base/json.h"
#include "store/record.h"

/* In order: the row's column "origin" (one of ours; other words say nothing), the file's own record
 * (`provenance`), `asked` (of --origin: 0 none, else 1 + the origin), experimental. `row` and `provenance`
 * may be NULL. SL_MISMATCH where two of the first three disagree, or the row has "synthetic": true and
 * nothing says more: what was not measured never passes for measured. */
sl_status sl_import_origin_find(int asked, const json_t *row, const json_t *provenance, sl_origin *out);

#endif
