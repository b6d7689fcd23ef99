/* Frames against files of known content: the measured set, and one HDF5 file per filter. */
#include "test.h"

#include "shared.h"

#include "base/clock.h"
#include "base/memory.h"
#include "image/frame.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

enum { COLUMN_MAX = 40 };

typedef struct table {
    char *text, *rest;
    char *head[COLUMN_MAX], *cell[COLUMN_MAX];
    int columns;
} table;

static int split(char *line, char *out[]) {
    int count = 0;
    for (char *cell; count < COLUMN_MAX && (cell = strsep(&line, "\t"));) out[count++] = cell;
    return count;
}

static void table_open(table *t, const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    t->text = calloc(1, 1 << 20);
    assert_true(fread(t->text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    t->rest = t->text;
    t->columns = split(strsep(&t->rest, "\n"), t->head);
}

static bool table_next(table *t) {
    char *line = strsep(&t->rest, "\n");
    return line && *line && split(line, t->cell) == t->columns;
}

static const char *cell(const table *t, const char *name) {
    for (int i = 0; i < t->columns; i++)
        if (strcmp(t->head[i], name) == 0) return t->cell[i];
    fail_msg("no column %s", name);
    return "";
}

/* Text of 6 significant digits, or more. */
static void assert_near(const char *file, const char *what, double found, const char *wanted_text) {
    double wanted = atof(wanted_text);
    if (fabs(found - wanted) > 6e-6 * fabs(wanted))
        fail_msg("%s: %s %.17g, expected %s", file, what, found, wanted_text);
}

static sl_frame read_frame(const char *path) {
    sl_frame frame;
    assert_ok(sl_frame_read(path, NULL, NULL, &frame));
    return frame;
}

static void measured_frames_agree_with_the_manifest(void **state) {
    (void)state;
    const char *manifest = shared_path("data/experimental/manifest.tsv");
    if (!manifest) skip_because("no ../shared/data/experimental");
    table t;
    table_open(&t, manifest);
    int files = 0;
    while (table_next(&t)) {
        char path[1024], shape[64];
        const char *name = cell(&t, "file");
        snprintf(path, sizeof path, "data/experimental/%s", name);
        sl_frame frame = read_frame(shared_path(path));
        sl_frame_statistics found;
        assert_ok(sl_frame_measure(&frame, &found));
        snprintf(shape, sizeof shape, "%dx%d", frame.header.width_px, frame.header.height_px);
        assert_string_equal(shape, cell(&t, "shape"));
        assert_string_equal(sl_dtype_numpy(frame.header.dtype), cell(&t, "dtype"));
        assert_non_null(strstr(cell(&t, "format"), frame.format));
        assert_string_equal(frame.header.dataset, cell(&t, "h5path"));
        assert_near(name, "min", found.min, cell(&t, "min"));
        assert_near(name, "max", found.max, cell(&t, "max"));
        assert_int_equal(found.masked, atoll(cell(&t, "n_masked")));
        assert_true(found.sum == atof(cell(&t, "sum_valid")));
        assert_near(name, "median", found.median, cell(&t, "p50"));
        assert_near(name, "p999", found.p999, cell(&t, "p99.9"));
        sl_frame_free(&frame);
        files++;
    }
    assert_int_equal(files, 25);
    free(t.text);
}

static void further_frames_agree_with_other_readers(void **state) {
    (void)state;
    if (!shared_path("data/experimental/more")) skip_because("no ../shared/data/experimental/more");
    table t;
    table_open(&t, "tests/image/data/more.tsv");
    int files = 0;
    while (table_next(&t)) {
        char path[1024];
        const char *name = cell(&t, "file");
        snprintf(path, sizeof path, "data/experimental/more/%s", name);
        sl_frame frame = read_frame(shared_path(path));
        sl_frame_statistics found;
        assert_ok(sl_frame_measure(&frame, &found));
        assert_int_equal(frame.header.height_px, atoi(cell(&t, "height")));
        assert_int_equal(frame.header.width_px, atoi(cell(&t, "width")));
        assert_string_equal(sl_dtype_numpy(frame.header.dtype), cell(&t, "dtype"));
        assert_true(found.min == atof(cell(&t, "min")) && found.max == atof(cell(&t, "max")));
        assert_int_equal(found.masked, atoll(cell(&t, "masked")));
        assert_true(found.sum == atof(cell(&t, "sum")) && found.median == atof(cell(&t, "median")));
        assert_near(name, "p999", found.p999, cell(&t, "p999"));
        sl_frame_free(&frame);
        files++;
    }
    assert_int_equal(files, 20);
    free(t.text);
}

static void geometry_comes_from_headers(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double wavelength_m, distance_m, pixel_m, exposure_s;
    } wanted[] = {
        {"waxs_ssrl15_run04.edf", 1.0332e-10, 0.1577, 172e-6, NAN},
        {"saxs_ssrl15_run05.cbf", 1.0332e-10, 2.9097, 172e-6, NAN},
        {"gisaxs_p03_insitu_00005.cbf", NAN, NAN, 172e-6, 0.995},
        {"gisaxs_bnl_bcp_ai12.tif", NAN, NAN, 172e-6, 30},
        {"waxs_aps_pu_25c.hdf", 0.59040066e-10, 0.41480185214, 75e-6, 5},
    };
    if (!shared_path("data/experimental")) skip_because("no ../shared/data/experimental");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        char path[1024];
        snprintf(path, sizeof path, "data/experimental/%s", wanted[i].name);
        sl_frame frame;
        assert_ok(sl_frame_read_header(shared_path(path), NULL, NULL, &frame));
        assert_null(frame.data);
        const double found[] = {frame.header.geometry.wavelength_m, frame.header.geometry.distance_m,
                                frame.header.geometry.pixel_x_m, frame.header.geometry.exposure_s};
        const double expected[] = {wanted[i].wavelength_m, wanted[i].distance_m, wanted[i].pixel_m,
                                   wanted[i].exposure_s};
        for (int k = 0; k < 4; k++) {
            if (isnan(expected[k])) {
                assert_true(isnan(found[k]));
            } else {
                assert_true(fabs(found[k] / expected[k] - 1) < 1e-6);
            }
        }
        sl_frame_free(&frame);
    }
}

