/* Physical evidence beside a classifier: the fit alone, then through a workspace from training to verdict. */
#include "scratch_workspace.h"

#include "base/random/random.h"
#include "loop/classify/classifier_model.h"
#include "loop/classify/classify.h"
#include "loop/classify/train_classifier.h"
#include "loop/judge/logistic.h"
#include "loop/judge/metrics.h"
#include "loop/report/report.h"
#include "train/classifier/classifier.h"
#include "xray/simulate.h"

#include <math.h>

static void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("%.9g is not %.9g within %g", found, expected, tolerance);
}

/* ---- the fit ---- */

enum { N = 4000 };
typedef struct scored {
    double logit[N], oddness[N];
    bool label[N];
} scored;

static void the_law_is_found_again(void **state) {
    (void)state;
    static scored s;
    sl_random random = sl_random_stream(3, SL_STREAM_TEST, 1);
    for (int i = 0; i < N; i++) {
        s.logit[i] = 2 * sl_random_normal(&random);
        s.oddness[i] = 6 * sl_random_uniform(&random);
        s.label[i] = sl_random_uniform(&random) < sl_logistic(0.5 * s.logit[i] + 2 - 0.8 * s.oddness[i]);
    }
    sl_evidence found;
    assert_ok(sl_evidence_fit(s.logit, s.oddness, s.label, N, &found));
    assert_true(found.used);
    assert_int_equal(found.n, N);
    assert_near(found.slope, 0.5, 0.05);
    assert_near(found.weight, 0.8, 0.06);
    assert_near(found.offset + found.weight * found.usual, 2, 0.15);
    assert_near(sl_evidence_apply(&found, 1, found.usual), sl_logistic(found.slope + found.offset), 1e-12);
    assert_true(sl_evidence_apply(&found, 1, 5) < sl_evidence_apply(&found, 1, 1));
}

/* A kind of fault that the classifier takes for real and that a physical test sees: half of the unreal. */
static void make_blind_spot(scored *out) {
    sl_random random = sl_random_stream(4, SL_STREAM_TEST, 1);
    for (int i = 0; i < N; i++) {
        bool real = i % 2, seen = i % 4 == 0;
        out->label[i] = real;
        out->logit[i] = (real || !seen ? 1 : -2) + sl_random_normal(&random);
        out->oddness[i] =
            real || seen ? fabs(0.5 * sl_random_normal(&random)) : 4 + sl_random_uniform(&random);
    }
}

static void evidence_finds_what_the_classifier_misses(void **state) {
    (void)state;
    static scored s;
    static double p[N];
    sl_evidence found;
    make_blind_spot(&s);
    assert_ok(sl_evidence_fit(s.logit, s.oddness, s.label, N / 2, &found));
    /* the other half was not fitted on */
    for (int i = N / 2; i < N; i++) p[i] = sl_evidence_apply(&found, s.logit[i], s.oddness[i]);
    assert_true(sl_roc_auc(s.logit + N / 2, s.label + N / 2, N / 2) < 0.8);
    assert_true(sl_roc_auc(p + N / 2, s.label + N / 2, N / 2) > 0.95);
    assert_true(sl_calibration_error(p + N / 2, s.label + N / 2, N / 2, 10) < 0.06);
}

static void what_cannot_be_weighed_is_not(void **state) {
    (void)state;
    static scored s;
    sl_evidence found = {0};
    make_blind_spot(&s);
    assert_status(sl_evidence_fit(s.logit, s.oddness, s.label, 2 * SL_EVIDENCE_IMAGES_MIN - 1, &found),
                  SL_INVALID);
    assert_string_equal(sl_error_message(),
                        "19 real and 20 unreal images to weigh physical evidence by, expected 20 of each");
    assert_ok(sl_evidence_fit(s.logit, s.oddness, s.label, 2 * SL_EVIDENCE_IMAGES_MIN, &found));
    found = (sl_evidence){0};
    for (int i = 0; i < N; i++) s.oddness[i] = -s.oddness[i];
    assert_status(sl_evidence_fit(s.logit, s.oddness, s.label, N, &found), SL_INVALID);
    assert_false(found.used);
    s.logit[7] = NAN;
    assert_status(sl_evidence_fit(s.logit, s.oddness, s.label, N, &found), SL_NUMERIC);
}

/* A classifier that is wrong more often than right is left out, never turned round. */
static void a_wrong_classifier_is_not_turned_round(void **state) {
    (void)state;
    static scored s;
    sl_evidence found;
    make_blind_spot(&s);
    for (int i = 0; i < N; i++) s.logit[i] = -s.logit[i];
    assert_ok(sl_evidence_fit(s.logit, s.oddness, s.label, N, &found));
    assert_true(found.slope > 0 && found.slope < 0.01);
    assert_true(found.weight > 0.1);
}

