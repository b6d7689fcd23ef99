/* Comparing sets of images: simulated ones, files, and a workspace. */
#include "scratch_workspace.h"

#include "base/random/random.h"
#include "base/threads.h"
#include "image/write/write.h"
#include "loop/evaluate/evaluate.h"
#include "loop/simulate.h"

#include <math.h>
#include <stdio.h>

static sl_evaluate_settings settings;

static void use_sets(const char *reference, const char *candidate) {
    assert_ok(sl_options_default(sl_evaluate_options, arena, &settings));
    settings.reference = reference;
    settings.candidate = candidate;
    settings.size_px = 64;
    settings.spaces = 1;
    settings.draws = 100;
}

static void assert_between(double value, double low, double high) {
    if (!(value >= low && value <= high)) fail_msg("%g is not within %g and %g", value, low, high);
}

/* A folder of images of nothing but counting noise; every second has its own group by its name. */
static const char *noise_folder(int count) {
    char *path = sl_arena_printf(arena, "%s/noise", folder);
    assert_ok(sl_folder_make(path));
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    for (int i = 0; i < count; i++) {
        sl_image image;
        assert_ok(sl_image_new(70, 80, &image));
        for (int k = 0; k < 70 * 80; k++)
            image.value[k] = (float)floor(fabs(20 + 5 * sl_random_normal(&random)));
        const sl_write_info info = {.title = "noise"};
        assert_ok(sl_image_write(sl_arena_printf(arena, "%s/n%c_x.tiff", path, 'a' + i), SL_WRITE_TIFF,
                                 &image, &info));
        sl_image_free(&image);
    }
    return path;
}

static void equal_sets_lie_at_the_floor(void **state) {
    (void)state;
    sl_evaluation e;
    use_sets("simulated:30:1", "simulated:30:2");
    assert_ok(sl_evaluate(&settings, NULL, NULL, arena, &e));
    assert_int_equal(e.sets[0].measured.count, 30);
    assert_int_equal(e.sets[1].groups, 30);
    assert_int_equal(e.identical, 0);
    assert_between(sl_set_number_place(&e.number[SL_SET_NUMBER_KID]), -0.2, 0.2);
    assert_between(e.number[SL_SET_NUMBER_AUC_NEAREST].value.value, 0.3, 0.7);
    assert_between(e.number[SL_SET_NUMBER_COVERAGE].value.value, 0.8, 1);
    assert_between(e.number[SL_SET_NUMBER_COPY_Z].value.value, -2.6, 2.6);
    /* what simulated images teach about the technique holds for others; of 30 images only so far as not to be
     * wrong */
    assert_true(e.transfers >= 1);
    assert_string_equal(e.transfer[0].technique, "SAXS");
    assert_between(e.transfer[0].taught_by_candidate.value, 0.5, 1);
    assert_between(e.transfer[0].taught_by_reference.value, 0.5, 1);
    /* the ceiling is far, for images that have nothing left but their grey levels */
    assert_between(e.number[SL_SET_NUMBER_AUC_LOGISTIC].ceiling.value, 0.9, 1);
    assert_true(e.number[SL_SET_NUMBER_KID].ceiling.low > e.number[SL_SET_NUMBER_KID].floor.high);
    assert_non_null(strstr(e.number[SL_SET_NUMBER_FRECHET].missing, "needs 134 images"));
    assert_non_null(strstr(e.number[SL_SET_NUMBER_KID_BACKBONE].missing, "backbone"));
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++)
        if (!isnan(e.column[i].p_adjusted)) assert_true(e.column[i].p_adjusted > 0.01);
    sl_evaluation_free(&e);
}

static char *evaluate_as_text(int threads) {
    sl_evaluation e;
    assert_ok(sl_threads_set(threads));
    assert_ok(sl_evaluate(&settings, workspace, NULL, arena, &e));
    json_t *json = sl_evaluation_to_json(&e, &settings);
    assert_non_null(json);
    char *text = sl_json_canonical(json);
    json_decref(json);
    sl_evaluation_free(&e);
    return text;
}

static void threads_change_nothing(void **state) {
    (void)state;
    use_sets("simulated:24:1", "simulated:24:5");
    char *one = evaluate_as_text(1), *three = evaluate_as_text(3);
    assert_string_equal(one, three);
    assert_null(strstr(one, "nan"));
    free(one);
    free(three);
}

