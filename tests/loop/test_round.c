/* The state machine of rounds with steps that need no network, killed and gone on with. */
#include "scratch_workspace.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random/random.h"
#include "loop/review.h"
#include "loop/round/round.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IMAGES = 120, QUEUE = 40 };

static int open_quietly(void **state) {
    sl_log_set_level(SL_LOG_WARN);
    return scratch_open(state);
}

static sl_round_settings settings_of(int expert) {
    sl_round_settings settings = {0};
    assert_ok(sl_options_default(sl_round_options, arena, &settings));
    settings.expert = expert;
    settings.reviewer = expert ? NULL : "anna";
    settings.queue = QUEUE;
    settings.count = IMAGES;
    settings.seed = 5;
    settings.rounds = 3;
    return settings;
}

/* Image k of the round; the first half without fault. Adding it twice changes nothing. */
static sl_status add_image(sl_round *round, int64_t k, sl_id run) {
    sl_image_record image = {
        .content_hash =
            sl_arena_printf(round->arena, "%016llx%048llx", (unsigned long long)round->seed, (long long)k),
        .object_hash = "none",
        .origin = SL_ORIGIN_GENERATED,
        .group_key = sl_arena_printf(round->arena, "%lld", (long long)k),
        .run = run,
        .run_index = k,
        .round = round->id,
        .height_px = 1,
        .width_px = 1,
        .dtype = "F32",
    };
    SL_TRY(sl_store_images_add(round->workspace->store, &image, 1, false, NULL));
    sl_truth truth = {
        .image = image.id, .real = k < IMAGES / 2, .artefact = k < IMAGES / 2 ? NULL : "A1", .strength = 0.9};
    return sl_store_truths_add(round->workspace->store, &truth, 1);
}

static void pause_a_moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static sl_status make_images(sl_round *round, json_t *result) {
    sl_run_record run = {.kind = "generate", .config = "{}", .round = round->id};
    SL_TRY(sl_store_run_start(round->workspace->store, &run));
    for (int64_t k = 0; k < round->settings->count; k++) {
        SL_TRY(add_image(round, k, run.id));
        pause_a_moment();
    }
    json_object_set_new(result, "images", json_integer(round->settings->count));
    return sl_store_run_finish(round->workspace->store, run.id, SL_RUN_DONE, NULL);
}

/* A classifier that is right in four of five. */
static sl_status judge_images(sl_round *round, json_t *result) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    sl_image_record *images;
    int count;
    filter.round = round->id;
    SL_TRY(sl_store_images(round->workspace->store, &filter, round->arena, &images, &count));
    for (int i = 0; i < count; i++) {
        int64_t k = images[i].run_index;
        bool accepted = (k < IMAGES / 2) != (k % 5 == 0);
        sl_verdict verdict = {.image = images[i].id,
                              .round = round->id,
                              .accepted = accepted,
                              .p_real = accepted ? 0.8 : 0.2,
                              .threshold = 0.5,
                              .reasons = accepted ? "" : "score"};
        SL_TRY(sl_store_verdicts_add(round->workspace->store, &verdict, 1));
    }
    json_object_set_new(result, "judged", json_integer(count));
    return SL_OK;
}

static int failures_left;

static sl_status fail_at_first(sl_round *round, json_t *result) {
    (void)round;
    json_object_set_new(result, "trained", json_true());
    return failures_left-- > 0 ? sl_fail(SL_NUMERIC, "loss is NaN") : SL_OK;
}

static const sl_round_rule rules[] = {{"generate", make_images},
                                      {"classify", judge_images},
                                      {"select", sl_round_select},
                                      {"review", sl_round_review},
                                      {"measure", sl_round_measure},
                                      {"retrain", fail_at_first},
                                      {0}};

static int64_t number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static void a_simulated_round_runs_through(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    json_t *result;
    settings.confidence = 0.9;
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(number(result, "number"), 1);
    assert_true(json_is_null(json_object_get(result, "waiting")));
    json_t *metrics = json_object_get(result, "metrics");
    assert_int_equal(number(metrics, "decided"), QUEUE);
    assert_int_equal(number(metrics, "pool"), IMAGES);
    assert_true(json_real_value(json_object_get(metrics, "confidence")) == 0.9);
    assert_true(json_is_true(json_object_get(metrics, "simulated_expert")));
    json_decref(result);
    sl_round_record *rounds;
    int count;
    assert_ok(sl_store_rounds(workspace->store, arena, &rounds, &count));
    assert_int_equal(rounds[0].state, SL_RUN_DONE);
    assert_non_null(strstr(rounds[0].metrics, "precision_corrected"));
    sl_reviewer *reviewers;
    assert_ok(sl_store_reviewers(workspace->store, arena, &reviewers, &count));
    assert_true(reviewers[0].simulated);
}

