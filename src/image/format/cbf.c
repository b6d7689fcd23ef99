/* CBF as detectors write it (miniCBF): CIF text, then one binary section, usually byte-offset compressed
 * (International Tables for Crystallography G, 5.6: each value is the difference to the one before, in 1, 2,
 * 4 or 8 bytes, each width's most negative number announcing the next). */
#include "image/format/format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_BYTES_MAX = 4 << 20 };

static const char section_mark[] = "--CIF-BINARY-FORMAT-SECTION--";
static const uint8_t data_mark[4] = {0x0c, 0x1a, 0x04, 0xd5};

typedef struct cbf_section {
    size_t header_bytes; /* text up to the binary section */
    size_t data_at, data_bytes;
    int64_t width_px, height_px;
    sl_dtype dtype;
    bool byte_offset, swap;
} cbf_section;

static bool cbf_sniff(const sl_source *source) {
    if (source->bytes >= 6 && memcmp(source->data, "###CBF", 6) == 0) return true;
    size_t window = source->bytes < 65536 ? source->bytes : 65536;
    return memmem(source->data, window, section_mark, strlen(section_mark)) != NULL;
}

/* The text behind "key" and a separator, up to the end of its line; false if the key is absent. */
static bool cbf_value(const char *header, const char *key, char *out, size_t capacity) {
    const char *at = strcasestr(header, key);
    if (!at) return false;
    at += strlen(key);
    at += strspn(at, ": \t=\"");
    size_t length = strcspn(at, "\r\n\"");
    if (length >= capacity) length = capacity - 1;
    memcpy(out, at, length);
    out[length] = '\0';
    return true;
}

static sl_status cbf_integer(const char *header, const char *key, int64_t *out) {
    char text[64], *end;
    if (!cbf_value(header, key, text, sizeof text)) return sl_fail(SL_FORMAT, "line %s is missing", key);
    long long number = strtoll(text, &end, 10);
    if (end == text || number < 0)
        return sl_fail(SL_FORMAT, "%s is '%s', expected a whole number", key, text);
    *out = number;
    return SL_OK;
}

static sl_status cbf_type(const char *header, sl_dtype *out) {
    static const struct {
        const char *name;
        sl_dtype dtype;
    } types[] = {
        {"signed 8-bit integer", SL_I8},     {"unsigned 8-bit integer", SL_U8},
        {"signed 16-bit integer", SL_I16},   {"unsigned 16-bit integer", SL_U16},
        {"signed 32-bit integer", SL_I32},   {"unsigned 32-bit integer", SL_U32},
        {"signed 64-bit integer", SL_I64},   {"unsigned 64-bit integer", SL_U64},
        {"signed 32-bit real IEEE", SL_F32}, {"signed 64-bit real IEEE", SL_F64},
    };
    char text[64] = "signed 32-bit integer";
    cbf_value(header, "X-Binary-Element-Type", text, sizeof text);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strncasecmp(text, types[i].name, strlen(types[i].name)) != 0) continue;
        *out = types[i].dtype;
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED, "X-Binary-Element-Type '%s', expected an integer or real of 8 to 64 bits",
                   text);
}

static sl_status cbf_encoding(const char *mime, cbf_section *section) {
    char text[64];
    if (cbf_value(mime, "Content-Transfer-Encoding", text, sizeof text) &&
        strncasecmp(text, "BINARY", 6) != 0)
        return sl_fail(SL_UNSUPPORTED, "Content-Transfer-Encoding '%s', expected BINARY", text);
    section->byte_offset = false;
    if (cbf_value(mime, "conversions", text, sizeof text)) {
        section->byte_offset = strncasecmp(text, "x-CBF_BYTE_OFFSET", 17) == 0;
        if (!section->byte_offset && strncasecmp(text, "x-CBF_NONE", 10) != 0)
            return sl_fail(SL_UNSUPPORTED, "compression '%s', expected x-CBF_BYTE_OFFSET or none", text);
    }
    section->swap = cbf_value(mime, "X-Binary-Element-Byte-Order", text, sizeof text) &&
                    strncasecmp(text, "BIG_ENDIAN", 10) == 0;
    return SL_OK;
}

/* `mime` is the header of the binary section; the data starts at section->data_at. */
static sl_status cbf_layout(const sl_source *source, const char *mime, cbf_section *section) {
    int64_t stored_bytes, elements, third;
    char text[16];
    SL_TRY(cbf_encoding(mime, section));
    SL_TRY(cbf_type(mime, &section->dtype));
    if (section->byte_offset && (section->dtype == SL_F32 || section->dtype == SL_F64))
        return sl_fail(SL_UNSUPPORTED, "byte-offset compression of real numbers");
    SL_TRY(cbf_integer(mime, "X-Binary-Size-Fastest-Dimension", &section->width_px));
    SL_TRY(cbf_integer(mime, "X-Binary-Size-Second-Dimension", &section->height_px));
    SL_TRY(sl_format_check_size(section->height_px, section->width_px));
    if (cbf_value(mime, "X-Binary-Size-Third-Dimension", text, sizeof text)) {
        SL_TRY(cbf_integer(mime, "X-Binary-Size-Third-Dimension", &third));
        if (third > 1)
            return sl_fail(SL_UNSUPPORTED, "volume of %lld sections, expected one", (long long)third);
    }
    if (cbf_value(mime, "X-Binary-Number-of-Elements", text, sizeof text)) {
        SL_TRY(cbf_integer(mime, "X-Binary-Number-of-Elements", &elements));
        if (elements != section->width_px * section->height_px)
            return sl_fail(SL_FORMAT, "X-Binary-Number-of-Elements is %lld, the dimensions give %lld x %lld",
                           (long long)elements, (long long)section->height_px, (long long)section->width_px);
    }
    size_t left = source->bytes - section->data_at;
    SL_TRY(cbf_integer(mime, "X-Binary-Size:", &stored_bytes));
    if ((uint64_t)stored_bytes > left)
        return sl_fail(SL_FORMAT, "X-Binary-Size is %lld, the file has %zu bytes there",
                       (long long)stored_bytes, left);
    section->data_bytes = (size_t)stored_bytes;
    return SL_OK;
}

