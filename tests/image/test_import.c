/* What an import asks of a folder: captions, labels, groups, duplicates. */
#include "test.h"

#include "shared.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "image/captions.h"
#include "image/fingerprint.h"
#include "image/resize.h"
#include "image/write/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sl_status read_text(const char *text, sl_captions **out) {
    assert_ok(sl_folder_make("/tmp/sl-test-captions"));
    assert_ok(sl_file_write_atomic("/tmp/sl-test-captions/metadata.jsonl", text, strlen(text)));
    sl_status status = sl_captions_read("/tmp/sl-test-captions/metadata.jsonl", out);
    remove("/tmp/sl-test-captions/metadata.jsonl");
    remove("/tmp/sl-test-captions");
    return status;
}

static void rows_are_found_by_path(void **state) {
    (void)state;
    sl_captions *captions;
    assert_ok(read_text(
        "\xef\xbb\xbf{\"file_name\": \"a.tif\", \"text\": \"SAXS data showing rings\", \"q\": 3}\r\n\n"
        "{\"file_name\": \"./sub/b.edf\", \"group\": \"g1\"}\n",
        &captions));
    assert_int_equal(sl_captions_count(captions), 2);
    const sl_caption *row = sl_captions_find(captions, "/tmp/sl-test-captions//./sub/b.edf");
    assert_non_null(row);
    assert_int_equal(row->line, 3);
    assert_string_equal(row->group, "g1");
    assert_null(row->text);
    assert_null(sl_captions_find(captions, "/tmp/sl-test-captions/c.edf"));
    assert_null(sl_captions_find(captions, "/tmp/sl-test-captionsa.tif"));
    assert_null(sl_captions_find(captions, "/tmp/other/a.tif"));
    sl_text report = SL_TEXT_INIT;
    assert_int_equal(sl_captions_report_unused(captions, &report), 1);
    assert_string_equal(report.data, "line 1: 'a.tif' does not exist\n");
    row = sl_captions_find(captions, "/tmp/sl-test-captions/a.tif");
    assert_string_equal(row->text, "SAXS data showing rings");
    assert_int_equal(json_integer_value(json_object_get(row->columns, "q")), 3);
    assert_int_equal(sl_captions_report_unused(captions, &report), 0);
    sl_text_free(&report);
    sl_captions_free(captions);
}

static void faulty_lines_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"file_name\": \"a.tif\"}\n{\"file_name\": ", "metadata.jsonl:2: "},
        {"[1]\n", "metadata.jsonl:1: not a JSON object"},
        {"{\"text\": \"x\"}", "metadata.jsonl:1: key \"file_name\" is missing"},
        {"{\"file_name\": 3}", "metadata.jsonl:1: key \"file_name\" is not a string"},
        {"{\"file_name\": \"/etc/passwd\"}", "metadata.jsonl:1: key \"file_name\" leads out of the folder"},
        {"{\"file_name\": \"a/../../b\"}", "metadata.jsonl:1: key \"file_name\" leads out of the folder"},
        {"{\"file_name\": \"a\", \"text\": 1}", "metadata.jsonl:1: key \"text\" is not a string"},
        {"{\"file_name\": \"a\"}\n\n{\"file_name\": \"./a\"}",
         "metadata.jsonl:3: 'a' has a row already in line 1"},
        {"{}\n{}\n{}", "3 faulty lines: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sl_captions *captions;
        assert_status(read_text(cases[i].text, &captions), SL_FORMAT);
        if (!strstr(sl_error_message(), cases[i].message)) fail_msg("%s", sl_error_message());
    }
}

static void labels_come_from_folders(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"data/real/a.png", "real"}, {"data/Fake/x/a.png", "fake"},
        {"/unreal/a.png", "fake"},   {"real/fake/a.png", "fake"},
        {"real.png", NULL},          {"data/really/a.png", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = sl_folder_label(cases[i][0]);
        if (cases[i][1]) assert_string_equal(found, cases[i][1]);
        if (!cases[i][1]) assert_null(found);
    }
}

