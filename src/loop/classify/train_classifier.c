#include "loop/classify/train_classifier.h"

#include "base/file.h"
#include "base/hash.h"
#include "loop/classify/cross_fit.h"
#include "loop/classify/fit.h"
#include "loop/classify/labels.h"
#include "loop/classify/scores.h"
#include "loop/job.h"
#include "loop/judge/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVIDENCE_NONE, EVIDENCE_PHYSICAL };

const sl_option sl_train_classifier_options[] = {
    SL_OPTION_CHOICE(sl_train_classifier_settings, preset, "preset", 0, "default", "default|paper",
                     "paper: ViT-B/16, its head alone, 224 px, SGD, 50 epochs, as in arXiv 2408.12720"),
    SL_OPTION_CHOICE(sl_train_classifier_settings, architecture, "architecture", 'a', "resnet18",
                     "resnet18|resnet50|vit_b_16", "network"),
    SL_OPTION_CHOICE(sl_train_classifier_settings, mode, "mode", 0, "auto", "auto|head|full",
                     "what is trained; auto: the head alone where the features below it are trained already, "
                     "else all of it"),
    SL_OPTION_PATH(sl_train_classifier_settings, begin_from, "begin-from", 0, NULL, "FILE",
                   "weights to begin from (default: the shipped backbone, for resnet18)"),
    SL_OPTION_INT(sl_train_classifier_settings, size_px, "size", 0, "128", 32, 1024, "px",
                  "side of the prepared images"),
    SL_OPTION_INT(sl_train_classifier_settings, epochs, "epochs", 0, "0", 0, 10000, "epochs",
                  "passes over the training part; 0: 100 for a head, 12 for all weights"),
    SL_OPTION_INT(sl_train_classifier_settings, batch, "batch", 'b', "16", 1, 1024, "images",
                  "images in an update"),
    SL_OPTION_REAL(sl_train_classifier_settings, rate, "rate", 0, "0", 0, 1, "",
                   "highest learning rate; 0: 0.002 for a head, 0.0005 for all weights"),
    SL_OPTION_CHOICE(sl_train_classifier_settings, optimizer, "optimizer", 0, "adamw", "adamw|sgd",
                     "optimiser"),
    SL_OPTION_FLAG(sl_train_classifier_settings, augment, "augment", 0,
                   "flips and turns that the geometry allows"),
    SL_OPTION_REAL(sl_train_classifier_settings, target_precision, "target-precision", 0, "0.95", 0.5, 1, "",
                   "precision of the accepted that the threshold aims at"),
    SL_OPTION_CHOICE(sl_train_classifier_settings, evidence, "evidence", 0, "none", "none|physical",
                     "what the verdict takes beside the classifier's score; physical: how odd the physical "
                     "tests find the image, weighed on the calibration split (docs/transfer.md)"),
    SL_OPTION_CHOICE(sl_train_classifier_settings, dtype, "dtype", 0, "fp32", "fp32|bf16", "arithmetic"),
    SL_OPTION_INT(sl_train_classifier_settings, seed, "seed", 's', "0", 0, 4294967295.0, "N",
                  "of the order and first values"),
    {0}};

const sl_preset sl_train_classifier_presets[] = {{"paper", "architecture", "vit_b_16"},
                                                 {"paper", "mode", "head"},
                                                 {"paper", "size", "224"},
                                                 {"paper", "epochs", "50"},
                                                 {"paper", "optimizer", "sgd"},
                                                 {"paper", "rate", "0.001"},
                                                 {0}};

typedef struct training {
    const sl_train_classifier_settings *settings;
    const sl_workspace *workspace;
    sl_arena *arena;
    sl_labelled labels;
    sl_fit fit;
    const char *folder; /* of the run */
    const char *calibrated_on;
    const sl_feed_item *unseen; /* images that have not spoilt their scores */
    sl_scores unseen_scores;
    bool crossed; /* scored by fits of their own each fold, and calibrated by these */
    sl_job *job;
    json_t *result;
} training;

