/* Import: images from files into a workspace, with captions, groups and provenance. */
#ifndef SL_LOOP_IMPORT_H
#define SL_LOOP_IMPORT_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_import_settings {
    const char *caption, *group, *labels_by;
    sl_list groups;
    int group_by; /* sl_import_grouping */
    int origin;   /* 0: as the images say; else 1 + sl_origin */
    bool all_frames, folder_captions;
} sl_import_settings;

typedef enum sl_import_grouping {
    SL_GROUP_BY_SERIES,
    SL_GROUP_BY_FOLDER,
    SL_GROUP_BY_FILE
} sl_import_grouping;

extern const sl_option sl_import_options[];

/* Imports the files, folders (with all below them) and FILE::DATASET[N] locations. Files that fail are
 * listed, the rest is imported; images whose content is there already are not added again. In a folder, files
 * of no known format are passed over, and so is what generate and simulate wrote beside an image
 * (companion.h).
 *
 * *out: {"found", "added", "known", "duplicates": [{"file", "same_as"}], "errors": [{"file", "error",
 * "message"}], "skipped": [file], "companions": [file], "origins": {origin: images read}, "splits": {"train",
 * "calibration", "test"} (all of the workspace that are of these origins), "groups", "labels": {"real",
 * "unreal", "unsure"} (of the named images, as they count now), "look_alikes": see look_alikes.h} (new
 * reference). Fails when nothing could be imported and something went wrong, and on a faulty metadata.jsonl
 * (with its line), before anything is added. */
sl_status sl_import(const sl_workspace *workspace, const sl_list *paths, const sl_import_settings *settings,
                    const sl_progress *progress, json_t **out);

#endif
