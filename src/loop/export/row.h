/* What an exported data set says of an image. */
#ifndef SL_LOOP_EXPORT_ROW_H
#define SL_LOOP_EXPORT_ROW_H

#include "base/json.h"
#include "image/frame.h"
#include "loop/workspace.h"

typedef struct sl_export_row {
    sl_image_record record;
    const char *label; /* "real", "unreal", "unsure"; NULL: nobody says */
    const char
        *label_source;   /* "reviewers", "simulated reviewers", "simulator", "measured", "machine"; NULL */
    uint32_t reasons;    /* of reviewers */
    bool conflict;       /* reviewers differ */
    double p_real;       /* of the newest classifier that judged it; NAN: none did */
    const char *verdict; /* "accepted", "rejected"; NULL: none */
    const char *failed;  /* physical tests that it failed, comma-separated; "" */
    json_t *provenance;  /* object, never NULL; sl_export_row_free */
    sl_frame_geometry geometry;
} sl_export_row;

/* Texts live in the arena. With `machine`, the machine's last verdict is the label where nobody else says
 * anything. */
sl_status sl_export_row_get(const sl_workspace *workspace, const sl_image_record *record, bool machine,
                            sl_arena *arena, sl_export_row *out);
void sl_export_row_free(sl_export_row *row);

/* The row of metadata.jsonl, or of a WebDataset's .json with file_name NULL (new reference; NULL when out of
 * memory). */
json_t *sl_export_row_json(const sl_export_row *row, const char *file_name);

/* "train", "validation", "test": the words that readers of data sets know. */
const char *sl_export_split_name(sl_split split);

#endif