static void noise_is_far_from_scattering(void **state) {
    (void)state;
    sl_evaluation e;
    const char *noise = noise_folder(24);
    char *broken = sl_arena_printf(arena, "%s/broken.tiff", noise);
    assert_ok(sl_file_write_atomic(broken, "II*\0\b\0\0\0damaged", 15));
    assert_ok(sl_file_write_atomic(sl_arena_printf(arena, "%s/notes.txt", noise), "no image", 8));
    assert_ok(sl_file_write_atomic(sl_arena_printf(arena, "%s/packed.npy", noise),
                                   "\x93NUMPY\x09\0\x06\0{    \n", 16));
    sl_image named;
    assert_ok(sl_image_new(64, 64, &named));
    assert_ok(
        sl_image_write(sl_arena_printf(arena, "%s/m\374ller.tiff", noise), SL_WRITE_TIFF, &named, NULL));
    sl_image_free(&named);
    use_sets("simulated:30:1", noise);
    settings.report = sl_arena_printf(arena, "%s/report.html", folder);
    settings.thumbnails = 3;
    assert_ok(sl_evaluate(&settings, NULL, NULL, arena, &e));
    assert_int_equal(e.sets[1].measured.count, 24);
    assert_int_equal(e.sets[1].groups, 24);
    assert_int_equal(e.sets[1].set.others, 1);
    assert_int_equal(json_array_size(e.sets[1].set.errors), 3);
    assert_true(e.number[SL_SET_NUMBER_KID].value.low > e.number[SL_SET_NUMBER_KID].floor.high);
    assert_between(e.number[SL_SET_NUMBER_AUC_LOGISTIC].value.value, 0.97, 1);
    assert_between(e.number[SL_SET_NUMBER_COVERAGE].value.value, 0, 0.4);
    assert_true(e.column[0].p_adjusted < 1e-4);
    assert_ok(sl_evaluation_write_page(&e, &settings));
    sl_evaluation_free(&e);
    char *page;
    size_t bytes;
    assert_ok(sl_file_read(settings.report, 1 << 26, &page, &bytes));
    assert_non_null(strstr(page, "How far"));
    assert_non_null(strstr(page, "broken.tiff"));
    assert_non_null(strstr(page, "data:image/png;base64,"));
    assert_null(strstr(page, "http"));
    sl_free(page);
}

/* What was left out takes no part; and with the noise left out, what differs is still far from nothing. */
static void features_can_be_left_out(void **state) {
    (void)state;
    sl_evaluation e;
    const char *without[] = {"noise", "psd"};
    use_sets("simulated:24:1", "simulated:24:2");
    settings.without = (sl_list){without, 2};
    assert_ok(sl_evaluate(&settings, NULL, NULL, arena, &e));
    for (int i = 0; i < SL_IMAGE_FEATURE_COUNT; i++) {
        const char *id = sl_image_feature_id(e.column[i].feature);
        if (strncmp(id, "noise", 5) == 0 || strncmp(id, "psd", 3) == 0) assert_false(e.column[i].used);
    }
    sl_evaluation_free(&e);
    const char *all[] = {""};
    settings.without = (sl_list){all, 1};
    assert_status(sl_evaluate(&settings, NULL, NULL, arena, &e), SL_INVALID);
    assert_non_null(strstr(sl_error_message(), "no feature is left"));
}

static void images_of_a_workspace(void **state) {
    (void)state;
    sl_simulate_result made;
    sl_evaluation e;
    sl_simulate_settings simulate = scratch_simulated(40, 64);
    simulate.seed = 1;
    assert_ok(sl_simulate(&simulate, workspace, NULL, &made));
    const char *run = sl_arena_printf(arena, "run:%lld,origin:simulated", (long long)made.run);
    /* the same images by another way: all of them are found to be the same */
    use_sets(run, "simulated:20:1");
    settings.holdout = "simulated:20:9";
    settings.strata = true;
    assert_ok(sl_evaluate(&settings, workspace, NULL, arena, &e));
    assert_int_equal(e.sets[0].measured.count, 40);
    assert_int_equal(e.identical, 20);
    assert_between(e.number[SL_SET_NUMBER_NEAR_DUPLICATES].floor.value, 0, 0.2);
    assert_int_equal(e.sets[2].measured.count, 20);
    for (int i = 0; i < e.strata; i++)
        assert_true(e.stratum[i].reference >= e.stratum[i].candidate && e.stratum[i].candidate > 0);
    assert_true(e.strata >= 2);
    sl_evaluation_free(&e);
    settings.strata = false;
    settings.holdout = NULL;
    settings.most = 12;
    settings.candidate = "split:train,simulated";
    assert_ok(sl_evaluate(&settings, workspace, NULL, arena, &e));
    assert_int_equal(e.sets[0].measured.count, 12);
    assert_int_equal(e.sets[0].set.found, 40);
    sl_evaluation_free(&e);
}

/* 30 simulated images as files in a folder. */
static const char *simulated_folder(const char *name) {
    sl_simulate_result made;
    char command[160];
    sl_simulate_settings simulate = scratch_simulated(30, 64);
    simulate.seed = 4;
    simulate.out = sl_arena_printf(arena, "%s/%s", folder, name);
    assert_ok(sl_simulate(&simulate, NULL, NULL, &made));
    snprintf(command, sizeof command, "rm '%s'/*.png '%s'/*.json*", simulate.out, simulate.out);
    assert_int_equal(system(command), 0);
    return simulate.out;
}

