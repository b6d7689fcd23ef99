#include "store_fixture.h"

#include "base/clock.h"
#include "base/file.h"
#include "store/object.h"
#include "store/sqlite/internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void images_come_back_whole(void **state) {
    fixture *in = *state;
    sl_image_record image = fixture_image(in->arena, 7), got;
    image.provenance = "{\"steps\":30}";
    int added;
    assert_ok(sl_store_images_add(in->store, &image, 1, true, &added));
    assert_int_equal(added, 1);
    assert_ok(sl_store_image_get(in->store, image.id, in->arena, &got));
    assert_string_equal(got.content_hash, image.content_hash);
    assert_string_equal(got.caption, image.caption);
    assert_string_equal(got.fingerprint, image.fingerprint);
    assert_true(got.seed == UINT64_MAX);
    assert_int_equal(got.origin, image.origin);
    assert_null(got.source);
    assert_true(got.created_ms > 0);
    const char *json;
    assert_ok(sl_store_image_provenance(in->store, image.id, in->arena, &json));
    assert_string_equal(json, image.provenance);
    assert_status(sl_store_image_get(in->store, 99, in->arena, &got), SL_NOT_FOUND);
    assert_string_equal(sl_error_message(), "no image 99");

    sl_image_record again = fixture_image(in->arena, 7);
    assert_ok(sl_store_images_add(in->store, &again, 1, true, &added));
    assert_int_equal(added, 0);
    assert_int_equal(again.id, image.id);
    sl_id found;
    assert_ok(sl_store_image_find(in->store, image.content_hash, &found));
    assert_int_equal(found, image.id);
    assert_ok(sl_store_image_find(in->store, "none", &found));
    assert_int_equal(found, 0);
}

static void run_and_index_name_an_image(void **state) {
    fixture *in = *state;
    sl_run_record run = {.kind = "generate", .config = "{}", .seed = 3, .total = 2, .unit = "image"};
    assert_ok(sl_store_run_start(in->store, &run));
    sl_image_record pair[2] = {fixture_image(in->arena, 1), fixture_image(in->arena, 1)};
    int added;
    for (int i = 0; i < 2; i++) {
        pair[i].run = run.id;
        pair[i].run_index = i;
    }
    assert_ok(sl_store_images_add(in->store, pair, 2, false, &added));
    assert_int_equal(added, 2);
    sl_id first = pair[0].id;
    assert_ok(sl_store_images_add(in->store, pair, 2, false, &added));
    assert_int_equal(added, 0);
    assert_int_equal(pair[0].id, first);
    pair[0].run = 77;
    assert_status(sl_store_images_add(in->store, pair, 1, false, NULL), SL_NOT_FOUND);
}

/* A round keeps its images where another round, or none, has the same pixels. */
static void round_and_index_name_an_image(void **state) {
    fixture *in = *state;
    sl_image_record images[2] = {fixture_image(in->arena, 1), fixture_image(in->arena, 1)};
    int added;
    fixture_add_image(in, 1);
    for (int i = 0; i < 2; i++) {
        sl_round_record round = {.config = "{}"};
        assert_ok(sl_store_round_start(in->store, &round));
        images[i].round = round.id;
    }
    assert_ok(sl_store_images_add(in->store, images, 2, false, &added));
    assert_int_equal(added, 2);
    sl_id second = images[1].id;
    sl_run_record run = {.kind = "generate", .config = "{}"};
    assert_ok(sl_store_run_start(in->store, &run));
    images[1].run = run.id; /* a further run for the same round */
    assert_ok(sl_store_images_add(in->store, &images[1], 1, false, &added));
    assert_int_equal(added, 0);
    assert_int_equal(images[1].id, second);
}

static void a_list_that_fails_adds_none(void **state) {
    fixture *in = *state;
    sl_image_record images[3] = {fixture_image(in->arena, 1), fixture_image(in->arena, 2),
                                 fixture_image(in->arena, 3)};
    images[2].height_px = 0;
    assert_status(sl_store_images_add(in->store, images, 3, true, NULL), SL_INVALID);
    int64_t count;
    assert_ok(sl_store_image_count(in->store, &SL_IMAGE_FILTER_ALL, &count));
    assert_int_equal(count, 0);
}

