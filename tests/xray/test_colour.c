#include "test.h"

#include "image/colour_line.h"
#include "xray/artefact.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE };

/* Rings that fade outwards, in a colour map. */
static void paint(sl_colormap map, uint8_t *rgb) {
    uint8_t table[256][3];
    sl_colormap_table(map, table);
    for (int k = 0; k < PIXELS; k++) {
        double r = hypot(k / SIDE - 60.0, k % SIDE - 70.0);
        int place = (int)lrint(fmin(255, 250 * exp(-r / 60) * (0.8 + 0.2 * cos(r / 4))));
        memcpy(&rgb[3 * k], table[place], 3);
    }
}

static void maps_are_known_and_followed(void **state) {
    (void)state;
    uint8_t *rgb = malloc(3 * PIXELS);
    for (int map = 0; map < SL_COLORMAP_COUNT; map++) {
        sl_colour_line line;
        paint((sl_colormap)map, rgb);
        for (int i = 0; i < SIDE; i++) /* a gap, and a frame's colour */
            for (int j = 40; j < 46; j++) memcpy(&rgb[3 * (i * SIDE + j)], (const uint8_t[]){255, 0, 255}, 3);
        assert_ok(sl_colour_line_measure(rgb, SIDE, SIDE, &line));
        assert_int_equal(line.state, SL_COLOUR_JUDGED);
        assert_int_equal(line.map, map);
        if (!(line.off_levels < 3)) fail_msg("%s: off by %g", sl_colormap_name(line.map), line.off_levels);
    }
    free(rgb);
}

static void a_patch_is_off_the_map_and_has_a_place(void **state) {
    (void)state;
    uint8_t *rgb = malloc(3 * PIXELS);
    int seen = 0, boxed = 0;
    for (uint32_t k = 0; k < 12; k++) {
        sl_colour_line line;
        sl_random random = sl_random_stream(5, SL_STREAM_TEST, k);
        paint((sl_colormap)(k % SL_COLORMAP_COUNT), rgb);
        sl_artefact_colour(rgb, SIDE, SIDE, 1, &random);
        assert_ok(sl_colour_line_measure(rgb, SIDE, SIDE, &line));
        seen += line.state == SL_COLOUR_JUDGED && line.off_levels > 12;
        boxed +=
            line.bottom > line.top && line.right > line.left && line.bottom <= SIDE && line.right <= SIDE;
    }
    free(rgb);
    if (seen < 8) fail_msg("%d of 12 seen", seen);
    assert_true(boxed >= 10);
}

static void what_is_no_picture_of_a_map_is_not_judged(void **state) {
    (void)state;
    uint8_t *rgb = malloc(3 * PIXELS);
    sl_colour_line line;
    memset(rgb, 90, 3 * PIXELS); /* one colour */
    assert_ok(sl_colour_line_measure(rgb, SIDE, SIDE, &line));
    assert_int_equal(line.state, SL_COLOUR_ROUGH);
    for (int k = 0; k < PIXELS; k++) /* two independent numbers a pixel, far from all maps */
        rgb[3 * k] = 40, rgb[3 * k + 1] = (uint8_t)(180 + k / SIDE / 3),
                rgb[3 * k + 2] = (uint8_t)(160 + k % SIDE / 2);
    assert_ok(sl_colour_line_measure(rgb, SIDE, SIDE, &line));
    assert_int_equal(line.state, SL_COLOUR_NO_MAP);
    assert_ok(sl_colour_line_measure(rgb, 1, 1, &line));
    assert_int_equal(line.state, SL_COLOUR_ROUGH);
    free(rgb);
}

