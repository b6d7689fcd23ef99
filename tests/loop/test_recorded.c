#include "scratch_workspace.h"

#include "image/write/write.h"
#include "loop/classify/physics.h"
#include "loop/import/import.h"
#include "loop/recorded.h"
#include "loop/review.h"

#include <math.h>

enum { SIDE = 64, HEADER = 512 };

static json_t *parsed(const char *text) {
    json_t *provenance;
    assert_ok(sl_json_parse(text, strlen(text), "test", &provenance));
    return provenance;
}

static sl_beam_place beam_of(const char *text) {
    json_t *provenance = parsed(text);
    sl_beam_place place = sl_recorded_beam(provenance);
    json_decref(provenance);
    return place;
}

static sl_beam_place centre_of(const char *text) {
    json_t *provenance = parsed(text);
    sl_beam_place place = sl_recorded_centre(provenance);
    json_decref(provenance);
    return place;
}

static void the_beam_is_as_drawn_else_as_the_file_has_it(void **state) {
    (void)state;
    const char *file = "\"geometry\": {\"beam_x_px\": 30.5, \"beam_y_px\": 12.25}";
    sl_beam_place place = beam_of(sl_arena_printf(arena, "{%s}", file));
    assert_true(place.known && place.row_px == 12.25 && place.column_px == 30.5);
    place = beam_of(sl_arena_printf(arena, "{\"beam\": {\"row_px\": 7, \"column_px\": 8}, %s}", file));
    assert_true(place.known && place.row_px == 7 && place.column_px == 8);
    assert_false(beam_of("{\"geometry\": {\"beam_x_px\": null, \"beam_y_px\": 3}}").known);
    assert_false(beam_of("{\"beam\": {\"row_px\": \"7\", \"column_px\": 8}}").known);
    assert_false(sl_recorded_beam(NULL).known);
}

static void a_centre_that_was_guessed_gives_way(void **state) {
    (void)state;
    const char *guess = "\"beam_estimate\": {\"row_px\": 5, \"column_px\": 6}";
    sl_beam_place place = centre_of(sl_arena_printf(arena, "{%s}", guess));
    assert_true(place.known && place.row_px == 5 && place.column_px == 6);
    assert_false(beam_of(sl_arena_printf(arena, "{%s}", guess)).known);
    place = centre_of(sl_arena_printf(arena, "{\"beam\": {\"row_px\": 7, \"column_px\": 8}, %s}", guess));
    assert_true(place.known && place.row_px == 7 && place.column_px == 8);
    assert_false(sl_recorded_centre(NULL).known);
}

static sl_frame_geometry geometry_of(const char *text) {
    json_t *provenance = parsed(text);
    sl_frame_geometry geometry = sl_recorded_geometry(provenance);
    json_decref(provenance);
    return geometry;
}

static void geometry_is_as_the_file_or_the_simulator_has_it(void **state) {
    (void)state;
    sl_frame_geometry file = geometry_of("{\"geometry\": {\"wavelength_m\": 1e-10, \"distance_m\": 2, "
                                         "\"pixel_x_m\": 1e-4, \"beam_x_px\": 3, \"beam_y_px\": 4}}"),
                      simulated = geometry_of("{\"geometry\": {\"wavelength_ang\": 1.5, \"pixel_m\": 2e-4}, "
                                              "\"beam\": {\"row_px\": 7, \"column_px\": 8}}");
    assert_true(file.wavelength_m == 1e-10 && file.distance_m == 2 && file.pixel_x_m == 1e-4);
    assert_true(file.beam_x_px == 3 && file.beam_y_px == 4 && isnan(file.pixel_y_m) &&
                isnan(file.exposure_s));
    assert_true(fabs(simulated.wavelength_m - 1.5e-10) < 1e-18 && isnan(simulated.distance_m));
    assert_true(simulated.pixel_x_m == 2e-4 && simulated.pixel_y_m == 2e-4);
    assert_true(simulated.beam_x_px == 8 && simulated.beam_y_px == 7);
}