static void an_image_comes_with_its_truth(void **state) {
    fixture *in = *state;
    const sl_truth faulty = {.artefact = "A3", .strength = 0.5};
    sl_image_record images[2] = {fixture_image(in->arena, 1), fixture_image(in->arena, 2)};
    sl_truth got;
    bool known;
    images[0].truth = &faulty;
    assert_ok(sl_store_images_add(in->store, images, 2, true, NULL));
    assert_ok(sl_store_truth(in->store, images[0].id, in->arena, &got, &known));
    assert_true(known && !got.real && got.image == images[0].id);
    assert_string_equal(got.artefact, "A3");
    assert_ok(sl_store_truth(in->store, images[1].id, in->arena, &got, &known));
    assert_false(known);
}

static void filters_and_pages(void **state) {
    fixture *in = *state;
    for (int k = 0; k < 12; k++) fixture_add_image(in, k);
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.origin = SL_ORIGIN_SIMULATED;
    filter.limit = 3;
    sl_image_record *images;
    int count;
    assert_ok(sl_store_images(in->store, &filter, in->arena, &images, &count));
    assert_int_equal(count, 3);
    filter.after = images[2].id;
    assert_ok(sl_store_images(in->store, &filter, in->arena, &images, &count));
    assert_int_equal(count, 1);
    filter = SL_IMAGE_FILTER_ALL;
    filter.group_key = "group-1";
    int64_t total;
    assert_ok(sl_store_image_count(in->store, &filter, &total));
    assert_int_equal(total, 4);
    sl_decision decision = fixture_decision(in, images[0].id, SL_LABEL_REAL, 1);
    assert_ok(sl_store_decide(in->store, in->arena, &decision));
    filter = SL_IMAGE_FILTER_ALL;
    filter.label = SL_LABEL_REAL;
    assert_ok(sl_store_image_count(in->store, &filter, &total));
    assert_int_equal(total, 1);
    filter.label = SL_UNLABELLED;
    assert_ok(sl_store_image_count(in->store, &filter, &total));
    assert_int_equal(total, 11);
}

typedef struct visits {
    fixture *in;
    sl_id last;
    int64_t pages, images, total;
} visits;

static sl_status visit(void *context, const sl_image_page *page) {
    visits *seen = context;
    assert_int_equal(page->first, seen->images);
    for (int i = 0; i < page->count; i++) {
        assert_int_equal(page->record[i].origin, SL_ORIGIN_SIMULATED);
        assert_true(page->record[i].id > seen->last);
        seen->last = page->record[i].id;
    }
    fixture_add_image(seen->in, 1000 + 3 * seen->pages + SL_ORIGIN_SIMULATED); /* comes too late */
    seen->pages++;
    seen->images += page->count;
    seen->total = page->total;
    return seen->pages == 4 ? sl_fail(SL_CANCELLED, "enough") : SL_OK;
}

static void pages_reach_every_image(void **state) {
    fixture *in = *state;
    visits seen = {.in = in};
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.origin = SL_ORIGIN_SIMULATED;
    filter.limit = 3;
    assert_ok(sl_store_image_pages(in->store, &filter, visit, &seen));
    assert_int_equal(seen.pages, 0);
    for (int k = 0; k < 24; k++) fixture_add_image(in, k);
    assert_ok(sl_store_image_pages(in->store, &filter, visit, &seen));
    assert_int_equal(seen.pages, 3);
    assert_int_equal(seen.images, 8);
    assert_int_equal(seen.total, 8);
    seen = (visits){.in = in};
    filter.limit = 2;
    assert_status(sl_store_image_pages(in->store, &filter, visit, &seen), SL_CANCELLED);
    assert_int_equal(seen.pages, 4);
}