static void metadata_carries_it(void **state) {
    (void)state;
    const sl_colour_line line = {SL_COLOUR_JUDGED, SL_COLORMAP_JET, 12.5, 1, 2, 30, 40};
    json_t *object = sl_colour_line_to_json(&line), *nonsense = json_string("red");
    const sl_colour_line back = sl_colour_line_from_json(object);
    assert_true(back.state == line.state && back.map == line.map && fabs(back.off_levels - 12.5) < 1e-12);
    assert_true(back.top == 1 && back.left == 2 && back.bottom == 30 && back.right == 40);
    assert_int_equal(sl_colour_line_from_json(NULL).state, SL_COLOUR_NONE);
    assert_int_equal(sl_colour_line_from_json(nonsense).state, SL_COLOUR_NONE);
    json_object_set_new(object, "state", json_integer(77));
    assert_int_equal(sl_colour_line_from_json(object).state, SL_COLOUR_NONE);
    json_decref(object);
    json_decref(nonsense);
}

/* The physical test judges colour pictures and nothing else. */
static void only_colour_pictures_are_judged(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_physical_result result[SL_PHYSICAL_COUNT];
    sl_drawing *drawing = calloc(1, sizeof *drawing);
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    assert_ok(sl_sim_sample_make(41, 2, &options, &sample));
    sl_physical_input input = sl_physical_input_of(&sample, SL_STRATUM_BLIND, NULL);
    assert_ok(sl_physical_tests_run(&input, result));
    assert_false(result[SL_PHYSICAL_COLOUR].applicable);
    assert_non_null(strstr(result[SL_PHYSICAL_COLOUR].saw, "no colour picture"));
    input.is_display = true;
    input.drawing = drawing;
    input.colour = (sl_colour_line){SL_COLOUR_JUDGED, SL_COLORMAP_HOT, 240, 10, 20, 90, 80};
    assert_ok(sl_physical_tests_run(&input, result));
    assert_true(result[SL_PHYSICAL_COLOUR].applicable &&
                result[SL_PHYSICAL_COLOUR].value > result[SL_PHYSICAL_COLOUR].limit);
    int marks = 0;
    for (int k = 0; k < drawing->count; k++)
        marks += drawing->mark[k].test == SL_PHYSICAL_COLOUR && fabsf(drawing->mark[k].row - 10) < 1e-3f;
    assert_int_equal(marks, 1);
    input.colour.off_levels = 0;
    assert_ok(sl_physical_tests_run(&input, result));
    assert_true(result[SL_PHYSICAL_COLOUR].value <= result[SL_PHYSICAL_COLOUR].limit);
    input.colour.state = SL_COLOUR_NO_MAP;
    assert_ok(sl_physical_tests_run(&input, result));
    assert_false(result[SL_PHYSICAL_COLOUR].applicable);
    free(drawing);
    sl_sim_sample_free(&sample);
}

static void simulated_pictures_are_repeatable_and_clean(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    uint8_t *one = malloc(3 * PIXELS), *two = malloc(3 * PIXELS);
    int judged = 0, off = 0;
    options.measure = true;
    options.size_px = SIDE;
    for (uint32_t k = 0; k < 12; k++) {
        sl_colour_line line;
        assert_ok(sl_sim_sample_make(43, k, &options, &sample));
        sl_sim_picture(&sample, one);
        sl_sim_picture(&sample, two);
        assert_memory_equal(one, two, 3 * PIXELS);
        assert_ok(sl_colour_line_measure(one, SIDE, SIDE, &line));
        judged += line.state == SL_COLOUR_JUDGED;
        off += line.state == SL_COLOUR_JUDGED && line.off_levels > 12;
    }
    assert_true(judged >= 6 && off <= 1);
    free(one);
    free(two);
    sl_sim_sample_free(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_known_and_followed),
        cmocka_unit_test(a_patch_is_off_the_map_and_has_a_place),
        cmocka_unit_test(what_is_no_picture_of_a_map_is_not_judged),
        cmocka_unit_test(metadata_carries_it),
        cmocka_unit_test(only_colour_pictures_are_judged),
        cmocka_unit_test(simulated_pictures_are_repeatable_and_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
