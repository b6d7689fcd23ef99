/* What a folder says about its images: captions in metadata.jsonl (as Hugging Face's imagefolder has them),
 * labels by folder names, groups for splits. */
#ifndef SL_IMAGE_CAPTIONS_H
#define SL_IMAGE_CAPTIONS_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>

typedef struct sl_caption {
    const char *file_name; /* as written, relative to the folder of the table */
    const char *path;      /* folder and file name */
    const char *text;      /* NULL: the row has none */
    const char *group;     /* column "group"; NULL: none */
    json_t *columns;       /* the whole row; lives as long as the table */
    int line;              /* counted from 1 */
    bool used;             /* set by sl_captions_find: rows still unused at the end have no image */
} sl_caption;

typedef struct sl_captions sl_captions;

/* Reads FOLDER/metadata.jsonl: one JSON object a line with "file_name", usually "text", and any further
 * columns (numbers, texts, "group", "label" ...). Every faulty line is reported ("metadata.jsonl:17: ..."),
 * the first ten in the message of SL_FORMAT: no JSON object, no file_name, a path out of the folder, a name
 * twice, a text that is no string or too long. Free with sl_captions_free. */
sl_status sl_captions_read(const char *path, sl_captions **out);
/* The same from memory, as if it were the file at `path`. */
sl_status sl_captions_parse(const char *text, size_t bytes, const char *path, sl_captions **out);
void sl_captions_free(sl_captions *captions); /* NULL is fine */

int sl_captions_count(const sl_captions *captions);
const sl_caption *sl_captions_at(const sl_captions *captions, int index);

/* The row of an image by its path (any spelling with the table's folder in front); NULL if there is none. */
const sl_caption *sl_captions_find(sl_captions *captions, const char *image_path);

/* Adds to `report` a line for each row whose image was never asked for or does not exist; returns their
 * number. */
int sl_captions_report_unused(const sl_captions *captions, sl_text *report);

/* "real" or "fake" when a folder of the path, the innermost first, says so (real, measured, true / fake,
 * unreal, generated, synthetic, false; any case); NULL otherwise. */
const char *sl_folder_label(const char *path);

/* What may not be torn apart between training and test: the folder and the file name without suffixes and
 * without a frame number at its end ("s087_003.tif" and "s087_004.tif" belong together; "run04" and "run07"
 * do not: digits count as a frame number only behind '_', '-', '.' or a blank). */
char *sl_group_of_path(sl_arena *arena, const char *path);

#endif
