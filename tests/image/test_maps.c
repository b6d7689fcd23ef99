/* Intensity maps, sizes and displays. */
#include "test.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "image/display.h"
#include "image/intensity_map.h"
#include "image/resize.h"

#include <math.h>
#include <string.h>

static sl_image counts(int height, int width, double highest) {
    sl_image image;
    assert_ok(sl_image_new(height, width, &image));
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    for (int i = 0; i < height * width; i++)
        image.value[i] = (float)floor(sl_random_log_range(&random, 1, highest + 1) - 1);
    return image;
}

static void every_map_can_be_undone(void **state) {
    (void)state;
    sl_image image = counts(64, 48, 4e6);
    image.mask[7] = SL_MASK_GAP;
    size_t count = 64 * 48;
    float *model, *back;
    assert_ok(sl_alloc(&model, count, sizeof *model));
    assert_ok(sl_alloc(&back, count, sizeof *back));
    for (int kind = 0; kind < SL_INTENSITY_COUNT; kind++) {
        static const double scales[] = {0.03, 1, 1000};
        for (int s = 0; s < 3; s++) {
            sl_intensity_settings settings = {
                (sl_intensity_kind)kind, scales[s], {false, 0}, {true, 95}, 0.25};
            sl_intensity_map map, reread;
            assert_ok(sl_intensity_fit(&settings, &image, &map));
            sl_intensity_apply(&map, &image, model);
            sl_intensity_invert(&map, model, count, back);
            int64_t clipped = 0;
            for (size_t i = 0; i < count; i++) {
                assert_true(model[i] >= -1 && model[i] <= 1);
                if (image.mask[i]) {
                    assert_true(model[i] == 0.25F);
                } else if ((double)image.value[i] > map.high) {
                    assert_true(model[i] == 1);
                    clipped++;
                } else {
                    double error = fabs((double)back[i] - (double)image.value[i]);
                    if (error > 1e-6 * (map.high - map.low))
                        fail_msg("kind %d scale %g: %g came back as %g", kind, scales[s],
                                 (double)image.value[i], (double)back[i]);
                }
            }
            assert_true(clipped > 0 && map.clipped_high == clipped && map.clipped_low == 0);
            json_t *record = sl_intensity_to_json(&map);
            assert_ok(sl_intensity_from_json(record, &reread));
            assert_true(reread.kind == map.kind && reread.scale == map.scale && reread.low == map.low &&
                        reread.high == map.high && reread.clipped_high == map.clipped_high);
            json_decref(record);
        }
    }
    sl_free(model);
    sl_free(back);
    sl_image_free(&image);
}

static void odd_images_get_a_map(void **state) {
    (void)state;
    sl_image image;
    assert_ok(sl_image_new(4, 4, &image));
    sl_intensity_map map;
    assert_ok(sl_intensity_fit(&sl_intensity_default, &image, &map));
    assert_true(map.low == 0 && map.high == 1);
    memset(image.mask, SL_MASK_GAP, 16);
    assert_ok(sl_intensity_fit(&sl_intensity_default, &image, &map));
    sl_intensity_settings bad = sl_intensity_default;
    bad.scale = 0;
    assert_status(sl_intensity_fit(&bad, &image, &map), SL_INVALID);
    bad = (sl_intensity_settings){SL_INTENSITY_LINEAR, 1, {false, 5}, {false, 5}, -1};
    assert_status(sl_intensity_fit(&bad, &image, &map), SL_INVALID);
    bad = (sl_intensity_settings){SL_INTENSITY_LOG1P, 1, {false, -5}, {false, 5}, -1};
    assert_status(sl_intensity_fit(&bad, &image, &map), SL_INVALID);
    sl_image_free(&image);
}

static void shrinking_keeps_the_mean(void **state) {
    (void)state;
    sl_image image = counts(60, 90, 1000), small;
    double sum = 0, small_sum = 0;
    for (int i = 0; i < 60 * 90; i++) sum += (double)image.value[i];
    assert_ok(sl_image_resize(&image, 20, 30, &small));
    for (int i = 0; i < 20 * 30; i++) small_sum += (double)small.value[i];
    assert_true(fabs(small_sum * 9 / sum - 1) < 1e-6);
    double block = 0;
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++) block += (double)image.value[y * 90 + x] / 9;
    assert_true(fabs((double)small.value[0] - block) < 1e-4 * (1 + block));
    sl_image_free(&small);
    assert_ok(sl_image_resize(&image, 37, 53, &small)); /* no whole ratio */
    small_sum = 0;
    for (int i = 0; i < 37 * 53; i++) small_sum += (double)small.value[i];
    assert_true(fabs(small_sum / (37 * 53) / (sum / (60 * 90)) - 1) < 1e-5);
    sl_image_free(&small);
    sl_image_free(&image);
}

static void masked_pixels_do_not_leak(void **state) {
    (void)state;
    sl_image image, small;
    assert_ok(sl_image_new(8, 8, &image));
    for (int i = 0; i < 64; i++) image.value[i] = 100;
    for (int y = 0; y < 8; y++) {
        for (int x = 3; x < 6; x++) { /* a gap three pixels wide holding rubbish */
            image.value[y * 8 + x] = 1e9F;
            image.mask[y * 8 + x] = SL_MASK_GAP;
        }
    }
    assert_ok(sl_image_resize(&image, 4, 4, &small));
    for (int y = 0; y < 4; y++) {
        assert_int_equal(small.mask[y * 4 + 1], 0); /* half its pixels are good */
        assert_true(fabsf(small.value[y * 4 + 1] - 100) < 1e-3F);
        assert_int_equal(small.mask[y * 4 + 2], SL_MASK_GAP);
        assert_true(fabsf(small.value[y * 4 + 3] - 100) < 1e-3F);
    }
    sl_image_free(&small);
    sl_image_free(&image);
}

