#include "scratch_workspace.h"

#include "base/file.h"
#include "base/random/random.h"
#include "image/frame.h"
#include "image/write/write.h"
#include "loop/classify/labels.h"
#include "loop/job.h"
#include "loop/pixels.h"
#include "loop/simulate.h"
#include "loop/workspace.h"
#include "store/object.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A ring with counting noise and a gap. */
static sl_image make_image(uint32_t item, int32_t height_px, int32_t width_px) {
    sl_image image;
    sl_random random = sl_random_stream(7, SL_STREAM_TEST, item);
    assert_ok(sl_image_new(height_px, width_px, &image));
    for (int32_t y = 0; y < height_px; y++)
        for (int32_t x = 0; x < width_px; x++) {
            int32_t at = y * width_px + x;
            image.value[at] = (float)sl_random_below(&random, 1 + (uint32_t)(x % 17) * 9);
            if (x == 5) {
                image.value[at] = 0;
                image.mask[at] = SL_MASK_GAP;
            }
        }
    return image;
}

/* A frame of the same numbers in another type. */
static sl_frame frame_of(sl_dtype dtype, const double *values, int height, int width) {
    sl_frame frame = {.format = "NPY", .header = {.dtype = dtype, .height_px = height, .width_px = width}};
    size_t count = (size_t)(height * width);
    assert_ok(sl_alloc(&frame.data, count, sl_dtype_bytes(dtype)));
    sl_convert(SL_F64, values, dtype, frame.data, count);
    return frame;
}

static void hash_of(const sl_frame *frame, char out[SL_SHA256_HEX]) {
    sl_image image;
    assert_ok(sl_frame_to_image(frame, &image));
    sl_pixels_hash(&image, out);
    sl_image_free(&image);
}

static void content_hash_sees_numbers_only(void **state) {
    (void)state;
    static const double values[6] = {0, 1, 2, 300, 40000, -1}, others[6] = {0, 1, 2, 300, 40000, 5};
    static const sl_dtype types[] = {SL_I32, SL_F32, SL_F64, SL_I64};
    char first[SL_SHA256_HEX], hash[SL_SHA256_HEX];
    for (size_t i = 0; i < 4; i++) {
        sl_frame frame = frame_of(types[i], values, 2, 3);
        hash_of(&frame, i ? hash : first);
        if (i) assert_string_equal(hash, first);
        sl_frame_free(&frame);
    }
    sl_frame frame = frame_of(SL_I32, others, 2, 3);
    hash_of(&frame, hash);
    assert_string_not_equal(hash, first);
    sl_frame_free(&frame);
    frame = frame_of(SL_I32, values, 3, 2);
    hash_of(&frame, hash);
    assert_string_not_equal(hash, first);
    sl_frame_free(&frame);
    static const double codes[6] = {0, 1, 2, 300, 40000, 4294967295.0};
    frame = frame_of(SL_U32, codes, 2, 3); /* another code for the same masked pixel */
    hash_of(&frame, hash);
    assert_string_equal(hash, first);
    sl_frame_free(&frame);
}

static void pixels_come_back_exactly(void **state) {
    (void)state;
    sl_image image = make_image(1, 37, 61), got;
    image.value[3] = 1.5e-30f;
    unsigned char *data;
    size_t bytes;
    assert_ok(sl_pixels_encode(&image, &data, &bytes));
    assert_true(bytes < 5u * 37 * 61);
    assert_ok(sl_pixels_decode(data, bytes, &got));
    assert_memory_equal(image.value, got.value, 37 * 61 * sizeof(float));
    assert_memory_equal(image.mask, got.mask, 37 * 61);
    char hash[SL_SHA256_HEX], other[SL_SHA256_HEX];
    sl_pixels_hash(&image, hash);
    sl_pixels_hash(&got, other);
    assert_string_equal(hash, other);
    got.mask[0] = 1;
    sl_pixels_hash(&got, other);
    assert_string_not_equal(hash, other);
    sl_image_free(&got);
    for (size_t cut = 0; cut < bytes; cut += 97) {
        unsigned char *part;
        assert_ok(sl_alloc(&part, cut + 1, 1));
        memcpy(part, data, cut);
        assert_status(sl_pixels_decode(part, cut, &got), SL_FORMAT);
        sl_free(part);
    }
    data[8] = data[9] = data[10] = data[11] = 0xff;
    assert_status(sl_pixels_decode(data, bytes, &got), SL_LIMIT);
    sl_free(data);
    sl_image_free(&image);
}

