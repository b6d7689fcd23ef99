#include "loop/classify/classify.h"

#include "loop/classify/scores.h"
#include "loop/job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 16, CHUNK = 512 };

const sl_option sl_classify_options[] = {
    SL_OPTION_LIST(sl_classify_settings, models, "model", 'm', "ID",
                   "classifier to use; several are averaged (default: the newest)"),
    SL_OPTION_CHOICE(sl_classify_settings, origin, "images", 0, "generated", "generated|all", "which images"),
    SL_OPTION_INT(sl_classify_settings, run, "run", 0, "0", 0, 9007199254740992.0, "ID",
                  "only those of this run"),
    SL_OPTION_REAL(sl_classify_settings, threshold, "threshold", 't', "-1", -1, 1, "",
                   "accept where P(real) is at least this; below 0: the classifiers' own"),
    {0}};

typedef struct ensemble {
    sl_classifier_model member[MODELS_MAX];
    sl_id id[MODELS_MAX];
    int count;
    double threshold;
} ensemble;

static void free_ensemble(ensemble *e) {
    for (int i = 0; i < e->count; i++) sl_classifier_model_free(&e->member[i]);
}

static sl_status add_member(ensemble *e, const sl_workspace *workspace, sl_arena *arena,
                            const sl_model_record *record) {
    if (e->count == MODELS_MAX) return sl_fail(SL_LIMIT, "at most %d classifiers are averaged", MODELS_MAX);
    if (strcmp(record->kind, "classifier") != 0)
        return sl_fail(SL_INVALID, "model %lld is a %s, no classifier", (long long)record->id, record->kind);
    SL_TRY(sl_classifier_model_load(sl_workspace_path(workspace, arena, record->path), &e->member[e->count]));
    e->id[e->count++] = record->id;
    return SL_OK;
}

static sl_status load_ensemble(const sl_classify_settings *settings, const sl_workspace *workspace,
                               sl_arena *arena, ensemble *e) {
    sl_model_record record;
    if (settings->models.count == 0) {
        SL_TRY(sl_context(sl_store_model_newest(workspace->store, "classifier", arena, &record),
                          "no classifier here yet ('scatterloop train classifier' makes one)"));
        SL_TRY(add_member(e, workspace, arena, &record));
    }
    for (int i = 0; i < settings->models.count; i++) {
        char *end;
        long long id = strtoll(settings->models.item[i], &end, 10);
        if (*end || id < 1)
            return sl_fail(SL_INVALID, "--model %s: expected the number of a model",
                           settings->models.item[i]);
        SL_TRY(sl_store_model_get(workspace->store, id, arena, &record));
        SL_TRY(add_member(e, workspace, arena, &record));
    }
    e->threshold = settings->threshold;
    if (settings->threshold < 0) {
        e->threshold = 0;
        for (int i = 0; i < e->count; i++) e->threshold += e->member[i].threshold / e->count;
    }
    return SL_OK;
}

/* Entropy of the mean, in bits: 1 where the ensemble does not know at all. */
static double entropy(double p) {
    if (p <= 0 || p >= 1) return 0;
    return -(p * log2(p) + (1 - p) * log2(1 - p));
}

static sl_status judge_chunk(const ensemble *e, const sl_workspace *workspace, sl_id round,
                             const sl_feed_item *items, int64_t count, sl_classify_result *result) {
    double mean[CHUNK] = {0};
    sl_prediction predictions[CHUNK];
    sl_verdict verdicts[CHUNK];
    for (int m = 0; m < e->count; m++) {
        sl_scores scores;
        SL_TRY(sl_scores_compute(&e->member[m], workspace, items, count, &scores));
        sl_scores_apply(&scores, &e->member[m].calibration);
        for (int64_t i = 0; i < count; i++) {
            mean[i] += scores.p_real[i] / e->count;
            predictions[i] = (sl_prediction){.image = items[i].image,
                                             .model = e->id[m],
                                             .p_real = scores.p_real[i],
                                             .logit = scores.logit[i],
                                             .uncertainty = entropy(scores.p_real[i])};
        }
        sl_scores_free(&scores);
        SL_TRY(sl_store_predictions_add(workspace->store, predictions, (int)count));
    }
    for (int64_t i = 0; i < count; i++) {
        bool accepted = mean[i] >= e->threshold;
        verdicts[i] = (sl_verdict){.image = items[i].image,
                                   .round = round,
                                   .model = e->id[0],
                                   .accepted = accepted,
                                   .p_real = mean[i],
                                   .threshold = e->threshold,
                                   .reasons = accepted ? "" : "score"};
        result->accepted += accepted;
    }
    result->images += count;
    return round ? sl_store_verdicts_add(workspace->store, verdicts, (int)count) : SL_OK;
}

static sl_status classify_all(const sl_classify_settings *settings, const sl_workspace *workspace,
                              sl_id round, const sl_progress *progress, sl_arena *arena,
                              sl_classify_result *result) {
    ensemble e = {0};
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    int64_t total;
    if (settings->origin == 0) filter.origin = SL_ORIGIN_GENERATED;
    filter.run = settings->run;
    filter.round = round;
    sl_status status = sl_store_image_count(workspace->store, &filter, &total);
    if (!status) status = load_ensemble(settings, workspace, arena, &e);
    result->threshold = e.threshold;
    filter.limit = CHUNK;
    while (!status) {
        sl_image_record *records;
        sl_feed_item items[CHUNK];
        int count;
        status = sl_progress_check(progress);
        if (!status) status = sl_store_images(workspace->store, &filter, arena, &records, &count);
        if (status || !count) break;
        for (int i = 0; i < count; i++) items[i] = (sl_feed_item){records[i].id, -1, SL_FEED_TEST};
        status = judge_chunk(&e, workspace, round, items, count, result);
        filter.after = records[count - 1].id;
        sl_progress_tell(progress, "classifying", "image", result->images, total, NULL);
    }
    free_ensemble(&e);
    return status;
}

sl_status sl_classify(const sl_classify_settings *settings, const sl_workspace *workspace, sl_id round,
                      const sl_progress *progress, sl_classify_result *out) {
    sl_job job;
    sl_arena *arena;
    *out = (sl_classify_result){0};
    json_t *config = sl_options_to_json(sl_classify_options, settings);
    sl_status status = sl_job_begin(workspace, "classify", config, 0, round, progress, &job);
    json_decref(config);
    SL_TRY(status);
    status = sl_arena_new(&arena);
    if (!status) {
        status = classify_all(settings, workspace, round, &job.progress, arena, out);
        sl_arena_free(arena);
    }
    return sl_job_end(&job, status,
                      json_pack("{s:I, s:I, s:f}", "images", (json_int_t)out->images, "accepted",
                                (json_int_t)out->accepted, "threshold", out->threshold));
}
