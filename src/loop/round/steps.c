/* Steps of a round that call other use-cases: generate, classify, retrain, report; and the table of all
 * steps. */
#include "loop/round/round.h"

#include "base/log.h"
#include "loop/classify/classify.h"
#include "loop/classify/train_classifier.h"
#include "loop/generate/generate.h"
#include "loop/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32 /* images between which an interrupted round can go on */ };

/* --- generate --- */

static sl_status generate_settings(sl_round *round, sl_generate_settings *out) {
    const sl_round_settings *settings = round->settings;
    *out = (sl_generate_settings){0};
    SL_TRY(sl_options_default(sl_generate_options, round->arena, out));
    if (settings->lora && strcmp(settings->lora, "none") != 0) out->lora = settings->lora;
    out->count = settings->count;
    out->seed = (int64_t)round->seed;
    out->steps = settings->steps;
    out->guidance = settings->guidance;
    out->batch = settings->batch;
    out->size_px = settings->size_px;
    out->model = settings->model;
    out->detector = settings->detector;
    return SL_OK;
}

typedef struct presence {
    bool *there;
    int64_t wanted, made;
} presence;

static sl_status mark_made(void *context, const sl_image_page *page) {
    presence *out = context;
    for (int i = 0; i < page->count; i++) {
        int64_t k = page->record[i].run_index;
        if (k < 0 || k >= out->wanted || out->there[k]) continue;
        out->there[k] = true;
        out->made++;
    }
    return SL_OK;
}

/* Which images of the round are there: there[k]. Those that were not known to be are added to *made. */
static sl_status find_made(sl_round *round, bool *there, int64_t *made) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    presence out = {there, round->settings->count, *made};
    filter.round = round->id;
    filter.origin = SL_ORIGIN_GENERATED;
    sl_status status = sl_store_image_pages(round->workspace->store, &filter, mark_made, &out);
    *made = out.made;
    return status;
}

static bool is_complete(const bool *there, int64_t first, int64_t end) {
    while (first < end && there[first]) first++;
    return first == end;
}

static sl_status generate_missing(sl_round *round, const bool *there, json_t *result) {
    const sl_list *prompts = &round->settings->prompts;
    sl_generate_settings settings;
    SL_TRY(generate_settings(round, &settings));
    if (prompts->count == 0)
        return sl_fail(SL_NOT_FOUND,
                       "no prompt: name one with --prompt, or import measured images with captions");
    int64_t chunks = (settings.count + CHUNK - 1) / CHUNK;
    for (int64_t i = 0; i < chunks; i++) {
        sl_generate_result made;
        SL_TRY(sl_progress_check(round->progress));
        /* the same cut as a shard I/N makes */
        if (is_complete(there, settings.count * i / chunks, settings.count * (i + 1) / chunks)) continue;
        settings.shard = sl_arena_printf(round->arena, "%" PRId64 "/%" PRId64, i, chunks);
        SL_TRY(sl_generate(&settings, prompts->item, prompts->count, round->workspace, round->id,
                           round->progress, &made));
    }
    json_object_set_new(result, "prompts", json_integer(prompts->count));
    json_object_set_new(result, "lora", settings.lora ? json_string(settings.lora) : json_null());
    return SL_OK;
}

static sl_status step_generate(sl_round *round, json_t *result) {
    bool *there;
    int64_t made = 0;
    SL_TRY(sl_alloc(&there, (size_t)round->settings->count, sizeof *there));
    sl_status status = find_made(round, there, &made);
    if (!status && made < round->settings->count) {
        status = generate_missing(round, there, result);
        if (!status) status = find_made(round, there, &made);
    }
    sl_free(there);
    json_object_set_new(result, "images", json_integer(made));
    return status;
}

/* --- classify, retrain --- */

/* The newest classifier made in this round (0: in any); 0 where there is none. */
static sl_status find_classifier(sl_round *round, sl_id made_in, sl_id *out) {
    sl_model_record *models;
    int count;
    *out = 0;
    SL_TRY(sl_store_models(round->workspace->store, "classifier", round->arena, &models, &count));
    for (int i = 0; i < count; i++)
        if (!made_in || models[i].round == made_in) *out = models[i].id;
    return SL_OK;
}

/* Trains one; where the labels do not suffice yet, that is noted and the round goes on. */
static sl_status train(sl_round *round, json_t *result, sl_id *out) {
    sl_train_classifier_settings settings = {0};
    SL_TRY(sl_options_default(sl_train_classifier_options, round->arena, &settings));
    settings.seed = (int64_t)(round->seed & UINT32_MAX);
    settings.target_precision = round->settings->target;
    settings.evidence = round->settings->evidence;
    *out = 0;
    sl_status status =
        sl_train_classifier_run(&settings, round->workspace, round->id, round->progress, result, out);
    if (status == SL_INVALID) {
        sl_warn("no classifier was trained: %s", sl_error_message());
        json_object_set_new(result, "untrained", json_string(sl_error_message()));
        return SL_OK;
    }
    return status;
}

static sl_status step_classify(sl_round *round, json_t *result) {
    sl_classify_settings settings = {0};
    sl_classify_result judged;
    sl_id model;
    SL_TRY(find_classifier(round, 0, &model));
    if (!model) SL_TRY(train(round, result, &model));
    json_object_set_new(result, "classifier", model ? json_integer(model) : json_null());
    if (!model) return SL_OK; /* the queue is then drawn at random, and its labels train the first one */
    SL_TRY(sl_options_default(sl_classify_options, round->arena, &settings));
    SL_TRY(sl_classify(&settings, round->workspace, round->id, round->progress, &judged));
    json_object_set_new(result, "images", json_integer(judged.images));
    json_object_set_new(result, "accepted", json_integer(judged.accepted));
    json_object_set_new(result, "threshold", json_real(judged.threshold));
    json_object_set_new(result, "lowered_by_evidence", json_integer(judged.lowered));
    json_object_set_new(result, "raised_by_evidence", json_integer(judged.raised));
    return SL_OK;
}

static sl_status step_retrain(sl_round *round, json_t *result) {
    sl_round_step classify;
    json_t *before = NULL;
    sl_id model, begun_with;
    SL_TRY(find_classifier(round, round->id, &model));
    /* one may have been trained in this round before its first review: that one knows nothing of it */
    SL_TRY(sl_store_step_get(round->workspace->store, round->id, "classify", round->arena, &classify));
    if (classify.result) SL_TRY(sl_json_parse(classify.result, strlen(classify.result), "step", &before));
    begun_with = json_integer_value(json_object_get(before, "classifier"));
    json_decref(before);
    if (!model || model == begun_with) SL_TRY(train(round, result, &model));
    json_object_set_new(result, "classifier", model ? json_integer(model) : json_null());
    return SL_OK;
}

static sl_status step_report(sl_round *round, json_t *result) {
    const char *path;
    sl_report_settings settings = {.out = sl_arena_printf(round->arena, "%s/round-%" PRId64 ".html",
                                                          round->workspace->root, round->number),
                                   .thumbnails = 24};
    SL_TRY(sl_report_write(round->workspace, &settings, round->progress, round->arena, &path));
    json_object_set_new(result, "path", json_string(path));
    return SL_OK;
}

const sl_round_rule sl_round_rules[] = {{"generate", step_generate},   {"classify", step_classify},
                                        {"select", sl_round_select},   {"review", sl_round_review},
                                        {"measure", sl_round_measure}, {"retrain", step_retrain},
                                        {"report", step_report},       {0}};
