/* One pool of threads for the whole process.
 *
 * Work is cut into tasks by its shape alone, never by the number of threads, and each task writes its own
 * results: so results have the same bits for any number of threads. */
#ifndef SL_BASE_THREADS_H
#define SL_BASE_THREADS_H

#include "base/status.h"

#include <stdint.h>

/* Number of threads (the caller counts as one); 0 means one per available CPU. SL_INVALID outside
 * 0..SL_LIMIT_THREADS. Not to be called while work runs. */
sl_status sl_threads_set(int count);
int sl_threads_count(void);

/* run(context, task, worker) for task = 0..tasks-1, each once, in any order; returns when all are done.
 * `worker` is in 0..sl_threads_count()-1 and unique among the tasks running at one time (for per-worker
 * scratch). From inside a task it runs everything in the calling thread, with that task's worker number. */
typedef void (*sl_task_fn)(void *context, int64_t task, int worker);
void sl_parallel_for(int64_t tasks, sl_task_fn run, void *context);

/* The same for tasks that can fail: all of them run, then the failure of the first in order is returned with
 * its message, which does not depend on the number of threads. */
typedef sl_status (*sl_try_fn)(void *context, int64_t task, int worker);
sl_status sl_parallel_try(int64_t tasks, sl_try_fn run, void *context);

#endif
