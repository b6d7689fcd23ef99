/* Formats in their variants, from bytes written here: types, byte orders, stacks, damage. Decoded in this
 * process. */
#include "test.h"

#include "base/memory.h"
#include "base/text.h"
#include "image/format/format.h"
#include "image/write/write.h"
#include "image/percentile.h"

#include <math.h>
#include <hdf5.h>
#include <string.h>
#include <tiffio.h>
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

/* What a decoding left. */
typedef struct result {
    sl_status status;
    const sl_format *format;
    sl_frame_header header;
    uint8_t pixels[4096];
} result;

static sl_status room(void *context, size_t bytes, void **out) {
    result *r = context;
    if (bytes > sizeof r->pixels) return sl_fail(SL_LIMIT, "%zu bytes", bytes);
    *out = r->pixels;
    return SL_OK;
}

static result decode(const void *data, size_t bytes, int64_t frame) {
    result r = {.header = {.metadata = json_object()}};
    uint8_t *exact = malloc(bytes ? bytes : 1); /* so that a sanitizer sees any step beyond the end */
    memcpy(exact, data, bytes);
    sl_source source = {exact, bytes};
    sl_frame_request request = {NULL, frame};
    r.status = sl_decode(&source, &request, room, &r, &r.format, &r.header);
    json_decref(r.header.metadata);
    r.header.metadata = NULL;
    free(exact);
    return r;
}

static double pixel(const result *r, size_t i) {
    double value;
    sl_convert(r->header.dtype, r->pixels + i * sl_dtype_bytes(r->header.dtype), SL_F64, &value, 1);
    return value;
}

/* Values 1, 2, 3 ... of a type, in either byte order. */
static void ramp(sl_text *text, sl_dtype dtype, int count, bool big) {
    for (int i = 1; i <= count; i++) {
        double value = i;
        uint8_t bytes[8];
        sl_convert(SL_F64, &value, dtype, bytes, 1);
        if (big) sl_bytes_swap(bytes, 1, sl_dtype_bytes(dtype));
        sl_text_add_bytes(text, bytes, sl_dtype_bytes(dtype));
    }
}

static void check_ramp(const result *r, int height, int width, int first) {
    assert_int_equal(r->header.height_px, height);
    assert_int_equal(r->header.width_px, width);
    for (int i = 0; i < height * width; i++) assert_true(pixel(r, (size_t)i) == first + i);
}

static void edf_types_and_byte_orders(void **state) {
    (void)state;
    static const struct {
        const char *name;
        sl_dtype dtype;
    } types[] = {{"SignedByte", SL_I8},     {"UnsignedByte", SL_U8},   {"SignedShort", SL_I16},
                 {"UnsignedShort", SL_U16}, {"SignedInteger", SL_I32}, {"UnsignedInteger", SL_U32},
                 {"SignedLong", SL_I32},    {"UnsignedLong", SL_U32},  {"Signed64", SL_I64},
                 {"Unsigned64", SL_U64},    {"FloatValue", SL_F32},    {"FLOATVALUE", SL_F32},
                 {"DoubleValue", SL_F64}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (int big = 0; big < 2; big++) {
            sl_text text = SL_TEXT_INIT;
            sl_text_printf(&text,
                           "{\nHeaderID = x ;\nByteOrder = %s ;\nDataType = %s ;\nDim_1 = 3 ;\ndim_2 = 2 ;",
                           big ? "HighByteFirst" : "LowByteFirst", types[i].name);
            while (text.length < 510) sl_text_add(&text, " ");
            sl_text_add(&text, "}\n");
            ramp(&text, types[i].dtype, 6, big);
            result r = decode(text.data, text.length, 0);
            assert_ok(r.status);
            assert_string_equal(r.format->name, "EDF");
            assert_int_equal(r.header.dtype, types[i].dtype);
            check_ramp(&r, 2, 3, 1);
            assert_status(decode(text.data, text.length - 1, 0).status, SL_FORMAT);
            sl_text_free(&text);
        }
    }
}

