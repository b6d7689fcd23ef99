/* Steps between blocks go and what repeats with them, and the image's own stays. */
#include "test.h"

#include "diffusion/deblock.h"

#include <math.h>
#include <string.h>

enum { HEIGHT = 16, WIDTH = 24, BLOCK = 8, COUNT = HEIGHT * WIDTH };
static const double limit = 0.01;
static const sl_deblocking borders = {BLOCK, 0.01, 0}, detail = {BLOCK, 0, 0.01};

/* A plane, and `step` more in every other block along a row. */
static void draw(double step, float *out) {
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            out[y * WIDTH + x] = (float)(0.02 * x - 0.03 * y + step * (x / BLOCK % 2));
}

/* The largest change of a pixel. */
static double change_of(double step) {
    float image[COUNT], before[COUNT];
    double worst = 0;
    draw(step, before);
    memcpy(image, before, sizeof image);
    assert_ok(sl_deblock(&borders, image, HEIGHT, WIDTH, 1));
    for (int i = 0; i < COUNT; i++) worst = fmax(worst, fabs((double)image[i] - (double)before[i]));
    return worst;
}

static void planes_are_left_alone(void **state) {
    (void)state;
    assert_true(change_of(0) < 1e-6);
}

static void small_steps_are_spread(void **state) {
    (void)state;
    float image[COUNT], plane[COUNT];
    draw(0, plane);
    draw(0.008, image);
    assert_ok(sl_deblock(&borders, image, HEIGHT, WIDTH, 1));
    for (int y = 0; y < HEIGHT; y++) {
        const float *row = image + y * WIDTH, *flat = plane + y * WIDTH;
        static const double share[] = {0, 0, 0.25, 0.5, 0.5, 0.75, 1, 1};
        for (int k = 0; k < 8; k++) {
            int x = BLOCK - 4 + k;
            assert_true(fabs((double)row[x] - (double)flat[x] - 0.008 * share[k]) < 1e-6);
        }
    }
}

static void edges_stay(void **state) {
    (void)state;
    double change = change_of(0.5);
    assert_true(change > 0.4 * limit && change <= limit + 1e-6);
}

static void no_limit_leaves_all_as_it_is(void **state) {
    (void)state;
    float image[COUNT], before[COUNT];
    draw(0.008, image);
    memcpy(before, image, sizeof image);
    assert_ok(sl_deblock(&(sl_deblocking){BLOCK, 0, 0}, image, HEIGHT, WIDTH, 1));
    assert_ok(sl_deblock(&(sl_deblocking){1, 0, 0}, image, HEIGHT, WIDTH, 1));
    assert_memory_equal(image, before, sizeof image);
}

/* The same along rows as along columns, and each channel by itself. */
static void alike(const sl_deblocking *how) {
    float image[COUNT], turned[COUNT], both[2 * COUNT];
    draw(0.006, image);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) turned[x * HEIGHT + y] = image[y * WIDTH + x];
    for (int i = 0; i < COUNT; i++) both[2 * i] = image[i], both[2 * i + 1] = 1;
    assert_ok(sl_deblock(how, image, HEIGHT, WIDTH, 1));
    assert_ok(sl_deblock(how, turned, WIDTH, HEIGHT, 1));
    assert_ok(sl_deblock(how, both, HEIGHT, WIDTH, 2));
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int i = y * WIDTH + x;
            assert_true(fabsf(turned[x * HEIGHT + y] - image[i]) < 1e-6f);
            assert_true(both[2 * i] == image[i] && fabsf(both[2 * i + 1] - 1) < 1e-6f);
        }
}

static void rows_and_channels_are_alike(void **state) {
    (void)state;
    alike(&borders);
    alike(&detail);
}

/* ---- detail ---- */

enum { SIDE = 96, PIXELS = SIDE * SIDE, RIM = 24 /* where what is beyond the image has a part */ };

/* A smooth image and `pattern` times what repeats with every block; a spot of `height` in the middle. */
static void draw_smooth(double pattern, double height, float *out) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double far = hypot(y - SIDE / 2.0, x - SIDE / 2.0);
            double wave = cos(2 * M_PI * x / BLOCK) + cos(6 * M_PI * y / BLOCK);
            out[y * SIDE + x] = (float)(0.3 - 0.004 * x + 5e-5 * x * y + 3e-5 * y * y + pattern * wave +
                                        height * exp(-far * far / 8));
        }
}

