/* What reviewers said goes before what is known of simulated images: the labels, and a classifier taught by
 * them. */
#include "scratch_workspace.h"

#include "base/random/random.h"
#include "loop/classify/labels.h"
#include "loop/classify/train_classifier.h"
#include "loop/judge/calibration.h"
#include "loop/round/round.h"

#include <string.h>

enum { SIDE_PX = 32, SIMULATED = 60, GENERATED = 120 };

/* A smooth image, brighter at the top or at the bottom. */
static void add_image(sl_origin origin, int number, bool top) {
    sl_image image;
    sl_random random = sl_random_stream(5, SL_STREAM_TEST, (uint32_t)(number + 1000 * (int)origin));
    assert_ok(sl_image_new(SIDE_PX, SIDE_PX, &image));
    for (int k = 0; k < SIDE_PX * SIDE_PX; k++) {
        bool bright = (k / SIDE_PX < SIDE_PX / 2) == top;
        image.value[k] = (float)((bright ? 40 : 10) + (int)sl_random_below(&random, 10));
    }
    sl_image_record record = {.origin = origin,
                              .group_key = sl_arena_printf(arena, "%d-%d", (int)origin, number),
                              .run_index = number,
                              .dtype = "F32",
                              .provenance = "{}"};
    int added;
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
    assert_ok(sl_store_images_add(workspace->store, &record, 1, false, &added));
    /* the simulator calls the other half real: who learns from it, learns the wrong thing */
    sl_truth truth = {record.id, !top, top ? "A20" : NULL, top ? 1 : 0};
    if (origin == SL_ORIGIN_SIMULATED) assert_ok(sl_store_truths_add(workspace->store, &truth, 1));
    sl_image_free(&image);
}

static bool is_top(sl_id image) {
    sl_image_record record;
    assert_ok(sl_store_image_get(workspace->store, image, arena, &record));
    return record.run_index % 2;
}

/* Decides `count` more of the queue of all generated images: bright at the top is real. */
static void review(int count) {
    static sl_assignment_record *open;
    static int found, decided;
    if (!open) {
        sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
        int64_t queued;
        assert_ok(
            sl_label_queue_new(workspace, "anna", GENERATED, SL_ORIGIN_GENERATED, 2, &filter.round, &queued));
        assert_ok(sl_store_assignments(workspace->store, &filter, arena, &open, &found));
        assert_int_equal(found, GENERATED);
    }
    for (; count > 0; count--, decided++) {
        sl_decision decision = {.client_uuid = sl_arena_printf(arena, "%036d", decided),
                                .assignment = open[decided].id,
                                .image = open[decided].image,
                                .reviewer = open[decided].reviewer,
                                .label = is_top(open[decided].image) ? SL_LABEL_REAL : SL_LABEL_UNREAL};
        assert_ok(sl_store_decide(workspace->store, arena, &decision));
    }
}

static int64_t reviewed_of(const sl_feed_item *items, int64_t count) {
    int64_t reviewed = 0;
    for (int64_t i = 0; i < count; i++) reviewed += items[i].reviewed;
    return reviewed;
}

static void without_reviews_all_labels_count(void **state) {
    (void)state;
    sl_labelled labels;
    for (int k = 0; k < SIMULATED; k++) add_image(SL_ORIGIN_SIMULATED, k, k % 2);
    for (int k = 0; k < GENERATED; k++) add_image(SL_ORIGIN_GENERATED, k, k % 2);
    assert_ok(sl_labels_collect(workspace, arena, &labels));
    assert_false(labels.from_reviews);
    assert_int_equal(labels.counts.set_aside, 0);
    assert_int_equal(labels.train_count + labels.calibration_count + labels.test_count, SIMULATED);
}

static void a_few_reviews_are_only_added(void **state) {
    (void)state;
    sl_labelled labels;
    review(4);
    assert_ok(sl_labels_collect(workspace, arena, &labels));
    assert_false(labels.from_reviews);
    assert_int_equal(labels.counts.set_aside, 0);
    assert_int_equal(labels.train_count + labels.calibration_count + labels.test_count, SIMULATED + 4);
}

static void enough_reviews_stand_alone(void **state) {
    (void)state;
    sl_labelled labels;
    review(GENERATED - 4);
    assert_ok(sl_labels_collect(workspace, arena, &labels));
    assert_true(labels.from_reviews);
    assert_int_equal(reviewed_of(labels.train, labels.train_count), labels.train_count);
    int64_t kept = labels.train_count + labels.calibration_count + labels.test_count;
    assert_int_equal(kept + labels.counts.set_aside, SIMULATED + GENERATED);
    assert_int_equal(labels.counts.real + labels.counts.unreal, kept);
    int64_t held_out = 0;
    for (int64_t i = 0; i < labels.train_count; i++) {
        assert_int_equal(labels.train[i].split == SL_FEED_HOLDOUT,
                         sl_label_is_held_out(labels.train[i].group));
        held_out += labels.train[i].split == SL_FEED_HOLDOUT;
    }
    assert_true(held_out > 0 && held_out < labels.train_count / 2);
}

/* The simulator's labels say the opposite, and the calibration part alone is too small to be sure of it. */
static void a_classifier_learns_what_reviewers_said(void **state) {
    (void)state;
    sl_train_classifier_settings settings;
    sl_id model = 0;
    sl_labelled labels;
    json_t *result = json_object();
    assert_ok(sl_options_default(sl_train_classifier_options, arena, &settings));
    settings.size_px = SIDE_PX;
    assert_ok(sl_train_classifier_run(&settings, workspace, 0, NULL, result, &model));
    assert_ok(sl_labels_collect(workspace, arena, &labels));
    const char *where = json_string_value(json_object_get(result, "calibrated_on"));
    assert_true(where && strstr(where, "reviewed images"));
    const json_t *threshold = json_object_get(result, "threshold"),
                 *ranking = json_object_get(result, "calibration_ranking");
    assert_int_equal(json_integer_value(json_object_get(threshold, "n")),
                     labels.train_count + reviewed_of(labels.calibration, labels.calibration_count));
    assert_true(json_real_value(json_object_get(ranking, "roc_auc")) > 0.95);
    assert_true(json_real_value(json_object_get(json_object_get(result, "test"), "roc_auc")) > 0.9);
    json_decref(result);
}

/* One lucky image is no precision. */
static void a_threshold_rests_on_more_than_one_image(void **state) {
    (void)state;
    enum { N = 40 };
    double p[N];
    bool label[N];
    sl_threshold chosen;
    for (int i = 0; i < N; i++) {
        p[i] = 1 - 0.01 * i;
        label[i] = i == 0 || (i > 1 && i < 20 && i % 5);
    }
    assert_ok(sl_threshold_choose(p, label, N, 0.95, 0.95, &chosen));
    assert_string_equal(chosen.rule, "best");
    assert_true(chosen.accepted > 5);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_reviews_all_labels_count),
    cmocka_unit_test(a_few_reviews_are_only_added),
    cmocka_unit_test(enough_reviews_stand_alone),
    cmocka_unit_test(a_classifier_learns_what_reviewers_said),
    cmocka_unit_test(a_threshold_rests_on_more_than_one_image),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
