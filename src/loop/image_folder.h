/* The folder of files that one run writes: image_NNNNNN.SUFFIX with what belongs to each, and metadata.jsonl,
 * which names them and comes last. */
#ifndef SL_LOOP_IMAGE_FOLDER_H
#define SL_LOOP_IMAGE_FOLDER_H

#include "base/status.h"

#include <stdint.h>

/* Whether images first..end - 1 may be written there, with counts as .`suffix`: into a new or empty folder,
 * one of other files, or what a run of the same images left when it ended early, all of which is written
 * again. SL_EXISTS names what else is there: it would be replaced, or stay in the folder without its caption.
 */
sl_status sl_image_folder_check(const char *folder, int64_t first, int64_t end, const char *suffix);

#endif