static void pictures_are_told_from_counts(void **state) {
    (void)state;
    assert_true(sl_recorded_is_picture("PNG", "U16"));
    assert_true(sl_recorded_is_picture("JPEG", "U8"));
    assert_true(sl_recorded_is_picture("TIFF", "U8"));
    assert_false(sl_recorded_is_picture("TIFF", "U16"));
    assert_false(sl_recorded_is_picture(NULL, "I32"));
    assert_false(sl_recorded_is_picture(NULL, NULL));
}

static void write_edf(const char *path, int tones) {
    static char bytes[HEADER + 2 * SIDE * SIDE];
    memset(bytes, ' ', HEADER);
    int used =
        snprintf(bytes, HEADER,
                 "{\nByteOrder = LowByteFirst ;\nDataType = UnsignedShort ;\nDim_1 = %d ;\nDim_2 = %d ;\n"
                 "Size = %d ;\nCenter_1 = 20.5 ;\nCenter_2 = 41 ;\nWaveLength = 1e-10 ;\n"
                 "SampleDistance = 2 ;\nPSize_1 = 0.0001 ;\nPSize_2 = 0.0001 ;\n",
                 SIDE, SIDE, 2 * SIDE * SIDE);
    bytes[used] = ' ';
    bytes[HEADER - 2] = '}';
    bytes[HEADER - 1] = '\n';
    for (int i = 0; i < SIDE * SIDE; i++) bytes[HEADER + 2 * i] = (char)(i % tones);
    assert_ok(sl_file_write_atomic(path, bytes, sizeof bytes));
}

static sl_image_record import_one(const char *path) {
    json_t *result;
    sl_image_record *images;
    int count;
    sl_list paths = {&path, 1};
    assert_ok(sl_import(workspace, &paths, &(sl_import_settings){0}, NULL, &result));
    assert_int_equal(json_integer_value(json_object_get(result, "added")), 1);
    json_decref(result);
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &images, &count));
    return images[count - 1];
}

static sl_physical_input input_of(const char *path) {
    sl_image_record record = import_one(path);
    sl_physical_input input;
    assert_ok(sl_physics_input(workspace, &record, &input));
    return input;
}

static void physical_tests_know_what_an_imported_file_says(void **state) {
    (void)state;
    static uint16_t grey[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) grey[i] = (uint16_t)(i * 5);
    const char *edf = sl_path_join(arena, folder, "frame.edf"), *png = sl_path_join(arena, folder, "map.png");
    write_edf(edf, 7);
    assert_ok(sl_png_write_grey16(png, SIDE, SIDE, grey, NULL));
    sl_physical_input frame = input_of(edf), picture = input_of(png);
    assert_true(frame.beam_known && frame.beam_row_px == 41 && frame.beam_column_px == 20.5);
    assert_false(frame.is_display);
    assert_true(picture.is_display);
    assert_false(picture.beam_known);
}

/* What the page is told of the image of a file. */
static json_t *page_of(const char *path) {
    sl_review *review;
    json_t *told;
    const char *image = sl_arena_printf(arena, "%lld", (long long)import_one(path).id);
    assert_ok(sl_review_open(scratch_root, "anna", &review));
    assert_ok(sl_review_image(review, image, NULL, &told));
    sl_review_close(review);
    return told;
}

static double number_at(const json_t *list, size_t i) {
    return json_number_value(json_array_get(list, i));
}