static void edf_stacks_and_general_blocks(void **state) {
    (void)state;
    sl_text text = SL_TEXT_INIT;
    sl_text_add(&text, "{\r\nEDF_DataFormatVersion = 2.40 ;\r\nEDF_BinarySize = 0 ;\r\n}\r\n");
    for (int i = 0; i < 2; i++) {
        sl_text_add(&text,
                    "{ HeaderID = x ; ByteOrder = LowByteFirst ; DataType = UnsignedByte ; Dim_1 = 2 ; "
                    "Dim_2 = 2 ; Dim_3 = 2 ; EDF_BinarySize = 8 ; }\n");
        ramp(&text, SL_U8, 8, false);
        sl_text_add(&text, "\n");
    }
    for (int frame = 0; frame < 4; frame++) {
        result r = decode(text.data, text.length, frame);
        assert_ok(r.status);
        assert_int_equal(r.header.frames, 4);
        check_ramp(&r, 2, 2, frame % 2 ? 5 : 1);
    }
    assert_status(decode(text.data, text.length, 4).status, SL_NOT_FOUND);
    sl_text_free(&text);
}

static void edf_refuses_nonsense(void **state) {
    (void)state;
    static const struct {
        const char *text;
        sl_status status;
    } cases[] = {
        {"{ HeaderID = x ; Dim_1 = 4 ; Dim_2 = 4 ", SL_FORMAT},
        {"{ HeaderID = x ; Dim_1 = -4 ; Dim_2 = 4 ; DataType = FloatValue ; }\n", SL_FORMAT},
        {"{ HeaderID = x ; Dim_1 = 99999999 ; Dim_2 = 4 ; DataType = FloatValue ; }\n", SL_LIMIT},
        {"{ HeaderID = x ; Dim_1 = 4 ; Dim_2 = 4 ; Dim_3 = 999999999999 ; DataType = FloatValue ; }\n",
         SL_FORMAT},
        {"{ HeaderID = x ; Dim_1 = 4 ; Dim_2 = 4 ; DataType = FloatValue ; }\nabc", SL_FORMAT},
        {"{ HeaderID = x ; Dim_1 = 4 ; Dim_2 = 4 ; DataType = Complex ; }\n", SL_UNSUPPORTED},
        {"{ HeaderID = x ; Dim_1 = 1 ; Dim_2 = 1 ; DataType = UnsignedByte ; Compression = Gzip ; }\nabc",
         SL_UNSUPPORTED},
        {"{ HeaderID = x ; }\n", SL_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_status(decode(cases[i].text, strlen(cases[i].text), 0).status, cases[i].status);
}

static void add_delta(sl_text *text, int64_t delta) {
    for (int bytes = 1; bytes <= 8; bytes *= 2) {
        int64_t limit = bytes == 8 ? INT64_MAX : ((int64_t)1 << (8 * bytes - 1)) - 1;
        int64_t coded = delta >= -limit && delta <= limit ? delta : bytes == 8 ? delta : -limit - 1;
        sl_text_add_bytes(text, &coded, (size_t)bytes); /* little-endian */
        if (coded == delta) return;
    }
}

static void cbf_byte_offset_of_every_width(void **state) {
    (void)state;
    static const int64_t values[6] = {5, -2, 30000, 2000000000, -2000000000, 7};
    for (int wide = 0; wide < 2; wide++) {
        sl_text data = SL_TEXT_INIT, text = SL_TEXT_INIT;
        int64_t last = 0;
        for (int i = 0; i < 6; i++) {
            add_delta(&data, values[i] - last);
            last = values[i];
        }
        sl_text_printf(&text,
                       "###CBF: VERSION 1.5\r\n# Pixel_size 172e-6 m x 172e-6 m\r\n_array_data.data\r\n;\r\n"
                       "--CIF-BINARY-FORMAT-SECTION--\r\nContent-Type: application/octet-stream;\r\n"
                       "     conversions=\"x-CBF_BYTE_OFFSET\"\r\nContent-Transfer-Encoding: BINARY\r\n"
                       "X-Binary-Size: %zu\r\nX-Binary-Element-Type: \"signed %d-bit integer\"\r\n"
                       "X-Binary-Number-of-Elements: 6\r\nX-Binary-Size-Fastest-Dimension: 3\r\n"
                       "X-Binary-Size-Second-Dimension: 2\r\n\r\n\x0c\x1a\x04\xd5",
                       data.length, wide ? 64 : 32);
        sl_text_add_bytes(&text, data.data, data.length);
        result r = decode(text.data, text.length, 0);
        assert_ok(r.status);
        assert_int_equal(r.header.dtype, wide ? SL_I64 : SL_I32);
        assert_true(r.header.geometry.pixel_y_m == 172e-6);
        for (size_t i = 0; i < 6; i++) assert_true(pixel(&r, i) == (double)values[i]);
        assert_status(decode(text.data, text.length - 1, 0).status, SL_FORMAT);
        char *count = strstr(text.data, "Elements: 6");
        assert_non_null(count);
        count[10] = '7';
        assert_status(decode(text.data, text.length, 0).status, SL_FORMAT);
        sl_text_free(&text);
        sl_text_free(&data);
    }
}

static void npy_types_orders_and_stacks(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        sl_dtype dtype;
    } types[] = {{"|i1", SL_I8},  {"|u1", SL_U8},  {"<i2", SL_I16}, {">u2", SL_U16},
                 {"<i4", SL_I32}, {">u4", SL_U32}, {"<i8", SL_I64}, {">u8", SL_U64},
                 {"<f2", SL_F16}, {">f4", SL_F32}, {"<f8", SL_F64}, {">f8", SL_F64}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (int version = 1; version <= 3; version++) {
            sl_text text = SL_TEXT_INIT, head = SL_TEXT_INIT;
            sl_text_printf(&head, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 2, 3), }\n",
                           types[i].descr);
            sl_text_printf(&text, "\x93NUMPY%c%c%c%c", version, 0, (int)head.length, 0);
            if (version > 1) sl_text_add_bytes(&text, "\0\0", 2);
            sl_text_add_bytes(&text, head.data, head.length);
            ramp(&text, types[i].dtype, 12, types[i].descr[0] == '>');
            result r = decode(text.data, text.length, 1);
            assert_ok(r.status);
            assert_int_equal(r.header.dtype, types[i].dtype);
            check_ramp(&r, 2, 3, 7);
            assert_status(decode(text.data, text.length - 1, 1).status, SL_FORMAT);
            sl_text_free(&text);
            sl_text_free(&head);
        }
    }
}

