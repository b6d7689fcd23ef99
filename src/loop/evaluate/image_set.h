/* A set of images to be compared with another: listed first, its pixels read one at a time.
 *
 * Written as
 *     a folder or file         images of any format that import reads, groups and captions as import finds
 * them simulated:N[:SEED]       made on the spot KEY:VALUE[,KEY:VALUE...] images of the workspace: origin,
 * split, label, run, round, group; the three origins may stand alone ("generated,run:4") */
#ifndef SL_LOOP_EVALUATE_IMAGE_SET_H
#define SL_LOOP_EVALUATE_IMAGE_SET_H

#include "base/json.h"
#include "image/frame.h"
#include "loop/import/import.h"
#include "loop/workspace.h"
#include "xray/image_features.h"

typedef struct sl_set_image {
    const char *name, *group;
    const char *technique; /* "SAXS", "WAXS", "GISAXS", "GIWAXS"; NULL: nothing says */
    const char *path;      /* of a file */
    const char *object;    /* of a workspace */
    int64_t number;        /* index of a simulated one, id in the workspace */
    int64_t side_px;       /* the longer */
    sl_beam_place beam;    /* where it is recorded, in pixels of the image as it is; known: whether it is */
} sl_set_image;

typedef struct sl_image_set {
    const char *words; /* as given */
    const sl_workspace *workspace;
    sl_set_image *image;
    int64_t count;
    int64_t found;            /* before it was thinned out to the most that are wanted */
    int64_t others;           /* files of a folder that are no images */
    int64_t companions;       /* pictures and expectations beside the counts of an image */
    json_t *errors;           /* [{"file", "message"}] of files that cannot be read */
    uint64_t simulation_seed; /* of simulated sets */
    int32_t simulation_px;
    bool simulated;
} sl_image_set;

typedef struct sl_image_set_settings {
    sl_import_settings names; /* groups and captions of files */
    int64_t most;             /* images at most, drawn at random */
    uint64_t seed;
    int32_t simulation_px;
} sl_image_set_settings;

enum { SL_SET_SIDE_LEAST = 64 };

/* Lists the set; texts live in the arena, `workspace` (may be NULL) is borrowed. Files that cannot be read
 * and images smaller than SL_SET_SIDE_LEAST are listed in errors. SL_NOT_FOUND, SL_INVALID name what was
 * given; SL_INVALID where nothing is left. */
sl_status sl_image_set_open(const char *words, const sl_workspace *workspace,
                            const sl_image_set_settings *settings, sl_arena *arena, sl_image_set *out);
void sl_image_set_close(sl_image_set *set);

/* Pixels of image `index` (sl_image_free). A simulated one fills in technique and beam. Any thread, each
 * index once at a time. */
sl_status sl_image_set_load(const sl_image_set *set, int64_t index, sl_image *out);

#endif