/* Text of `bytes` at `at`, NUL-terminated, without NULs inside; the caller frees. */
static sl_status cbf_text(const sl_source *source, size_t at, size_t bytes, char **out) {
    SL_TRY(sl_alloc(out, bytes + 1, 1));
    memcpy(*out, source->data + at, bytes);
    for (size_t i = 0; i < bytes; i++)
        if ((*out)[i] == '\0') (*out)[i] = ' ';
    return SL_OK;
}

static sl_status cbf_open(const sl_source *source, cbf_section *section) {
    *section = (cbf_section){0};
    size_t window = source->bytes < HEADER_BYTES_MAX ? source->bytes : HEADER_BYTES_MAX;
    const uint8_t *mark = memmem(source->data, window, section_mark, strlen(section_mark));
    if (!mark)
        return sl_fail(SL_FORMAT, "no binary section (%s) in the first %zu bytes", section_mark, window);
    size_t mime_at = (size_t)(mark - source->data) + strlen(section_mark);
    const uint8_t *data = memmem(source->data + mime_at, window - mime_at, data_mark, sizeof data_mark);
    if (!data)
        return sl_fail(SL_FORMAT, "the binary section at byte %zu has no start mark 0c1a04d5", mime_at);
    section->header_bytes = (size_t)(mark - source->data);
    section->data_at = (size_t)(data - source->data) + sizeof data_mark;
    char *mime;
    SL_TRY(cbf_text(source, mime_at, (size_t)(data - source->data) - mime_at, &mime));
    sl_status status = cbf_layout(source, mime, section);
    sl_free(mime);
    return status;
}

static sl_status cbf_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "CBF"));
    SL_TRY(sl_format_check_frame(request->frame, 1));
    cbf_section section;
    SL_TRY(cbf_open(source, &section));
    out->dtype = section.dtype;
    out->height_px = (int32_t)section.height_px;
    out->width_px = (int32_t)section.width_px;
    char *text;
    SL_TRY(cbf_text(source, 0, section.header_bytes, &text));
    sl_geometry_from_comments(text, &out->geometry);
    sl_metadata_text(out->metadata, "header", text, section.header_bytes);
    sl_free(text);
    return SL_OK;
}

static int64_t little_endian(const uint8_t *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    unsigned unused_bits = 64 - 8 * (unsigned)bytes;
    return (int64_t)(value << unused_bits) >> unused_bits;
}

/* One difference at *at, which moves behind it; false when the data ends inside. */
static bool cbf_delta(const uint8_t **at, const uint8_t *end, int64_t *out) {
    for (size_t bytes = 1; bytes <= 8; bytes *= 2) {
        if ((size_t)(end - *at) < bytes) return false;
        *out = little_endian(*at, bytes);
        *at += bytes;
        if (bytes == 8 || *out != -((int64_t)1 << (8 * bytes - 1))) return true;
    }
    return true;
}

/* Sums wrap at the width of the element, as in the library that defined the format. */
static sl_status cbf_unpack(const sl_source *source, const cbf_section *section, void *out) {
    const uint8_t *at = source->data + section->data_at, *end = at + section->data_bytes;
    size_t count = (size_t)(section->width_px * section->height_px), element = sl_dtype_bytes(section->dtype);
    uint64_t value = 0;
    uint8_t *target = out;
    for (size_t i = 0; i < count; i++, target += element) {
        int64_t delta;
        if (!cbf_delta(&at, end, &delta))
            return sl_fail(SL_FORMAT, "compressed data ends at pixel %zu of %zu", i, count);
        value += (uint64_t)delta;
        memcpy(target, &value,
               element); /* the low bytes: little-endian machines only, as all of this program */
    }
    return SL_OK;
}

static sl_status cbf_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    (void)header;
    cbf_section section;
    SL_TRY(cbf_open(source, &section));
    if (section.byte_offset) return cbf_unpack(source, &section, out);
    size_t count = (size_t)(section.width_px * section.height_px), element = sl_dtype_bytes(section.dtype);
    if (section.data_bytes < count * element)
        return sl_fail(SL_FORMAT, "%zu bytes of data, expected %zu", section.data_bytes, count * element);
    memcpy(out, source->data + section.data_at, count * element);
    if (section.swap) sl_bytes_swap(out, count, element);
    return SL_OK;
}

const sl_format sl_format_cbf = {"CBF", cbf_sniff, cbf_header, cbf_pixels};