static void the_page_knows_what_an_imported_file_says(void **state) {
    (void)state;
    const char *edf = sl_path_join(arena, folder, "known.edf"),
               *png = sl_path_join(arena, folder, "bare.png");
    static uint16_t grey[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) grey[i] = (uint16_t)(i * 3);
    write_edf(edf, 5);
    assert_ok(sl_png_write_grey16(png, SIDE, SIDE, grey, NULL));
    json_t *frame = page_of(edf), *bare = page_of(png);
    const json_t *centre = json_object_get(frame, "centre_px"), *q = json_object_get(frame, "q");
    assert_true(number_at(centre, 0) == 20.5 && number_at(centre, 1) == 41);
    assert_true(fabs(json_number_value(json_object_get(q, "per_nm")) - 40 * M_PI) < 1e-6);
    assert_true(fabs(json_number_value(json_object_get(q, "distance_px")) - 20000) < 1e-6);
    assert_true(json_is_null(json_object_get(bare, "centre_px")) && json_is_null(json_object_get(bare, "q")));
    json_decref(frame);
    json_decref(bare);
}

/* Of an image of such a record: how many marks of what it was told the page draws, and the first of them. */
static int told_of(const char *provenance, double first[3]) {
    sl_image image;
    sl_image_record record = {
        .origin = SL_ORIGIN_GENERATED, .group_key = "g", .caption = "", .provenance = provenance};
    sl_image_record *images;
    sl_review *review;
    json_t *marks;
    int count = 0, added, told = 0;
    assert_ok(sl_image_new(SIDE, SIDE, &image));
    for (int i = 0; i < SIDE * SIDE; i++) image.value[i] = (float)(i * 7 % 31 + (int)strlen(provenance));
    assert_ok(sl_workspace_put_image(workspace, &image, arena, &record));
    sl_image_free(&image);
    assert_ok(sl_store_images_add(workspace->store, &record, 1, false, &added));
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &images, &count));
    assert_ok(sl_review_open(scratch_root, "anna", &review));
    assert_ok(
        sl_review_marks(review, sl_arena_printf(arena, "%lld", (long long)images[count - 1].id), &marks));
    sl_review_close(review);
    size_t i;
    json_t *mark;
    json_array_foreach(json_object_get(marks, "marks"), i, mark) {
        if (strcmp(json_string_value(json_object_get(mark, "test")), "told") != 0) continue;
        static const char *const keys[] = {"row", "column", "size"};
        for (int k = 0; told == 0 && k < 3; k++) first[k] = json_number_value(json_object_get(mark, keys[k]));
        assert_true(json_is_true(json_object_get(mark, "odd")) == (told == 0)); /* as they stand */
        told++;
    }
    json_decref(marks);
    return told;
}

static void the_page_draws_what_the_generator_was_told(void **state) {
    (void)state;
    const char *beam = "\"beam\": {\"row_px\": 30, \"column_px\": 20.5}",
               *sketch = "\"sketch\": [{\"kind\": \"arc\", \"radius_px\": 12, \"stands\": false}, "
                         "{\"kind\": \"spot\", \"row_px\": 4, \"column_px\": 5}, "
                         "{\"kind\": \"ring\", \"radius_px\": 5, \"stands\": true}]";
    double first[3] = {0};
    assert_int_equal(told_of(sl_arena_printf(arena, "{%s, %s}", beam, sketch), first), 3);
    assert_true(first[0] == 30 && first[1] == 20.5 && first[2] == 12);
    assert_int_equal(told_of(sl_arena_printf(arena, "{%s}", sketch), first), 0);
    assert_int_equal(told_of(sl_arena_printf(arena, "{%s, \"sketch\": [7]}", beam), first), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_beam_is_as_drawn_else_as_the_file_has_it),
    cmocka_unit_test(a_centre_that_was_guessed_gives_way),
    cmocka_unit_test(geometry_is_as_the_file_or_the_simulator_has_it),
    cmocka_unit_test(pictures_are_told_from_counts),
    cmocka_unit_test(physical_tests_know_what_an_imported_file_says),
    cmocka_unit_test(the_page_knows_what_an_imported_file_says),
    cmocka_unit_test(the_page_draws_what_the_generator_was_told),
};
TEST_MAIN_WITH(tests, scratch_open, scratch_close)