static void enlarging_follows_a_plane(void **state) {
    (void)state;
    sl_image image, large;
    assert_ok(sl_image_new(10, 12, &image));
    for (int y = 0; y < 10; y++)
        for (int x = 0; x < 12; x++) image.value[y * 12 + x] = (float)(3 * y + 2 * x + 5);
    assert_ok(sl_image_resize(&image, 25, 30, &large));
    for (int y = 6; y < 19; y++) {
        for (int x = 6; x < 24; x++) {
            double wanted = 3 * ((y + 0.5) * 10 / 25 - 0.5) + 2 * ((x + 0.5) * 12 / 30 - 0.5) + 5;
            assert_true(fabs((double)large.value[y * 30 + x] - wanted) < 1e-4);
        }
    }
    sl_image_free(&large);
    assert_ok(sl_image_resize(&image, 10, 12, &large));
    assert_memory_equal(large.value, image.value, 120 * sizeof(float));
    sl_image_free(&large);
    sl_image_free(&image);
    assert_ok(sl_image_new(1, 1, &image));
    image.value[0] = 7;
    assert_ok(sl_image_resize(&image, 3, 5, &large));
    for (int i = 0; i < 15; i++) assert_true(large.value[i] == 7);
    sl_image_free(&large);
    sl_image_free(&image);
}

/* The middle stays the middle, and nothing is distorted. */
static void frames_of_any_shape_fit(void **state) {
    (void)state;
    sl_image image, fitted;
    assert_ok(sl_image_new(195, 487, &image));
    for (int y = 0; y < 195; y++)
        for (int x = 0; x < 487; x++) image.value[y * 487 + x] = (float)(x + 1000 * y);
    for (int letterbox = 0; letterbox < 2; letterbox++) {
        assert_ok(sl_image_fit(&image, letterbox ? SL_FIT_LETTERBOX : SL_FIT_CROP, 256, 256, &fitted));
        assert_true(fitted.height_px == 256 && fitted.width_px == 256);
        int bars = 0, middle = 128 * 256 + 128;
        for (int i = 0; i < 256 * 256; i++) bars += fitted.mask[i] == SL_MASK_INVALID;
        assert_int_equal(bars, letterbox ? 256 * (256 - 103) : 0);
        double across = (double)(fitted.value[middle + 20] - fitted.value[middle]) / 20,
               down = (double)(fitted.value[middle + 20 * 256] - fitted.value[middle]) / 20000;
        double step = letterbox ? 487 / 256.0 : 195 / 256.0;
        assert_true(fabs(across - step) < 0.1 && fabs(down - step) < 0.1);
        assert_true(fabs((double)fitted.value[middle] - (1000 * 97.0 + 243)) < 2500);
        sl_image_free(&fitted);
    }
    sl_image_free(&image);
}

static void displays_span_their_range(void **state) {
    (void)state;
    sl_image image;
    assert_ok(sl_image_new(1, 4, &image));
    image.value[1] = 50;
    image.value[2] = 100;
    image.mask[3] = SL_MASK_GAP;
    sl_intensity_settings settings = {SL_INTENSITY_LINEAR, 1, {false, 0}, {false, 100}, -1};
    sl_intensity_map map;
    assert_ok(sl_intensity_fit(&settings, &image, &map));
    uint16_t grey[4];
    assert_ok(sl_display_grey16(&map, &image, grey));
    assert_true(grey[0] == 0 && grey[1] == 32768 && grey[2] == 65535 && grey[3] == 0);
    for (int colormap = 0; colormap < SL_COLORMAP_COUNT; colormap++) {
        sl_display_settings display = {(sl_colormap)colormap, {1, 2, 3}};
        uint8_t rgb[12], table[256][3];
        assert_ok(sl_display_rgb8(&map, &image, &display, rgb));
        sl_colormap_table((sl_colormap)colormap, table);
        assert_memory_equal(rgb, table[0], 3);
        assert_memory_equal(rgb + 6, table[255], 3);
        assert_true(rgb[9] == 1 && rgb[10] == 2 && rgb[11] == 3);
        if (colormap == SL_COLORMAP_JET) continue; /* not of rising brightness, as is known */
        for (int i = 1; i < 256; i++) {
            int now = 299 * table[i][0] + 587 * table[i][1] + 114 * table[i][2];
            int before = 299 * table[i - 1][0] + 587 * table[i - 1][1] + 114 * table[i - 1][2];
            assert_true(now + 1000 >= before);
        }
    }
    sl_image_free(&image);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_map_can_be_undone),   cmocka_unit_test(odd_images_get_a_map),
    cmocka_unit_test(shrinking_keeps_the_mean),  cmocka_unit_test(masked_pixels_do_not_leak),
    cmocka_unit_test(enlarging_follows_a_plane), cmocka_unit_test(frames_of_any_shape_fit),
    cmocka_unit_test(displays_span_their_range),
};

TEST_MAIN(tests)