/* What the physical tests add, from the calibration split; where it cannot tell, the classifier stays alone
 * and the result says why. */
static sl_status weigh_evidence(training *t, const sl_feed_item *items, sl_scores *scores) {
    sl_evidence *evidence = &t->fit.classifier.evidence;
    if (t->settings->evidence != EVIDENCE_PHYSICAL) return SL_OK;
    SL_TRY(sl_scores_see_physics(scores, t->workspace, items));
    sl_status status =
        sl_evidence_fit(scores->logit, scores->oddness, scores->label, scores->count, evidence);
    json_t *said = status == SL_INVALID ? json_sprintf("not used: %s", sl_error_message())
                                        : sl_evidence_to_json(evidence);
    json_object_set_new(t->result, "evidence", said);
    return status == SL_INVALID ? SL_OK : status;
}

static sl_status choose_threshold(training *t, sl_scores *scores) {
    sl_classifier_model *c = &t->fit.classifier;
    sl_threshold threshold;
    sl_scores_judge(scores, c);
    SL_TRY(sl_threshold_choose(scores->p_real, scores->label, scores->count, t->settings->target_precision,
                               0.95, &threshold));
    c->threshold = threshold.threshold;
    json_object_set_new(t->result, "threshold", sl_threshold_to_json(&threshold));
    json_object_set_new(t->result, "calibration", sl_calibration_to_json(&c->calibration));
    return SL_OK;
}

/* How well the scores' p_real tells the labels, at any threshold. */
static json_t *ranking(const sl_scores *s) {
    return json_pack("{s:o, s:o}", "brier", json_real(s->count ? sl_brier(s->p_real, s->label, s->count) : 0),
                     "roc_auc", sl_json_number(s->count ? sl_roc_auc(s->p_real, s->label, s->count) : NAN));
}

/* Scores that training has not spoilt: of the reviewed images by cross-fitting, where the labels come from
 * reviews, else of the calibration split. */
static sl_status score_unseen(training *t) {
    const sl_labelled *l = &t->labels;
    if (l->from_reviews && t->fit.head_only) {
        sl_status status =
            sl_cross_fit(&t->fit, l, t->arena, t->folder, &t->job->progress, &t->unseen, &t->unseen_scores);
        if (!status) t->calibrated_on = "reviewed images, each scored by a fit that had not seen its group";
        t->crossed = !status;
        if (status != SL_INVALID) return status;
    }
    t->unseen = l->calibration;
    t->calibrated_on = "calibration split";
    return sl_scores_compute(&t->fit.classifier, t->workspace, l->calibration, l->calibration_count,
                             &t->unseen_scores);
}

/* Probabilities, evidence and threshold from images that taught the classifier nothing; where they have not
 * both labels, raw ones and one half. Reviewed ones also tell how rare real ones are, so that there the
 * offset is fitted as well. */
static sl_status calibrate(training *t) {
    sl_classifier_model *c = &t->fit.classifier;
    sl_scores *scores = &t->unseen_scores;
    SL_TRY(score_unseen(t));
    sl_status status =
        sl_calibration_fit(t->labels.from_reviews ? SL_CALIBRATE_PLATT : SL_CALIBRATE_TEMPERATURE,
                           scores->logit, scores->label, scores->count, &c->calibration);
    if (status == SL_INVALID) {
        json_object_set_new(t->result, "calibration",
                            json_sprintf("not possible: the %s lacks one of the labels", t->calibrated_on));
        t->crossed = false;
        return SL_OK;
    }
    SL_TRY(status);
    json_object_set_new(t->result, "calibrated_on", json_string(t->calibrated_on));
    SL_TRY(weigh_evidence(t, t->unseen, scores));
    SL_TRY(choose_threshold(t, scores));
    json_object_set_new(t->result, "calibration_ranking", ranking(scores));
    return SL_OK;
}

