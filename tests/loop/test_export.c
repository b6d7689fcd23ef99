/* Data sets for others: what is in them, what is said of it, and that they come whole or not at all. */
#include "scratch_workspace.h"

#include "base/file.h"
#include "base/hash.h"
#include "image/captions.h"
#include "image/frame.h"
#include "loop/export/export.h"
#include "loop/import/import.h"
#include "loop/pixels.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE_PX = 24, OF_EACH = 16 };

static sl_id reviewer;
static sl_id generated[OF_EACH];

static sl_id add_image(sl_origin origin, int number) {
    sl_image image;
    assert_ok(sl_image_new(SIDE_PX, SIDE_PX, &image));
    for (int k = 0; k < SIDE_PX * SIDE_PX; k++)
        image.value[k] = (float)(k * (number + 3) % 97 + 100 * (int)origin);
    image.mask[5] = SL_MASK_GAP;
    image.value[5] = 0;
    sl_image_record record = {.origin = origin,
                              .group_key = sl_arena_printf(arena, "%d-%d", (int)origin, number / 2),
                              .caption = "SAXS data showing rings, \"bright\"",
                              .run_index = number,
                              .dtype = "F32",
                              .provenance = "{\"geometry\":{\"wavelength_m\":1e-10,\"distance_m\":2}}"};
    int added;
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
    assert_ok(sl_store_images_add(workspace->store, &record, 1, false, &added));
    sl_truth truth = {record.id, number % 2 == 0, number % 2 ? "A1" : NULL, number % 2 ? 0.7 : 0};
    if (origin == SL_ORIGIN_SIMULATED) assert_ok(sl_store_truths_add(workspace->store, &truth, 1));
    sl_image_free(&image);
    return record.id;
}

static sl_decision decide(sl_id image, int number, sl_label label, const char *note, sl_id supersedes) {
    sl_decision decision = {.client_uuid = sl_arena_printf(arena, "%036d", number),
                            .image = image,
                            .reviewer = reviewer,
                            .label = label,
                            .note = note,
                            .reasons = label == SL_LABEL_UNREAL ? 1u << SL_REASON_RING_SHAPE : 0,
                            .active_ms = 1500,
                            .supersedes = supersedes};
    assert_ok(sl_store_decide(workspace->store, arena, &decision));
    return decision;
}

/* Of the generated images, the first is called real after a change of mind, the second unreal, the third
 * unsure; the machine accepts the fourth and rejects the fifth. */
static int fill(void **state) {
    if (scratch_open(state)) return 1;
    assert_ok(sl_store_reviewer(workspace->store, "anna, head of beamline", false, &reviewer));
    for (int k = 0; k < OF_EACH; k++) {
        add_image(SL_ORIGIN_EXPERIMENTAL, k);
        add_image(SL_ORIGIN_SIMULATED, k);
        generated[k] = add_image(SL_ORIGIN_GENERATED, k);
    }
    sl_decision first = decide(generated[0], 1, SL_LABEL_UNREAL, "=HYPERLINK(\"x\")", 0);
    decide(generated[0], 2, SL_LABEL_REAL, "no, \"fine\"", first.id);
    decide(generated[1], 3, SL_LABEL_UNREAL, NULL, 0);
    decide(generated[2], 4, SL_LABEL_UNSURE, NULL, 0);
    sl_round_record round = {.config = "{}"};
    sl_model_record model = {.hash = "0123456789012345678901234567890123456789012345678901234567890123",
                             .kind = "classifier",
                             .name = "c",
                             .path = "models/c"};
    assert_ok(sl_store_round_start(workspace->store, &round));
    assert_ok(sl_store_model_add(workspace->store, &model));
    sl_verdict verdicts[] = {{generated[3], round.id, model.id, true, 0.97, 0.9, ""},
                             {generated[4], round.id, model.id, false, 0.4, 0.9, "score"}};
    assert_ok(sl_store_verdicts_add(workspace->store, verdicts, 2));
    return 0;
}