static uint32_t pattern(int y, int x) {
    if (y == 3 && x == 4) return UINT32_MAX;
    if (y == 5 && x == 6) return UINT32_MAX - 1;
    return (uint32_t)(y * 29 + x) * 7919 % 100003;
}

static void every_filter_is_undone(void **state) {
    (void)state;
    static const char *const names[] = {
        "bitshuffle-lz4", "bitshuffle-zstd", "bitshuffle-none", "lz4", "zstd", "fletcher", "lzf"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "tests/image/data/%s.h5", names[i]);
        sl_frame frame = read_frame(path);
        assert_string_equal(frame.header.dataset, "entry/data/counts");
        for (int y = 0; y < 37; y++)
            for (int x = 0; x < 29; x++)
                assert_int_equal(((uint32_t *)frame.data)[y * 29 + x], pattern(y, x));
        sl_image image;
        assert_ok(sl_frame_to_image(&frame, &image));
        assert_int_equal(image.mask[3 * 29 + 4], SL_MASK_INVALID);
        assert_true(image.value[3 * 29 + 4] == 0 && image.value[1] == 7919);
        sl_image_free(&image);
        sl_frame_free(&frame);
    }
    sl_frame frame;
    assert_status(sl_frame_read("tests/image/data/blosc.h5", NULL, NULL, &frame), SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "blosc"));
}

static void frames_of_a_stack_are_chosen(void **state) {
    (void)state;
    sl_arena *arena;
    assert_ok(sl_arena_new(&arena));
    const char *path;
    sl_frame_request request;
    sl_frame frame;
    assert_ok(sl_frame_locate(arena, "tests/image/data/bitshuffle-stack.h5::entry/data[2]", &path, &request));
    assert_string_equal(request.dataset, "entry/data");
    assert_ok(sl_frame_read(path, &request, NULL, &frame));
    assert_int_equal(frame.header.frames, 3);
    assert_int_equal(((uint16_t *)frame.data)[1], 7919 / 3);
    assert_string_equal(frame.source, "tests/image/data/bitshuffle-stack.h5::entry/data/counts[2]");
    sl_frame_free(&frame);
    request.frame = 3;
    assert_status(sl_frame_read(path, &request, NULL, &frame), SL_NOT_FOUND);
    assert_ok(sl_frame_locate(arena, "tests/image/data/bitshuffle-stack.h5::nothing", &path, &request));
    assert_status(sl_frame_read(path, &request, NULL, &frame), SL_NOT_FOUND);
    assert_status(sl_frame_locate(arena, "a.h5::x[y]", &path, &request), SL_INVALID);
    sl_arena_free(arena);
}

