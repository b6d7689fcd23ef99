/* What is written can be read again, tells where it comes from, and is never half there. */
#include "test.h"
#include "scratch_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "image/colour_line.h"
#include "image/write/write.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEIGHT = 600, WIDTH = 37 };

static char folder[SCRATCH_FOLDER_BYTES];

static int setup(void **state) {
    (void)state;
    return !scratch_folder_make(folder);
}

static int teardown(void **state) {
    (void)state;
    return !scratch_folder_remove(folder);
}

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static sl_image sample(void) {
    sl_image image;
    assert_ok(sl_image_new(HEIGHT, WIDTH, &image));
    for (int i = 0; i < HEIGHT * WIDTH; i++) image.value[i] = (float)i * 0.37F;
    image.mask[5] = SL_MASK_GAP;
    image.mask[6] = SL_MASK_HOT;
    image.mask[7] = SL_MASK_BEAMSTOP;
    return image;
}

static json_t *origin(void) {
    return json_pack("{s:s, s:i, s:{s:f}}", "prompt", "Ringe bei q = 1 \xc3\x85", "seed", 7, "map", "low",
                     0.1);
}

static void check_same(const sl_frame *frame, const sl_image *image) {
    assert_int_equal(frame->header.dtype, SL_F32);
    assert_int_equal(frame->header.height_px, HEIGHT);
    assert_int_equal(frame->header.width_px, WIDTH);
    const float *found = frame->data;
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        float wanted = i == 5 ? -1 : i == 6 ? -2 : image->value[i];
        assert_true(found[i] == wanted);
    }
}

static void counts_come_back_from_every_format(void **state) {
    (void)state;
    static const char *const formats[SL_WRITE_COUNT] = {"TIFF", "HDF5", "NPY"};
    sl_image image = sample();
    json_t *provenance = origin(), *read_back;
    sl_frame_geometry geometry = {1e-10, 2.5, 172e-6, 172e-6, 12.5, 300, 0.5};
    sl_write_info info = {.provenance = provenance,
                          .geometry = &geometry,
                          .title = "SAXS data showing rings",
                          .synthetic = true};
    for (int format = 0; format < SL_WRITE_COUNT; format++) {
        const char *path = path_of(sl_write_suffix((sl_write_format)format));
        assert_ok(sl_image_write(path, (sl_write_format)format, &image, &info));
        sl_frame frame;
        assert_ok(sl_frame_read(path, NULL, NULL, &frame));
        assert_string_equal(frame.format, formats[format]);
        check_same(&frame, &image);
        if (format == SL_WRITE_HDF5) {
            const sl_frame_geometry *g = &frame.header.geometry;
            assert_string_equal(frame.header.dataset, "entry/data/data");
            assert_true(g->wavelength_m == 1e-10 && g->distance_m == 2.5 && g->pixel_x_m == 172e-6);
            assert_true(fabs(g->beam_x_px - 12.5) < 1e-9 && fabs(g->beam_y_px - 300) < 1e-9 &&
                        g->exposure_s == 0.5);
        }
        sl_frame_free(&frame);
        assert_ok(sl_image_provenance_read(path, &read_back));
        assert_true(json_equal(read_back, provenance));
        json_decref(read_back);
        assert_ok(sl_image_write(path, (sl_write_format)format, &image, NULL));
        assert_status(sl_image_provenance_read(path, &read_back), SL_NOT_FOUND);
    }
    json_decref(provenance);
    sl_image_free(&image);
}

static void mask_bits_are_kept_in_hdf5(void **state) {
    (void)state;
    sl_image image = sample();
    const char *path = path_of("mask.h5");
    assert_ok(sl_image_write(path, SL_WRITE_HDF5, &image, NULL));
    sl_frame_request request = {"entry/instrument/detector/pixel_mask", 0};
    sl_frame frame;
    assert_ok(sl_frame_read(path, &request, NULL, &frame));
    assert_int_equal(frame.header.dtype, SL_U32);
    for (int i = 0; i < HEIGHT * WIDTH; i++) assert_int_equal(((uint32_t *)frame.data)[i], image.mask[i]);
    sl_frame_free(&frame);
    sl_image_free(&image);
}

static void equal_images_give_equal_files(void **state) {
    (void)state;
    sl_image image = sample();
    for (int format = 0; format < SL_WRITE_COUNT; format++) {
        char *bytes[2];
        size_t count[2];
        for (int i = 0; i < 2; i++) {
            if (i) usleep(1100000 * (format == SL_WRITE_HDF5)); /* times have a resolution of a second */
            const char *path = path_of("same");
            assert_ok(sl_image_write(path, (sl_write_format)format, &image, NULL));
            assert_ok(sl_file_read(path, 1 << 30, &bytes[i], &count[i]));
        }
        assert_int_equal(count[0], count[1]);
        assert_memory_equal(bytes[0], bytes[1], count[0]);
        sl_free(bytes[0]);
        sl_free(bytes[1]);
    }
    sl_image_free(&image);
}

static sl_colour_line colours_of(const sl_frame *frame) {
    return sl_colour_line_from_json(json_object_get(frame->header.metadata, "colour"));
}

