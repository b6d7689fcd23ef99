#include "scratch_workspace.h"

#include "image/write/write.h"
#include "loop/classify/physics.h"
#include "loop/import/import.h"
#include "loop/recorded.h"

enum { SIDE = 64, HEADER = 512 };

static sl_beam_place beam_of(const char *text) {
    json_t *provenance;
    assert_ok(sl_json_parse(text, strlen(text), "test", &provenance));
    sl_beam_place place = sl_recorded_beam(provenance);
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

static void pictures_are_told_from_counts(void **state) {
    (void)state;
    assert_true(sl_recorded_is_picture("PNG", "U16"));
    assert_true(sl_recorded_is_picture("JPEG", "U8"));
    assert_true(sl_recorded_is_picture("TIFF", "U8"));
    assert_false(sl_recorded_is_picture("TIFF", "U16"));
    assert_false(sl_recorded_is_picture(NULL, "I32"));
    assert_false(sl_recorded_is_picture(NULL, NULL));
}

static void write_edf(const char *path) {
    static char bytes[HEADER + 2 * SIDE * SIDE];
    memset(bytes, ' ', HEADER);
    int used =
        snprintf(bytes, HEADER,
                 "{\nByteOrder = LowByteFirst ;\nDataType = UnsignedShort ;\nDim_1 = %d ;\nDim_2 = %d ;\n"
                 "Size = %d ;\nCenter_1 = 20.5 ;\nCenter_2 = 41 ;\n",
                 SIDE, SIDE, 2 * SIDE * SIDE);
    bytes[used] = ' ';
    bytes[HEADER - 2] = '}';
    bytes[HEADER - 1] = '\n';
    for (int i = 0; i < SIDE * SIDE; i++) bytes[HEADER + 2 * i] = (char)(i % 7);
    assert_ok(sl_file_write_atomic(path, bytes, sizeof bytes));
}

static sl_physical_input input_of(const char *path) {
    json_t *result;
    sl_image_record *images;
    int count;
    sl_list paths = {&path, 1};
    sl_physical_input input;
    assert_ok(sl_import(workspace, &paths, &(sl_import_settings){0}, NULL, &result));
    assert_int_equal(json_integer_value(json_object_get(result, "added")), 1);
    json_decref(result);
    assert_ok(sl_store_images(workspace->store, &SL_IMAGE_FILTER_ALL, arena, &images, &count));
    assert_ok(sl_physics_input(workspace, &images[count - 1], &input));
    return input;
}

static void physical_tests_know_what_an_imported_file_says(void **state) {
    (void)state;
    static uint16_t grey[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) grey[i] = (uint16_t)(i * 5);
    const char *edf = sl_path_join(arena, folder, "frame.edf"), *png = sl_path_join(arena, folder, "map.png");
    write_edf(edf);
    assert_ok(sl_png_write_grey16(png, SIDE, SIDE, grey, NULL));
    sl_physical_input frame = input_of(edf), picture = input_of(png);
    assert_true(frame.beam_known && frame.beam_row_px == 41 && frame.beam_column_px == 20.5);
    assert_false(frame.is_display);
    assert_true(picture.is_display);
    assert_false(picture.beam_known);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_beam_is_as_drawn_else_as_the_file_has_it),
    cmocka_unit_test(pictures_are_told_from_counts),
    cmocka_unit_test(physical_tests_know_what_an_imported_file_says),
};
TEST_MAIN_WITH(tests, scratch_open, scratch_close)
