/* What is said about image files beside them: captions and groups. */
#ifndef SL_LOOP_IMPORT_NAMES_H
#define SL_LOOP_IMPORT_NAMES_H

#include "base/json.h"
#include "image/captions.h"
#include "loop/import/import.h"

typedef struct sl_import_table {
    const char *folder;
    sl_captions *captions; /* NULL: it has no metadata.jsonl */
} sl_import_table;

typedef struct sl_import_names {
    sl_arena *arena;
    const sl_import_settings *settings;
    sl_import_table *table; /* the folders looked into */
    int count, capacity;
    json_t *groups; /* file name -> group, of the --groups tables */
} sl_import_names;

sl_status sl_import_names_open(const sl_import_settings *settings, sl_import_names *out);
void sl_import_names_close(sl_import_names *names);

/* Reads the metadata.jsonl of a file's folder and of those above it down from `root` (a path given by the
 * user). SL_FORMAT lists its faulty lines. */
sl_status sl_import_names_look(sl_import_names *names, const char *root, const char *path);

/* The row about a file, from the nearest metadata.jsonl; NULL where there is none. */
const sl_caption *sl_import_names_row(const sl_import_names *names, const char *path);

/* NULL: none. In order: its row, --caption, the name of its folder below `root` with --folder-captions. */
const char *sl_import_names_caption(const sl_import_names *names, const char *root, const char *path);

/* In order: --group, the --groups tables, its row, then by --group-by. One folder or file is one group from
 * wherever it is named. */
const char *sl_import_names_group(const sl_import_names *names, const char *path);

#endif
