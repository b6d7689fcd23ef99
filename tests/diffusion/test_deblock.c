/* Steps between blocks go, and the image's own stay. */
#include "test.h"

#include "diffusion/deblock.h"

#include <math.h>
#include <string.h>

enum { HEIGHT = 16, WIDTH = 24, BLOCK = 8, COUNT = HEIGHT * WIDTH };
static const float limit = 0.01f;

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
    sl_deblock(image, HEIGHT, WIDTH, 1, BLOCK, limit);
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
    sl_deblock(image, HEIGHT, WIDTH, 1, BLOCK, limit);
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
    assert_true(change > 0.4 * (double)limit && change <= (double)limit + 1e-6);
}

static void no_limit_leaves_all_as_it_is(void **state) {
    (void)state;
    float image[COUNT], before[COUNT];
    draw(0.008, image);
    memcpy(before, image, sizeof image);
    sl_deblock(image, HEIGHT, WIDTH, 1, BLOCK, 0);
    sl_deblock(image, HEIGHT, WIDTH, 1, 1, 0);
    assert_memory_equal(image, before, sizeof image);
}

/* The same along rows as along columns, and each channel by itself. */
static void rows_and_channels_are_alike(void **state) {
    (void)state;
    float image[COUNT], turned[COUNT], both[2 * COUNT];
    draw(0.006, image);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) turned[x * HEIGHT + y] = image[y * WIDTH + x];
    for (int i = 0; i < COUNT; i++) both[2 * i] = image[i], both[2 * i + 1] = 1;
    sl_deblock(image, HEIGHT, WIDTH, 1, BLOCK, limit);
    sl_deblock(turned, WIDTH, HEIGHT, 1, BLOCK, limit);
    sl_deblock(both, HEIGHT, WIDTH, 2, BLOCK, limit);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int i = y * WIDTH + x;
            assert_true(fabsf(turned[x * HEIGHT + y] - image[i]) < 1e-6f);
            assert_true(both[2 * i] == image[i] && both[2 * i + 1] == 1);
        }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(planes_are_left_alone),
    cmocka_unit_test(small_steps_are_spread),
    cmocka_unit_test(edges_stay),
    cmocka_unit_test(no_limit_leaves_all_as_it_is),
    cmocka_unit_test(rows_and_channels_are_alike),
};
TEST_MAIN(tests)