static void a_workspace_is_found_from_below(void **state) {
    (void)state;
    char before[512], inner[128];
    sl_workspace *found;
    assert_non_null(getcwd(before, sizeof before));
    snprintf(inner, sizeof inner, "%s/a/b", scratch_root);
    assert_ok(sl_folder_make(inner));
    assert_int_equal(chdir(inner), 0);
    sl_status status = sl_workspace_open(NULL, &found);
    assert_int_equal(chdir(before), 0);
    assert_ok(status);
    assert_string_equal(found->root, workspace->root);
    assert_int_equal(found->split_seed, 1);
    sl_workspace_close(found);
    assert_status(sl_workspace_open("/tmp", &found), SL_NOT_FOUND);
    assert_status(sl_workspace_init(scratch_root, 1), SL_EXISTS);
}

static void an_init_that_was_killed_is_finished(void **state) {
    (void)state;
    const char *root = sl_path_join(arena, folder, "cut");
    sl_workspace *found;
    sl_store *store;
    assert_ok(sl_folder_make(root));
    assert_ok(sl_store_open(sl_path_join(arena, root, "scatterloop.db"), true, &store));
    sl_store_close(store);
    assert_status(sl_workspace_open(root, &found), SL_FORMAT);
    assert_ok(sl_workspace_init(root, 7));
    assert_ok(sl_workspace_open(root, &found));
    assert_int_equal(found->split_seed, 7);
    sl_workspace_close(found);
    assert_status(sl_workspace_init(root, 8), SL_EXISTS);
}

static void splits_keep_groups_together(void **state) {
    (void)state;
    int count[SL_SPLIT_COUNT] = {0};
    for (int i = 0; i < 3000; i++) {
        char group[32];
        snprintf(group, sizeof group, "sample-%d", i);
        sl_split split = sl_workspace_split(workspace, group);
        assert_int_equal(split, sl_workspace_split(workspace, group));
        count[split]++;
    }
    /* four standard deviations around 2100, 450, 450 */
    assert_in_range(count[SL_SPLIT_TRAIN], 2000, 2200);
    assert_in_range(count[SL_SPLIT_CALIBRATION], 372, 528);
    assert_in_range(count[SL_SPLIT_TEST], 372, 528);
}

static void images_are_stored_with_their_pixels(void **state) {
    (void)state;
    sl_image image = make_image(2, 20, 30), got;
    sl_image_record record = {.group_key = "s1", .origin = SL_ORIGIN_SIMULATED};
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
    assert_ok(sl_store_images_add(workspace->store, &record, 1, true, NULL));
    assert_ok(sl_workspace_get_image(workspace, record.object_hash, &got));
    assert_memory_equal(image.value, got.value, 600 * sizeof(float));
    assert_int_equal(strlen(record.fingerprint), 64);
    sl_image_free(&got);
    sl_image_free(&image);
    sl_workspace_report report;
    assert_ok(sl_workspace_check(workspace, &report));
    assert_int_equal(report.images, 1);
    assert_int_equal(report.objects, 1);
    remove(sl_object_path(arena, workspace->objects, record.object_hash));
    assert_status(sl_workspace_check(workspace, &report), SL_FORMAT);
}

/* Bits of all kinds, and values that are kept below them. */
static void images_come_back_from_hdf5_with_their_hash(void **state) {
    (void)state;
    sl_simulate_result made;
    sl_image_record *records;
    int count, seen = 0;
    sl_simulate_settings settings = scratch_simulated(6, 96);
    settings.format = SL_WRITE_HDF5;
    settings.out = sl_path_join(arena, folder, "nexus");
    assert_ok(sl_simulate(&settings, workspace, NULL, &made));
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &records, &count));
    assert_int_equal(count, 6);
    for (int k = 0; k < count; k++) {
        sl_frame frame;
        sl_image image;
        char hash[SL_SHA256_HEX];
        assert_ok(
            sl_frame_read(sl_arena_printf(arena, "%s/image_%06d.h5", settings.out, k), NULL, NULL, &frame));
        assert_ok(sl_frame_to_image(&frame, &image));
        for (int i = 0; i < image.height_px * image.width_px; i++) seen |= image.mask[i];
        sl_pixels_hash(&image, hash);
        assert_string_equal(hash, records[k].content_hash);
        sl_image_free(&image);
        sl_frame_free(&frame);
    }
    assert_true(seen & SL_MASK_BEAMSTOP);
}

