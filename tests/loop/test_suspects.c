/* Labels that are asked for again because classifiers contradict them which have not seen them. */
#include "scratch_workspace.h"

#include "base/log.h"
#include "base/random/random.h"
#include "loop/round/round.h"

#include <string.h>

enum { SIDE_PX = 32, IMAGES = 60, QUEUE = 56 };

static int open_quietly(void **state) {
    sl_log_set_level(SL_LOG_ERROR);
    return scratch_open(state);
}

/* A smooth image, brighter at the top (real) or at the bottom. */
static sl_status add_image(sl_round *round, int number, sl_id run) {
    sl_image image;
    sl_random random = sl_random_stream(round->seed, SL_STREAM_TEST, (uint32_t)number);
    bool top = number % 2;
    SL_TRY(sl_image_new(SIDE_PX, SIDE_PX, &image));
    for (int k = 0; k < SIDE_PX * SIDE_PX; k++) {
        bool bright = (k / SIDE_PX < SIDE_PX / 2) == top;
        image.value[k] = (float)((bright ? 40 : 10) + (int)sl_random_below(&random, 10));
    }
    sl_image_record record = {.origin = SL_ORIGIN_GENERATED,
                              .group_key =
                                  sl_arena_printf(round->arena, "%lld-%d", (long long)round->id, number),
                              .run = run,
                              .run_index = number,
                              .round = round->id,
                              .dtype = "F32",
                              .provenance = "{}"};
    sl_status status = sl_workspace_put_image(round->workspace, &image, round->arena, &record);
    sl_image_free(&image);
    if (!status) status = sl_store_images_add(round->workspace->store, &record, 1, false, NULL);
    SL_TRY(status);
    sl_truth truth = {record.id, top, top ? NULL : "A1", top ? 0 : 1};
    return sl_store_truths_add(round->workspace->store, &truth, 1);
}

static sl_status make_images(sl_round *round, json_t *result) {
    sl_run_record run = {.kind = "generate", .config = "{}", .round = round->id};
    SL_TRY(sl_store_run_start(round->workspace->store, &run));
    for (int k = 0; k < IMAGES; k++) SL_TRY(add_image(round, k, run.id));
    json_object_set_new(result, "images", json_integer(IMAGES));
    return sl_store_run_finish(round->workspace->store, run.id, SL_RUN_DONE, NULL);
}

/* The rounds as they are, but for the images. */
static const sl_round_rule *rules(void) {
    static sl_round_rule own[16];
    for (int i = 0; sl_round_rules[i].name; i++) {
        own[i] = sl_round_rules[i];
        if (strcmp(own[i].name, "generate") == 0) own[i].run = make_images;
    }
    return own;
}

static int64_t run_round(double expert_error) {
    sl_round_settings settings = {0};
    json_t *result;
    assert_ok(sl_options_default(sl_round_options, arena, &settings));
    settings.expert = SL_EXPERT_SIMULATED;
    settings.expert_error = expert_error;
    settings.count = IMAGES;
    settings.queue = QUEUE;
    assert_ok(sl_round_run(workspace, &settings, rules(), NULL, &result));
    const json_t *select = json_object_get(json_object_get(result, "steps"), "select");
    int64_t suspects = json_integer_value(json_object_get(select, "suspect"));
    json_decref(result);
    return suspects;
}

static void an_erring_expert_is_asked_again(void **state) {
    (void)state;
    assert_int_equal(run_round(0.4), 0); /* nothing is decided before */
    assert_true(run_round(0.4) > 0);
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    sl_assignment_record *asked;
    int count;
    filter.round = 2;
    filter.queue = SL_QUEUE_SUSPECT;
    assert_ok(sl_store_assignments(workspace->store, &filter, arena, &asked, &count));
    for (int i = 0; i < count; i++) {
        sl_prediction *said;
        sl_image_record record;
        int predictions, unseen = 0;
        assert_ok(sl_store_image_get(workspace->store, asked[i].image, arena, &record));
        assert_int_equal(record.round, 1);
        assert_ok(sl_store_predictions(workspace->store, asked[i].image, arena, &said, &predictions));
        for (int k = 0; k < predictions; k++) unseen += said[k].fold > 0;
        assert_true(unseen > 0);
    }
    /* who has answered twice is not asked a third time */
    run_round(0.4);
    sl_assignment_record *later;
    int more;
    filter.round = 3;
    assert_ok(sl_store_assignments(workspace->store, &filter, arena, &later, &more));
    for (int i = 0; i < more; i++)
        for (int k = 0; k < count; k++) assert_int_not_equal(later[i].image, asked[k].image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_quietly, scratch_close)
static const struct CMUnitTest tests[] = {
    TEST(an_erring_expert_is_asked_again),
};
TEST_MAIN(tests)