static void a_replayed_decision_changes_nothing(void **state) {
    fixture *in = *state;
    sl_id image = fixture_add_image(in, 1);
    sl_decision first = fixture_decision(in, image, SL_LABEL_UNREAL, 1);
    first.reasons = 1u << SL_REASON_GAPS;
    assert_ok(sl_store_decide(in->store, in->arena, &first));
    assert_int_equal(first.id, 1);
    sl_decision replay = fixture_decision(in, image, SL_LABEL_REAL, 1);
    assert_ok(sl_store_decide(in->store, in->arena, &replay));
    assert_int_equal(replay.id, first.id);
    assert_int_equal(replay.label, SL_LABEL_UNREAL);
    assert_string_equal(replay.hash, first.hash);
    int64_t links;
    assert_ok(sl_store_check(in->store, &links));
    assert_int_equal(links, 1);
}

static sl_consensus consensus_of(fixture *in, sl_id image) {
    sl_consensus consensus;
    assert_ok(sl_store_consensus(in->store, image, &consensus));
    return consensus;
}

static void undo_is_a_further_decision(void **state) {
    fixture *in = *state;
    sl_id image = fixture_add_image(in, 1);
    sl_decision first = fixture_decision(in, image, SL_LABEL_UNREAL, 1);
    assert_ok(sl_store_decide(in->store, in->arena, &first));
    assert_int_equal(consensus_of(in, image).label, SL_LABEL_UNREAL);

    sl_decision undo = fixture_decision(in, image, SL_LABEL_WITHDRAWN, 2);
    undo.supersedes_uuid = first.client_uuid;
    assert_ok(sl_store_decide(in->store, in->arena, &undo));
    assert_int_equal(undo.supersedes, first.id);
    assert_int_equal(consensus_of(in, image).unreal, 0);

    sl_decision redo = fixture_decision(in, image, SL_LABEL_UNREAL, 3);
    redo.supersedes = undo.id;
    assert_ok(sl_store_decide(in->store, in->arena, &redo));
    assert_int_equal(consensus_of(in, image).unreal, 1);

    sl_decision late = fixture_decision(in, image, SL_LABEL_REAL, 4);
    late.supersedes = first.id;
    assert_status(sl_store_decide(in->store, in->arena, &late), SL_MISMATCH);
    late.supersedes_uuid = "no such name";
    assert_status(sl_store_decide(in->store, in->arena, &late), SL_NOT_FOUND);
    sl_decision loose = fixture_decision(in, image, SL_LABEL_WITHDRAWN, 5);
    assert_status(sl_store_decide(in->store, in->arena, &loose), SL_INVALID);

    sl_decision_filter filter = SL_DECISION_FILTER_ALL;
    filter.newest_first = true;
    sl_decision *log;
    int count;
    assert_ok(sl_store_decisions(in->store, &filter, in->arena, &log, &count));
    assert_int_equal(count, 3);
    assert_int_equal(log[0].id, redo.id);
    filter.counting = true;
    assert_ok(sl_store_decisions(in->store, &filter, in->arena, &log, &count));
    assert_int_equal(count, 1);
}

static void reviewers_agree_or_not(void **state) {
    fixture *in = *state;
    sl_id image = fixture_add_image(in, 1), ben, expert;
    assert_ok(sl_store_reviewer(in->store, "ben", false, &ben));
    assert_ok(sl_store_reviewer(in->store, "simulated expert", true, &expert));
    assert_status(sl_store_reviewer(in->store, "ben", true, &ben), SL_MISMATCH);

    sl_decision machine = fixture_decision(in, image, SL_LABEL_UNREAL, 1);
    machine.reviewer = expert;
    assert_ok(sl_store_decide(in->store, in->arena, &machine));
    assert_true(consensus_of(in, image).simulated);
    assert_int_equal(consensus_of(in, image).label, SL_LABEL_UNREAL);

    sl_decision anna = fixture_decision(in, image, SL_LABEL_REAL, 2);
    assert_ok(sl_store_decide(in->store, in->arena, &anna));
    assert_false(consensus_of(in, image).simulated);
    assert_int_equal(consensus_of(in, image).label, SL_LABEL_REAL);

    sl_decision bens = fixture_decision(in, image, SL_LABEL_UNREAL, 3);
    bens.reviewer = ben;
    bens.reasons = 5;
    assert_ok(sl_store_decide(in->store, in->arena, &bens));
    sl_consensus both = consensus_of(in, image);
    assert_true(both.conflict);
    assert_int_equal(both.label, SL_LABEL_UNSURE);
    assert_int_equal(both.reasons, 5);
    sl_consensus *all;
    int64_t count;
    assert_ok(sl_store_consensus_all(in->store, 0, &all, &count));
    assert_int_equal(count, 1);
    assert_int_equal(all[0].real + all[0].unreal, 2);
    sl_free(all);
}

