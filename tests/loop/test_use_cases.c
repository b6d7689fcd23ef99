/* The use-cases of the loop in one small workspace: simulate, train a classifier, generate, classify, report.
 */
#include "scratch_workspace.h"

#include "base/file.h"
#include "base/random/random.h"
#include "loop/engine.h"
#include "loop/classify/classify.h"
#include "loop/classify/labels.h"
#include "loop/classify/train_classifier.h"
#include "loop/generate/generate.h"
#include "loop/judge/round_metrics.h"
#include "loop/report/report.h"
#include "image/captions.h"
#include "image/frame.h"
#include "image/write/write.h"
#include "loop/simulate.h"
#include "shared.h"

#include <stdlib.h>
#include <string.h>

enum { SIMULATED = 60, FRAMES = 3 };

static void simulated_images_bring_their_truth(void **state) {
    (void)state;
    sl_simulate_result made;
    sl_simulate_settings settings = scratch_simulated(SIMULATED, 64);
    settings.unreal = 0.5;
    assert_ok(sl_simulate(&settings, workspace, NULL, &made));
    assert_int_equal(made.added, SIMULATED);
    assert_in_range(made.unreal, SIMULATED / 5, SIMULATED * 4 / 5);
}

/* No group in two parts, and every labelled image in exactly one. */
static void labels_are_split_by_group(void **state) {
    (void)state;
    sl_labelled labels;
    assert_ok(sl_labels_collect(workspace, arena, &labels));
    /* faults too faint to be seen are no labels */
    assert_int_equal(labels.train_count + labels.calibration_count + labels.test_count, labels.counts.known);
    assert_in_range(labels.counts.known, SIMULATED / 2, SIMULATED - 1);
    assert_int_equal(labels.counts.known, labels.counts.real + labels.counts.unreal);
    const sl_feed_item *parts[] = {labels.train, labels.calibration, labels.test};
    int64_t counts[] = {labels.train_count, labels.calibration_count, labels.test_count};
    for (int p = 0; p < 3; p++) {
        for (int64_t i = 0; i < counts[p]; i++) {
            sl_image_record record;
            assert_ok(sl_store_image_get(workspace->store, parts[p][i].image, arena, &record));
            assert_int_equal(record.split, p);
            assert_int_equal(sl_workspace_split(workspace, record.group_key), p);
        }
    }
}

/* Measured frames of one sample, for the test split. */
static void add_frames(void) {
    const char *group = group_in(SL_SPLIT_TEST, 1000);
    for (int i = 0; i < FRAMES; i++) {
        sl_image image;
        sl_image_record record = {
            .origin = SL_ORIGIN_EXPERIMENTAL, .group_key = group, .dtype = "F32", .provenance = "{}"};
        assert_ok(sl_image_new(64, 64, &image));
        for (int p = 0; p < 64 * 64; p++) image.value[p] = (float)(p % 17 + i);
        assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
        assert_ok(sl_store_images_add(workspace->store, &record, 1, true, NULL));
        sl_image_free(&image);
    }
}

static void a_classifier_is_trained_and_recorded(void **state) {
    (void)state;
    sl_train_classifier_settings settings;
    sl_model_record record;
    sl_id model = 0;
    json_t *result = json_object();
    assert_ok(sl_options_default(sl_train_classifier_options, arena, &settings));
    settings.size_px = 32;
    settings.epochs = 1;
    add_frames();
    assert_ok(sl_train_classifier_run(&settings, workspace, 0, NULL, result, &model));
    assert_ok(sl_store_model_get(workspace->store, model, arena, &record));
    assert_string_equal(record.kind, "classifier");
    json_t *accuracy = json_object_get(json_object_get(result, "test"), "accuracy");
    assert_non_null(accuracy);
    int64_t n = json_integer_value(json_object_get(accuracy, "n"));
    assert_true(n > 0);
    assert_int_equal(json_integer_value(json_object_get(accuracy, "groups")), n - FRAMES + 1);
    json_decref(result);
}

static void classifying_gives_every_image_a_probability(void **state) {
    (void)state;
    sl_classify_settings settings;
    sl_classify_result made;
    assert_ok(sl_options_default(sl_classify_options, arena, &settings));
    settings.origin = 1;
    assert_ok(sl_classify(&settings, workspace, 0, NULL, &made));
    assert_int_equal(made.images, SIMULATED + FRAMES);
    sl_prediction *predictions;
    int count;
    assert_ok(sl_store_predictions(workspace->store, 1, arena, &predictions, &count));
    assert_int_equal(count, 1);
    assert_true(predictions[0].p_real > 0 && predictions[0].p_real < 1);
    settings.models = (sl_list){(const char *[]){"99"}, 1};
    assert_status(sl_classify(&settings, workspace, 0, NULL, &made), SL_NOT_FOUND);
}