/* A person answers all that is asked in the round; returns how much that is. */
static int decide_all(sl_id round) {
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    sl_assignment_record *open;
    int count;
    filter.round = round;
    assert_ok(sl_store_assignments(workspace->store, &filter, arena, &open, &count));
    for (int i = 0; i < count; i++) {
        sl_decision decision = {.client_uuid = sl_arena_printf(arena, "%018lld%018d", (long long)round, i),
                                .assignment = open[i].id,
                                .image = open[i].image,
                                .reviewer = open[i].reviewer,
                                .label = SL_LABEL_REAL};
        assert_ok(sl_store_decide(workspace->store, arena, &decision));
    }
    return count;
}

static void a_person_is_waited_for(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    json_t *result;
    settings.reviewer = "jane";
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_string_equal(json_string_value(json_object_get(result, "waiting")), "review");
    assert_string_equal(json_string_value(json_object_get(result, "reviewer")), "jane");
    sl_id round = number(result, "round");
    json_decref(result);
    assert_int_equal(decide_all(round), QUEUE);
    settings.count = 1; /* a round goes on with what it was started with */
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(number(result, "round"), round);
    assert_true(json_is_true(json_object_get(result, "resumed")));
    assert_true(json_is_null(json_object_get(result, "waiting")));
    json_t *steps = json_object_get(result, "steps");
    assert_int_equal(number(json_object_get(steps, "generate"), "images"), IMAGES);
    json_decref(result);
}

static void assert_waits(const sl_round_settings *settings, int64_t expected, bool resumed) {
    json_t *result;
    assert_ok(sl_round_run(workspace, settings, rules, NULL, &result));
    assert_int_equal(number(result, "number"), expected);
    assert_int_equal(json_is_true(json_object_get(result, "resumed")), resumed);
    assert_string_equal(json_string_value(json_object_get(result, "waiting")), "review");
    json_decref(result);
}

/* Whoever goes on with the round: who was asked at its start is waited for. */
static void another_user_is_not_asked_instead(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    sl_round_record round;
    settings.reviewer = NULL;
    setenv("USER", "alice", 1);
    assert_waits(&settings, 1, false);
    assert_ok(sl_store_round_get(workspace->store, 1, arena, &round));
    assert_non_null(strstr(round.config, "\"reviewer\":\"alice\""));
    setenv("USER", "bob", 1);
    assert_waits(&settings, 1, true);
    assert_int_equal(decide_all(1), QUEUE);
    json_t *result;
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_true(json_is_null(json_object_get(result, "waiting")));
    assert_int_equal(number(json_object_get(result, "metrics"), "decided"), QUEUE);
    json_decref(result);
}

static sl_status ask_nobody(sl_round *round, json_t *result) {
    (void)round;
    (void)result;
    return SL_OK;
}

static void a_round_that_asked_nobody_is_not_done(void **state) {
    (void)state;
    static const sl_round_rule unasked[] = {{"select", ask_nobody}, {"review", sl_round_review}, {0}};
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    json_t *result;
    assert_status(sl_round_run(workspace, &settings, unasked, NULL, &result), SL_NOT_FOUND);
    assert_non_null(strstr(sl_error_message(), "nobody was asked"));
}

static void a_failed_step_is_tried_again(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    json_t *result;
    sl_round_step step;
    failures_left = 1;
    assert_status(sl_round_run(workspace, &settings, rules, NULL, &result), SL_NUMERIC);
    assert_string_equal(sl_error_message(), "round 1, retrain: loss is NaN");
    assert_ok(sl_store_step_get(workspace->store, 1, "retrain", arena, &step));
    assert_int_equal(step.state, SL_RUN_FAILED);
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(number(result, "number"), 1);
    json_decref(result);
    failures_left = 1;
    assert_status(sl_round_run(workspace, &settings, rules, NULL, &result), SL_NUMERIC);
    int64_t abandoned;
    assert_ok(sl_round_abandon(workspace, &abandoned));
    assert_int_equal(abandoned, 2);
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(number(result, "number"), 3);
    json_decref(result);
}

