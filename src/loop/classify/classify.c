#include "loop/classify/classify.h"

#include "loop/classify/physics.h"
#include "loop/classify/scores.h"
#include "loop/job.h"

#include <stdio.h>
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
    SL_OPTION_REAL(sl_classify_settings, physics_level, "physics-level", 0, "0.01", 0, 1, "",
                   "reject images whose physical tests together have at most this p-value; 0: never"),
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

/* What the ensemble makes of an image: means over its members. */
typedef struct opinion {
    double p_real; /* that the verdict rests on */
    double
        p_without_odds; /* the same, had the physical tests found it as odd as real images are on average */
} opinion;

static void add_opinion(const ensemble *e, int member, double logit, const sl_physics *physics,
                        opinion *out) {
    const sl_classifier_model *c = &e->member[member];
    out->p_real += sl_classifier_model_p_real(c, logit, sl_physics_oddness(physics)) / e->count;
    out->p_without_odds += sl_classifier_model_p_real(c, logit, c->evidence.usual) / e->count;
}

/* Calibrated predictions of every member, each for itself, recorded; opinions[count] gets what they say
 * together with the evidence. */
static sl_status score_chunk(const ensemble *e, const sl_workspace *workspace, const sl_feed_item *items,
                             int64_t count, const sl_physics *physics, opinion *opinions) {
    sl_prediction predictions[CHUNK];
    for (int m = 0; m < e->count; m++) {
        sl_scores scores;
        SL_TRY(sl_scores_compute(&e->member[m], workspace, items, count, &scores));
        sl_scores_apply(&scores, &e->member[m].calibration);
        for (int64_t i = 0; i < count; i++) {
            add_opinion(e, m, scores.logit[i], &physics[i], &opinions[i]);
            predictions[i] = (sl_prediction){.image = items[i].image,
                                             .model = e->id[m],
                                             .p_real = scores.p_real[i],
                                             .logit = scores.logit[i],
                                             .uncertainty = sl_scores_entropy(scores.p_real[i])};
        }
        sl_scores_free(&scores);
        SL_TRY(sl_store_predictions_add(workspace->store, predictions, (int)count));
    }
    return SL_OK;
}

/* The physical tests of all images, recorded where they apply. */
static sl_status test_chunk(const sl_workspace *workspace, const sl_image_record *records, int64_t count,
                            sl_physics *physics) {
    SL_TRY(sl_physics_judge_many(workspace, records, count, physics));
    for (int64_t i = 0; i < count; i++) {
        sl_test_result results[SL_PHYSICAL_COUNT];
        int count_applicable = sl_physics_records(&physics[i], records[i].id, results);
        if (count_applicable) SL_TRY(sl_store_tests_add(workspace->store, results, count_applicable));
    }
    return SL_OK;
}

/* Accepted, or why not: the score where the classifiers alone suffice to reject it, "evidence" where only the
 * physical tests' weight does, and the test that makes it impossible. */
static sl_verdict conclude(const sl_classify_settings *settings, double threshold, const opinion *said,
                           const sl_physics *physics, sl_arena *arena) {
    bool scored = said->p_real >= threshold, alone = said->p_without_odds >= threshold;
    bool possible = physics->family_p > settings->physics_level;
    const char *worst = sl_physical_id(physics->worst), *score = "";
    if (!scored) score = alone ? sl_arena_printf(arena, "evidence of %s", worst) : "score";
    return (sl_verdict){.accepted = scored && possible,
                        .p_real = said->p_real,
                        .threshold = threshold,
                        .reasons = sl_arena_printf(arena, "%s%s%s", score, !scored && !possible ? ", " : "",
                                                   possible ? "" : worst)};
}

static void count_verdict(const sl_verdict *verdict, const opinion *said, const sl_physics *physics,
                          const sl_classify_settings *settings, sl_classify_result *result) {
    bool scored = verdict->p_real >= verdict->threshold, alone = said->p_without_odds >= verdict->threshold;
    result->images++;
    result->accepted += verdict->accepted;
    result->impossible += physics->family_p <= settings->physics_level;
    result->lowered += alone && !scored;
    result->raised += scored && !alone;
}

static sl_status judge_chunk(const ensemble *e, const sl_classify_settings *settings,
                             const sl_workspace *workspace, sl_id round, const sl_image_record *records,
                             int64_t count, sl_arena *arena, sl_classify_result *result) {
    opinion opinions[CHUNK] = {0};
    sl_feed_item items[CHUNK];
    sl_verdict verdicts[CHUNK];
    sl_physics *physics = SL_NEW(arena, sl_physics, count);
    for (int64_t i = 0; i < count; i++)
        items[i] = (sl_feed_item){.image = records[i].id, .label = -1, .split = SL_FEED_TEST};
    SL_TRY(test_chunk(workspace, records, count, physics));
    SL_TRY(score_chunk(e, workspace, items, count, physics, opinions));
    for (int64_t i = 0; i < count; i++) {
        verdicts[i] = conclude(settings, e->threshold, &opinions[i], &physics[i], arena);
        verdicts[i].image = items[i].image;
        verdicts[i].round = round;
        verdicts[i].model = e->id[0];
        count_verdict(&verdicts[i], &opinions[i], &physics[i], settings, result);
    }
    return round ? sl_store_verdicts_add(workspace->store, verdicts, (int)count) : SL_OK;
}

typedef struct classifying {
    const sl_classify_settings *settings;
    const sl_workspace *workspace;
    sl_id round;
    const sl_progress *progress;
    const ensemble *ensemble;
    sl_classify_result *result;
} classifying;

static sl_status classify_page(void *context, const sl_image_page *page) {
    const classifying *in = context;
    SL_TRY(sl_progress_check(in->progress));
    SL_TRY(judge_chunk(in->ensemble, in->settings, in->workspace, in->round, page->record, page->count,
                       page->arena, in->result));
    sl_progress_tell(in->progress, "classifying", "image", in->result->images, page->total, NULL);
    return SL_OK;
}

static sl_status classify_all(const sl_classify_settings *settings, const sl_workspace *workspace,
                              sl_id round, const sl_progress *progress, sl_arena *arena,
                              sl_classify_result *result) {
    ensemble e = {0};
    classifying in = {settings, workspace, round, progress, &e, result};
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    if (settings->origin == 0) filter.origin = SL_ORIGIN_GENERATED;
    filter.run = settings->run;
    filter.round = round;
    filter.limit = CHUNK;
    sl_status status = load_ensemble(settings, workspace, arena, &e);
    result->threshold = e.threshold;
    if (!status) status = sl_store_image_pages(workspace->store, &filter, classify_page, &in);
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
                      json_pack("{s:I, s:I, s:f, s:I, s:I}", "images", (json_int_t)out->images, "accepted",
                                (json_int_t)out->accepted, "threshold", out->threshold, "lowered_by_evidence",
                                (json_int_t)out->lowered, "raised_by_evidence", (json_int_t)out->raised));
}