static void a_hanging_decoder_is_stopped(void **state) {
    (void)state;
    sl_frame frame;
    double start_s = sl_clock_s();
    sl_decode_limits limits = {.wall_s = 1e-6};
    assert_status(sl_frame_read("tests/image/data/lz4.h5", NULL, &limits, &frame), SL_TIMEOUT);
    assert_true(sl_clock_s() - start_s < 5);
}

static void a_bomb_meets_the_memory_limit(void **state) {
    (void)state;
    enum { UNPACKED = 64 << 20, PACKED = 1 << 20 };
    uint8_t *zeros = calloc(1, UNPACKED), *packed = malloc(PACKED);
    z_stream stream = {.next_in = zeros, .avail_in = UNPACKED, .next_out = packed, .avail_out = PACKED};
    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    sl_frame frame;
    sl_decode_limits limits = {.memory_bytes = 16 << 20};
    /* under a sanitizer, which reserves address space beyond any limit, the limit does not hold */
    sl_status status = sl_frame_read_bytes(packed, stream.total_out, "bomb", NULL, &limits, &frame);
    assert_true(status == SL_MEMORY || (WITH_SANITIZER && status == SL_UNSUPPORTED));
    assert_status(sl_frame_read_bytes(packed, stream.total_out, "bomb", NULL, NULL, &frame), SL_UNSUPPORTED);
    deflateEnd(&stream);
    free(zeros);
    free(packed);
}

/* A file that shrinks while it is read kills its reader by SIGBUS. */
static void a_crashing_decoder_is_one_failed_call(void **state) {
    (void)state;
    char path[] = "/tmp/sl-test-XXXXXX";
    int fd = mkstemp(path);
    static char bytes[3 * 4096];
    int length = snprintf(bytes, sizeof bytes,
                          "{\nHeaderID = 1 ;\nByteOrder = LowByteFirst ;\nDataType = UnsignedByte ;\n"
                          "Dim_1 = 100 ;\nDim_2 = 100 ;\n}\n");
    assert_true(length > 0 && write(fd, bytes, sizeof bytes) == sizeof bytes);
    void *map = mmap(NULL, sizeof bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(map != MAP_FAILED);
    sl_frame frame;
    assert_ok(sl_frame_read_bytes(map, sizeof bytes, "whole", NULL, NULL, &frame));
    sl_frame_free(&frame);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_status(sl_frame_read_bytes(map, sizeof bytes, "shrunk", NULL, NULL, &frame), SL_FORMAT);
    assert_non_null(strstr(sl_error_message(), "shrunk"));
    munmap(map, sizeof bytes);
    close(fd);
    unlink(path);
}

static void not_an_image_is_said_clearly(void **state) {
    (void)state;
    sl_frame frame;
    assert_status(sl_frame_read_bytes("hello, world", 12, "a.txt", NULL, NULL, &frame), SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "a.txt"));
    assert_non_null(strstr(sl_error_message(), "68 65 6c"));
    assert_status(sl_frame_read_bytes(NULL, 0, "empty", NULL, NULL, &frame), SL_FORMAT);
    assert_status(sl_frame_read("/nonexistent/a.edf", NULL, NULL, &frame), SL_NOT_FOUND);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(measured_frames_agree_with_the_manifest),
    cmocka_unit_test(further_frames_agree_with_other_readers),
    cmocka_unit_test(geometry_comes_from_headers),
    cmocka_unit_test(every_filter_is_undone),
    cmocka_unit_test(frames_of_a_stack_are_chosen),
    cmocka_unit_test(a_hanging_decoder_is_stopped),
    cmocka_unit_test(a_bomb_meets_the_memory_limit),
    cmocka_unit_test(a_crashing_decoder_is_one_failed_call),
    cmocka_unit_test(not_an_image_is_said_clearly),
};

TEST_MAIN(tests)