/* ---- in the classifier's folder ---- */

static void the_folder_keeps_it(void **state) {
    (void)state;
    const char *path = sl_path_join(arena, folder, "kept");
    sl_classifier_model made = {.architecture = "resnet18",
                                .size_px = 32,
                                .calibration = {2, 0},
                                .evidence = {true, 0.25, -0.5, 0.75, 0.125, 40},
                                .threshold = 0.5},
                        read;
    assert_ok(sl_folder_make(path));
    assert_ok(sl_classifier_new("resnet18", SL_CLASSES, 32, 1, &made.model));
    assert_ok(sl_classifier_model_save(&made, path));
    assert_ok(sl_classifier_model_load(path, &read));
    assert_true(read.evidence.used);
    assert_int_equal(read.evidence.n, 40);
    assert_near(sl_classifier_model_p_real(&read, 3, 2), sl_logistic(0.75 - 0.5 - 0.75 * (2 - 0.125)), 1e-12);
    sl_classifier_model_free(&read);
    made.evidence.used = false;
    assert_ok(sl_classifier_model_save(&made, path));
    assert_ok(sl_classifier_model_load(path, &read));
    assert_false(read.evidence.used);
    assert_near(sl_classifier_model_p_real(&read, 3, 2), sl_logistic(6), 1e-12);
    sl_classifier_model_free(&read);
    sl_classifier_model_free(&made);
}

static void a_damaged_one_is_named(void **state) {
    (void)state;
    sl_evidence read;
    json_t *half = json_pack("{s:f, s:f}", "slope", 1.0, "offset", 0.0);
    assert_status(sl_evidence_from_json(half, &read), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "weight"));
    assert_false(read.used);
    json_decref(half);
    assert_ok(sl_evidence_from_json(NULL, &read));
    assert_false(read.used);
}

/* ---- through a workspace ---- */

enum { SIDE_PX = 128, PARTS = 3 };
static const int wanted[PARTS] = {24, 60, 40}; /* images of the splits, half of them tiled */

static void add_image(sl_split split, int number, bool tiled, sl_id round) {
    sl_sim_sample sample = {0};
    sl_sim_options options = {.size_px = SIDE_PX, .class_id = SL_SIM_CLASS_ANY, .measure = true};
    int added;
    assert_ok(sl_sim_sample_make(77, (uint32_t)number, &options, &sample));
    if (tiled) assert_ok(sl_artefact_inject(SL_ARTEFACT_TILED, 1, &sample));
    sl_image_record record = {.origin = SL_ORIGIN_SIMULATED,
                              .group_key = group_in(split, number),
                              .caption = sample.caption,
                              .round = round,
                              .run_index = number,
                              .dtype = "F32",
                              .provenance = "{}"};
    assert_ok(sl_workspace_put_image(workspace, &sample.measured, arena, &record));
    assert_ok(sl_store_images_add(workspace->store, &record, 1, false, &added));
    sl_truth truth = {record.id, !tiled, tiled ? "A20" : NULL, tiled ? 1 : 0};
    assert_ok(sl_store_truths_add(workspace->store, &truth, 1));
    sl_sim_sample_free(&sample);
}

static sl_id the_round;

static void fill_workspace(void) {
    int number = 0;
    sl_round_record round = {.config = "{}"};
    assert_ok(sl_store_round_start(workspace->store, &round));
    the_round = round.id;
    for (int part = 0; part < PARTS; part++)
        for (int k = 0; k < wanted[part]; k++, number++)
            add_image((sl_split)part, number, k % 2, part == SL_SPLIT_TEST ? round.id : 0);
}

static json_t *train(const char *evidence) {
    sl_train_classifier_settings settings;
    sl_id model;
    json_t *result = json_object(), *config = json_pack("{s:s}", "evidence", evidence);
    assert_ok(sl_options_from_json(sl_train_classifier_options, config, arena, &settings));
    settings.size_px = 32;
    settings.epochs = 1;
    assert_ok(sl_train_classifier_run(&settings, workspace, 0, NULL, result, &model));
    json_decref(config);
    return result;
}

static double roc_auc(const json_t *result, const char *key) {
    return json_real_value(json_object_get(json_object_get(result, key), "roc_auc"));
}

static void evidence_raises_detection(void **state) {
    (void)state;
    fill_workspace();
    json_t *result = train("physical");
    json_t *evidence = json_object_get(result, "evidence");
    assert_true(json_is_object(evidence));
    assert_int_equal(json_integer_value(json_object_get(evidence, "n")), wanted[SL_SPLIT_CALIBRATION]);
    double alone = roc_auc(result, "test_without_evidence"), with = roc_auc(result, "test");
    if (!(with > alone + 0.1 && with > 0.7)) fail_msg("area %.3f with evidence, %.3f without", with, alone);
    json_decref(result);
}