static void npy_fortran_order_is_turned(void **state) {
    (void)state;
    static const char head[] = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n";
    sl_text text = SL_TEXT_INIT;
    sl_text_printf(&text, "\x93NUMPY\x01%c%c%c%s", 0, (int)strlen(head), 0, head);
    sl_text_add_bytes(&text, "\1\4\2\5\3\6", 6);
    result r = decode(text.data, text.length, 0);
    assert_ok(r.status);
    check_ramp(&r, 2, 3, 1);
    sl_text_free(&text);
}

/* Decodes a file that a library wrote, and removes it. */
static result decode_file(const char *path, int64_t frame) {
    static char bytes[1 << 18];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    unlink(path);
    return decode(bytes, count, frame);
}

static char temporary[] = "/tmp/sl-test-formats-XXXXXX";

enum { TIFF_HEIGHT = 17, TIFF_WIDTH = 11, TIFF_TILE = 16 };

static void write_tiff_page(TIFF *tiff, sl_dtype dtype, int sample_format, bool tiled, int compression) {
    int bytes = (int)sl_dtype_bytes(dtype);
    uint8_t rows[TIFF_TILE * TIFF_TILE * 8];
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, TIFF_WIDTH);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, TIFF_HEIGHT);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8 * bytes);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, sample_format);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    int block_height = tiled ? TIFF_TILE : 5, block_width = tiled ? TIFF_TILE : TIFF_WIDTH;
    if (tiled) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, TIFF_TILE);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, TIFF_TILE);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 5);
    }
    for (int y0 = 0; y0 < TIFF_HEIGHT; y0 += block_height) {
        for (int i = 0; i < block_height * block_width; i++) {
            double value = (y0 + i / block_width) * TIFF_WIDTH + i % block_width + 1;
            sl_convert(SL_F64, &value, dtype, rows + i * bytes, 1);
        }
        int left = tiled || TIFF_HEIGHT - y0 > block_height ? block_height : TIFF_HEIGHT - y0;
        tmsize_t size = (tmsize_t)left * block_width * bytes;
        if (tiled) {
            assert_true(
                TIFFWriteEncodedTile(tiff, TIFFComputeTile(tiff, 0, (uint32_t)y0, 0, 0), rows, size) == size);
        } else {
            assert_true(TIFFWriteEncodedStrip(tiff, TIFFComputeStrip(tiff, (uint32_t)y0, 0), rows, size) ==
                        size);
        }
    }
    TIFFWriteDirectory(tiff);
}

