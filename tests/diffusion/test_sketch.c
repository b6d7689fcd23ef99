/* What a denoiser is told of rings, arcs and spots. */
#include "test.h"

#include "base/json.h"
#include "diffusion/beam_map.h"

#include <math.h>
#include <string.h>

enum { SIDE = 12, PLACE_PX = 8, STRIDE = SL_UNET_SKETCH + 3 };

static const double beam_row_px = 40.3, beam_column_px = 51.8;
static float map[SIDE * SIDE * STRIDE];

static void draw(const sl_sketch *sketch) {
    for (int i = 0; i < SIDE * SIDE * STRIDE; i++) map[i] = 7;
    sl_sketch_map(sketch, beam_row_px, beam_column_px, SIDE, SIDE, PLACE_PX, STRIDE, map);
}

static double part(sl_sketch_kind kind, int row, int column) {
    int place = row / SL_UNET_SPLIT * SIDE + column / SL_UNET_SPLIT;
    return (double)map[place * STRIDE + 1 + (int)kind * SL_UNET_SPLITS + row % SL_UNET_SPLIT * SL_UNET_SPLIT +
                       column % SL_UNET_SPLIT];
}

static double bump(double off_px, double width_px) {
    return exp(-4 * M_LN2 * off_px * off_px / (width_px * width_px));
}

static void assert_near(double a, double b, double most) {
    if (!(fabs(a - b) <= most)) fail_msg("%g, expected %g within %g", a, b, most);
}

static void rings_are_told_to_a_pixel(void **state) {
    (void)state;
    sl_sketch sketch = {.known = true};
    assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 20, 4, 0.25f}));
    assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_ARC, 0, 0, 31, 3, 1}));
    draw(&sketch);
    for (int i = 0; i < SIDE * PLACE_PX; i++)
        for (int j = 0; j < SIDE * PLACE_PX; j++) {
            double distance = hypot(i + 0.5 - beam_row_px, j + 0.5 - beam_column_px);
            assert_near(part(SL_SKETCH_RING, i, j), 0.5 * bump(distance - 20, 4), 0.03);
            assert_near(part(SL_SKETCH_ARC, i, j), bump(distance - 31, 3), 0.08);
            assert_true(part(SL_SKETCH_SPOT, i, j) == 0);
        }
    for (int p = 0; p < SIDE * SIDE; p++) {
        assert_true(map[p * STRIDE] == 1);
        for (int k = SL_UNET_SKETCH; k < STRIDE; k++) assert_true(map[p * STRIDE + k] == 7);
    }
}

static void spots_are_drawn_where_they_are(void **state) {
    (void)state;
    sl_sketch sketch = {.known = true};
    assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_SPOT, 10.5f, 70.5f, 0, 3, 0.36f}));
    /* one at a border, and one outside */
    assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_SPOT, 0, 95.5f, 0, 0.2f, 4}));
    assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_SPOT, -50, 9e4f, 0, 3, 1}));
    draw(&sketch);
    for (int i = 0; i < SIDE * PLACE_PX; i++)
        for (int j = 0; j < SIDE * PLACE_PX; j++) {
            double first = 0.6 * bump(hypot(i + 0.5 - 10.5, j + 0.5 - 70.5), 3);
            double second =
                bump(hypot(i + 0.5, j + 0.5 - 95.5), 1.5); /* as thin as any is drawn, and as high */
            assert_near(part(SL_SKETCH_SPOT, i, j), fmax(first, second), 0.003);
        }
}

/* A ring of 20 px comes through the places that its circle does, and no others. */
static void places_with_marks_are_told_from_others(void **state) {
    (void)state;
    sl_sketch sketch = {.known = true};
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 20, 3, 0.25f});
    draw(&sketch);
    int crossed = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        double row = i / SIDE * PLACE_PX - beam_row_px, column = i % SIDE * PLACE_PX - beam_column_px,
               nearest = 1e9, farthest = 0;
        for (int k = 0; k < PLACE_PX * PLACE_PX; k++) {
            double r = hypot(row + k / PLACE_PX + 0.5, column + k % PLACE_PX + 0.5);
            nearest = fmin(nearest, r), farthest = fmax(farthest, r);
        }
        bool marked = sl_sketch_marks_place(map + i * STRIDE);
        crossed += marked;
        if (nearest < 20 && farthest > 20) assert_true(marked);
        if (nearest > 25 || farthest < 15) assert_false(marked);
    }
    assert_true(crossed > 10 && crossed < SIDE * SIDE / 2);
    sketch.known = false;
    draw(&sketch);
    for (int i = 0; i < SIDE * SIDE; i++) assert_false(sl_sketch_marks_place(map + i * STRIDE));
}

