/* Marks are found where they stand, and missed where they do not. */
#include "test.h"

#include "loop/generate/sketch_standing.h"
#include "xray/log_map.h"

#include <math.h>
#include <string.h>

enum { MOST_SIDE_PX = 512 };

static const double beam_row_px = 100, beam_column_px = 140; /* of an image 256 wide */
static float map[MOST_SIDE_PX * MOST_SIDE_PX];

/* A ring, an arc and a spot on a slope, as in an image 256 wide. */
static void draw(int32_t side_px, double radius_px) {
    for (int32_t k = 0; k < side_px * side_px; k++) {
        double row = (k / side_px + 0.5) * 256 / side_px - beam_row_px,
               column = (k % side_px + 0.5) * 256 / side_px - beam_column_px;
        double off = hypot(row, column) - radius_px, arc = hypot(row, column) - 90,
               spot = hypot(row - 55.5, column + 80);
        map[k] = (float)(0.3 + 0.001 * row + 0.2 * exp(-4 * M_LN2 * off * off / 16) +
                         (row < -fabs(column) ? 0.1 * exp(-4 * M_LN2 * arc * arc / 9) : 0) +
                         0.3 * exp(-4 * M_LN2 * spot * spot / 9));
    }
}

static void tell(sl_sketch *sketch, sl_sketch_kind kind, double row_px, double column_px, double radius_px,
                 double width_px, double height, double scale) {
    const sl_sketch_mark mark = {kind,
                                 (float)(row_px * scale),
                                 (float)(column_px * scale),
                                 (float)(radius_px * scale),
                                 (float)(width_px * scale),
                                 (float)height};
    assert_true(sl_sketch_add(sketch, &mark));
}

static sl_sketch told(double scale) {
    sl_sketch sketch = {.known = true};
    tell(&sketch, SL_SKETCH_RING, 0, 0, 50.6, 4, 0.2, scale);
    tell(&sketch, SL_SKETCH_ARC, 0, 0, 90, 3, 0.1, scale);
    tell(&sketch, SL_SKETCH_SPOT, 155.5, 60, 0, 3, 0.3, scale);
    return sketch;
}

static void expect(const sl_sketch *sketch, int32_t side_px, const char *standing) {
    static const char letters[] = {[SL_STANDING_OPEN] = '?', [SL_STANDING_NO] = '-', [SL_STANDING_YES] = '+'};
    const double scale = side_px / 256.0;
    const sl_direct_beam beam = {true, beam_row_px * scale, beam_column_px * scale};
    sl_standing found[SL_SKETCH_MARKS_MAX];
    char text[SL_SKETCH_MARKS_MAX + 1] = "";
    sl_sketch_look(sketch, &beam, map, side_px, side_px, found);
    for (int i = 0; i < sketch->count; i++) text[i] = letters[found[i]];
    assert_string_equal(text, standing);
}

static void what_is_there_stands(void **state) {
    (void)state;
    const int32_t side_px[] = {256, 512};
    for (int i = 0; i < 2; i++) {
        const double scale = side_px[i] / 256.0;
        sl_sketch sketch = told(scale);
        draw(side_px[i], 50);
        expect(&sketch, side_px[i], "+++");
        draw(side_px[i], 53); /* the ring stands elsewhere */
        expect(&sketch, side_px[i], "-++");
    }
}

static void what_is_not_there_does_not(void **state) {
    (void)state;
    sl_sketch sketch = told(1);
    draw(256, 50);
    tell(&sketch, SL_SKETCH_RING, 0, 0, 70, 4, 0.2, 1);  /* nothing is there */
    tell(&sketch, SL_SKETCH_SPOT, 30, 30, 0, 3, 0.3, 1); /* nor there */
    tell(&sketch, SL_SKETCH_ARC, 0, 0, 90, 3, 0.3, 1);   /* a third as high */
    tell(&sketch, SL_SKETCH_RING, 0, 0, 500, 4, 0.2, 1); /* outside */
    tell(&sketch, SL_SKETCH_RING, 0, 0, 20, 4, 0.01, 1); /* too faint */
    tell(&sketch, SL_SKETCH_SPOT, 400, 30, 0, 3, 0.3, 1);
    expect(&sketch, 256, "+++---???");
}

static void nothing_is_said_without_a_beam_or_a_sketch(void **state) {
    (void)state;
    sl_sketch sketch = told(1);
    sl_standing found[SL_SKETCH_MARKS_MAX];
    draw(256, 50);
    sl_sketch_look(&sketch, &(sl_direct_beam){0}, map, 256, 256, found);
    for (int i = 0; i < 3; i++) assert_int_equal(found[i], SL_STANDING_OPEN);
    sketch.known = false;
    expect(&sketch, 256, "???");
}

static void records_say_which_stand(void **state) {
    (void)state;
    sl_sketch sketch = told(1), again;
    sl_image image;
    json_t *json;
    draw(256, 53);
    tell(&sketch, SL_SKETCH_RING, 0, 0, 500, 4, 0.2, 1);
    assert_ok(sl_image_new(256, 256, &image));
    sl_log_map_decode(map, 256 * 256, 1000, image.value);
    assert_ok(sl_sketch_record(&sketch, &(sl_direct_beam){true, beam_row_px, beam_column_px}, &image, &json));
    assert_true(json_is_false(json_object_get(json_array_get(json, 0), "stands")));
    assert_true(json_is_true(json_object_get(json_array_get(json, 1), "stands")));
    assert_true(json_is_true(json_object_get(json_array_get(json, 2), "stands")));
    assert_null(json_object_get(json_array_get(json, 3), "stands"));
    assert_ok(sl_sketch_read(json, &again)); /* what is told again is the same */
    assert_memory_equal(&again, &sketch, sizeof sketch);
    json_decref(json);
    sl_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_stands),
        cmocka_unit_test(what_is_not_there_does_not),
        cmocka_unit_test(nothing_is_said_without_a_beam_or_a_sketch),
        cmocka_unit_test(records_say_which_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