static void tiff_types_and_layouts(void **state) {
    (void)state;
    static const struct {
        sl_dtype dtype;
        int sample_format;
    } types[] = {{SL_U8, 1},  {SL_U16, 1}, {SL_U32, 1}, {SL_U64, 1}, {SL_I16, 2},
                 {SL_I32, 2}, {SL_I64, 2}, {SL_F16, 3}, {SL_F32, 3}, {SL_F64, 3}};
    static const char *const modes[] = {"wl", "wb", "w8", "wb8"}; /* byte orders, BigTIFF */
    static const int compressions[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (int variant = 0; variant < 24; variant++) {
            TIFF *tiff = TIFFOpen(temporary, modes[variant % 4]);
            assert_non_null(tiff);
            for (int page = 0; page < 2; page++)
                write_tiff_page(tiff, page ? types[t].dtype : SL_U8, page ? types[t].sample_format : 1,
                                variant % 2, compressions[variant % 3]);
            TIFFClose(tiff);
            result r = decode_file(temporary, 1);
            assert_ok(r.status);
            assert_string_equal(r.format->name, "TIFF");
            assert_int_equal(r.header.frames, 2);
            assert_int_equal(r.header.dtype, types[t].dtype);
            assert_int_equal(r.header.height_px, TIFF_HEIGHT);
            for (int i = 0; i < TIFF_HEIGHT * TIFF_WIDTH; i++) {
                double wanted = types[t].dtype == SL_U8 && i + 1 > 255 ? 255 : i + 1;
                assert_true(pixel(&r, (size_t)i) == wanted);
            }
        }
    }
}

static void jpeg_becomes_luminance(void **state) {
    (void)state;
    uint8_t rgb[16 * 16 * 3];
    memset(rgb, 120, sizeof rgb);
    unsigned char *packed = NULL;
    unsigned long bytes = 0;
    tjhandle handle = tjInitCompress();
    assert_int_equal(tjCompress2(handle, rgb, 16, 0, 16, TJPF_RGB, &packed, &bytes, TJSAMP_420, 95, 0), 0);
    result r = decode(packed, bytes, 0);
    assert_ok(r.status);
    assert_string_equal(r.format->name, "JPEG");
    assert_true(r.header.height_px == 16 && r.header.width_px == 16);
    assert_true(fabs(pixel(&r, 37) - 120) <= 1);
    assert_status(decode(packed, bytes / 2, 0).status, SL_FORMAT);
    tjFree(packed);
    tjDestroy(handle);
}

static void hdf5_put(hid_t file, const char *name, int rank, const hsize_t *size, hid_t type,
                     const int64_t *values) {
    hid_t links = H5Pcreate(H5P_LINK_CREATE), space = H5Screate_simple(rank, size, NULL);
    H5Pset_create_intermediate_group(links, 1);
    hid_t dataset = H5Dcreate2(file, name, type, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(links);
}

/* A file of one dataset, or of one link, at a path. */
static result hdf5_with(const char *name, int rank, const hsize_t *size, hid_t type, const char *external) {
    hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    if (external) {
        assert_true(H5Lcreate_external(external, "/data", file, name, links, H5P_DEFAULT) >= 0);
    } else {
        int64_t values[512];
        for (int i = 0; i < 512; i++) values[i] = i + 1;
        hdf5_put(file, name, rank, size, type, values);
    }
    H5Pclose(links);
    H5Fclose(file);
    return decode_file(temporary, 0);
}

static void hdf5_images_are_found_and_others_refused(void **state) {
    (void)state;
    const hsize_t image[] = {10, 12}, stack[] = {2, 2, 8, 9}, table[] = {100, 2};
    /* first, since the reader takes external links out of the library */
    assert_status(hdf5_with("entry/data/data", 0, NULL, 0, "/etc/passwd").status, SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "links to other files"));
    result r = hdf5_with("some/where/deep", 2, image, H5T_STD_I32BE, NULL);
    assert_ok(r.status);
    assert_string_equal(r.header.dataset, "some/where/deep");
    assert_int_equal(r.header.dtype, SL_I32);
    check_ramp(&r, 10, 12, 1);
    r = hdf5_with("entry/data/data", 4, stack, H5T_IEEE_F64BE, NULL);
    assert_ok(r.status);
    assert_int_equal(r.header.frames, 4);
    check_ramp(&r, 8, 9, 1);
    assert_status(hdf5_with("table", 2, table, H5T_STD_I32LE, NULL).status, SL_NOT_FOUND);
}

