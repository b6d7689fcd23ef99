/* The folder of files that one run writes: image_NNNNNN.SUFFIX with what belongs to each, and metadata.jsonl,
 * which names them and comes last. */
#ifndef SL_LOOP_IMAGE_FOLDER_H
#define SL_LOOP_IMAGE_FOLDER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* What a run writes. */
typedef struct sl_image_run {
    int64_t first, end;
    const char *suffix; /* of the counts */
    bool expectations;  /* image_NNNNNN_expectation.SUFFIX too */
    bool ponis;         /* image_NNNNNN.poni too */
    bool archives;      /* images_NNNNNN.tar in place of all that; shards may share a folder */
} sl_image_run;

/* Whether images first..end - 1 may be written there: into a new or empty folder, one of other files, or what
 * a run of the same images and kinds of files left when it ended early, all of which is written again
 * (archives are not: they are whole). SL_EXISTS names what else is there: it would be replaced, stay in the
 * folder without its caption, or pass for a part of the new images. */
sl_status sl_image_folder_check(const char *folder, const sl_image_run *run);

#endif