static sl_generate_settings generate_settings(const char *model) {
    sl_generate_settings settings;
    assert_ok(sl_options_default(sl_generate_options, arena, &settings));
    settings.model = model;
    settings.count = 5;
    settings.seed = 11;
    settings.steps = 2;
    settings.guidance = 1;
    return settings;
}

static void assert_same_image(const char *a, const char *b, int index, double tolerance) {
    sl_frame frames[2];
    const char *folders[] = {a, b};
    for (int i = 0; i < 2; i++)
        assert_ok(sl_frame_read(sl_arena_printf(arena, "%s/image_%06d.tif", folders[i], index), NULL, NULL,
                                &frames[i]));
    const float *x = frames[0].data, *y = frames[1].data;
    for (int p = 0; p < frames[0].header.height_px * frames[0].header.width_px; p++)
        if (!((double)(x[p] - y[p]) <= tolerance && (double)(y[p] - x[p]) <= tolerance))
            fail_msg("image %d differs at pixel %d: %g and %g", index, p, (double)x[p], (double)y[p]);
    sl_frame_free(&frames[0]);
    sl_frame_free(&frames[1]);
}

/* The same images whatever the batch, and the shards together are the whole. */
static void an_image_depends_on_seed_and_index_alone(void **state) {
    (void)state;
    const char *model = shared_path("golden/dev/pipe");
    if (!model) skip_because("no ../shared/golden/dev/pipe (a tiny generator)");
    model = sl_arena_strdup(arena, model);
    static const char *const prompts[] = {"rings", "the saxs pattern"};
    const char *whole = sl_path_join(arena, folder, "whole"),
               *part[] = {sl_path_join(arena, folder, "part0"), sl_path_join(arena, folder, "part1")};
    sl_generate_result made;
    sl_generate_settings settings = generate_settings(model);
    settings.out = whole;
    assert_ok(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made));
    assert_int_equal(made.images, 5);
    settings.batch = 1;
    for (int i = 0; i < 2; i++) {
        settings.out = part[i];
        settings.shard = sl_arena_printf(arena, "%d/2", i);
        assert_ok(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made));
    }
    sl_captions *rows;
    assert_ok(sl_captions_read(sl_path_join(arena, whole, "metadata.jsonl"), &rows));
    assert_string_equal(sl_captions_at(rows, 3)->group, "generated:11:3");
    sl_captions_free(rows);
    for (int i = 0; i < 5; i++) assert_same_image(whole, part[i >= 2], i, 1e-4);
    settings.out = part[0]; /* captions of the other part are there */
    assert_status(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made), SL_EXISTS);
    settings.out = sl_path_join(arena, folder, "more");
    json_t *provenance;
    assert_ok(sl_image_provenance_read(sl_path_join(arena, whole, "image_000003.tif"), &provenance));
    assert_string_equal(json_string_value(json_object_get(provenance, "prompt")), "the saxs pattern");
    assert_string_equal(json_string_value(json_object_get(provenance, "seed")), "11");
    assert_int_equal(json_integer_value(json_object_get(provenance, "index")), 3);
    assert_non_null(
        json_object_get(json_object_get(provenance, "model"), "unet/diffusion_pytorch_model.safetensors"));
    json_decref(provenance);
    settings.shard = "2/2";
    assert_status(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made), SL_INVALID);
    settings.shard = NULL;
    settings.guidance_from = 0.75;
    settings.guidance_to = 0.25; /* no guidance, no matter */
    assert_ok(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made));
    settings.out = sl_path_join(arena, folder, "never");
    settings.guidance = 2;
    assert_status(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "guidance from 0.75 to 0.25 of the noise schedule"));
    settings.guidance_to = -1;
    settings.guidance_from = 1;
    assert_status(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "from 1 to 1 (the model's) of the noise schedule"));
    settings.guidance_from = -1;
    settings.out = NULL;
    assert_status(sl_generate(&settings, prompts, 2, NULL, 0, NULL, &made), SL_INVALID);
}

static void generated_images_are_recorded_with_the_run(void **state) {
    (void)state;
    const char *model = shared_path("golden/dev/pipe");
    if (!model) skip_because("no ../shared/golden/dev/pipe (a tiny generator)");
    static const char *const prompts[] = {"rings"};
    sl_generate_result made;
    sl_generate_settings settings = generate_settings(sl_arena_strdup(arena, model));
    assert_ok(sl_generate(&settings, prompts, 1, workspace, 0, NULL, &made));
    assert_int_equal(made.added, 5);
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    int64_t count;
    filter.origin = SL_ORIGIN_GENERATED;
    filter.run = made.run;
    assert_ok(sl_store_image_count(workspace->store, &filter, &count));
    assert_int_equal(count, 5);
}

static char *write_report(void) {
    const sl_report_settings settings = {.thumbnails = 4};
    const char *path;
    char *page;
    size_t bytes;
    assert_ok(sl_report_write(workspace, &settings, NULL, arena, &path));
    assert_ok(sl_file_read(path, 1 << 24, &page, &bytes));
    return page;
}