static void a_written_folder_has_one_image_and_group_each(void **state) {
    (void)state;
    sl_simulate_result made;
    sl_image_set set;
    sl_simulate_settings simulate = scratch_simulated(12, 64);
    simulate.expectation = true;
    simulate.out = sl_arena_printf(arena, "%s/written", folder);
    assert_ok(sl_simulate(&simulate, NULL, NULL, &made));
    const sl_image_set_settings plain = {.most = 100};
    assert_ok(sl_image_set_open(simulate.out, NULL, &plain, arena, &set));
    assert_int_equal(set.count, 12);
    assert_int_equal(set.companions, 24);
    for (int64_t i = 0; i < set.count; i++) {
        assert_string_equal(set.image[i].group, sl_arena_printf(arena, "simulated:0:%lld", (long long)i));
        assert_non_null(set.image[i].technique);
    }
    sl_image_set_close(&set);
}

/* A copy in another group is a copy: distance 0, Z far below -2. */
static void copies_in_other_groups_are_found(void **state) {
    (void)state;
    sl_evaluation e;
    use_sets(simulated_folder("originals"), simulated_folder("copies"));
    settings.group_by = SL_GROUP_BY_FILE;
    settings.holdout = "simulated:30:8";
    assert_ok(sl_evaluate(&settings, NULL, NULL, arena, &e));
    assert_int_equal(e.identical, 30);
    assert_between(e.number[SL_SET_NUMBER_COPY_Z].value.value, -20, -5);
    assert_between(e.number[SL_SET_NUMBER_COPY_RATIO].value.value, 0, 0.05);
    assert_between(e.number[SL_SET_NUMBER_NEAR_DUPLICATES].value.value, 1, 1);
    sl_evaluation_free(&e);
}

static void refuse(const char *reference, const char *candidate, const char *code, const char *part) {
    sl_evaluation e;
    use_sets(reference, candidate);
    sl_status status = sl_evaluate(&settings, NULL, NULL, arena, &e);
    assert_string_equal(sl_status_name(status), code);
    if (!strstr(sl_error_message(), part)) fail_msg("'%s' does not say '%s'", sl_error_message(), part);
}

static void wrong_sets_are_refused(void **state) {
    (void)state;
    refuse(NULL, "simulated:3", "INVALID", "--reference");
    refuse("simulated:0", "simulated:3", "INVALID", "simulated:N");
    refuse("simulated:x", "simulated:3", "INVALID", "simulated:x");
    refuse("simulated:3", "no/such/folder", "NOT_FOUND", "no/such/folder");
    refuse("simulated:3", "generated", "NOT_FOUND", "there is none here");
    refuse("simulated:3", "run:first", "INVALID", "run:first");
    refuse("simulated:3", "colour:red", "INVALID", "colour:red");
    refuse("simulated:3", "genrated", "INVALID", "genrated");
    char *empty = sl_arena_printf(arena, "%s/empty", folder);
    assert_ok(sl_folder_make(empty));
    refuse("simulated:3", empty, "INVALID", "no image in");
}

/* Too few images for a number: no number, and how many it takes. */
static void small_sets_get_no_numbers(void **state) {
    (void)state;
    sl_evaluation e;
    use_sets("simulated:4:1", "simulated:3:2");
    assert_ok(sl_evaluate(&settings, NULL, NULL, arena, &e));
    assert_string_equal(e.number[SL_SET_NUMBER_KID].missing, "needs 10 images in each set, one has 3");
    assert_string_equal(e.number[SL_SET_NUMBER_COVERAGE].missing, "needs 22 images in each set, one has 3");
    assert_non_null(strstr(e.number[SL_SET_NUMBER_AUC_LOGISTIC].missing, "needs 10"));
    assert_true(isfinite(e.number[SL_SET_NUMBER_NEAR_DUPLICATES].value.value));
    json_t *json = sl_evaluation_to_json(&e, &settings);
    assert_non_null(json);
    json_decref(json);
    sl_evaluation_free(&e);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(equal_sets_lie_at_the_floor),
    cmocka_unit_test(threads_change_nothing),
    cmocka_unit_test(noise_is_far_from_scattering),
    cmocka_unit_test(features_can_be_left_out),
    cmocka_unit_test(images_of_a_workspace),
    cmocka_unit_test(copies_in_other_groups_are_found),
    cmocka_unit_test(a_written_folder_has_one_image_and_group_each),
    cmocka_unit_test(wrong_sets_are_refused),
    cmocka_unit_test(small_sets_get_no_numbers),
};

TEST_MAIN_WITH(tests, scratch_open, scratch_close)