static sl_export_settings settings_for(const char *name) {
    sl_export_settings settings;
    assert_ok(sl_options_default(sl_export_options, arena, &settings));
    settings.out = sl_arena_printf(arena, "%s/%s", folder, name);
    return settings;
}

static const char *file_of(const sl_export_settings *settings, const char *name) {
    char *text;
    size_t bytes;
    assert_ok(sl_file_read(sl_path_join(arena, settings->out, name), 1 << 24, &text, &bytes));
    const char *kept = sl_arena_strndup(arena, text, bytes);
    sl_free(text);
    return kept;
}

static bool has_file(const sl_export_settings *settings, const char *name) {
    return sl_file_exists(sl_path_join(arena, settings->out, name));
}

static const char *first_split(const sl_export_result *r) {
    return r->split[SL_SPLIT_TRAIN] ? "train" : r->split[SL_SPLIT_TEST] ? "test" : "validation";
}

static void labels_come_from_who_knows(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("all");
    sl_export_result r;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_int_equal(r.images, 3 * OF_EACH);
    assert_int_equal(r.decisions, 4);
    /* measured ones, half of the simulated ones, one reviewed one */
    assert_int_equal(r.real, OF_EACH + OF_EACH / 2 + 1);
    assert_int_equal(r.unreal, OF_EACH / 2 + 1);
    settings = settings_for("machine");
    settings.machine = true;
    settings.images.origin = 1 + SL_ORIGIN_GENERATED;
    settings.images.label = 1;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_int_equal(r.images, 2);
    const char *table = file_of(&settings, sl_arena_printf(arena, "%s/metadata.jsonl", first_split(&r)));
    assert_non_null(strstr(table, "\"synthetic\":true"));
    settings = settings_for("unlabelled");
    settings.images.label = 4;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_int_equal(r.images, OF_EACH - 3); /* the third is unsure: that is said, too */
}

/* Rows of a folder's metadata.jsonl, each with its image, whose pixels are those of the workspace. */
static int check_split(const sl_export_settings *settings, const char *split) {
    sl_captions *captions;
    const char *path = sl_arena_printf(arena, "%s/%s/metadata.jsonl", settings->out, split);
    if (!sl_file_exists(path)) return 0;
    assert_ok(sl_captions_read(path, &captions));
    int count = sl_captions_count(captions);
    for (int i = 0; i < count; i++) {
        const sl_caption *row = sl_captions_at(captions, i);
        sl_frame frame;
        sl_image image;
        char hash[SL_SHA256_HEX];
        assert_ok(sl_frame_read(row->path, NULL, NULL, &frame));
        assert_ok(sl_frame_to_image(&frame, &image));
        image.mask[5] = SL_MASK_GAP; /* a code in a TIFF says only that there is no value */
        sl_pixels_hash(&image, hash);
        assert_string_equal(hash, json_string_value(json_object_get(row->columns, "content_sha256")));
        assert_string_equal(row->text, "SAXS data showing rings, \"bright\"");
        sl_image_free(&image);
        sl_frame_free(&frame);
    }
    sl_captions_free(captions);
    return count;
}

static void an_image_folder_reads_back(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("back");
    sl_export_result r;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_int_equal(check_split(&settings, "train"), r.split[SL_SPLIT_TRAIN]);
    assert_int_equal(check_split(&settings, "validation"), r.split[SL_SPLIT_CALIBRATION]);
    assert_int_equal(check_split(&settings, "test"), r.split[SL_SPLIT_TEST]);
}

/* Into another workspace. */
static void imported_images_keep_their_origin(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("given");
    sl_export_result r;
    sl_workspace *other;
    json_t *result;
    const char *root = sl_arena_printf(arena, "%s/other", folder);
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_ok(sl_workspace_init(root, 1));
    assert_ok(sl_workspace_open(root, &other));
    assert_ok(sl_import(other, &(sl_list){&settings.out, 1}, &(sl_import_settings){0}, NULL, &result));
    assert_int_equal(json_integer_value(json_object_get(result, "added")), r.images);
    json_decref(result);
    for (int origin = 0; origin < SL_ORIGIN_COUNT; origin++) {
        sl_image_filter filter = SL_IMAGE_FILTER_ALL;
        int64_t count;
        filter.origin = origin;
        assert_ok(sl_store_image_count(other->store, &filter, &count));
        assert_int_equal(count, r.origin[origin]);
    }
    sl_workspace_close(other);
}

