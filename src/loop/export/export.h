/* Export: images of a workspace as a data set for others, in layouts that their programs read.
 *
 *     imagefolder   TRAIN|VALIDATION|TEST/image_NNNNNN.tif and metadata.jsonl (Hugging Face datasets;
 * `import` reads it) classes       TRAIN|VALIDATION|TEST/real|fake/image_NNNNNN.png (torchvision's
 * ImageFolder); labelled images only webdataset    train|validation|test-NNNNNN.tar with .tif, .json, .txt
 * and .cls of each image label-studio  images/image_NNNNNN.png, tasks.json and labels.xml, decisions and
 * scores included
 *
 * Beside them always: README.md (what this is, counts), export.json (what was asked, models, hash of the
 * set), decisions.csv (every decision about these images, also superseded ones), SHA256SUMS. NNNNNN is the
 * image's id in the workspace. The folder appears whole or not at all. */
#ifndef SL_LOOP_EXPORT_EXPORT_H
#define SL_LOOP_EXPORT_EXPORT_H

#include "base/progress.h"
#include "base/text.h"
#include "loop/image_choice.h"
#include "loop/workspace.h"

typedef struct sl_export_settings {
    const char *out;
    int layout, pixels; /* indices of the options' choices */
    sl_image_choice images;
    int64_t per_archive;
    const char *image_url;
    bool machine, anonymous;
} sl_export_settings;

extern const sl_option sl_export_options[];

typedef struct sl_export_result {
    int64_t images, decisions, bytes;
    int64_t split[SL_SPLIT_COUNT], origin[SL_ORIGIN_COUNT];
    int64_t real, unreal, unlabelled;
    char hash[65]; /* of contents, labels and splits, in the order of content hashes: equal sets have equal
                      ones */
    sl_id run;
} sl_export_result;

/* Slashes at the end of the folder's name do not count. SL_EXISTS where it is there already, or the
 * unfinished one of an interrupted export; SL_NOT_FOUND where no image fits. */
sl_status sl_export(const sl_workspace *workspace, const sl_export_settings *settings,
                    const sl_progress *progress, sl_export_result *result);

/* What would be written, in words (--dry-run). */
sl_status sl_export_preview(const sl_workspace *workspace, const sl_export_settings *settings, sl_text *out);

#endif