/* Fails at first, and says what it would have used. */
static sl_status use_choices(sl_round *round, json_t *result) {
    const sl_round_settings *s = round->settings;
    json_object_set_new(result, "lora", json_string(sl_path_base(s->lora)));
    json_object_set_new(result, "prompts", json_integer(s->prompts.count));
    json_object_set_new(result, "prompt", json_string(s->prompts.count ? s->prompts.item[0] : "none"));
    return failures_left-- > 0 ? sl_fail(SL_NUMERIC, "loss is NaN") : SL_OK;
}

static const sl_round_rule choosing[] = {{"generate", use_choices}, {0}};

static void add_adapter_and_caption(const char *name, const char *hash) {
    sl_model_record model = {.hash = hash, .kind = "lora", .name = name, .path = name};
    sl_image_record image = {.content_hash = sl_arena_printf(arena, "%s%s", hash, hash),
                             .object_hash = "none",
                             .origin = SL_ORIGIN_EXPERIMENTAL,
                             .split = SL_SPLIT_TRAIN,
                             .group_key = name,
                             .caption = name,
                             .height_px = 1,
                             .width_px = 1,
                             .dtype = "F32"};
    assert_ok(sl_store_model_add(workspace->store, &model));
    assert_ok(sl_store_images_add(workspace->store, &image, 1, false, NULL));
}

static void assert_chosen(const sl_round_settings *settings, const char *lora, int64_t prompts) {
    json_t *result;
    assert_ok(sl_round_run(workspace, settings, choosing, NULL, &result));
    const json_t *step = json_object_get(json_object_get(result, "steps"), "generate");
    assert_string_equal(json_string_value(json_object_get(step, "lora")), lora);
    assert_int_equal(number(step, "prompts"), prompts);
    json_decref(result);
}

/* An adapter or a caption that comes meanwhile is for the next round. */
static void a_resumed_round_keeps_what_it_chose(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    json_t *result;
    assert_chosen(&settings, "none", 0);
    add_adapter_and_caption("first", "aa");
    failures_left = 1;
    assert_status(sl_round_run(workspace, &settings, choosing, NULL, &result), SL_NUMERIC);
    add_adapter_and_caption("second", "bb");
    assert_chosen(&settings, "first", 1);
    assert_chosen(&settings, "second", 2);
    settings.lora = "none";
    assert_chosen(&settings, "none", 2);
}

/* Everything that the rounds of a workspace say, as one text. */
static char *describe_rounds(sl_workspace *of) {
    sl_text text = SL_TEXT_INIT;
    sl_round_record *rounds;
    int count;
    assert_ok(sl_store_rounds(of->store, arena, &rounds, &count));
    for (int i = 0; i < count; i++) {
        sl_image_filter filter = SL_IMAGE_FILTER_ALL;
        int64_t images;
        filter.round = rounds[i].id;
        assert_ok(sl_store_image_count(of->store, &filter, &images));
        sl_text_printf(&text, "round %lld %s images %lld metrics %s\n", (long long)rounds[i].number,
                       sl_run_state_name(rounds[i].state), (long long)images,
                       rounds[i].metrics ? rounds[i].metrics : "none");
    }
    char *kept = sl_arena_strdup(arena, sl_text_get(&text));
    sl_text_free(&text);
    return kept;
}

static void run_child(void) {
    sl_workspace *own;
    json_t *result;
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    if (sl_workspace_open(scratch_root, &own)) _exit(2);
    _exit(sl_loop_run(own, &settings, rules, NULL, &result) ? 3 : 0);
}

static bool is_loop_done(void) {
    sl_workspace *own;
    sl_round_record *rounds;
    int count;
    assert_ok(sl_workspace_open(scratch_root, &own));
    assert_ok(sl_store_rounds(own->store, arena, &rounds, &count));
    sl_workspace_close(own);
    return count >= 3 && rounds[2].state == SL_RUN_DONE;
}

