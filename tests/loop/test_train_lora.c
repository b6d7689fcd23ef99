/* Fine-tuning on the images of a workspace: an adapter in diffusers' format, recorded, repeatable, resumable.
 */
#include "scratch_workspace.h"

#include "base/file.h"
#include "loop/report/report.h"
#include "loop/simulate.h"
#include "loop/train/lora.h"
#include "model/lora_file.h"
#include "model/model.h"
#include "shared.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGES = 14 };

static int set_up(void **state) {
    if (scratch_open(state)) return 1;
    sl_simulate_result made;
    sl_simulate_settings settings = scratch_simulated(IMAGES, 64);
    assert_ok(sl_simulate(&settings, workspace, NULL, &made));
    return 0;
}

static sl_lora_settings settings_for(const char *model, int64_t steps) {
    sl_lora_settings settings;
    assert_ok(sl_options_default(sl_lora_options, arena, &settings));
    settings.model = sl_arena_strdup(arena, model);
    settings.origin = 1; /* simulated */
    settings.size_px = 64;
    settings.batch = 2;
    settings.steps = steps;
    settings.holdout = 0.3;
    settings.flip = true;
    return settings;
}

static void an_adapter_is_trained_and_recorded(void **state) {
    (void)state;
    const char *model = shared_path("golden/dev/pipe");
    if (!model) skip_because("no golden/dev/pipe; set SL_SHARED");
    sl_lora_settings settings = settings_for(model, 4);
    json_t *result = json_object();
    sl_id first = 0, again = 0, longer = 0;
    assert_ok(sl_train_lora(&settings, workspace, 0, NULL, result, &first));
    assert_true(json_integer_value(json_object_get(result, "held_out")) > 0);
    assert_non_null(json_object_get(result, "holdout_best"));
    sl_model_record record;
    assert_ok(sl_store_model_get(workspace->store, first, arena, &record));
    assert_string_equal(record.kind, "lora");
    char path[512];
    snprintf(path, sizeof path, "%s/unet", settings.model);
    sl_model *unet;
    sl_lora *lora;
    assert_ok(sl_model_load(path, &unet));
    assert_ok(sl_lora_load(sl_workspace_path(workspace, arena, record.path), unet->params, &lora));
    assert_true(sl_params_values(lora->params, false) > 0);
    sl_lora_free(lora);
    sl_model_free(unet);
    assert_ok(sl_train_lora(&settings, workspace, 0, NULL, NULL, &again));
    assert_int_equal(again, first); /* the same weights are the same model */
    settings.steps = 6;
    json_object_clear(result);
    assert_ok(sl_train_lora(&settings, workspace, 0, NULL, result, &longer));
    assert_int_equal(json_integer_value(json_object_get(result, "steps")), 6);
    json_decref(result);
}

/* Three runs went on with one another: they share a history. */
static void the_report_draws_its_curve_once(void **state) {
    (void)state;
    if (!shared_path("golden/dev/pipe")) skip_because("no golden/dev/pipe; set SL_SHARED");
    const sl_report_settings settings = {.thumbnails = 1};
    const char *path;
    char *page;
    size_t bytes;
    assert_ok(sl_report_write(workspace, &settings, NULL, arena, &path));
    assert_ok(sl_file_read(path, 1 << 24, &page, &bytes));
    const char *plot = strstr(page, "<svg");
    assert_non_null(plot);
    assert_null(strstr(plot + 1, "<svg"));
    assert_non_null(strstr(plot, "train lora, run "));
    assert_non_null(strstr(plot, ">holdout</text>"));
    sl_free(page);
}

/* A copy of the model under PARENT/model whose denoiser has another name and, but for `weight` 0, another
 * last weight. */
static const char *copy_of(const char *model, const char *parent, int weight) {
    const char *copy = sl_path_join(arena, sl_path_join(arena, folder, parent), "model");
    const char *unet = sl_path_join(arena, copy, "unet/diffusion_pytorch_model");
    const char *command = sl_arena_printf(
        arena, "mkdir -p %s && cp -r %s/. %s && chmod -R u+w %s && mv %s.safetensors %s.fp16.safetensors",
        copy, model, copy, copy, unet, unet);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(sl_arena_printf(arena, "%s.fp16.safetensors", unet), "r+b");
    float number = (float)weight;
    assert_non_null(file);
    if (weight) assert_true(fseek(file, -4, SEEK_END) == 0 && fwrite(&number, 4, 1, file) == 1);
    assert_int_equal(fclose(file), 0);
    return copy;
}

static void another_base_begins_anew(void **state) {
    (void)state;
    const char *model = shared_path("golden/dev/pipe");
    if (!model) skip_because("no golden/dev/pipe; set SL_SHARED");
    static const char *const parents[] = {"a", "b", "moved"};
    sl_id id[3];
    for (int k = 0; k < 3; k++) {
        sl_lora_settings settings = settings_for(copy_of(model, parents[k], k == 1), 2);
        assert_ok(sl_train_lora(&settings, workspace, 0, NULL, NULL, &id[k]));
    }
    assert_int_not_equal(id[0], id[1]);
    assert_int_equal(id[0], id[2]); /* the same weights, elsewhere */
}

