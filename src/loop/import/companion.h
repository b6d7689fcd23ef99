/* What generate and simulate write beside an image shows the same image: it is none of its own. */
#ifndef SL_LOOP_IMPORT_COMPANION_H
#define SL_LOOP_IMPORT_COMPANION_H

#include "base/json.h"

/* Whether a file of a folder, with this record of ours (may be NULL), is the picture for the eye ("a.png" of
 * "a.tif") or the mean counts ("a_expectation.tif" of "a.tif") of an image that this program made, whose
 * counts lie beside it. */
bool sl_is_companion(const char *path, const json_t *provenance);

#endif