/* Killed at twenty random moments, a loop of three rounds ends as one that was left alone. */
static void a_killed_loop_ends_the_same(void **state) {
    (void)state;
    enum { KILLS = 20 };
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    json_t *result;
    assert_ok(sl_loop_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(json_array_size(json_object_get(result, "rounds")), 3);
    json_decref(result);
    char *undisturbed = strdup(describe_rounds(workspace)); /* the arena ends with the workspace */
    scratch_close(state);
    assert_int_equal(open_quietly(state), 0);
    sl_workspace_close(workspace);

    sl_random random = sl_random_stream((uint64_t)sl_clock_unix_ms(), SL_STREAM_TEST, 2);
    int killed = 0, code = -1;
    for (int run = 0; run < 1000; run++) {
        pid_t child = fork();
        if (child == 0) run_child();
        if (killed < KILLS) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000 + sl_random_below(&random, 100000000)}, NULL);
            kill(child, SIGKILL);
        }
        waitpid(child, &code, 0);
        if (!WIFSIGNALED(code)) break;
        killed++;
        if (is_loop_done())
            break; /* there is no telling whether it was killed before or after its last word */
    }
    assert_true(WIFSIGNALED(code) || (WIFEXITED(code) && WEXITSTATUS(code) == 0));
    print_message("killed %d times\n", killed);
    assert_ok(sl_workspace_open(scratch_root, &workspace));
    const char *disturbed = describe_rounds(workspace);
    size_t same = 0;
    while (disturbed[same] && disturbed[same] == undisturbed[same]) same++;
    if (disturbed[same] != undisturbed[same])
        fail_msg("left alone: ...%.120s\nkilled:     ...%.120s", undisturbed + same - (same < 60 ? same : 60),
                 disturbed + same - (same < 60 ? same : 60));
    int64_t links;
    assert_ok(sl_store_check(workspace->store, &links));
    assert_int_equal(links, 3 * QUEUE);
    free(undisturbed);
}

static void labels_can_come_first(void **state) {
    (void)state;
    sl_round round = {.workspace = workspace, .arena = arena, .seed = 9};
    sl_id queue;
    int64_t count;
    assert_status(sl_label_queue_new(workspace, "anna", 10, SL_ANY, 1, &queue, &count), SL_NOT_FOUND);
    sl_round_record record = {.config = "{}"};
    assert_ok(sl_store_round_start(workspace->store, &record));
    assert_ok(sl_store_round_finish(workspace->store, record.id, SL_RUN_DONE, NULL));
    round.id = record.id;
    for (int k = 0; k < 12; k++) assert_ok(add_image(&round, k, 0));
    assert_ok(sl_label_queue_new(workspace, "anna", 10, SL_ANY, 1, &queue, &count));
    assert_int_equal(count, 10);
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    sl_assignment_record *open;
    int found;
    filter.round = queue;
    assert_ok(sl_store_assignments(workspace->store, &filter, arena, &open, &found));
    assert_int_equal(found, 10);
    for (int i = 0; i < 10; i++) {
        assert_true(open[i].blind && open[i].propensity == 10.0 / 12);
        for (int j = 0; j < i; j++) assert_int_not_equal(open[i].image, open[j].image);
    }
    sl_decision decision = {.client_uuid = "000000000000000000000000000000000001",
                            .assignment = open[0].id,
                            .image = open[0].image,
                            .reviewer = open[0].reviewer,
                            .label = SL_LABEL_REAL};
    assert_ok(sl_store_decide(workspace->store, arena, &decision));
    assert_ok(sl_label_queue_new(workspace, "anna", 50, SL_ORIGIN_GENERATED, 2, &queue, &count));
    assert_int_equal(count, 11);
}

/* The round whose queue the page shows. */
static sl_id shown_queue(sl_review *review) {
    json_t *items;
    assert_ok(sl_review_items(review, &items));
    const char *queue = json_string_value(json_object_get(items, "queue"));
    sl_id id = queue ? strtoll(queue, NULL, 10) : 0;
    json_decref(items);
    return id;
}

static void open_page(sl_review *review) {
    json_t *session;
    assert_ok(sl_review_session(review, &session));
    json_decref(session);
}