static void nothing_is_told_of_an_unknown_sketch(void **state) {
    (void)state;
    sl_sketch sketch = {0};
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 20, 4, 0.25f});
    draw(&sketch);
    for (int p = 0; p < SIDE * SIDE; p++)
        for (int k = 0; k < SL_UNET_SKETCH; k++) assert_true(map[p * STRIDE + k] == 0);
    draw(&(sl_sketch){.known = true}); /* and of one without marks that there are none */
    for (int p = 0; p < SIDE * SIDE; p++)
        for (int k = 0; k < SL_UNET_SKETCH; k++) assert_true(map[p * STRIDE + k] == (k == 0));
}

static void the_map_of_the_beam_ends_with_the_sketch(void **state) {
    (void)state;
    enum { CHANNELS = SL_BEAM_CHANNELS_SKETCH, LINES = SL_BEAM_CHANNELS_LINES };
    static float with[SIDE * SIDE * CHANNELS], lines[SIDE * SIDE * LINES];
    const sl_direct_beam beam = {true, beam_row_px, beam_column_px};
    sl_sketch sketch = {.known = true};
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 20, 4, 0.25f});
    draw(&sketch);
    sl_beam_map(&beam, &sketch, SIDE, SIDE, PLACE_PX, CHANNELS, with);
    sl_beam_map(&beam, NULL, SIDE, SIDE, PLACE_PX, LINES, lines);
    for (int p = 0; p < SIDE * SIDE; p++) {
        assert_memory_equal(with + p * CHANNELS, lines + p * LINES, LINES * sizeof(float));
        assert_memory_equal(with + p * CHANNELS + LINES, map + p * STRIDE, SL_UNET_SKETCH * sizeof(float));
    }
    sl_beam_map(&(sl_direct_beam){0}, &sketch, SIDE, SIDE, PLACE_PX, CHANNELS, with);
    for (int i = 0; i < SIDE * SIDE * CHANNELS; i++) assert_true(with[i] == 0);
}

static void marks_without_a_place_are_refused(void **state) {
    (void)state;
    sl_sketch sketch = {.known = true};
    const sl_sketch_mark bad[] = {{SL_SKETCH_RING, 0, 0, 0, 3, 1},        {SL_SKETCH_ARC, 0, 0, NAN, 3, 1},
                                  {SL_SKETCH_SPOT, NAN, 0, 0, 3, 1},      {SL_SKETCH_RING, 0, 0, 5, NAN, 1},
                                  {SL_SKETCH_RING, 0, 0, 5, 3, 0},        {SL_SKETCH_RING, 0, 0, 5, 3, NAN},
                                  {SL_SKETCH_RING, 0, 0, INFINITY, 3, 1}, {SL_SKETCH_ARC, 0, 0, 1e9f, 3, 1},
                                  {SL_SKETCH_SPOT, -1e9f, 0, 0, 3, 1},    {SL_SKETCH_SPOT, 0, 1e9f, 0, 3, 1},
                                  {SL_SKETCH_RING, 0, 0, 5, 1e9f, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(sl_sketch_add(&sketch, &bad[i]));
    assert_int_equal(sketch.count, 0);
    for (int i = 0; i < SL_SKETCH_MARKS_MAX; i++)
        assert_true(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 5, 3, 1}));
    assert_false(sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_RING, 0, 0, 5, 3, 1}));
}

/* Farther from the beam than radial profiles go there is nothing to tell on. */
static void rings_beyond_the_reach_are_taken_out(void **state) {
    (void)state;
    double reach_px = sl_sketch_reach_px(PLACE_PX);
    sl_sketch sketch = {.known = true};
    const float radius_px[] = {20, (float)reach_px + 1, (float)reach_px - 1, 99999};
    for (int i = 0; i < 4; i++)
        assert_true(sl_sketch_add(
            &sketch, &(sl_sketch_mark){i % 2 ? SL_SKETCH_RING : SL_SKETCH_ARC, 0, 0, radius_px[i], 3, 1}));
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_SPOT, 2000, 2000, 0, 3, 1});
    draw(&sketch); /* is no harm */
    assert_int_equal(sl_sketch_keep_within(&sketch, reach_px), 2);
    assert_int_equal(sketch.count, 3);
    assert_true(sketch.mark[0].radius_px == 20 && sketch.mark[1].radius_px == radius_px[2]);
    assert_int_equal(sketch.mark[2].kind, SL_SKETCH_SPOT);
    assert_int_equal(sl_sketch_keep_within(&sketch, reach_px), 0);
}

