/* A device that is none: its memory is pages that only its own functions may touch (a stray access of the
 * host ends the test), its kernels are the plain references. So plans on devices are tested where there is no
 * device. */
#ifndef SL_TESTS_GRAPH_STANDIN_H
#define SL_TESTS_GRAPH_STANDIN_H

#include "backend/device.h"

typedef struct standin_counts {
    int uploads, downloads, runs, records, launches, allocations, live;
    size_t live_bytes, peak_bytes;
} standin_counts;

extern standin_counts standin;     /* since standin_use */
extern size_t standin_total_bytes; /* memory of the device; 1 GiB by default */
extern int standin_failing_op;     /* an sl_op that it has no kernel for; -1: none */

/* Plans made from now on run on it, until standin_end, which fails the test where memory is left. */
void standin_use(void);
void standin_end(void);

#endif