/* Grey values are all that is read of a colour picture; whether its colours are those of one map is kept. */
static void readers_tell_what_colours_are(void **state) {
    (void)state;
    enum { SIDE = 64 };
    uint8_t table[256][3], rgb[SIDE * SIDE][3];
    sl_frame frame;
    sl_colormap_table(SL_COLORMAP_VIRIDIS, table);
    for (int k = 0; k < SIDE * SIDE; k++) memcpy(rgb[k], table[(k / SIDE + k % SIDE) * 2], 3);
    for (int odd = 0; odd < 2; odd++) {
        for (int k = 0; odd && k < SIDE * SIDE; k++)
            if (k / SIDE < 24 && k % SIDE < 24) rgb[k][0] = (uint8_t)(rgb[k][0] + 60 + k % SIDE);
        assert_ok(sl_png_write_rgb8(path_of("map.png"), SIDE, SIDE, rgb[0], NULL));
        assert_ok(sl_frame_read(path_of("map.png"), NULL, NULL, &frame));
        const sl_colour_line line = colours_of(&frame);
        assert_int_equal(line.state, SL_COLOUR_JUDGED);
        assert_int_equal(line.map, SL_COLORMAP_VIRIDIS);
        bool seen = line.off_levels > 20 && line.bottom <= 26 && line.right <= 26;
        if (odd ? !seen : line.off_levels >= 2)
            fail_msg("off by %g up to %d, %d", line.off_levels, line.bottom, line.right);
        sl_frame_free(&frame);
    }
}

static void pngs_keep_depth_and_colour(void **state) {
    (void)state;
    uint16_t grey[6] = {0, 1, 255, 256, 65534, 65535};
    uint8_t rgb[6] = {1, 2, 3, 77, 77, 77};
    json_t *provenance = origin(), *read_back;
    sl_write_info info = {.provenance = provenance, .title = "rings", .synthetic = true};
    sl_frame frame;
    assert_ok(sl_png_write_grey16(path_of("grey.png"), 2, 3, grey, &info));
    assert_ok(sl_frame_read(path_of("grey.png"), NULL, NULL, &frame));
    assert_int_equal(frame.header.dtype, SL_U16);
    assert_memory_equal(frame.data, grey, sizeof grey);
    json_t *texts = json_object_get(frame.header.metadata, "text");
    assert_string_equal(json_string_value(json_object_get(texts, "Synthetic")), "true");
    assert_int_equal(colours_of(&frame).state, SL_COLOUR_NONE);
    sl_frame_free(&frame);
    assert_ok(sl_image_provenance_read(path_of("grey.png"), &read_back));
    assert_true(json_equal(read_back, provenance));
    json_decref(read_back);
    assert_ok(sl_png_write_rgb8(path_of("rgb.png"), 1, 2, rgb, NULL));
    assert_ok(sl_frame_read(path_of("rgb.png"), NULL, NULL, &frame));
    assert_int_equal(frame.header.dtype, SL_U8);
    assert_int_equal(((uint8_t *)frame.data)[0], 2); /* luminance of 1, 2, 3 */
    assert_int_equal(((uint8_t *)frame.data)[1], 77);
    sl_frame_free(&frame);
    json_decref(provenance);
}

static sl_status count_one(void *context, const char *path) {
    (void)path;
    ++*(int *)context;
    return SL_OK;
}

/* A limit on file sizes stands for a full disk. */
static void a_failed_write_leaves_nothing(void **state) {
    (void)state;
    sl_image image = sample();
    int before = 0, after = 0;
    assert_ok(sl_folder_walk(folder, count_one, &before));
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {10000, 10000};
        setrlimit(RLIMIT_FSIZE, &limit);
        int failures = 0;
        for (int format = 0; format < SL_WRITE_COUNT; format++)
            failures += sl_image_write(path_of("full"), (sl_write_format)format, &image, NULL) != SL_OK;
        _exit(failures);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), SL_WRITE_COUNT);
    assert_ok(sl_folder_walk(folder, count_one, &after));
    assert_int_equal(before, after);
    assert_status(sl_image_write("/nonexistent/a.tif", SL_WRITE_TIFF, &image, NULL), SL_NOT_FOUND);
    sl_image_free(&image);
}

static void a_killed_write_leaves_nothing(void **state) {
    (void)state;
    int before = 0, after = 0;
    assert_ok(sl_folder_walk(folder, count_one, &before));
    pid_t child = fork();
    if (child == 0) {
        sl_file_writer writer;
        if (sl_file_writer_open(&writer, path_of("killed"))) _exit(1);
        for (int i = 0; i < 100000; i++) fputs("half of it ", writer.stream);
        fflush(writer.stream);
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_ok(sl_folder_walk(folder, count_one, &after));
    assert_int_equal(before, after);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(counts_come_back_from_every_format), cmocka_unit_test(mask_bits_are_kept_in_hdf5),
    cmocka_unit_test(equal_images_give_equal_files),      cmocka_unit_test(pngs_keep_depth_and_colour),
    cmocka_unit_test(readers_tell_what_colours_are),      cmocka_unit_test(a_failed_write_leaves_nothing),
    cmocka_unit_test(a_killed_write_leaves_nothing),
};

TEST_MAIN_WITH(tests, setup, teardown)