static void records_name_every_mark(void **state) {
    (void)state;
    sl_sketch sketch = {.known = true};
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_ARC, 0, 0, 20.126f, 4, 0.25f});
    sl_sketch_add(&sketch, &(sl_sketch_mark){SL_SKETCH_SPOT, 1.5f, 2, 0, 3, 2});
    json_t *json = sl_sketch_json(&sketch);
    const json_t *arc = json_array_get(json, 0), *spot = json_array_get(json, 1);
    const struct {
        const json_t *mark;
        const char *key;
        double value; /* NaN: there is no such key */
    } numbers[] = {{arc, "radius_px", 20.1259765625},
                   {arc, "width_px", 4},
                   {arc, "height", 0.25},
                   {arc, "row_px", NAN},
                   {spot, "row_px", 1.5},
                   {spot, "column_px", 2},
                   {spot, "width_px", 3},
                   {spot, "height", 1},
                   {spot, "radius_px", NAN}};
    assert_int_equal(json_array_size(json), 2);
    assert_string_equal(json_string_value(json_object_get(arc, "kind")), "arc");
    assert_string_equal(json_string_value(json_object_get(spot, "kind")), "spot");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(numbers[i].mark, numbers[i].key);
        if (isnan(numbers[i].value))
            assert_null(value);
        else
            assert_near(json_number_value(value), numbers[i].value, 1e-9);
    }
    sl_sketch again;
    assert_ok(sl_sketch_read(json, &again));
    assert_memory_equal(&again, &sketch, sizeof sketch);
    json_decref(json);
}

static void what_people_write_is_read_with_care(void **state) {
    (void)state;
    static const struct {
        const char *text, *message; /* NULL: it is fine */
    } cases[] = {
        {"[]", NULL},
        {"[{\"kind\": \"ring\", \"radius_px\": 30}, {\"kind\": \"spot\", \"row_px\": 3, \"column_px\": -4}]",
         NULL},
        {"[{\"kind\": \"disc\", \"radius_px\": 30}]", "mark 0: 'kind' is 'disc', expected ring, arc or spot"},
        {"[{\"kind\": \"arc\", \"radius_px\": 3}, {\"kind\": \"arc\"}]", "mark 1: key \"radius_px\""},
        {"[{\"kind\": \"spot\", \"row_px\": \"x\", \"column_px\": 1}]", "row_px"},
        {"[{\"kind\": \"ring\", \"radius_px\": -3}]", "radius -3 px"},
        {"[{\"kind\": \"ring\", \"radius_px\": 1e300}]", "radius 1e+300 px"},
        {"[{\"kind\": \"ring\", \"radius_px\": 3, \"height\": 0}]", "height 0"},
        {"[3]", "mark 0 is no object"},
        {"{\"kind\": \"ring\"}", "no list of marks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sl_sketch sketch = {.count = 77};
        json_t *json;
        assert_ok(sl_json_parse(cases[i].text, strlen(cases[i].text), "test", &json));
        sl_status status = sl_sketch_read(json, &sketch);
        assert_int_equal(status == SL_OK, cases[i].message == NULL);
        if (cases[i].message && !strstr(sl_error_message(), cases[i].message))
            fail_msg("%s", sl_error_message());
        assert_int_equal(sketch.count, cases[i].message ? 77 : (int)json_array_size(json));
        for (int k = 0; status == SL_OK && k < sketch.count; k++)
            assert_true(sketch.mark[k].width_px == SL_SKETCH_WIDTH_PX && sketch.mark[k].height > 0);
        json_decref(json);
    }
    json_t *many = json_array();
    for (int i = 0; i <= SL_SKETCH_MARKS_MAX; i++)
        json_array_append_new(many, json_pack("{s:s, s:i}", "kind", "ring", "radius_px", 1 + i));
    sl_sketch sketch;
    assert_status(sl_sketch_read(many, &sketch), SL_LIMIT);
    json_decref(many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_are_told_to_a_pixel),
        cmocka_unit_test(spots_are_drawn_where_they_are),
        cmocka_unit_test(places_with_marks_are_told_from_others),
        cmocka_unit_test(rings_beyond_the_reach_are_taken_out),
        cmocka_unit_test(nothing_is_told_of_an_unknown_sketch),
        cmocka_unit_test(the_map_of_the_beam_ends_with_the_sketch),
        cmocka_unit_test(marks_without_a_place_are_refused),
        cmocka_unit_test(records_name_every_mark),
        cmocka_unit_test(what_people_write_is_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