static void a_folder_does_as_well(void **state) {
    (void)state;
    const char *model = shared_path("golden/dev/pipe");
    if (!model) skip_because("no golden/dev/pipe; set SL_SHARED");
    sl_simulate_result made;
    sl_simulate_settings simulated = scratch_simulated(IMAGES, 64);
    simulated.out = sl_path_join(arena, folder, "images");
    assert_ok(sl_simulate(&simulated, NULL, NULL, &made));
    sl_lora_settings settings = settings_for(model, 2);
    settings.images = simulated.out;
    sl_id record = -1;
    assert_status(sl_train_lora(&settings, NULL, 0, NULL, NULL, &record), SL_INVALID); /* no --out */
    settings.out = sl_path_join(arena, folder, "adapter");
    json_t *result = json_object();
    assert_ok(sl_train_lora(&settings, NULL, 0, NULL, result, &record));
    assert_int_equal(record, 0);
    int64_t held_out = json_integer_value(json_object_get(result, "held_out"));
    assert_true(held_out > 0); /* simulated images are groups of their own */
    assert_int_equal(json_integer_value(json_object_get(result, "images")), IMAGES - held_out);
    assert_true(sl_file_exists(sl_path_join(arena, settings.out, "pytorch_lora_weights.safetensors")));
    settings.steps = 3; /* goes on */
    assert_ok(sl_train_lora(&settings, NULL, 0, NULL, result, &record));
    assert_int_equal(json_integer_value(json_object_get(result, "steps")), 3);
    json_decref(result);
    settings.images = sl_path_join(arena, folder, "nowhere");
    assert_status(sl_train_lora(&settings, NULL, 0, NULL, NULL, &record), SL_NOT_FOUND);
}

static void without_images_it_says_so(void **state) {
    (void)state;
    sl_lora_settings settings = settings_for("/nonexistent", 4);
    settings.origin = 0; /* experimental: there are none */
    sl_id model = 0;
    assert_status(sl_train_lora(&settings, workspace, 0, NULL, NULL, &model), SL_NOT_FOUND);
    assert_non_null(strstr(sl_error_message(), "no image of the training split"));
}

/* Images beyond the first page of the store, and among others. */
static void all_images_are_learnt_from(void **state) {
    (void)state;
    sl_lora_settings settings = settings_for("/nonexistent", 4);
    sl_text said = SL_TEXT_INIT;
    sl_image_record row = {.origin = SL_ORIGIN_GENERATED, .split = SL_SPLIT_TRAIN, .group_key = "g"};
    scratch_add_rows(row, SL_STORE_LIST_MAX);
    row.origin = SL_ORIGIN_EXPERIMENTAL;
    row.caption = "SAXS data showing rings";
    scratch_add_rows(row, 300);
    settings.origin = 0; /* experimental */
    settings.holdout = 0;
    assert_ok(sl_train_lora_preview(&settings, workspace, &said));
    assert_non_null(strstr(sl_text_get(&said), "300 images to learn from, 0 held out"));
    sl_text_free(&said);
}

static int learnt_from(const sl_lora_settings *settings) {
    sl_text said = SL_TEXT_INIT;
    assert_ok(sl_train_lora_preview(settings, workspace, &said));
    int count = atoi(sl_text_get(&said));
    sl_text_free(&said);
    return count;
}

/* Of simulated images those without faults, of measured ones those that nobody calls impossible. */
static void what_is_impossible_teaches_nothing(void **state) {
    (void)state;
    sl_lora_settings settings = settings_for("/nonexistent", 4);
    const sl_truth faulty = {.artefact = "blobs", .strength = 0.8}, clean = {.real = true};
    sl_image_record row = {.origin = SL_ORIGIN_SIMULATED,
                           .split = SL_SPLIT_TRAIN,
                           .group_key = "g",
                           .caption = "SAXS data showing rings",
                           .truth = &clean};
    settings.origin = 1; /* simulated */
    settings.holdout = 0;
    scratch_add_rows(row, 25);
    int before = learnt_from(&settings);
    assert_true(before >= 25);
    row.truth = &faulty;
    scratch_add_rows(row, 40);
    row.truth = NULL;
    row.provenance = "{\"generator\": \"scatterloop simulate\"}"; /* lost: it may have faults */
    scratch_add_rows(row, 7);
    assert_int_equal(learnt_from(&settings), before);
    row.provenance = "{\"imported_as\": \"simulated\"}"; /* of another program */
    scratch_add_rows(row, 5);
    assert_int_equal(learnt_from(&settings), before + 5);
    settings.origin = 0; /* experimental */
    before = learnt_from(&settings);
    sl_image_record *measured;
    int count;
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    filter.origin = SL_ORIGIN_EXPERIMENTAL;
    filter.split = SL_SPLIT_TRAIN;
    assert_ok(sl_store_images(workspace->store, &filter, arena, &measured, &count));
    sl_decision decision = {.client_uuid = "01234567-0123-4123-8123-0123456789ab",
                            .image = measured[0].id,
                            .label = SL_LABEL_UNREAL};
    assert_ok(sl_store_reviewer(workspace->store, "anna", false, &decision.reviewer));
    assert_ok(sl_store_decide(workspace->store, arena, &decision));
    assert_int_equal(learnt_from(&settings), before - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_adapter_is_trained_and_recorded),
        cmocka_unit_test(the_report_draws_its_curve_once),
        cmocka_unit_test(another_base_begins_anew),
        cmocka_unit_test(a_folder_does_as_well),
        cmocka_unit_test(without_images_it_says_so),
        cmocka_unit_test(all_images_are_learnt_from),
        cmocka_unit_test(what_is_impossible_teaches_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_close) ? 1 : 0;
}
