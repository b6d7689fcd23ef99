#include "web/live.h"

#include <stdlib.h>

static void add_event(sl_text *out, const char *name, const json_t *value) {
    char *text = sl_json_canonical(value);
    if (text) sl_text_printf(out, "event: %s\ndata: %s\n\n", name, text);
    free(text);
}

static json_t *job_by_id(const json_t *snapshot, const json_t *id) {
    size_t index;
    json_t *job;
    json_array_foreach(json_object_get(snapshot, "jobs"), index, job) {
        if (json_equal(json_object_get(job, "id"), id)) return job;
    }
    return NULL;
}

static void add_job_events(const json_t *before, const json_t *now, sl_text *out) {
    size_t index;
    json_t *job;
    json_array_foreach(json_object_get(now, "jobs"), index, job) {
        json_t *known = job_by_id(before, json_object_get(job, "id"));
        if (!known || !json_equal(known, job)) add_event(out, "job", job);
    }
    json_array_foreach(json_object_get(before, "jobs"), index, job) {
        if (job_by_id(now, json_object_get(job, "id"))) continue;
        json_t *ended = json_copy(job);
        json_object_set_new(ended, "state", json_string("done"));
        add_event(out, "job", ended);
        json_decref(ended);
    }
}

sl_status sl_live_poll(sl_live *live, sl_text *out) {
    json_t *now;
    SL_TRY(sl_review_live(live->review, &now));
    size_t length = out->length;
    add_job_events(live->last, now, out);
    json_t *queue = json_object_get(now, "queue");
    if (live->last && !json_equal(json_object_get(live->last, "queue"), queue))
        add_event(out, "queue", queue);
    if (out->length == length) sl_text_add(out, ": alive\n\n");
    json_decref(live->last);
    live->last = now;
    return sl_text_status(out);
}

void sl_live_end(sl_live *live) {
    json_decref(live->last);
    live->last = NULL;
}
