/* Comparison with the golden fixtures: a folder of inputs and expected results computed by PyTorch,
 * diffusers, transformers, torchvision and timm for one configuration and seed. Sizes, configurations and
 * seeds are all read from the folder.
 *
 * A value passes when max|found - expected| / max|expected| is at most max(2e-5, 10 x the spread that the
 * folder's tolerances.json measured between other correct kernels). In bf16 it is max(1e-6, that spread) x
 * 2^16 but 0.5 at most, and left out is where the spread is 1e-4 and more already, so that roundings of 16
 * bits would leave nothing. Of gradients of residual networks norms alone are compared, eight times as
 * loosely (family.h, has_switches). fp16 likewise, x 2^13. */
#ifndef SL_LOOP_GOLDEN_GOLDEN_H
#define SL_LOOP_GOLDEN_GOLDEN_H

#include "base/json.h"
#include "base/progress.h"
#include "base/status.h"
#include "tensor/tensor.h"

typedef enum sl_golden_outcome {
    SL_GOLDEN_PASSED,
    SL_GOLDEN_MISSED,
    SL_GOLDEN_NOT_COVERED
} sl_golden_outcome;

/* One line: a case is what a family calls one thing ("schedulers", "pndm.5"); error and tolerance are those
 * of its worst value, which `worst` names. For cases not covered only the number of values counts. */
typedef struct sl_golden_line {
    const char *family, *name, *worst;
    sl_golden_outcome outcome;
    double error, tolerance;
    int values, left_out; /* that were compared; that cannot be in 16 bits */
    const char *message;  /* NULL unless a call failed */
} sl_golden_line;

typedef struct sl_golden_settings {
    const char *folder;
    const char *family; /* NULL: all */
    sl_dtype dtype;     /* of networks; families that have none run for SL_F32 alone */
    void (*line)(void *context, const sl_golden_line *line);
    void *context;
    const sl_progress *progress;
} sl_golden_settings;

typedef struct sl_golden_totals {
    int passed, missed, not_covered; /* cases */
} sl_golden_totals;

/* Runs every family, or the one named (SL_INVALID lists them). SL_MISMATCH when a case missed; totals are
 * filled all the same. */
sl_status sl_golden_run(const sl_golden_settings *settings, sl_golden_totals *totals);

/* A line for people. */
void sl_golden_format(const sl_golden_line *line, char *out, size_t bytes);

#endif