/* Two frames of 8 x 9 pixels with a mask whose first pixels of a frame are `bits`. */
static sl_image masked_frame(const char *mask, int rank, const hsize_t *size, int64_t frame,
                             const int64_t *bits) {
    const hsize_t stack[] = {2, 8, 9};
    int64_t values[2 * 72] = {0};
    sl_frame_request request = {NULL, frame};
    sl_frame got;
    sl_image image;
    hid_t file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 144; i++) values[i] = i + 1;
    hdf5_put(file, "entry/data/data", 3, stack, H5T_STD_U16LE, values);
    memset(values, 0, sizeof values);
    memcpy(values + (rank == 3 ? 72 : 0), bits,
           6 * sizeof *bits); /* of the second frame where each has one */
    hdf5_put(file, mask, rank, size, H5T_STD_U32LE, values);
    H5Fclose(file);
    assert_ok(sl_frame_read(temporary, &request, NULL, &got));
    assert_ok(sl_frame_to_image(&got, &image));
    sl_frame_free(&got);
    return image;
}

static void nexus_masks_are_read(void **state) {
    (void)state;
    static const hsize_t plane[] = {8, 9}, stack[] = {2, 8, 9}, other[] = {9, 8};
    static const int64_t bits[6] = {0, 1, 2, 8, 16, 256};
    static const uint8_t wanted[6] = {0,           SL_MASK_GAP, SL_MASK_DEAD,
                                      SL_MASK_HOT, SL_MASK_HOT, SL_MASK_INVALID};
    static const struct {
        const char *path;
        int rank;
        const hsize_t *size;
        bool seen[2]; /* in each frame */
    } cases[] = {{"entry/data/pixel_mask", 2, plane, {true, true}},
                 {"entry/instrument/detector/pixel_mask", 2, plane, {true, true}},
                 {"entry/instrument/detector/detectorSpecific/pixel_mask", 2, plane, {true, true}},
                 {"entry/instrument/detector/pixel_mask", 3, stack, {false, true}},
                 {"entry/instrument/detector/pixel_mask", 2, other, {false, false}},
                 {"entry/elsewhere/pixel_mask", 2, plane, {false, false}}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (int frame = 0; frame < 2; frame++) {
            sl_image image = masked_frame(cases[c].path, cases[c].rank, cases[c].size, frame, bits);
            for (int i = 0; i < 6; i++) {
                uint8_t mask = cases[c].seen[frame] ? wanted[i] : 0;
                if (image.mask[i] != mask) fail_msg("case %zu, pixel %d: mask %d", c, i, image.mask[i]);
                assert_true(image.value[i] == (mask ? 0 : (float)(72 * frame + i + 1)));
            }
            sl_image_free(&image);
        }
}

enum { BAR_SIDE = 7 };

static void measure_bars(const uint16_t *value, bool as_picture, sl_frame_statistics *out) {
    sl_frame frame;
    if (as_picture) {
        assert_ok(sl_png_write_grey16(temporary, BAR_SIDE, BAR_SIDE, value, NULL));
    } else {
        TIFF *tiff = TIFFOpen(temporary, "w");
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, BAR_SIDE);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, BAR_SIDE);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 16);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, BAR_SIDE);
        tmsize_t bytes = BAR_SIDE * BAR_SIDE * 2;
        assert_true(TIFFWriteEncodedStrip(tiff, 0, (void *)(uintptr_t)value, bytes) == bytes);
        TIFFClose(tiff);
    }
    assert_ok(sl_frame_read(temporary, NULL, NULL, &frame));
    assert_int_equal(frame.header.dtype, SL_U16);
    assert_ok(sl_frame_measure(&frame, out));
    sl_frame_free(&frame);
}

/* 65535 is a gap where it reaches from edge to edge, and a saturated pixel of a camera where it does not. */
static void codes_of_16_bits_need_a_gap(void **state) {
    (void)state;
    sl_frame_statistics found;
    uint16_t value[BAR_SIDE * BAR_SIDE];
    for (int down = 0; down < 2; down++) {
        for (int i = 0; i < BAR_SIDE * BAR_SIDE; i++) value[i] = (uint16_t)i;
        for (int i = 0; i < BAR_SIDE - 1; i++) value[down ? i * BAR_SIDE + 3 : 3 * BAR_SIDE + i] = 65535;
        value[0] = 65534;
        measure_bars(value, false, &found);
        assert_int_equal(found.masked, 0);
        assert_true(found.p999 > 65000);
        value[down ? (BAR_SIDE - 1) * BAR_SIDE + 3 : 3 * BAR_SIDE + BAR_SIDE - 1] = 65535;
        measure_bars(value, false, &found);
        assert_int_equal(found.masked, BAR_SIDE + 1); /* the dead pixel too */
        assert_true(found.p999 < BAR_SIDE * BAR_SIDE);
        measure_bars(value, true, &found);
        assert_int_equal(found.masked, 0);
    }
}

