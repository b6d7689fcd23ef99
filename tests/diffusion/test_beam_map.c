/* What a denoiser is told about the beam's place. */
#include "test.h"

#include "diffusion/beam_map.h"
#include "model/unet.h"

#include <math.h>
#include <string.h>

enum { SIDE = 8, PLACE_PX = 8, CHANNELS = SL_BEAM_CHANNELS };

static const float *at(const float *map, int row, int column) {
    return map + (row * SIDE + column) * CHANNELS;
}

static void assert_near(double a, double b, double most) {
    if (!(fabs(a - b) <= most)) fail_msg("%g, expected %g within %g", a, b, most);
}

static void unknown_is_zero(void **state) {
    (void)state;
    float map[SIDE * SIDE * CHANNELS];
    memset(map, 1, sizeof map);
    sl_beam_map(&(sl_direct_beam){.row_px = 3}, NULL, SIDE, SIDE, PLACE_PX, CHANNELS, map);
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) assert_true(map[i] == 0);
    static float split[SIDE * SIDE * SL_BEAM_CHANNELS_SPLIT];
    memset(split, 1, sizeof split);
    sl_beam_map(&(sl_direct_beam){.row_px = 3}, NULL, SIDE, SIDE, PLACE_PX, SL_BEAM_CHANNELS_SPLIT, split);
    for (size_t i = 0; i < sizeof split / sizeof *split; i++) assert_true(split[i] == 0);
}

/* The beam in the middle of the place (2, 3). */
static void places_are_told_from_the_beam(void **state) {
    (void)state;
    static float map[SIDE * SIDE * CHANNELS];
    sl_beam_map(&(sl_direct_beam){true, 2.5 * PLACE_PX, 3.5 * PLACE_PX}, NULL, SIDE, SIDE, PLACE_PX, CHANNELS,
                map);
    const float *here = at(map, 2, 3), *right = at(map, 2, 7), *below = at(map, 6, 3);
    for (int k = 0; k < 8; k++) assert_near((double)here[k], k == 0, 1e-6);
    /* what the denoiser lays its rings by */
    assert_near((double)right[SL_UNET_BEAM_KNOWN], 1, 0);
    assert_near((double)right[SL_UNET_BEAM_DISTANCE], 32 / 128.0, 1e-6);
    assert_near((double)at(map, 7, 7)[SL_UNET_BEAM_DISTANCE], hypot(32, 40) / 128, 1e-6);
    assert_near((double)right[1], 32 / 128.0, 1e-6);
    assert_near((double)right[2], 0, 1e-6);
    assert_near((double)right[3], 32 / 128.0, 1e-6);
    assert_near((double)right[4], 32 / 36.0, 1e-6);
    assert_near((double)below[2], 32 / 128.0, 1e-6);
    assert_near((double)below[5], 32 / 36.0, 1e-6);
    /* twice the azimuth: right and below are opposite */
    assert_near((double)right[6], (double)-below[6], 1e-6);
    assert_true(right[6] > 0.5f);
    /* 32 px: a quarter of the longest wave over the distance, half of the longest across */
    assert_near((double)right[8], 0, 1e-6);
    assert_near((double)right[9], 1, 1e-6);
    assert_near((double)right[16], -1, 1e-6);
    assert_near((double)right[22], 1, 1e-6);
    assert_near((double)below[16], 1, 1e-6);
    assert_near((double)below[22], -1, 1e-6);
}

/* A ring is the same all around: what depends on the distance alone is. */
static void distance_is_round(void **state) {
    (void)state;
    static float map[SIDE * SIDE * CHANNELS];
    sl_beam_map(&(sl_direct_beam){true, 3.5 * PLACE_PX, 3.5 * PLACE_PX}, NULL, SIDE, SIDE, PLACE_PX, CHANNELS,
                map);
    const float *a = at(map, 0, 3), *b = at(map, 3, 6);
    for (int k = 0; k < 8; k++) assert_near((double)a[8 + k], (double)b[8 + k], 1e-6);
    assert_near((double)a[3], (double)b[3], 1e-6);
}