static void sums_hold_for_every_file(void **state) {
    (void)state;
    static const char *const names[] = {"s0", "s1", "s2", "s3"};
    for (int layout = 0; layout < 4; layout++) {
        sl_export_settings settings = settings_for(names[layout]);
        sl_export_result r;
        settings.layout = layout;
        settings.per_archive = 7;
        assert_ok(sl_export(workspace, &settings, NULL, &r));
        int lines = 0;
        for (const char *line = file_of(&settings, "SHA256SUMS"); *line;
             line = strchr(line, '\n') + 1, lines++) {
            char sum[SL_SHA256_HEX];
            const char *name = sl_arena_strndup(arena, line + 66, (size_t)(strchr(line, '\n') - line - 66));
            assert_ok(sl_sha256_file_hex(sl_path_join(arena, settings.out, name), sum));
            assert_memory_equal(line, sum, 64);
        }
        assert_true(lines > (layout == 2 ? 3 * OF_EACH / 7 : OF_EACH));
        assert_true(has_file(&settings, "README.md") && has_file(&settings, "export.json"));
    }
}

static void the_hash_names_images_labels_and_splits_alone(void **state) {
    (void)state;
    sl_export_settings a = settings_for("h0"), b = settings_for("h1"), c = settings_for("h2");
    sl_export_result ra, rb, rc;
    b.layout = 2;
    b.anonymous = true;
    c.machine = true;
    assert_ok(sl_export(workspace, &a, NULL, &ra));
    assert_ok(sl_export(workspace, &b, NULL, &rb));
    assert_ok(sl_export(workspace, &c, NULL, &rc));
    assert_string_equal(ra.hash, rb.hash);
    assert_string_not_equal(ra.hash, rc.hash);
}

static void classes_hold_what_is_labelled(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("classes");
    sl_export_result r;
    settings.layout = 1;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_int_equal(r.unlabelled, 0);
    assert_int_equal(r.images, r.real + r.unreal);
    sl_image_record record;
    assert_ok(sl_store_image_get(workspace->store, generated[1], arena, &record));
    static const char *const splits[] = {"train", "validation", "test"};
    assert_true(has_file(&settings, sl_arena_printf(arena, "%s/fake/image_%06lld.png", splits[record.split],
                                                    (long long)generated[1])));
}

static void decisions_are_all_there_and_no_formulas(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("log");
    sl_export_result r;
    settings.layout = 3;
    settings.anonymous = true;
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    const char *log = file_of(&settings, "decisions.csv"), *tasks = file_of(&settings, "tasks.json");
    assert_null(strstr(log, "anna"));
    assert_null(strstr(tasks, "anna"));
    assert_non_null(strstr(log, ",\"'=HYPERLINK(\"\"x\"\")\","));
    assert_non_null(strstr(log, ",\"no, \"\"fine\"\"\","));
    assert_non_null(strstr(log, "ring shape"));
    json_t *list;
    assert_ok(sl_json_parse(tasks, strlen(tasks), "tasks", &list));
    assert_int_equal(json_array_size(list), 3 * OF_EACH);
    size_t index, annotations = 0;
    json_t *task;
    json_array_foreach(list, index, task) annotations +=
        json_array_size(json_object_get(task, "annotations"));
    assert_int_equal(annotations, 3); /* the superseded one is in the log alone */
    json_decref(list);
}

