/* Verify: makes an image again from what its provenance says, and compares pixel by pixel.
 *
 * Simulated images are a function of the simulator's version, seed, index and what was given; generated ones
 * of weights, prompt, seed, index and settings. Measured images cannot be made again. */
#ifndef SL_LOOP_VERIFY_VERIFY_H
#define SL_LOOP_VERIFY_VERIFY_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_verify_settings {
    const char *model, *lora; /* where the weights are, where the record does not tell */
} sl_verify_settings;

extern const sl_option sl_verify_options[];

typedef struct sl_verify_result {
    const char *origin;   /* "simulated", "generated"; in the arena */
    int64_t pixels;       /* compared */
    int64_t differing;    /* of them, with another value, or masked in one image alone */
    double largest;       /* difference of two values */
    const char *recorded; /* engine that made it, as its record says; NULL: not told */
    const char *engine;   /* of this machine; NULL for simulated images, which are the same everywhere */
} sl_verify_result;

/* A file of our own (TIFF, HDF5, NPY, PNG). SL_NOT_FOUND without a record in it, SL_UNSUPPORTED where nothing
 * could make it again (measured; another version of the simulator; a setting that was not recorded),
 * SL_MISMATCH where the weights are not those it was made with. What differs is no error: it stands in *out.
 * `workspace` (may be NULL) is asked for the adapter that the record names by its hash. */
sl_status sl_verify_file(const sl_workspace *workspace, const char *path, const sl_verify_settings *settings,
                         const sl_progress *progress, sl_arena *arena, sl_verify_result *out);

/* An image of a workspace, whose run tells the settings. */
sl_status sl_verify_image(const sl_workspace *workspace, sl_id image, const sl_verify_settings *settings,
                          const sl_progress *progress, sl_arena *arena, sl_verify_result *out);

#endif
