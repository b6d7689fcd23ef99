/* What travels upwards from long work: progress reports, and downwards a wish to stop. */
#ifndef SL_BASE_PROGRESS_H
#define SL_BASE_PROGRESS_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One report: `done` of `total` units (total 0: unknown). `what` names the work ("generating"), `unit` the
 * thing counted ("image"); `note` may carry a short extra ("loss 0.031") or be NULL. */
typedef struct sl_progress_report {
    const char *what, *unit, *note;
    int64_t done, total;
} sl_progress_report;

typedef struct sl_progress {
    void (*report)(void *context, const sl_progress_report *report); /* may be NULL */
    void *context;
    const atomic_bool *cancel; /* may be NULL; polled between units of work */
} sl_progress;

/* Both accept progress == NULL. */
void sl_progress_tell(const sl_progress *progress, const char *what, const char *unit, int64_t done,
                      int64_t total, const char *note);
sl_status sl_progress_check(const sl_progress *progress); /* SL_CANCELLED once asked to stop */

#endif
