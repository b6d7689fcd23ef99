/* Use-case: images from the physics simulator, with exact ground truth. */
#ifndef SL_LOOP_SIMULATE_H
#define SL_LOOP_SIMULATE_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_simulate_settings {
    const char *out, *shard, *class_id, *instrument, *parameters;
    int64_t count, seed, size_px, per_archive;
    double unreal;
    int domain, format;
    bool expectation, poni;
} sl_simulate_settings;

extern const sl_option sl_simulate_options[];

typedef struct sl_simulate_result {
    int64_t images, added, unreal; /* made; new in the workspace; with injected faults */
    sl_id run;                     /* 0 without a workspace */
} sl_simulate_result;

/* Image k depends on (simulator version, seed, k, class, domain, size, unreal, instrument,
 * content of the parameter file) alone. Written to
 * settings->out where that is set (counts, 16-bit PNG, sidecar truth, metadata.jsonl; see
 * sl_image_folder_check), recorded in `workspace` unless it is NULL; one of the two must be there. */
sl_status sl_simulate(const sl_simulate_settings *settings, const sl_workspace *workspace,
                      const sl_progress *progress, sl_simulate_result *out);

/* What would be made, as text for people. */
sl_status sl_simulate_preview(const sl_simulate_settings *settings, sl_text *out);

#endif
