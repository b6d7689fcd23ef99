/* What is true of a simulated image, by the simulator's record in its file. */
#ifndef SL_LOOP_IMPORT_TRUTH_H
#define SL_LOOP_IMPORT_TRUTH_H

#include "base/json.h"
#include "store/record.h"

/* Of a record that lists faults ("artefacts": [{"type", "severity"}, ...], docs/truth-format.md): real where
 * there is none, else the first one; in the arena. NULL where `provenance` (may be NULL) does not say. */
const sl_truth *sl_import_truth_of(const json_t *provenance, sl_arena *arena);

#endif