static void assignments_open_until_decided(void **state) {
    fixture *in = *state;
    sl_round_record round = {.config = "{}", .seed = 1};
    assert_ok(sl_store_round_start(in->store, &round));
    sl_assignment_record records[5];
    for (int k = 0; k < 5; k++)
        records[k] = (sl_assignment_record){.round = round.id,
                                            .image = fixture_add_image(in, k),
                                            .reviewer = in->reviewer,
                                            .queue = SL_QUEUE_AUDIT_POOL,
                                            .propensity = 0.25,
                                            .blind = true,
                                            .position = k + 1};
    assert_ok(sl_store_assignments_add(in->store, records, 5));
    assert_ok(sl_store_assignments_add(in->store, records, 5));
    sl_decision decision = fixture_decision(in, records[0].image, SL_LABEL_REAL, 1);
    decision.assignment = records[1].id;
    assert_status(sl_store_decide(in->store, in->arena, &decision), SL_MISMATCH);
    decision.assignment = records[0].id;
    assert_ok(sl_store_decide(in->store, in->arena, &decision));
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    filter.reviewer = in->reviewer;
    filter.decided = 0;
    filter.limit = 2;
    sl_assignment_record *open;
    int count;
    assert_ok(sl_store_assignments(in->store, &filter, in->arena, &open, &count));
    assert_int_equal(count, 2);
    assert_int_equal(open[0].position, 2);
    assert_true(open[0].propensity == 0.25 && open[0].blind);
    filter.decided = SL_ANY;
    int64_t total, decided;
    assert_ok(sl_store_assignment_count(in->store, &filter, &total, &decided));
    assert_int_equal(total, 5);
    assert_int_equal(decided, 1);
    assert_ok(sl_store_assignment_shown(in->store, records[1].id, 50));
    assert_ok(sl_store_assignment_shown(in->store, records[1].id, 60));
    sl_assignment_record got;
    assert_ok(sl_store_assignment_get(in->store, records[1].id, &got));
    assert_int_equal(got.shown_ms, 50);
    assert_ok(sl_store_assignment_get(in->store, records[0].id, &got));
    assert_int_equal(got.decision, decision.id);
}