/* Parts of a place, row by row, and the circles that radial profiles are drawn on. */
static void parts_are_told_to_a_pixel(void **state) {
    (void)state;
    static float map[SIDE * SIDE * SL_BEAM_CHANNELS_SPLIT], plain[SIDE * SIDE * CHANNELS];
    sl_direct_beam beam = {true, 21.3, -100.2};
    sl_beam_map(&beam, NULL, SIDE, SIDE, PLACE_PX, SL_BEAM_CHANNELS_SPLIT, map);
    sl_beam_map(&beam, NULL, SIDE, SIDE, PLACE_PX, CHANNELS, plain);
    for (int p = 0; p < SIDE * SIDE; p++) {
        const float *place = map + p * SL_BEAM_CHANNELS_SPLIT;
        assert_memory_equal(place, plain + p * CHANNELS, CHANNELS * sizeof(float));
        for (int k = 0; k < SL_UNET_SPLITS; k++) {
            double row = p / SIDE * PLACE_PX + k / SL_UNET_SPLIT + 0.5,
                   column = p % SIDE * PLACE_PX + k % SL_UNET_SPLIT + 0.5;
            double distance_px = hypot(row - beam.row_px, column - beam.column_px);
            assert_near((double)(SL_UNET_BEAM_FARTHEST - place[CHANNELS + k]) * SL_UNET_PROFILE_BINS /
                            SL_UNET_BEAM_FARTHEST,
                        distance_px, 1e-4);
        }
    }
    sl_beam_map(&(sl_direct_beam){true, 0, 1000}, NULL, SIDE, SIDE, PLACE_PX, SL_BEAM_CHANNELS_SPLIT, map);
    assert_true(map[CHANNELS] == 0); /* farther than profiles go: as if not known */
}

/* Behind them columns to both sides, rows upwards from below the beam, and the line through beam and place.
 */
static void lines_are_told_behind_the_parts(void **state) {
    (void)state;
    enum { LINES = SL_BEAM_CHANNELS_LINES, SPLIT = SL_UNET_SPLIT };
    static float map[SIDE * SIDE * LINES], split[SIDE * SIDE * SL_BEAM_CHANNELS_SPLIT];
    sl_direct_beam beam = {true, 21.3, 30.2};
    sl_beam_map(&beam, NULL, SIDE, SIDE, PLACE_PX, LINES, map);
    sl_beam_map(&beam, NULL, SIDE, SIDE, PLACE_PX, SL_BEAM_CHANNELS_SPLIT, split);
    for (int p = 0; p < SIDE * SIDE; p++) {
        const float *place = map + p * LINES, *line = place + SL_BEAM_CHANNELS_SPLIT;
        assert_memory_equal(place, split + p * SL_BEAM_CHANNELS_SPLIT,
                            SL_BEAM_CHANNELS_SPLIT * sizeof(float));
        for (int k = 0; k < SPLIT; k++) {
            double column = p % SIDE * PLACE_PX + k + 0.5 - 30.2, row = p / SIDE * PLACE_PX + k + 0.5 - 21.3;
            assert_near((3 - (double)line[k]) * 128, fabs(column), 1e-4);
            assert_near((3 - (double)line[SPLIT + k]) * 128, 64 - row, 1e-4);
        }
        double down = (p / SIDE + 0.5) * PLACE_PX - 21.3, across = (p % SIDE + 0.5) * PLACE_PX - 30.2;
        assert_near(tan((2 - (double)line[2 * SPLIT]) * M_PI), down / across,
                    1e-3 * (1 + fabs(down / across)));
        assert_true(line[2 * SPLIT] >= 1 && line[2 * SPLIT] <= 2);
    }
    /* lower than 64 px under the beam, or too far: as if not known */
    sl_beam_map(&(sl_direct_beam){true, -70, 1000}, NULL, SIDE, SIDE, PLACE_PX, LINES, map);
    for (int k = 0; k < 2 * SPLIT; k++) assert_true(map[SL_BEAM_CHANNELS_SPLIT + k] == 0);
}

static void far_beams_stay_bounded(void **state) {
    (void)state;
    static float map[SIDE * SIDE * CHANNELS];
    sl_beam_map(&(sl_direct_beam){true, -1e5, 1e5}, NULL, SIDE, SIDE, PLACE_PX, CHANNELS, map);
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) assert_true(fabsf(map[i]) <= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_is_zero),
        cmocka_unit_test(places_are_told_from_the_beam),
        cmocka_unit_test(distance_is_round),
        cmocka_unit_test(parts_are_told_to_a_pixel),
        cmocka_unit_test(lines_are_told_behind_the_parts),
        cmocka_unit_test(far_beams_stay_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