static void frames_of_a_scan_share_a_group(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"d/giwaxs_s087_003.tif", "d/giwaxs_s087"},
        {"waxs_run04.edf", "waxs_run04"},
        {"scan1_0025.cbf.gz", "scan1"},
        {"a_00001_00045.cbf", "a_00001"},
        {"x.12.3", "x.12"},
        {"0001.tif", "0001"},
        {"/a/b-7.h5", "/a/b"},
        {"plain", "plain"},
    };
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(sl_group_of_path(arena, cases[i][0]), cases[i][1]);
    sl_arena_free(arena);
}

static sl_image load(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "data/experimental/%s", name);
    sl_frame frame;
    sl_image image;
    assert_ok(sl_frame_read(shared_path(path), NULL, NULL, &frame));
    assert_ok(sl_frame_to_image(&frame, &image));
    sl_frame_free(&frame);
    return image;
}

static int distance(const sl_image *a, const sl_image *b) {
    sl_fingerprint of_a, of_b;
    assert_ok(sl_image_fingerprint(a, &of_a));
    assert_ok(sl_image_fingerprint(b, &of_b));
    return sl_fingerprint_distance(&of_a, &of_b);
}

static void altered_copies_are_near_and_others_far(void **state) {
    (void)state;
    static const char *const names[] = {"gisaxs_p03_insitu_00005.cbf", "gisaxs_bnl_bcp_ai12.tif",
                                        "giwaxs_aps8ide_s087_003.tif", "saxs_ssrl15_agbeh.edf",
                                        "waxs_ssrl15_run07.edf",       "saxs_protein_ihs27.tif",
                                        "waxs_aps_pu_25c.hdf",         "waxs_pf6a_agbeh.tif",
                                        "xrd_ceria_pilatus2m.hdf5",    "saxs_aps_lab6_agbeh.hdf"};
    enum { COUNT = sizeof names / sizeof names[0] };
    if (!shared_path("data/experimental/manifest.tsv")) skip_because("no ../shared/data/experimental");
    sl_image images[COUNT];
    int farthest_copy = 0, nearest_other = 256;
    for (int i = 0; i < COUNT; i++) {
        images[i] = load(names[i]);
        sl_image copy, smaller;
        assert_ok(sl_image_copy(&images[i], &copy));
        sl_random random = sl_random_stream(3, SL_STREAM_TEST, (uint32_t)i);
        size_t count = (size_t)copy.height_px * (size_t)copy.width_px;
        for (size_t k = 0; k < count; k++) /* other exposure, other noise */
            copy.value[k] =
                fmaxf(0, 1.3F * copy.value[k] + sqrtf(copy.value[k]) * (float)sl_random_normal(&random));
        int far = distance(&images[i], &copy);
        if (far > farthest_copy) farthest_copy = far;
        assert_ok(sl_image_resize(&copy, copy.height_px * 2 / 3, copy.width_px * 2 / 3, &smaller));
        far = distance(&images[i], &smaller);
        if (far > farthest_copy) farthest_copy = far;
        sl_image_free(&smaller);
        sl_image_free(&copy);
    }
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < i; k++) {
            int near = distance(&images[i], &images[k]);
            if (near < nearest_other) nearest_other = near;
        }
    }
    print_message("altered copies: at most %d bits, other images: at least %d\n", farthest_copy,
                  nearest_other);
    assert_true(farthest_copy <= SL_FINGERPRINT_NEAR_BITS);
    assert_true(nearest_other > SL_FINGERPRINT_NEAR_BITS);
    for (int i = 0; i < COUNT; i++) sl_image_free(&images[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rows_are_found_by_path),
    cmocka_unit_test(faulty_lines_are_named),
    cmocka_unit_test(labels_come_from_folders),
    cmocka_unit_test(frames_of_a_scan_share_a_group),
    cmocka_unit_test(altered_copies_are_near_and_others_far),
};

TEST_MAIN(tests)