static void a_label_queue_leaves_the_round_under_way(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    sl_review *review;
    sl_id queue;
    int64_t count, abandoned;
    assert_waits(&settings, 1, false);
    assert_ok(sl_review_open(scratch_root, "anna", &review));
    assert_ok(sl_label_queue_new(workspace, "anna", 1, SL_ANY, 1, &queue, &count));
    assert_waits(&settings, 1, true);
    assert_int_equal(shown_queue(review), queue);
    assert_int_equal(decide_all(queue), 1);
    assert_int_equal(shown_queue(review), queue); /* what was decided last can still be undone */
    open_page(review);
    assert_int_equal(shown_queue(review), 1);
    assert_ok(sl_round_abandon(workspace, &abandoned));
    assert_int_equal(abandoned, 1);
    assert_int_equal(shown_queue(review), queue); /* nobody waits for what was abandoned */
    sl_review_close(review);
}

/* A label queue cut off while it was made in several writes, as older programs did. */
static void half_a_label_queue_is_no_round(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    sl_round_record half = {.config = sl_label_queue_config};
    int64_t abandoned;
    assert_ok(sl_store_round_start(workspace->store, &half));
    assert_ok(sl_round_abandon(workspace, &abandoned));
    assert_int_equal(abandoned, 0);
    assert_waits(&settings, 2, false);
}

/* The second of two rounds is number 3 then. */
static void a_label_queue_is_no_round_of_a_loop(void **state) {
    (void)state;
    sl_round_settings settings = settings_of(SL_EXPERT_PERSON);
    sl_id queue;
    int64_t count;
    json_t *result;
    settings.rounds = 2;
    assert_ok(sl_loop_run(workspace, &settings, rules, NULL, &result));
    json_decref(result);
    assert_ok(sl_label_queue_new(workspace, "anna", 1, SL_ANY, 1, &queue, &count));
    assert_int_equal(decide_all(1), QUEUE);
    assert_ok(sl_loop_run(workspace, &settings, rules, NULL, &result));
    const json_t *rounds = json_object_get(result, "rounds");
    assert_int_equal(json_array_size(rounds), 2);
    assert_int_equal(number(json_array_get(rounds, 1), "number"), 3);
    json_decref(result);
    assert_int_equal(decide_all(3), QUEUE);
    assert_ok(sl_loop_run(workspace, &settings, rules, NULL, &result));
    assert_int_equal(json_array_size(json_object_get(result, "rounds")), 1);
    json_decref(result);
}

static int ready[2];

/* Tells that the round is under way, then works until it is killed. */
static sl_status work_for_ever(sl_round *round, json_t *result) {
    (void)round;
    (void)result;
    if (write(ready[1], "x", 1) != 1) _exit(5);
    for (;;) pause();
}

static void one_process_at_a_time(void **state) {
    (void)state;
    static const sl_round_rule endless[] = {{"generate", work_for_ever}, {0}};
    sl_round_settings settings = settings_of(SL_EXPERT_SIMULATED);
    json_t *result;
    char byte;
    assert_int_equal(pipe(ready), 0);
    sl_workspace_close(workspace);
    pid_t child = fork();
    if (child == 0) {
        if (sl_workspace_open(scratch_root, &workspace)) _exit(2);
        _exit((int)sl_round_run(workspace, &settings, endless, NULL, &result));
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_ok(sl_workspace_open(scratch_root, &workspace));
    assert_status(sl_round_run(workspace, &settings, rules, NULL, &result), SL_BUSY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(sl_round_run(workspace, &settings, rules, NULL, &result));
    assert_true(json_is_true(json_object_get(result, "resumed")));
    json_decref(result);
    close(ready[0]);
    close(ready[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_quietly, scratch_close)
static const struct CMUnitTest tests[] = {
    TEST(a_simulated_round_runs_through),
    TEST(a_person_is_waited_for),
    TEST(a_failed_step_is_tried_again),
    TEST(a_resumed_round_keeps_what_it_chose),
    TEST(a_killed_loop_ends_the_same),
    TEST(labels_can_come_first),
    TEST(one_process_at_a_time),
    TEST(another_user_is_not_asked_instead),
    TEST(a_round_that_asked_nobody_is_not_done),
    TEST(a_label_queue_leaves_the_round_under_way),
    TEST(half_a_label_queue_is_no_round),
    TEST(a_label_queue_is_no_round_of_a_loop),
};
TEST_MAIN(tests)
