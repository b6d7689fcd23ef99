/* Long work that leaves a record: a run in the store, whose state and progress the review page shows live.
 *
 *     sl_job job;
 *     SL_TRY(sl_job_begin(workspace, "generate", config, seed, round, progress, &job));
 *     status = work(..., &job.progress);
 *     return sl_job_end(&job, status, result);
 */
#ifndef SL_LOOP_JOB_H
#define SL_LOOP_JOB_H

#include "base/json.h"
#include "base/progress.h"
#include "loop/workspace.h"

#include <pthread.h>

typedef struct sl_job {
    sl_store *store;
    sl_id run;
    sl_progress
        progress; /* for the work: tells the outer one and the store, and is cancelled with the outer one */
    const sl_progress *outer;
    pthread_mutex_t lock;
    double told_s; /* when the store was last told */
} sl_job;

/* `config`: all settings, borrowed (NULL: {}). `outer` may be NULL. The job must stay where it is until its
 * end. */
sl_status sl_job_begin(const sl_workspace *workspace, const char *kind, const json_t *config, uint64_t seed,
                       sl_id round, const sl_progress *outer, sl_job *out);

/* Records DONE, CANCELLED or FAILED by `status`, and the result (taken; may be NULL), with "error" and
 * "message" in it where there is no DONE. Returns `status`, or the failure to record it. */
sl_status sl_job_end(sl_job *job, sl_status status, json_t *result);

#endif
