#include "loop/job.h"

#include "base/clock.h"

#include <stdlib.h>

static const double told_every_s = 0.5;

static void report(void *context, const sl_progress_report *report) {
    sl_job *job = context;
    if (job->outer && job->outer->report) job->outer->report(job->outer->context, report);
    pthread_mutex_lock(&job->lock);
    double now_s = sl_clock_s();
    bool ends = report->total > 0 && report->done >= report->total;
    bool due = ends || now_s - job->told_s >= told_every_s;
    if (due) job->told_s = now_s;
    pthread_mutex_unlock(&job->lock);
    if (!due) return;
    char note[160];
    snprintf(note, sizeof note, "%s%s%s", report->what, report->note ? ", " : "",
             report->note ? report->note : "");
    /* a progress line that cannot be written is no reason to stop the work; the end of the job will tell */
    (void)sl_store_run_progress(job->store, job->run, report->done, report->total, note);
}

sl_status sl_job_begin(const sl_workspace *workspace, const char *kind, const json_t *config, uint64_t seed,
                       sl_id round, const sl_progress *outer, sl_job *out) {
    char *text = config ? sl_json_canonical(config) : NULL;
    sl_run_record run = {.kind = kind, .config = text ? text : "{}", .seed = seed, .round = round};
    sl_status status = sl_store_run_start(workspace->store, &run);
    free(text);
    SL_TRY(status);
    *out = (sl_job){.store = workspace->store, .run = run.id, .outer = outer};
    out->progress = (sl_progress){report, out, outer ? outer->cancel : NULL};
    pthread_mutex_init(&out->lock, NULL);
    return SL_OK;
}

sl_status sl_job_end(sl_job *job, sl_status status, json_t *result) {
    sl_run_state state = status == SL_OK          ? SL_RUN_DONE
                         : status == SL_CANCELLED ? SL_RUN_CANCELLED
                                                  : SL_RUN_FAILED;
    char message[512];
    snprintf(message, sizeof message, "%s", sl_error_message());
    if (status) {
        if (!result) result = json_object();
        json_object_set_new(result, "error", json_string(sl_status_name(status)));
        json_object_set_new(result, "message", sl_json_text(message));
    }
    char *text = result ? sl_json_canonical(result) : NULL;
    json_decref(result);
    sl_status recorded = sl_store_run_finish(job->store, job->run, state, text);
    free(text);
    pthread_mutex_destroy(&job->lock);
    if (status) return sl_fail(status, "%s", message);
    return recorded;
}
