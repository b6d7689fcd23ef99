/* Labels that came with the images: in the column "label" of metadata.jsonl, or in the name of a folder. */
#ifndef SL_LOOP_IMPORT_LABELS_H
#define SL_LOOP_IMPORT_LABELS_H

#include "base/json.h"
#include "loop/workspace.h"

/* What is said of the file at `path` below `root` (both as given by the user): the word in its row's column
 * "label" (real, unreal, fake, unsure), else that of the nearest folder below root (image/captions.h). *found
 * is false where nothing is said, and where the row's "label_source" says that no reviewer gave the label.
 * SL_FORMAT for another word. */
sl_status sl_import_label_find(const json_t *row, const char *root, const char *path, bool *found,
                               sl_label *out);

/* Adds it as a decision of the reviewer, without an assignment: it counts as a label, never in a blind audit.
 * Where the reviewer's label is another one, the decision supersedes it; importing the same again adds
 * nothing, and so does not undo what the reviewer has said since. *out: the label that counts now, withdrawn:
 * none. */
sl_status sl_import_label_add(sl_store *store, const sl_image_record *image, sl_id reviewer, sl_label label,
                              sl_arena *arena, sl_label *out);

#endif
