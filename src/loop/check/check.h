/* Use-case: the physical tests on files, or on images of a workspace, with a picture of what they saw. */
#ifndef SL_LOOP_CHECK_H
#define SL_LOOP_CHECK_H

#include "base/progress.h"
#include "loop/classify/physics.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_check_settings {
    int technique;       /* sl_technique; unknown: by the caption */
    const char *caption; /* NULL: the image's own, if it has one */
    double beam_row_px, beam_column_px;
    const char *draw;
    int64_t run, image;
    double level;
    bool all;
} sl_check_settings;

extern const sl_option sl_check_options[];

/* One image that was checked. Texts live in the arena of the call. */
typedef struct sl_checked {
    const char *name; /* file, or "image 12" */
    const char *caption;
    sl_technique technique;
    double technique_probability; /* where it was found in the image; 0: it was known, or not found */
    sl_physics physics;
    bool possible;       /* family_p is above the level */
    const char *picture; /* the file that shows what was seen; NULL without --draw */
} sl_checked;

/* Told of each image as it is done. */
typedef void (*sl_check_tell)(void *context, const sl_checked *checked);

typedef struct sl_check_result {
    int64_t images, impossible;
} sl_check_result;

/* The files, or with settings->image or settings->run the images of `workspace` (else it may be NULL).
 * SL_INVALID where both or neither are named. A file that cannot be read ends the work with its error. */
sl_status sl_check(const sl_check_settings *settings, const sl_workspace *workspace, const sl_list *files,
                   const sl_progress *progress, sl_check_tell tell, void *context, sl_check_result *out);

#endif