static void slashes_end_no_name(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("slashed");
    sl_export_result r;
    const char *plain = settings.out;
    settings.out = sl_arena_printf(arena, "%s//", plain);
    assert_ok(sl_export(workspace, &settings, NULL, &r));
    assert_true(sl_file_exists(sl_path_join(arena, plain, "SHA256SUMS")));
    assert_false(sl_path_is_folder(sl_arena_printf(arena, "%s.partial", plain)));
    assert_status(sl_export(workspace, &settings, NULL, &r), SL_EXISTS);
    settings.out = "/";
    assert_status(sl_export(workspace, &settings, NULL, &r), SL_EXISTS);
}

/* The name is free when it is looked at, and no longer when all is written. */
static void a_name_taken_meanwhile_leaves_nothing(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("missing/link");
    sl_export_result r;
    const char *link = settings.out, *target = sl_path_join(arena, folder, "nowhere");
    assert_ok(sl_folder_make(sl_path_join(arena, folder, "missing")));
    assert_int_equal(symlink(target, link), 0);
    assert_status(sl_export(workspace, &settings, NULL, &r), SL_IO);
    assert_false(sl_path_is_folder(sl_arena_printf(arena, "%s.partial", link)));
    assert_int_equal(unlink(link), 0);
    assert_ok(sl_export(workspace, &settings, NULL, &r));
}

static void nothing_is_left_of_a_failure(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("none");
    sl_export_result r;
    settings.images.group = "nobody";
    assert_int_equal(sl_export(workspace, &settings, NULL, &r), SL_NOT_FOUND);
    assert_false(sl_path_is_folder(settings.out));
    assert_false(sl_path_is_folder(sl_arena_printf(arena, "%s.partial", settings.out)));
    /* the pixels of the last image are damaged: everything before it is written by then */
    sl_image_record record;
    settings = settings_for("damaged");
    assert_ok(sl_store_image_get(workspace->store, generated[OF_EACH - 1], arena, &record));
    const char *object =
        sl_arena_printf(arena, "%s/%.2s/%s", workspace->objects, record.object_hash, record.object_hash);
    if (!sl_file_exists(object))
        object = sl_arena_printf(arena, "%s/%.2s/%s", workspace->objects, record.object_hash,
                                 record.object_hash + 2);
    assert_true(sl_file_exists(object));
    assert_ok(sl_file_write_atomic(object, "x", 1));
    for (settings.layout = 0; settings.layout < 4; settings.layout++) {
        if (settings.layout == 1) continue; /* that image has no label */
        assert_int_not_equal(sl_export(workspace, &settings, NULL, &r), SL_OK);
        assert_false(sl_path_is_folder(settings.out));
        assert_false(sl_path_is_folder(sl_arena_printf(arena, "%s.partial", settings.out)));
    }
}

static void a_folder_that_is_there_stays_as_it_is(void **state) {
    (void)state;
    sl_export_settings settings = settings_for("there");
    sl_export_result r;
    assert_ok(sl_folder_make(settings.out));
    assert_int_equal(sl_export(workspace, &settings, NULL, &r), SL_EXISTS);
    settings = settings_for("killed");
    assert_ok(sl_folder_make(sl_arena_printf(arena, "%s.partial", settings.out)));
    assert_int_equal(sl_export(workspace, &settings, NULL, &r), SL_EXISTS);
    assert_non_null(strstr(sl_error_message(), "interrupted"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(labels_come_from_who_knows),
    cmocka_unit_test(an_image_folder_reads_back),
    cmocka_unit_test(imported_images_keep_their_origin),
    cmocka_unit_test(sums_hold_for_every_file),
    cmocka_unit_test(the_hash_names_images_labels_and_splits_alone),
    cmocka_unit_test(classes_hold_what_is_labelled),
    cmocka_unit_test(decisions_are_all_there_and_no_formulas),
    cmocka_unit_test(a_folder_that_is_there_stays_as_it_is),
    cmocka_unit_test(slashes_end_no_name),
    cmocka_unit_test(a_name_taken_meanwhile_leaves_nothing),
    cmocka_unit_test(nothing_is_left_of_a_failure), /* last: it damages an image */
};

TEST_MAIN_WITH(tests, fill, scratch_close)
