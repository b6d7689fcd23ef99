#include "loop/classify/train_classifier.h"

#include "base/file.h"
#include "base/hash.h"
#include "loop/classify/classifier_model.h"
#include "loop/classify/labels.h"
#include "loop/classify/scores.h"
#include "loop/job.h"
#include "loop/judge/metrics.h"
#include "loop/shipped.h"
#include "train/classifier_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_AUTO, MODE_HEAD, MODE_FULL };
enum { EVIDENCE_NONE, EVIDENCE_PHYSICAL };
static const char *const architectures[] = {"resnet18", "resnet50", "vit_b_16"};

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
                  "passes over the training part; 0: 40 for a head, 12 for all weights"),
    SL_OPTION_INT(sl_train_classifier_settings, batch, "batch", 'b', "16", 1, 1024, "images",
                  "images in an update"),
    SL_OPTION_REAL(sl_train_classifier_settings, rate, "rate", 0, "0", 0, 1, "",
                   "highest learning rate; 0: 0.01 for a head, 0.0005 for all weights"),
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
    sl_classifier_model classifier;
    sl_classifier_outcome outcome;
    const char *folder; /* of the run */
    bool head_only;
    sl_job *job;
    char parent[SL_SHA256_HEX]; /* hash of what it began from, "" when from nothing */
    json_t *result;
} training;

/* On features that are trained already a head learns in seconds, and from few labels better than all weights
 * do (docs/first-run.md). Up to ResNet-18 all weights can also begin from nothing. */
static bool trains_head_only(const sl_train_classifier_settings *s, const char *begin) {
    return s->mode == MODE_HEAD || (s->mode == MODE_AUTO && (begin || s->architecture != 0));
}

static sl_status make_model(training *t) {
    const sl_train_classifier_settings *s = t->settings;
    const char *name = architectures[s->architecture], *begin = s->begin_from;
    SL_TRY(sl_classifier_new(name, SL_CLASSES, s->size_px, (uint64_t)s->seed, &t->classifier.model));
    snprintf(t->classifier.architecture, sizeof t->classifier.architecture, "%s", name);
    t->classifier.size_px = s->size_px;
    if (!begin && s->architecture == 0 && sl_shipped_model(t->arena, "backbone", &begin) == SL_NOT_FOUND)
        begin = NULL;
    t->head_only = trains_head_only(s, begin);
    if (!begin && t->head_only)
        return sl_fail(
            SL_INVALID,
            "a head alone needs trained features below it: give --begin-from FILE, or --mode full");
    if (!begin) return SL_OK;
    SL_TRY(sl_classifier_begin_from(t->classifier.model, begin));
    if (sl_path_is_folder(begin)) return sl_classifier_model_hash(begin, t->parent);
    return sl_sha256_file_hex(begin, t->parent);
}

static sl_status train(training *t, const sl_progress *progress) {
    const sl_train_classifier_settings *s = t->settings;
    bool head = t->head_only;
    double rate = s->rate > 0 ? s->rate : head ? 0.01 : 0.0005;
    sl_workspace_feed *feed;
    SL_TRY(sl_workspace_feed_open(t->workspace, t->labels.train, t->labels.train_count, (int32_t)s->size_px,
                                  &feed));
    sl_classifier_recipe recipe = {.batch = (int)s->batch,
                                   .epochs = s->epochs ? s->epochs
                                             : head    ? 40
                                                       : 12,
                                   .head_only = head,
                                   .balance = true,
                                   .augment = s->augment,
                                   .dtype = s->dtype ? SL_BF16 : SL_F32,
                                   .seed = (uint64_t)s->seed};
    sl_train_options options = {.optimizer = s->optimizer ? sl_optimizer_sgd(0.9) : sl_optimizer_adamw(),
                                .schedule = {.kind = s->preset ? SL_SCHEDULE_CONSTANT : SL_SCHEDULE_COSINE,
                                             .rate = rate,
                                             .floor = 0.05},
                                .accumulate = 1,
                                .folder = t->folder};
    sl_status status = sl_train_classifier(t->classifier.model, &recipe, sl_workspace_feed_get(feed),
                                           &options, progress, &t->outcome);
    sl_workspace_feed_close(feed);
    return status;
}

/* What the physical tests add, from the calibration split; where it cannot tell, the classifier stays alone
 * and the result says why. */
static sl_status weigh_evidence(training *t, sl_scores *scores) {
    sl_evidence *evidence = &t->classifier.evidence;
    if (t->settings->evidence != EVIDENCE_PHYSICAL) return SL_OK;
    SL_TRY(sl_scores_see_physics(scores, t->workspace, t->labels.calibration));
    sl_status status =
        sl_evidence_fit(scores->logit, scores->oddness, scores->label, scores->count, evidence);
    json_t *said = status == SL_INVALID ? json_sprintf("not used: %s", sl_error_message())
                                        : sl_evidence_to_json(evidence);
    json_object_set_new(t->result, "evidence", said);
    return status == SL_INVALID ? SL_OK : status;
}

static sl_status choose_threshold(training *t, sl_scores *scores) {
    sl_classifier_model *c = &t->classifier;
    sl_threshold threshold;
    sl_scores_judge(scores, c);
    SL_TRY(sl_threshold_choose(scores->p_real, scores->label, scores->count, t->settings->target_precision,
                               0.95, &threshold));
    c->threshold = threshold.threshold;
    json_object_set_new(t->result, "threshold", sl_threshold_to_json(&threshold));
    json_object_set_new(t->result, "calibration", sl_calibration_to_json(&c->calibration));
    return SL_OK;
}