/* What the fits that had not seen them say of reviewed images, as predictions of the classifier with their
 * fold: a label that contradicts them may be a slip of the reviewer. */
static sl_status record_crossed(training *t, sl_id model) {
    sl_scores *s = &t->unseen_scores;
    if (!t->crossed) return SL_OK;
    sl_prediction *predictions = SL_NEW(t->arena, sl_prediction, s->count + 1);
    sl_scores_apply(s, &t->fit.classifier.calibration);
    for (int64_t i = 0; i < s->count; i++)
        predictions[i] = (sl_prediction){.image = t->unseen[i].image,
                                         .model = model,
                                         .fold = 1 + sl_cross_fold(&t->unseen[i]),
                                         .p_real = s->p_real[i],
                                         .logit = s->logit[i],
                                         .uncertainty = sl_scores_entropy(s->p_real[i])};
    return sl_store_predictions_add(t->workspace->store, predictions, (int)s->count);
}

/* The share of true among the `counted` test images (NULL: all) into test[name]; groups stay together. */
static sl_status describe_share(const training *t, const char *name, const bool *label, const bool *counted,
                                json_t *test) {
    int64_t most = t->labels.test_count, n = 0, groups;
    int64_t *group = SL_NEW(t->arena, int64_t, most + 1);
    bool *taken = SL_NEW(t->arena, bool, most + 1);
    sl_estimate share;
    for (int64_t i = 0; i < most; i++) {
        if (counted && !counted[i]) continue;
        group[n] = (int64_t)t->labels.test[i].group;
        taken[n++] = label[i];
    }
    SL_TRY(sl_proportion_grouped(taken, group, n, 0, (uint64_t)t->settings->seed, &share, &groups));
    json_t *told = sl_estimate_to_json(&share);
    json_object_set_new(told, "groups", json_integer(groups));
    json_object_set_new(test, name, told);
    return SL_OK;
}

static sl_status describe_test(const training *t, const sl_scores *s, json_t *test) {
    bool *accepted = SL_NEW(t->arena, bool, s->count + 1), *right = SL_NEW(t->arena, bool, s->count + 1);
    for (int64_t i = 0; i < s->count; i++) {
        accepted[i] = s->p_real[i] >= t->fit.classifier.threshold;
        right[i] = accepted[i] == s->label[i];
    }
    json_object_set_new(test, "n", json_integer(s->count));
    SL_TRY(describe_share(t, "accuracy", right, NULL, test));
    SL_TRY(describe_share(t, "precision", s->label, accepted, test));
    SL_TRY(describe_share(t, "recall", accepted, s->label, test));
    json_t *rank = ranking(s);
    json_object_update(test, rank);
    json_decref(rank);
    return SL_OK;
}

/* The numbers that may be quoted: test split, calibrated, at the chosen threshold; with evidence also those
 * of the classifier alone. */
static sl_status measure(training *t) {
    sl_scores s = {0};
    const sl_classifier_model *c = &t->fit.classifier;
    SL_TRY(sl_scores_compute(c, t->workspace, t->labels.test, t->labels.test_count, &s));
    if (c->evidence.used) {
        sl_status status = sl_scores_see_physics(&s, t->workspace, t->labels.test);
        if (status) sl_scores_free(&s);
        SL_TRY(status);
        sl_scores_apply(&s, &c->calibration);
        json_object_set_new(t->result, "test_without_evidence", ranking(&s));
    }
    sl_scores_judge(&s, c);
    json_t *test = json_object();
    json_object_set_new(t->result, "test", test);
    sl_status status = describe_test(t, &s, test);
    sl_scores_free(&s);
    return status;
}

