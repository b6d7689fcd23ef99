/* What an exported data set says of an image. */
#ifndef SL_LOOP_EXPORT_ROW_H
#define SL_LOOP_EXPORT_ROW_H

#include "base/json.h"
#include "image/frame.h"
#include "loop/workspace.h"

typedef struct sl_export_row {
    sl_image_record record;
    sl_label label; /* REAL, UNREAL or UNSURE, which it also is where nobody says anything */
    /* "reviewers", "simulated reviewers", "simulator", "measured", "machine"; NULL: nobody */
    const char *label_source;
    uint32_t reasons;   /* of reviewers */
    bool conflict;      /* reviewers differ */
    double p_real;      /* of the newest classifier that judged it; NAN: none did */
    int accepted;       /* by the machine in its last verdict: 1, 0; -1: it gave none */
    const char *failed; /* physical tests that it failed, comma-separated; "" */
    json_t *provenance; /* object, never NULL; sl_export_row_free */
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

/* Whether it is called real or unreal. */
static inline bool sl_export_row_is_labelled(const sl_export_row *row) {
    return row->label == SL_LABEL_REAL || row->label == SL_LABEL_UNREAL;
}

/* "train", "validation", "test": the words that readers of data sets know. */
const char *sl_export_split_name(sl_split split);

#endif