/* As if the program ended between an image and what is known of it. */
static void refuse_truths(void) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(sl_path_join(arena, scratch_root, "scatterloop.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TRIGGER no_truth BEFORE INSERT ON truth"
                                  " BEGIN SELECT RAISE(ABORT, 'no truths today'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void no_simulated_image_is_without_its_truth(void **state) {
    (void)state;
    sl_simulate_result made;
    sl_workspace_report report;
    sl_simulate_settings settings = scratch_simulated(3, 32);
    settings.unreal = 1;
    assert_ok(sl_simulate(&settings, workspace, NULL, &made));
    refuse_truths();
    assert_int_not_equal(sl_simulate(&settings, workspace, NULL, &made), SL_OK);
    assert_ok(sl_workspace_check(workspace, &report));
    assert_int_equal(report.images, 3);
    assert_int_equal(report.truthless, 0);
}

static void a_simulated_image_of_unknown_truth_is_told_and_teaches_nothing(void **state) {
    (void)state;
    sl_image image = make_image(3, 20, 30);
    sl_image_record record = {.group_key = "s", .origin = SL_ORIGIN_SIMULATED};
    sl_image_label said;
    sl_workspace_report report;
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
    sl_image_free(&image);
    assert_ok(sl_store_images_add(workspace->store, &record, 1, true, NULL));
    assert_ok(sl_image_label_get(workspace, &record, arena, &said));
    assert_int_equal(said.label, SL_LABEL_UNSURE);
    assert_int_equal(said.source, SL_LABEL_BY_NOBODY);
    assert_ok(sl_workspace_check(workspace, &report));
    assert_int_equal(report.truthless, 1);
    assert_int_equal(report.truthless_image[0], record.id);
    image = make_image(4, 20, 30);
    sl_image_record other = {.group_key = "s",
                             .origin = SL_ORIGIN_SIMULATED,
                             .source = "elsewhere.tif",
                             .provenance = "{\"imported_as\": \"simulated\"}"};
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &other));
    sl_image_free(&image);
    assert_ok(sl_store_images_add(workspace->store, &other, 1, true, NULL));
    assert_ok(sl_image_label_get(workspace, &other, arena, &said));
    assert_int_equal(said.label, SL_LABEL_REAL);
    assert_ok(sl_workspace_check(workspace, &report));
    assert_int_equal(report.truthless, 1);
}

static void jobs_leave_a_record(void **state) {
    (void)state;
    atomic_bool cancel = false;
    sl_progress outer = {NULL, NULL, &cancel};
    sl_job job;
    json_t *config = json_pack("{s:i}", "n", 3);
    assert_ok(sl_job_begin(workspace, "generate", config, 9, 0, &outer, &job));
    json_decref(config);
    sl_progress_tell(&job.progress, "generating", "image", 2, 3, NULL);
    sl_progress_tell(&job.progress, "generating", "image", 3, 3,
                     NULL); /* the last is told however soon it comes */
    sl_run_record run;
    assert_ok(sl_store_run_get(workspace->store, job.run, arena, &run));
    assert_int_equal(run.done, 3);
    assert_int_equal(run.state, SL_RUN_RUNNING);
    assert_string_equal(run.note, "generating");
    atomic_store(&cancel, true);
    assert_status(sl_job_end(&job, sl_progress_check(&job.progress), NULL), SL_CANCELLED);
    assert_ok(sl_store_run_get(workspace->store, job.run, arena, &run));
    assert_int_equal(run.state, SL_RUN_CANCELLED);

    assert_ok(sl_job_begin(workspace, "train lora", NULL, 9, 0, NULL, &job));
    assert_status(sl_job_end(&job, sl_fail(SL_NUMERIC, "loss is NaN"), NULL), SL_NUMERIC);
    assert_string_equal(sl_error_message(), "loss is NaN");
    assert_ok(sl_store_run_get(workspace->store, job.run, arena, &run));
    assert_int_equal(run.state, SL_RUN_FAILED);
    assert_non_null(strstr(run.result, "loss is NaN"));
    /* beside what was done until then */
    assert_ok(sl_job_begin(workspace, "train lora", NULL, 9, 0, NULL, &job));
    assert_status(sl_job_end(&job, sl_fail(SL_FULL, "no room"), json_pack("{s:i}", "steps", 12)), SL_FULL);
    assert_ok(sl_store_run_get(workspace->store, job.run, arena, &run));
    assert_string_equal(run.result, "{\"error\":\"FULL\",\"message\":\"no room\",\"steps\":12}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
static const struct CMUnitTest tests[] = {
    TEST(content_hash_sees_numbers_only),
    TEST(pixels_come_back_exactly),
    TEST(a_workspace_is_found_from_below),
    TEST(an_init_that_was_killed_is_finished),
    TEST(splits_keep_groups_together),
    TEST(images_are_stored_with_their_pixels),
    TEST(jobs_leave_a_record),
    TEST(images_come_back_from_hdf5_with_their_hash),
    TEST(no_simulated_image_is_without_its_truth),
    TEST(a_simulated_image_of_unknown_truth_is_told_and_teaches_nothing),
};
TEST_MAIN(tests)