static void the_log_cannot_be_changed_unseen(void **state) {
    fixture *in = *state;
    sl_id image = fixture_add_image(in, 1);
    for (int k = 0; k < 4; k++) {
        sl_decision decision = fixture_decision(in, image, SL_LABEL_REAL, k);
        assert_ok(sl_store_decide(in->store, in->arena, &decision));
    }
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(in->path, &raw), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(raw, "UPDATE decision SET label = 'unreal'", NULL, NULL, NULL),
                         SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(raw, "DELETE FROM decision WHERE id = 2", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(sl_store_check(in->store, NULL));
    assert_int_equal(
        sqlite3_exec(raw, "DROP TRIGGER decision_stays; UPDATE decision SET label = 'unreal' WHERE id = 3",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_status(sl_store_check(in->store, NULL), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "decision 3 was changed"));
    assert_int_equal(sqlite3_exec(raw, "DROP TRIGGER decision_remains; DELETE FROM decision WHERE id = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_status(sl_store_check(in->store, NULL), SL_FORMAT);
    sqlite3_close(raw);
}

static void evidence_is_replaced_not_doubled(void **state) {
    fixture *in = *state;
    sl_id image = fixture_add_image(in, 1);
    sl_round_record round = {.config = "{}"};
    sl_model_record model = {.hash = "ab", .kind = "classifier", .name = "resnet18", .path = "models/1"};
    assert_ok(sl_store_round_start(in->store, &round));
    assert_ok(sl_store_model_add(in->store, &model));
    for (int i = 0; i < 2; i++) {
        assert_ok(sl_store_predictions_add(
            in->store,
            &(sl_prediction){.image = image, .model = model.id, .p_real = 0.25 + 0.5 * i, .logit = 1}, 1));
        assert_ok(sl_store_tests_add(
            in->store,
            &(sl_test_result){
                .image = image, .name = "rings", .version = "1", .value = i, .high = 1, .passed = true},
            1));
        assert_ok(sl_store_verdicts_add(
            in->store,
            &(sl_verdict){.image = image, .round = round.id, .model = model.id, .accepted = i, .reasons = ""},
            1));
        assert_ok(sl_store_truths_add(
            in->store, &(sl_truth){.image = image, .artefact = "broken ring", .strength = 0.5 * i}, 1));
    }
    sl_prediction *scores, *own;
    int64_t score_count, verdict_count;
    int count;
    assert_ok(sl_store_scores(in->store, model.id, 0, &scores, &score_count));
    assert_int_equal(score_count, 1);
    assert_true(scores[0].p_real == 0.75);
    sl_free(scores);
    assert_ok(sl_store_scores(in->store, model.id, round.id, &scores, &score_count));
    assert_int_equal(score_count, 0);
    sl_free(scores);
    assert_ok(sl_store_predictions(in->store, image, in->arena, &own, &count));
    assert_int_equal(count, 1);
    sl_test_result *results;
    assert_ok(sl_store_tests(in->store, image, in->arena, &results, &count));
    assert_int_equal(count, 1);
    assert_true(results[0].value == 1 && results[0].passed);
    sl_verdict *verdicts;
    assert_ok(sl_store_verdicts(in->store, round.id, 0, in->arena, &verdicts, &verdict_count));
    assert_int_equal(verdict_count, 1);
    assert_true(verdicts[0].accepted);
    sl_free(verdicts);
    sl_truth truth;
    bool known;
    assert_ok(sl_store_truth(in->store, image, in->arena, &truth, &known));
    assert_true(known && !truth.real && truth.strength == 0.5);
    assert_status(sl_store_predictions_add(
                      in->store, &(sl_prediction){.image = image, .model = model.id, .p_real = 1.5}, 1),
                  SL_INVALID);
    float vector[3] = {1, 2, 3}, got[3];
    assert_ok(sl_store_embedding_set(in->store, image, model.id, vector, 3));
    assert_ok(sl_store_embedding_get(in->store, image, model.id, got, 3));
    assert_memory_equal(vector, got, sizeof got);
    assert_status(sl_store_embedding_get(in->store, image, model.id, got, 2), SL_MISMATCH);
}

static void a_queue_is_there_whole_or_not_at_all(void **state) {
    fixture *in = *state;
    sl_round_record round = {.config = "{}"}, *rounds;
    sl_assignment_record records[2];
    int count;
    for (int k = 0; k < 2; k++)
        records[k] = (sl_assignment_record){.image = fixture_add_image(in, k),
                                            .reviewer = in->reviewer,
                                            .queue = SL_QUEUE_AUDIT_POOL,
                                            .propensity = 1,
                                            .position = k + 1};
    sl_id image = records[1].image;
    records[1].image = 99;
    assert_status(sl_store_queue_add(in->store, &round, records, 2), SL_NOT_FOUND);
    assert_ok(sl_store_rounds(in->store, in->arena, &rounds, &count));
    assert_int_equal(count, 0);
    records[1].image = image;
    assert_ok(sl_store_queue_add(in->store, &round, records, 2));
    assert_int_equal(records[1].round, round.id);
    assert_ok(sl_store_rounds(in->store, in->arena, &rounds, &count));
    assert_int_equal(count, 1);
    assert_int_equal(rounds[0].state, SL_RUN_DONE);
    assert_true(rounds[0].finished_ms > 0);
    sl_assignment_filter filter = SL_ASSIGNMENT_FILTER_ALL;
    sl_assignment_record *open;
    filter.round = round.id;
    assert_ok(sl_store_assignments(in->store, &filter, in->arena, &open, &count));
    assert_int_equal(count, 2);
}

static void runs_and_rounds_keep_their_state(void **state) {
    fixture *in = *state;
    sl_round_record round = {.config = "{\"n\":2}", .seed = 5}, second = {.config = "{}"};
    assert_ok(sl_store_round_start(in->store, &round));
    second.parent = round.id;
    assert_ok(sl_store_round_start(in->store, &second));
    assert_int_equal(second.number, 2);
    sl_round_step step;
    assert_ok(sl_store_step_get(in->store, round.id, "generate", in->arena, &step));
    assert_int_equal(step.state, SL_RUN_PENDING);
    assert_ok(sl_store_step_set(in->store, round.id, "generate", SL_RUN_RUNNING, NULL));
    assert_ok(sl_store_step_set(in->store, round.id, "generate", SL_RUN_DONE, "{\"images\":200}"));
    assert_ok(sl_store_step_get(in->store, round.id, "generate", in->arena, &step));
    assert_int_equal(step.state, SL_RUN_DONE);
    assert_string_equal(step.result, "{\"images\":200}");
    assert_ok(sl_store_round_finish(in->store, round.id, SL_RUN_DONE, "{}"));

    sl_run_record run = {.kind = "train lora", .config = "{}", .seed = 1, .round = round.id, .total = 100};
    assert_ok(sl_store_run_start(in->store, &run));
    assert_ok(sl_store_run_progress(in->store, run.id, 40, 100, "loss 0.1"));
    int count;
    sl_run_record got;
    assert_ok(sl_store_run_get(in->store, run.id, in->arena, &got));
    assert_int_equal(got.state, SL_RUN_RUNNING);
    assert_int_equal(got.done, 40);
    assert_ok(sl_store_run_finish(in->store, run.id, SL_RUN_DONE, "{}"));
    assert_status(sl_store_run_finish(in->store, 999, SL_RUN_DONE, NULL), SL_NOT_FOUND);
    sl_run_filter filter = SL_RUN_FILTER_ALL;
    filter.kind = "train lora";
    sl_run_record *runs;
    assert_ok(sl_store_runs(in->store, &filter, in->arena, &runs, &count));
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].state, SL_RUN_DONE);

    sl_model_record model = {.hash = "h", .kind = "lora", .name = "a", .path = "p", .run = run.id}, newest;
    assert_status(sl_store_model_newest(in->store, "lora", in->arena, &newest), SL_NOT_FOUND);
    assert_ok(sl_store_model_add(in->store, &model));
    sl_id first = model.id;
    model.metrics = "{\"loss\":1}";
    assert_ok(sl_store_model_add(in->store, &model));
    assert_int_equal(model.id, first);
    assert_ok(sl_store_model_newest(in->store, "lora", in->arena, &newest));
    assert_string_equal(newest.metrics, "{\"loss\":1}");
}

static void a_dead_process_leaves_an_interrupted_run(void **state) {
    fixture *in = *state;
    sl_store_close(in->store);
    pid_t child = fork();
    if (child == 0) {
        sl_store *store;
        sl_run_record run = {.kind = "generate", .config = "{}"};
        _exit(sl_store_open(in->path, false, &store) || sl_store_run_start(store, &run));
    }
    int code;
    waitpid(child, &code, 0);
    assert_int_equal(code, 0);
    assert_ok(sl_store_open(in->path, false, &in->store));
    sl_run_record *runs;
    int count;
    assert_ok(sl_store_runs(in->store, &SL_RUN_FILTER_ALL, in->arena, &runs, &count));
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].state, SL_RUN_INTERRUPTED);
}

