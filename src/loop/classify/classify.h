/* Use-case: judge the images of a workspace by classifiers, and by physical tests where they apply. */
#ifndef SL_LOOP_CLASSIFY_CLASSIFY_H
#define SL_LOOP_CLASSIFY_CLASSIFY_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_classify_settings {
    sl_list models;   /* ids or folders; empty: the newest classifier of the workspace */
    int origin;       /* 0 generated, 1 all */
    double threshold; /* negative: the classifiers' own */
    int64_t run;      /* only images of this run; 0: all */
    double physics_level;
} sl_classify_settings;

extern const sl_option sl_classify_options[];

typedef struct sl_classify_result {
    int64_t images, accepted;
    int64_t impossible;      /* by the physical tests */
    int64_t lowered, raised; /* below and above the threshold by the weight of the physical tests alone */
    double threshold;
} sl_classify_result;

/* Writes a prediction of each classifier, as it judges alone, and one verdict an image: accepted when the
 * mean of the calibrated P(real), with physical evidence where a classifier takes it, reaches the (mean)
 * threshold. `round` 0: outside of rounds, and then no verdict is recorded. */
sl_status sl_classify(const sl_classify_settings *settings, const sl_workspace *workspace, sl_id round,
                      const sl_progress *progress, sl_classify_result *out);

#endif
