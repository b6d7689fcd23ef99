/* A workspace: a folder that holds everything of one project.
 *
 *     scatterloop.db   records (store/store.h)
 *     objects/         pixels and other files named by their content (store/object.h)
 *     models/          weights made here, one folder or file each
 *     runs/            histories, checkpoints and reports, one folder a run or round
 *
 * It may be moved as a whole: records name files relative to it. */
#ifndef SL_LOOP_WORKSPACE_H
#define SL_LOOP_WORKSPACE_H

#include "image/image.h"
#include "store/store.h"

typedef struct sl_workspace {
    sl_arena *arena; /* of the texts below */
    const char *root, *objects, *models, *runs;
    sl_store *store;
    uint64_t split_seed;
} sl_workspace;

/* Makes the folder and an empty workspace in it. SL_EXISTS where there is one already. `split_seed` decides
 * which groups are kept for calibration and test; it never changes afterwards. */
sl_status sl_workspace_init(const char *folder, uint64_t split_seed);

/* `folder` NULL: the current folder or the nearest above it that is a workspace; SL_NOT_FOUND says how to
 * make one. */
sl_status sl_workspace_open(const char *folder, sl_workspace **out);
void sl_workspace_close(sl_workspace *workspace); /* NULL is fine */

/* The split of a group: a hash of seed and key, 70 % train, 15 % calibration, 15 % test. Decided before
 * anything is known of its images, the same for ever. */
sl_split sl_workspace_split(const sl_workspace *workspace, const char *group_key);

/* Fills in what follows from the pixels (both hashes, fingerprint, size) and the group (split), and
 * writes the pixels. The record is then ready for sl_store_images_add. Hash texts go into the arena. Any
 * thread. */
sl_status sl_workspace_put_image(const sl_workspace *workspace, const sl_image *image, sl_arena *arena,
                                 sl_image_record *record);
/* The pixels of a record. *out: sl_image_free. */
sl_status sl_workspace_get_image(const sl_workspace *workspace, const char *object_hash, sl_image *out);

/* "ROOT/relative"; absolute paths stay as they are. */
char *sl_workspace_path(const sl_workspace *workspace, sl_arena *arena, const char *relative);

enum { SL_TRUTHLESS_NAMED = 8 };
typedef struct sl_workspace_report {
    int64_t decisions, images, objects, bytes, leftovers;
    int64_t truthless; /* images simulated here of which nobody knows whether they have faults */
    sl_id truthless_image[SL_TRUTHLESS_NAMED]; /* the first of them */
} sl_workspace_report;
/* Records, log of decisions, objects, and that every image has its pixels. SL_FORMAT names the first fault.
 */
sl_status sl_workspace_check(const sl_workspace *workspace, sl_workspace_report *out);

#endif