static int setup(void **state) {
    (void)state;
    TIFFSetWarningHandler(NULL);
    int fd = mkstemp(temporary);
    return fd < 0 ? 1 : close(fd);
}

static void gzip_is_seen_through(void **state) {
    (void)state;
    static const char edf[] =
        "{ HeaderID = x ; DataType = UnsignedByte ; Dim_1 = 2 ; Dim_2 = 2 ; }\n\1\2\3\4";
    uint8_t packed[512];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)edf,
                       .avail_in = sizeof edf - 1,
                       .next_out = packed,
                       .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t bytes = stream.total_out;
    deflateEnd(&stream);
    result r = decode(packed, bytes, 0);
    assert_ok(r.status);
    check_ramp(&r, 2, 2, 1);
    assert_status(decode(packed, bytes - 9, 0).status, SL_FORMAT);
}

/* Every single-byte change and every cut of a small file: an answer or an error, nothing else. */
static void damaged_headers_never_crash(void **state) {
    (void)state;
    static const char *const seeds[] = {
        "{ HeaderID = x ; ByteOrder = LowByteFirst ; DataType = SignedShort ; Dim_1 = 2 ; Dim_2 = 2 ; "
        "}\nabcdefgh",
        "###CBF: V\r\n--CIF-BINARY-FORMAT-SECTION--\r\nconversions=\"x-CBF_BYTE_OFFSET\"\r\nX-Binary-Size: "
        "4\r\n"
        "X-Binary-Size-Fastest-Dimension: 2\r\nX-Binary-Size-Second-Dimension: "
        "2\r\n\r\n\x0c\x1a\x04\xd5\1\1\1\1",
    };
    for (size_t s = 0; s < 2; s++) {
        size_t bytes = strlen(seeds[s]);
        char copy[512];
        assert_ok(decode(seeds[s], bytes, 0).status);
        for (size_t i = 0; i < bytes; i++) {
            decode(seeds[s], i, 0);
            memcpy(copy, seeds[s], bytes);
            static const char changes[] = {0, '9', '}', '{', (char)0xff, '-', ';'};
            for (size_t k = 0; k < sizeof changes; k++) {
                copy[i] = changes[k];
                decode(copy, bytes, 0);
            }
        }
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_match_a_sort(void **state) {
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        double values[64], sorted[64];
        size_t count = 1 + (size_t)round % 64;
        for (size_t i = 0; i < count; i++) {
            random = random * 1664525 + 1013904223;
            sorted[i] = values[i] = (double)(random >> 24) / (1 + round % 97);
        }
        if (round % 3 == 0)
            for (size_t i = 0; i < count; i++) sorted[i] = values[i] = floor(values[i] / 64);
        qsort(sorted, count, sizeof *sorted, ascending);
        double percent = (double)(round % 101);
        double place = percent / 100 * (double)(count - 1);
        size_t rank = (size_t)place;
        double high = rank + 1 < count ? sorted[rank + 1] : sorted[rank];
        double wanted = sorted[rank] + (high - sorted[rank]) * (place - (double)rank);
        assert_true(fabs(sl_percentile(values, count, percent) - wanted) < 1e-12 * (1 + fabs(wanted)));
    }
    assert_true(isnan(sl_percentile(NULL, 0, 50)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(edf_types_and_byte_orders),
    cmocka_unit_test(edf_stacks_and_general_blocks),
    cmocka_unit_test(edf_refuses_nonsense),
    cmocka_unit_test(cbf_byte_offset_of_every_width),
    cmocka_unit_test(npy_types_orders_and_stacks),
    cmocka_unit_test(npy_fortran_order_is_turned),
    cmocka_unit_test(tiff_types_and_layouts),
    cmocka_unit_test(jpeg_becomes_luminance),
    cmocka_unit_test(hdf5_images_are_found_and_others_refused),
    cmocka_unit_test(nexus_masks_are_read),
    cmocka_unit_test(codes_of_16_bits_need_a_gap),
    cmocka_unit_test(gzip_is_seen_through),
    cmocka_unit_test(damaged_headers_never_crash),
    cmocka_unit_test(percentiles_match_a_sort),
};

TEST_MAIN_WITH(tests, setup, NULL)