typedef struct writer {
    fixture *in;
    int who, failures;
    pthread_t thread;
} writer;

enum { WRITERS = 20, DECISIONS_EACH = 25 };

static void *write_many(void *context) {
    writer *self = context;
    sl_arena *arena;
    if (sl_arena_new(&arena)) return NULL;
    for (int k = 0; k < DECISIONS_EACH; k++) {
        sl_decision decision = {.client_uuid = fixture_uuid(arena, 100 + self->who, k),
                                .image = 1,
                                .reviewer = self->in->reviewer,
                                .label = SL_LABEL_REAL};
        if (sl_store_decide(self->in->store, arena, &decision)) self->failures++;
    }
    sl_arena_free(arena);
    return NULL;
}

/* In two processes at once, each with twenty threads. */
static void many_writers_lose_nothing(void **state) {
    fixture *in = *state;
    fixture_add_image(in, 1);
    sl_store_close(in->store);
    pid_t child = fork();
    assert_ok(sl_store_open(in->path, false, &in->store));
    writer writers[WRITERS];
    int failures = 0;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.in = in, .who = i + (child ? 0 : WRITERS)};
        pthread_create(&writers[i].thread, NULL, write_many, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        failures += writers[i].failures;
    }
    if (child == 0) _exit(failures != 0);
    int code;
    waitpid(child, &code, 0);
    assert_int_equal(code, 0);
    assert_int_equal(failures, 0);
    int64_t links;
    assert_ok(sl_store_check(in->store, &links));
    assert_int_equal(links, 2 * WRITERS * DECISIONS_EACH);
}