static void the_report_stands_alone(void **state) {
    (void)state;
    char *page = write_report();
    assert_non_null(strstr(page, "data:image/png;base64,"));
    assert_non_null(strstr(page, "Models and where they come from"));
    assert_null(strstr(page, "src=\"http"));
    assert_null(strstr(page, "<script"));
    sl_free(page);
}

static void the_report_draws_what_was_trained(void **state) {
    (void)state;
    sl_run_record untold = {.kind = "train lora", .config = "{}"};
    assert_ok(sl_store_run_start(workspace->store, &untold));
    assert_ok(sl_store_run_finish(workspace->store, untold.id, SL_RUN_FAILED, NULL));
    char *page = write_report();
    const char *plot = strstr(page, "train classifier, run ");
    assert_non_null(plot);
    assert_non_null(strstr(plot, "<polyline"));
    assert_non_null(strstr(plot, ">loss</text>"));
    assert_non_null(strstr(page, "(failed): no curve."));
    assert_null(strstr(page, "No training was run"));
    sl_free(page);
}

static void finish_round(double confidence) {
    sl_round_record round = {.config = "{}"};
    sl_round_metrics metrics;
    assert_ok(sl_store_round_start(workspace->store, &round));
    assert_ok(sl_round_metrics_measure(workspace, round.id, confidence, &metrics));
    json_t *object = sl_round_metrics_to_json(&metrics);
    char *text = sl_json_canonical(object);
    assert_ok(sl_store_round_finish(workspace->store, round.id, SL_RUN_DONE, text));
    free(text);
    json_decref(object);
}

static void the_report_says_what_intervals_are_for(void **state) {
    (void)state;
    finish_round(0.9);
    finish_round(0.995);
    char *page = write_report();
    assert_non_null(strstr(page, "<td class=n>90 %</td>"));
    assert_non_null(strstr(page, "<td class=n>99.5 %</td>"));
    assert_null(strstr(page, "95 % intervals"));
    sl_free(page);
}

static void fp16_is_for_devices(void **state) {
    (void)state;
    sl_dtype dtype;
    assert_ok(sl_engine_dtype(1, &dtype));
    assert_int_equal(dtype, SL_BF16);
    assert_int_equal(sl_engine_dtype(2, &dtype), SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "--device cuda"));
    assert_string_equal(sl_engine_dtype_name(2), "fp16");
}

static sl_status simulate_into(const char *out, int64_t count, int format) {
    sl_simulate_result made;
    sl_simulate_settings settings = scratch_simulated(count, 32);
    settings.format = format;
    settings.out = out;
    return sl_simulate(&settings, NULL, NULL, &made);
}

static void a_folder_holds_one_run(void **state) {
    (void)state;
    const char *out = sl_path_join(arena, folder, "one"),
               *metadata = sl_path_join(arena, out, "metadata.jsonl");
    assert_ok(sl_folder_make(out));
    assert_ok(sl_file_write_atomic(sl_path_join(arena, out, "notes.txt"), "mine", 4));
    assert_ok(simulate_into(out, 3, SL_WRITE_TIFF));
    assert_status(simulate_into(out, 3, SL_WRITE_TIFF), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), out));
    assert_non_null(strstr(sl_error_message(), "metadata.jsonl"));
    assert_int_equal(remove(metadata), 0); /* as if it had been killed */
    assert_status(simulate_into(out, 2, SL_WRITE_TIFF), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), "image_000002"));
    assert_status(simulate_into(out, 3, SL_WRITE_NPY), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), ".tif"));
    /* a companion that the new run does not write would pass for one of its own */
    const char *mean = sl_path_join(arena, out, "image_000001_expectation.tif");
    assert_ok(sl_file_write_atomic(mean, "x", 1));
    assert_status(simulate_into(out, 3, SL_WRITE_TIFF), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), "_expectation"));
    assert_int_equal(remove(mean), 0);
    assert_ok(simulate_into(out, 3, SL_WRITE_TIFF));
    assert_true(sl_file_exists(metadata));
    const char *archives = sl_path_join(arena, folder, "archives");
    assert_ok(simulate_into(archives, 3, SL_WRITE_COUNT));
    assert_status(simulate_into(archives, 3, SL_WRITE_COUNT), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), "images_000000.tar"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(fp16_is_for_devices),
    cmocka_unit_test(simulated_images_bring_their_truth),
    cmocka_unit_test(labels_are_split_by_group),
    cmocka_unit_test(a_classifier_is_trained_and_recorded),
    cmocka_unit_test(classifying_gives_every_image_a_probability),
    cmocka_unit_test(an_image_depends_on_seed_and_index_alone),
    cmocka_unit_test(generated_images_are_recorded_with_the_run),
    cmocka_unit_test(the_report_stands_alone),
    cmocka_unit_test(the_report_draws_what_was_trained),
    cmocka_unit_test(the_report_says_what_intervals_are_for),
    cmocka_unit_test(a_folder_holds_one_run),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