static sl_verdict *classify(double physics_level, sl_classify_result *made) {
    sl_classify_settings settings;
    sl_verdict *verdicts;
    int64_t count;
    assert_ok(sl_options_default(sl_classify_options, arena, &settings));
    settings.origin = 1;
    settings.physics_level = physics_level;
    assert_ok(sl_classify(&settings, workspace, the_round, NULL, made));
    assert_ok(sl_store_verdicts(workspace->store, the_round, 0, arena, &verdicts, &count));
    assert_int_equal(count, wanted[SL_SPLIT_TEST]);
    return verdicts;
}

/* What the classifier alone said is kept; the verdict says when the tests turned it. */
static void verdicts_say_what_moved_them(void **state) {
    (void)state;
    sl_classify_result made;
    sl_verdict *verdicts = classify(0, &made);
    int lowered = 0;
    double furthest = 0;
    for (int i = 0; i < wanted[SL_SPLIT_TEST]; i++) {
        sl_prediction *predictions;
        int count;
        assert_ok(sl_store_predictions(workspace->store, verdicts[i].image, arena, &predictions, &count));
        assert_int_equal(count, 1);
        furthest = fmax(furthest, fabs(predictions[0].p_real - verdicts[i].p_real));
        lowered += strstr(verdicts[i].reasons, "evidence of ") != NULL;
        assert_int_equal(verdicts[i].accepted, verdicts[i].reasons[0] == 0);
    }
    assert_int_equal(made.impossible, 0);
    assert_true(lowered > 0 && lowered == made.lowered);
    assert_true(furthest > 0.2);
    sl_free(verdicts);
}

static void the_report_shows_both_probabilities(void **state) {
    (void)state;
    const sl_report_settings settings = {.thumbnails = 80};
    const char *path;
    char *page;
    size_t bytes;
    assert_ok(sl_report_write(workspace, &settings, NULL, arena, &path));
    assert_ok(sl_file_read(path, 1 << 26, &page, &bytes));
    assert_non_null(strstr(page, "(classifier alone 0."));
    assert_non_null(strstr(page, "evidence of "));
    sl_free(page);
}

static void without_evidence_the_verdict_is_the_classifiers(void **state) {
    (void)state;
    sl_classify_result made;
    json_t *result = train("none"); /* the same weights: another classifier all the same */
    assert_null(json_object_get(result, "evidence"));
    assert_null(json_object_get(result, "test_without_evidence"));
    json_decref(result);
    sl_verdict *verdicts = classify(0, &made);
    for (int i = 0; i < wanted[SL_SPLIT_TEST]; i++) {
        sl_prediction *predictions;
        int count;
        assert_ok(sl_store_predictions(workspace->store, verdicts[i].image, arena, &predictions, &count));
        assert_near(verdicts[i].p_real, predictions[0].p_real,
                    1e-12); /* the newest classifier's comes first */
        assert_null(strstr(verdicts[i].reasons, "evidence"));
    }
    assert_int_equal(made.lowered + made.raised, 0);
    sl_free(verdicts);
}

static void few_images_leave_the_classifier_alone(void **state) {
    (void)state;
    sl_workspace *large = workspace;
    const char *root = sl_path_join(arena, folder, "small");
    assert_ok(sl_workspace_init(root, 1));
    assert_ok(sl_workspace_open(root, &workspace));
    for (int k = 0; k < 40; k++) add_image(k < 30 ? SL_SPLIT_TRAIN : SL_SPLIT_CALIBRATION, k, k % 2, 0);
    json_t *result = train("physical");
    assert_string_equal(
        json_string_value(json_object_get(result, "evidence")),
        "not used: 5 real and 5 unreal images to weigh physical evidence by, expected 20 of each");
    assert_true(json_is_object(json_object_get(result, "calibration")));
    json_decref(result);
    sl_workspace_close(workspace);
    workspace = large;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_law_is_found_again),
    cmocka_unit_test(evidence_finds_what_the_classifier_misses),
    cmocka_unit_test(what_cannot_be_weighed_is_not),
    cmocka_unit_test(a_wrong_classifier_is_not_turned_round),
    cmocka_unit_test(the_folder_keeps_it),
    cmocka_unit_test(a_damaged_one_is_named),
    cmocka_unit_test(evidence_raises_detection),
    cmocka_unit_test(verdicts_say_what_moved_them),
    cmocka_unit_test(the_report_shows_both_probabilities),
    cmocka_unit_test(without_evidence_the_verdict_is_the_classifiers),
    cmocka_unit_test(few_images_leave_the_classifier_alone),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