static void describe(training *t) {
    const sl_labelled *l = &t->labels;
    json_object_set_new(t->result, "architecture", json_string(t->fit.classifier.architecture));
    json_object_set_new(t->result, "trained", json_string(t->fit.head_only ? "head" : "all weights"));
    json_object_set_new(t->result, "images",
                        json_pack("{s:I, s:I, s:I}", "train", (json_int_t)l->train_count, "calibration",
                                  (json_int_t)l->calibration_count, "test", (json_int_t)l->test_count));
    json_object_set_new(t->result, "labels",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "set_aside",
                                  (json_int_t)l->counts.set_aside, "real", (json_int_t)l->counts.real,
                                  "unreal", (json_int_t)l->counts.unreal, "reviewed",
                                  (json_int_t)l->counts.reviewed, "simulated_truth",
                                  (json_int_t)l->counts.known, "measured", (json_int_t)l->counts.measured));
    json_object_set_new(t->result, "best_epoch", json_integer(t->fit.outcome.best_epoch));
}

static sl_status record(training *t, sl_id round, sl_id *out_model) {
    char hash[SL_SHA256_HEX];
    const char *relative = sl_arena_printf(t->arena, "models/classifier-%lld", (long long)t->job->run);
    const char *folder = sl_workspace_path(t->workspace, t->arena, relative);
    t->fit.classifier.about = json_deep_copy(t->result);
    SL_TRY(sl_folder_make(folder));
    SL_TRY(sl_classifier_model_save(&t->fit.classifier, folder));
    SL_TRY(sl_classifier_model_hash(folder, hash));
    char *metrics = sl_json_canonical(t->result);
    json_t *config = sl_options_to_json(sl_train_classifier_options, t->settings);
    char *config_text = sl_json_canonical(config);
    json_decref(config);
    sl_model_record model = {
        .hash = hash,
        .kind = "classifier",
        .name =
            sl_arena_printf(t->arena, "%s, run %lld", t->fit.classifier.architecture, (long long)t->job->run),
        .path = relative,
        .config = config_text,
        .metrics = metrics,
        .parents = t->fit.parent[0] ? sl_arena_printf(t->arena, "[\"%s\"]", t->fit.parent) : NULL,
        .run = t->job->run,
        .round = round};
    sl_status status = sl_store_model_add(t->workspace->store, &model);
    free(metrics);
    free(config_text);
    *out_model = model.id;
    return status;
}

static sl_status work(training *t, sl_id round, sl_id *out_model) {
    SL_TRY(sl_labels_collect(t->workspace, t->arena, &t->labels));
    t->folder = sl_workspace_path(t->workspace, t->arena,
                                  sl_arena_printf(t->arena, "runs/%lld", (long long)t->job->run));
    SL_TRY(sl_folder_make(t->folder));
    SL_TRY(sl_fit_begin(t->settings, t->workspace, t->arena, &t->fit));
    SL_TRY(sl_fit_train(&t->fit, t->labels.train, t->labels.train_count, t->folder, &t->job->progress));
    SL_TRY(calibrate(t));
    SL_TRY(measure(t));
    describe(t);
    SL_TRY(record(t, round, out_model));
    return record_crossed(t, *out_model);
}

sl_status sl_train_classifier_run(const sl_train_classifier_settings *settings, const sl_workspace *workspace,
                                  sl_id round, const sl_progress *progress, json_t *result,
                                  sl_id *out_model) {
    sl_job job;
    json_t *config = sl_options_to_json(sl_train_classifier_options, settings);
    sl_status status =
        sl_job_begin(workspace, "train classifier", config, (uint64_t)settings->seed, round, progress, &job);
    json_decref(config);
    SL_TRY(status);
    training t = {.settings = settings, .workspace = workspace, .job = &job, .result = json_object()};
    status = sl_arena_new(&t.arena);
    if (!status) status = work(&t, round, out_model);
    if (!status && result) json_object_update(result, t.result);
    json_object_set_new(t.result, "history", json_sprintf("runs/%lld/history.jsonl", (long long)job.run));
    sl_fit_end(&t.fit);
    sl_scores_free(&t.unseen_scores);
    sl_arena_free(t.arena);
    return sl_job_end(&job, status, t.result);
}