static void the_revision_tells_of_writes(void **state) {
    fixture *in = *state;
    int64_t before, same, after;
    assert_ok(sl_store_revision(in->store, &before));
    assert_ok(sl_store_revision(in->store, &same));
    assert_int_equal(before, same);
    assert_ok(sl_store_setting_set(in->store, "name", "trial"));
    assert_ok(sl_store_revision(in->store, &after));
    assert_int_not_equal(before, after);
    const char *value;
    assert_ok(sl_store_setting_get(in->store, "name", in->arena, &value));
    assert_string_equal(value, "trial");
    assert_ok(sl_store_setting_get(in->store, "other", in->arena, &value));
    assert_null(value);
}

/* Those of the first version lack an index and have a table too many. */
static void an_older_file_is_brought_up_to_date(void **state) {
    fixture *in = *state;
    sqlite3 *raw;
    sqlite3_stmt *found;
    fixture_add_image(in, 1);
    sl_store_close(in->store);
    assert_int_equal(sqlite3_open(in->path, &raw), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(raw, "DROP INDEX image_of_round; CREATE TABLE run_metric(run); PRAGMA user_version=1",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_ok(sl_store_open(in->path, false, &in->store));
    assert_int_equal(sqlite3_prepare_v2(
                         raw, "SELECT name FROM sqlite_schema WHERE name IN ('image_of_round', 'run_metric')",
                         -1, &found, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(found), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(found, 0), "image_of_round");
    assert_int_equal(sqlite3_step(found), SQLITE_DONE);
    sqlite3_finalize(found);
    sqlite3_close(raw);
    int64_t count;
    assert_ok(sl_store_image_count(in->store, &SL_IMAGE_FILTER_ALL, &count));
    assert_int_equal(count, 1);
}

static void opening_says_what_is_wrong(void **state) {
    fixture *in = *state;
    sl_store *other;
    char path[160];
    assert_status(sl_store_open(in->path, true, &other), SL_EXISTS);
    snprintf(path, sizeof path, "%s/none.db", in->folder);
    assert_status(sl_store_open(path, false, &other), SL_NOT_FOUND);
    assert_ok(
        sl_file_write_atomic(path, "this is no database, but long enough to be taken for a file of one", 66));
    assert_status(sl_store_open(path, false, &other), SL_FORMAT);
    remove(path);
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
    assert_status(sl_store_open(path, false, &other), SL_FORMAT);
    assert_int_equal(sqlite3_open(in->path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "PRAGMA user_version=999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
    assert_status(sl_store_open(in->path, false, &other), SL_UNSUPPORTED);
}

static void summary_counts(void **state) {
    fixture *in = *state;
    for (int k = 0; k < 7; k++) fixture_add_image(in, k);
    sl_decision decision = fixture_decision(in, 2, SL_LABEL_UNREAL, 1);
    assert_ok(sl_store_decide(in->store, in->arena, &decision));
    sl_store_summary summary;
    assert_ok(sl_store_summarise(in->store, &summary));
    assert_int_equal(summary.images[SL_ORIGIN_EXPERIMENTAL], 3);
    assert_int_equal(summary.splits[SL_SPLIT_TEST], 2);
    assert_int_equal(summary.labels[SL_LABEL_UNREAL], 1);
    assert_int_equal(summary.decisions, 1);
}

static void objects_are_named_by_their_bytes(void **state) {
    fixture *in = *state;
    char root[128], hash[SL_SHA256_HEX], again[SL_SHA256_HEX], *data;
    snprintf(root, sizeof root, "%s/objects", in->folder);
    assert_ok(sl_object_put(root, "abc", 3, hash));
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(sl_object_put_file(root, sl_object_path(in->arena, root, hash), again));
    assert_string_equal(hash, again);
    size_t bytes;
    assert_ok(sl_object_get(root, hash, 100, &data, &bytes));
    assert_string_equal(data, "abc");
    sl_free(data);
    assert_status(sl_object_get(root, "../../../etc/passwd", 100, &data, &bytes), SL_INVALID);
    char *leftover = sl_arena_printf(in->arena, "%s/ba/7816.tmp-abcdef", root);
    assert_ok(sl_file_write_atomic(leftover, "x", 1));
    sl_object_check check;
    assert_ok(sl_objects_check(root, &check)); /* somebody may be writing it */
    assert_int_equal(check.leftovers, 0);
    const struct timespec yesterday[2] = {{.tv_sec = time(NULL) - 86400}, {.tv_sec = time(NULL) - 86400}};
    assert_int_equal(utimensat(AT_FDCWD, leftover, yesterday, 0), 0);
    assert_ok(sl_objects_check(root, &check));
    assert_int_equal(check.objects, 1);
    assert_int_equal(check.leftovers, 1);
    assert_ok(sl_file_write_atomic(sl_object_path(in->arena, root, hash), "abd", 3));
    assert_status(sl_objects_check(root, &check), SL_FORMAT);
}

/* As SQLite does where the disk is full: the whole transaction is gone. */
static sl_status give_up(sl_db *db, void *context) {
    (void)context;
    SL_TRY(sl_db_script(db, "ROLLBACK"));
    return sl_fail(SL_FULL, "no room on the disk");
}

static void a_transaction_that_sqlite_gave_up_says_why(void **state) {
    fixture *in = *state;
    const char *value;
    assert_ok(sl_store_setting_set(in->store, "before", "1"));
    assert_status(sl_sqlite_write(in->store, give_up, NULL), SL_FULL);
    assert_non_null(strstr(sl_error_message(), "no room on the disk"));
    assert_ok(sl_store_setting_set(in->store, "after", "2"));
    assert_ok(sl_store_setting_get(in->store, "before", in->arena, &value));
    assert_string_equal(value, "1");
    assert_ok(sl_store_setting_get(in->store, "after", in->arena, &value));
    assert_string_equal(value, "2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
static const struct CMUnitTest tests[] = {
    TEST(images_come_back_whole),           TEST(run_and_index_name_an_image),
    TEST(round_and_index_name_an_image),    TEST(a_list_that_fails_adds_none),
    TEST(an_image_comes_with_its_truth),    TEST(filters_and_pages),
    TEST(pages_reach_every_image),          TEST(a_replayed_decision_changes_nothing),
    TEST(undo_is_a_further_decision),       TEST(reviewers_agree_or_not),
    TEST(assignments_open_until_decided),   TEST(the_log_cannot_be_changed_unseen),
    TEST(evidence_is_replaced_not_doubled), TEST(a_queue_is_there_whole_or_not_at_all),
    TEST(runs_and_rounds_keep_their_state), TEST(a_dead_process_leaves_an_interrupted_run),
    TEST(many_writers_lose_nothing),        TEST(a_transaction_that_sqlite_gave_up_says_why),
    TEST(the_revision_tells_of_writes),     TEST(an_older_file_is_brought_up_to_date),
    TEST(opening_says_what_is_wrong),       TEST(summary_counts),
    TEST(objects_are_named_by_their_bytes),
};
TEST_MAIN(tests)