/* Probabilities, evidence and threshold from the calibration split; where it has not both labels, raw ones
 * and one half. */
static sl_status calibrate(training *t) {
    sl_classifier_model *c = &t->classifier;
    c->calibration = SL_CALIBRATION_NONE;
    c->threshold = 0.5;
    sl_scores scores = {0};
    SL_TRY(sl_scores_compute(c, t->workspace, t->labels.calibration, t->labels.calibration_count, &scores));
    sl_status status = sl_calibration_fit(SL_CALIBRATE_TEMPERATURE, scores.logit, scores.label, scores.count,
                                          &c->calibration);
    if (status == SL_INVALID) {
        json_object_set_new(t->result, "calibration",
                            json_string("not possible: the calibration split lacks one of the labels"));
        sl_scores_free(&scores);
        return SL_OK;
    }
    if (!status) status = weigh_evidence(t, &scores);
    if (!status) status = choose_threshold(t, &scores);
    sl_scores_free(&scores);
    return status;
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* How well the scores' p_real tells the labels, at any threshold. */
static json_t *ranking(const sl_scores *s) {
    return json_pack("{s:o, s:o}", "brier", json_real(s->count ? sl_brier(s->p_real, s->label, s->count) : 0),
                     "roc_auc", number_or_null(s->count ? sl_roc_auc(s->p_real, s->label, s->count) : NAN));
}

static json_t *describe_test(const sl_scores *s, double threshold) {
    int64_t right = 0, accepted = 0, good = 0, real = 0;
    for (int64_t i = 0; i < s->count; i++) {
        bool accepts = s->p_real[i] >= threshold;
        right += accepts == s->label[i];
        accepted += accepts;
        good += accepts && s->label[i];
        real += s->label[i];
    }
    sl_estimate accuracy = sl_proportion(right, s->count, 0, 0),
                precision = sl_proportion(good, accepted, 0, 0), recall = sl_proportion(good, real, 0, 0);
    json_t *test = json_pack("{s:I, s:o, s:o, s:o}", "n", (json_int_t)s->count, "accuracy",
                             sl_estimate_to_json(&accuracy), "precision", sl_estimate_to_json(&precision),
                             "recall", sl_estimate_to_json(&recall));
    json_t *rank = ranking(s);
    json_object_update(test, rank);
    json_decref(rank);
    return test;
}

/* The numbers that may be quoted: test split, calibrated, at the chosen threshold; with evidence also those
 * of the classifier alone. */
static sl_status measure(training *t) {
    sl_scores s = {0};
    const sl_classifier_model *c = &t->classifier;
    SL_TRY(sl_scores_compute(c, t->workspace, t->labels.test, t->labels.test_count, &s));
    if (c->evidence.used) {
        sl_status status = sl_scores_see_physics(&s, t->workspace, t->labels.test);
        if (status) sl_scores_free(&s);
        SL_TRY(status);
        sl_scores_apply(&s, &c->calibration);
        json_object_set_new(t->result, "test_without_evidence", ranking(&s));
    }
    sl_scores_judge(&s, c);
    json_object_set_new(t->result, "test", describe_test(&s, c->threshold));
    sl_scores_free(&s);
    return SL_OK;
}

static void describe(training *t) {
    const sl_labelled *l = &t->labels;
    json_object_set_new(t->result, "architecture", json_string(t->classifier.architecture));
    json_object_set_new(t->result, "trained", json_string(t->head_only ? "head" : "all weights"));
    json_object_set_new(t->result, "images",
                        json_pack("{s:I, s:I, s:I}", "train", (json_int_t)l->train_count, "calibration",
                                  (json_int_t)l->calibration_count, "test", (json_int_t)l->test_count));
    json_object_set_new(t->result, "labels",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "real", (json_int_t)l->counts.real, "unreal",
                                  (json_int_t)l->counts.unreal, "reviewed", (json_int_t)l->counts.reviewed,
                                  "simulated_truth", (json_int_t)l->counts.known, "measured",
                                  (json_int_t)l->counts.measured));
    json_object_set_new(t->result, "best_epoch", json_integer(t->outcome.best_epoch));
}

static sl_status record(training *t, sl_id round, sl_id *out_model) {
    char hash[SL_SHA256_HEX];
    const char *relative = sl_arena_printf(t->arena, "models/classifier-%lld", (long long)t->job->run);
    const char *folder = sl_workspace_path(t->workspace, t->arena, relative);
    t->classifier.about = json_deep_copy(t->result);
    SL_TRY(sl_folder_make(folder));
    SL_TRY(sl_classifier_model_save(&t->classifier, folder));
    SL_TRY(sl_classifier_model_hash(folder, hash));
    char *metrics = sl_json_canonical(t->result);
    json_t *config = sl_options_to_json(sl_train_classifier_options, t->settings);
    char *config_text = sl_json_canonical(config);
    json_decref(config);
    sl_model_record model = {
        .hash = hash,
        .kind = "classifier",
        .name = sl_arena_printf(t->arena, "%s, run %lld", t->classifier.architecture, (long long)t->job->run),
        .path = relative,
        .config = config_text,
        .metrics = metrics,
        .parents = t->parent[0] ? sl_arena_printf(t->arena, "[\"%s\"]", t->parent) : NULL,
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
    SL_TRY(make_model(t));
    SL_TRY(train(t, &t->job->progress));
    SL_TRY(calibrate(t));
    SL_TRY(measure(t));
    describe(t);
    return record(t, round, out_model);
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
    sl_classifier_model_free(&t.classifier);
    sl_arena_free(t.arena);
    return sl_job_end(&job, status, t.result);
}
