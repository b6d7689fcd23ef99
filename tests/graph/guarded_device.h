/* A device that is none: its memory is pages that only its own functions may touch (a stray access of the
 * host ends the test), its kernels are the plain references. So plans on devices are tested where there is no
 * device. */
#ifndef SL_TESTS_GRAPH_GUARDED_DEVICE_H
#define SL_TESTS_GRAPH_GUARDED_DEVICE_H

#include "backend/device.h"

typedef struct guarded_device_counts {
    int uploads, downloads, runs, records, launches, allocations, live;
    size_t live_bytes, peak_bytes;
} guarded_device_counts;

extern guarded_device_counts guarded_device; /* since guarded_device_use */
extern size_t guarded_device_total_bytes;    /* memory of the device; 1 GiB by default */
extern int guarded_device_failing_op;        /* an sl_op that it has no kernel for; -1: none */

/* Plans made from now on run on it, until guarded_device_end, which fails the test where memory is left. */
void guarded_device_use(void);
void guarded_device_end(void);

#endif