static double furthest(const float *a, const float *b) {
    double worst = 0;
    for (int y = RIM; y < SIDE - RIM; y++)
        for (int x = RIM; x < SIDE - RIM; x++)
            worst = fmax(worst, fabs((double)a[y * SIDE + x] - (double)b[y * SIDE + x]));
    return worst;
}

static void what_repeats_with_blocks_goes(void **state) {
    (void)state;
    static float image[PIXELS], clean[PIXELS];
    draw_smooth(0, 0, clean);
    draw_smooth(0.003, 0, image);
    assert_true(furthest(image, clean) > 0.0059);
    assert_ok(sl_deblock(&detail, image, SIDE, SIDE, 1));
    assert_true(furthest(image, clean) < 2e-5);
}

/* Slopes and curvatures stay as they are, and so does a spot that stands out, to a hundredth of it. */
static void the_image_stays(void **state) {
    (void)state;
    static float image[PIXELS], before[PIXELS];
    for (int k = 0; k < 2; k++) {
        draw_smooth(0, k ? 0.3 : 0, before);
        memcpy(image, before, sizeof image);
        assert_ok(sl_deblock(&detail, image, SIDE, SIDE, 1));
        assert_true(furthest(image, before) < (k ? 2e-3 : 1e-5));
    }
}

/* Of a spot at the limit no pixel changes by more than it, in any part of the image. */
static void no_pixel_changes_by_more(void **state) {
    (void)state;
    static float image[PIXELS], before[PIXELS];
    double worst = 0;
    for (int k = 1; k <= 40; k++) {
        draw_smooth(0, 0.002 * k, before);
        before[0] += 0.005f * (float)k;
        memcpy(image, before, sizeof image);
        assert_ok(sl_deblock(&detail, image, SIDE, SIDE, 1));
        for (int i = 0; i < PIXELS; i++) worst = fmax(worst, fabs((double)image[i] - (double)before[i]));
    }
    assert_true(worst > 0.5 * limit && worst <= limit + 1e-6);
}

/* An image goes on with its slope beyond its rim. */
static void slopes_stay_to_the_rim(void **state) {
    (void)state;
    const sl_deblocking all = {BLOCK, 0.01, 0.01};
    float image[COUNT], before[COUNT];
    draw(0, before);
    memcpy(image, before, sizeof image);
    assert_ok(sl_deblock(&all, image, HEIGHT, WIDTH, 1));
    for (int i = 0; i < COUNT; i++) assert_true(fabsf(image[i] - before[i]) < 1e-6f);
}

static void blocks_may_be_odd(void **state) {
    (void)state;
    enum { SMALL = 5, HIGH = 4 * SMALL, WIDE = 6 * SMALL };
    float image[HIGH * WIDE];
    for (int i = 0; i < HIGH * WIDE; i++) image[i] = (float)(0.002 * cos(2 * M_PI * (i % WIDE) / SMALL));
    assert_ok(sl_deblock(&(sl_deblocking){SMALL, 0, 0.01}, image, HIGH, WIDE, 1));
    for (int y = 0; y < HIGH; y++)
        for (int x = 2 * SMALL; x < WIDE - 2 * SMALL; x++) assert_true(fabsf(image[y * WIDE + x]) < 1e-6f);
}

/* What is not finite does not spread, and the least limit divides by nothing. */
static void what_is_not_finite_stays_where_it_is(void **state) {
    (void)state;
    static float image[PIXELS];
    draw_smooth(0.003, 0, image);
    image[40 * SIDE + 40] = NAN;
    assert_ok(sl_deblock(&detail, image, SIDE, SIDE, 1));
    for (int i = 0; i < PIXELS; i++) assert_true(isnan(image[i]) == (i == 40 * SIDE + 40));
    float flat[COUNT] = {0};
    assert_ok(sl_deblock(&(sl_deblocking){BLOCK, 0, 1e-40}, flat, HEIGHT, WIDTH, 1));
    for (int i = 0; i < COUNT; i++) assert_true(flat[i] == 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(planes_are_left_alone),
    cmocka_unit_test(small_steps_are_spread),
    cmocka_unit_test(edges_stay),
    cmocka_unit_test(no_limit_leaves_all_as_it_is),
    cmocka_unit_test(rows_and_channels_are_alike),
    cmocka_unit_test(what_repeats_with_blocks_goes),
    cmocka_unit_test(the_image_stays),
    cmocka_unit_test(no_pixel_changes_by_more),
    cmocka_unit_test(slopes_stay_to_the_rim),
    cmocka_unit_test(blocks_may_be_odd),
    cmocka_unit_test(what_is_not_finite_stays_where_it_is),
};
TEST_MAIN(tests)
