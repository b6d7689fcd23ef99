/* The folder of an export while it is written, and the layouts that write into it. */
#ifndef SL_LOOP_EXPORT_WRITER_H
#define SL_LOOP_EXPORT_WRITER_H

#include "base/file.h"
#include "base/text.h"
#include "loop/export/export.h"
#include "loop/export/row.h"

/* An image on its way: what is said of it, and its pixels as a file in memory. */
typedef struct sl_export_item {
    sl_export_row row;
    const char *suffix; /* "tif" */
    void *data;
    size_t bytes;
} sl_export_item;

typedef struct sl_export_writer sl_export_writer;

/* Items come one after the other by rising id. `end` (may be NULL) is called once after the last
 * item, where all went well. */
typedef struct sl_export_layout {
    const char *name;
    const char *pixels;    /* format of the pixels unless asked for another */
    bool labelled_only;    /* leaves out images that are neither real nor unreal */
    const char *read_with; /* a line of the README: how others read it */
    sl_status (*add)(sl_export_writer *writer, const sl_export_item *item);
    sl_status (*end)(sl_export_writer *writer);
} sl_export_layout;

extern const sl_export_layout sl_export_imagefolder, sl_export_classes, sl_export_webdataset,
    sl_export_label_studio;

struct sl_export_writer {
    const sl_workspace *workspace;
    const sl_export_settings *settings;
    const sl_export_layout *layout;
    const char *root;
    sl_arena *arena; /* of the reviewers */
    sl_reviewer *reviewers;
    int reviewer_count;
    sl_text sums; /* SHA256SUMS so far */
    int64_t bytes;
    sl_file_writer stream[SL_SPLIT_COUNT]; /* imagefolder: tables; webdataset: archives */
    bool is_open[SL_SPLIT_COUNT];
    int64_t count[SL_SPLIT_COUNT]; /* images so far */
    json_t *tasks;                 /* label-studio */
};

/* Writes ROOT/name (folders made) and notes its sum. */
sl_status sl_export_put(sl_export_writer *writer, const char *name, const void *data, size_t bytes);
/* For files that are written in pieces: opens ROOT/name; commits it and notes its sum. */
sl_status sl_export_open(sl_export_writer *writer, const char *name, sl_file_writer *out);
sl_status sl_export_commit(sl_export_writer *writer, const char *name, sl_file_writer *file);

/* Drops what is being written, removes what was written, and the folder where nothing else is in it. */
void sl_export_discard(sl_export_writer *writer);

/* One of the workspace's; without a name where there is none of that id. */
const sl_reviewer *sl_export_reviewer(const sl_export_writer *writer, sl_id reviewer);
/* As the reviewer is named in what goes out: "reviewer-3" where names are to be left out. */
const char *sl_export_reviewer_name(const sl_export_writer *writer, const sl_reviewer *reviewer,
                                    sl_arena *arena);

/* Every decision about the image, superseded ones included, as rows of decisions.csv; without rows the
 * heading. *count counts them. */
sl_status sl_export_decisions(sl_export_writer *writer, const sl_image_record *image, sl_text *out,
                              int64_t *count);
void sl_export_decisions_heading(sl_text *out);

/* README.md and export.json. */
sl_status sl_export_card(sl_export_writer *writer, const sl_export_result *result);

#endif
