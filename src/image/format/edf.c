/* EDF (ESRF data format): blocks of a text header in braces, "key = value ;", and raw numbers behind it.
 * Types and defaults as fabio reads them. */
#include "image/format/format.h"

#include "base/limits.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_BYTES_MAX = 1 << 20, BLOCK_COUNT_MAX = 1 << 20 };

typedef struct edf_block {
    size_t header_at, header_bytes; /* text between the braces */
    size_t data_at, data_bytes;     /* all frames of the block */
    size_t next_at;                 /* where another block may start */
    int64_t width_px, height_px, frames;
    sl_dtype dtype;
    bool swap;
} edf_block;

static size_t skip_blank(const sl_source *source, size_t at) {
    while (at < source->bytes && (isspace(source->data[at]) || source->data[at] == 0)) at++;
    return at;
}

static bool edf_sniff(const sl_source *source) {
    static const char *const keys[] = {"Dim_1", "EDF_", "HeaderID", "ByteOrder"};
    size_t at = skip_blank(source, 0);
    if (at > 16 || at >= source->bytes || source->data[at] != '{') return false;
    size_t window = source->bytes - at < 8192 ? source->bytes - at : 8192;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (memmem(source->data + at, window, keys[k], strlen(keys[k]))) return true;
    return false;
}

/* The value of a key in a NUL-terminated header, blanks and quotes taken off; false if it is absent. Key and
 * value are separated by '=', pairs by ';'. Upper and lower case count as the same. */
static bool edf_value(const char *header, const char *key, char *out, size_t capacity) {
    size_t key_length = strlen(key);
    for (const char *at = header; *at;) {
        const char *end = at + strcspn(at, ";");
        at += strspn(at, " \t\r\n");
        const char *after = at + key_length;
        if (after < end && strncasecmp(at, key, key_length) == 0) {
            after += strspn(after, " \t\r\n");
            if (after < end && *after == '=') {
                const char *value = after + 1;
                while (value < end && (isspace((unsigned char)*value) || *value == '"')) value++;
                size_t length = (size_t)(end - value);
                while (length && (isspace((unsigned char)value[length - 1]) || value[length - 1] == '"'))
                    length--;
                if (length >= capacity) length = capacity - 1;
                memcpy(out, value, length);
                out[length] = '\0';
                return true;
            }
        }
        at = *end ? end + 1 : end;
    }
    return false;
}

static sl_status edf_integer(const char *header, const char *key, int64_t fallback, int64_t *out) {
    char text[64], *end;
    if (!edf_value(header, key, text, sizeof text)) {
        *out = fallback;
        return SL_OK;
    }
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || number < 0)
        return sl_fail(SL_FORMAT, "%s is '%s', expected a whole number", key, text);
    *out = number;
    return SL_OK;
}

static sl_status edf_type(const char *header, sl_dtype *out) {
    static const struct {
        const char *name;
        sl_dtype dtype;
    } types[] = {
        {"SignedByte", SL_I8},     {"Signed8", SL_I8},       {"UnsignedByte", SL_U8},
        {"Unsigned8", SL_U8},      {"SignedShort", SL_I16},  {"Signed16", SL_I16},
        {"UnsignedShort", SL_U16}, {"Unsigned16", SL_U16},   {"UnsignedShortInteger", SL_U16},
        {"SignedInteger", SL_I32}, {"Signed32", SL_I32},     {"UnsignedInteger", SL_U32},
        {"Unsigned32", SL_U32},    {"SignedLong", SL_I32},   {"UnsignedLong", SL_U32},
        {"Signed64", SL_I64},      {"Unsigned64", SL_U64},   {"FloatValue", SL_F32},
        {"Float", SL_F32},         {"Float32", SL_F32},      {"FloatIEEE32", SL_F32},
        {"Real", SL_F32},          {"Double", SL_F64},       {"DoubleValue", SL_F64},
        {"FloatIEEE64", SL_F64},   {"DoubleIEEE64", SL_F64},
    };
    char text[64];
    if (!edf_value(header, "DataType", text, sizeof text))
        return sl_fail(SL_FORMAT, "key DataType is missing");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcasecmp(text, types[i].name) != 0) continue;
        *out = types[i].dtype;
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED,
                   "DataType '%s', expected SignedByte ... Unsigned64, FloatValue or DoubleValue", text);
}

/* Where the text ends: the first brace at the end of a line, or else the first brace. */
static sl_status edf_bounds(const sl_source *source, size_t at, edf_block *block) {
    const uint8_t *start = source->data + at + 1;
    size_t window = source->bytes - at - 1;
    if (window > HEADER_BYTES_MAX) window = HEADER_BYTES_MAX;
    const uint8_t *end = start + window, *found = NULL;
    for (const uint8_t *brace = start; (brace = memchr(brace, '}', (size_t)(end - brace))); brace++) {
        if (!found) found = brace;
        if (brace + 1 == end || brace[1] == '\n' || brace[1] == '\r') {
            found = brace;
            break;
        }
    }
    if (!found)
        return sl_fail(SL_FORMAT, "header at byte %zu has no closing brace within %zu bytes", at, window);
    block->header_at = at + 1;
    block->header_bytes = (size_t)(found - start);
    size_t data_at = at + 2 + block->header_bytes;
    if (data_at < source->bytes && source->data[data_at] == '\r') data_at++;
    if (data_at < source->bytes && source->data[data_at] == '\n') data_at++;
    block->data_at = data_at;
    return SL_OK;
}

static sl_status edf_layout(const sl_source *source, const char *header, edf_block *block) {
    char text[64];
    int64_t stored_bytes;
    SL_TRY(edf_integer(header, "Dim_1", 0, &block->width_px));
    SL_TRY(edf_integer(header, "Dim_2", 1, &block->height_px));
    SL_TRY(edf_integer(header, "Dim_3", 1, &block->frames));
    SL_TRY(sl_format_check_size(block->height_px, block->width_px));
    if (block->frames < 1 || block->frames > BLOCK_COUNT_MAX)
        return sl_fail(SL_FORMAT, "Dim_3 is %lld, expected 1 to %d", (long long)block->frames,
                       BLOCK_COUNT_MAX);
    SL_TRY(edf_type(header, &block->dtype));
    if (edf_value(header, "Compression", text, sizeof text) && text[0] && strcasecmp(text, "None") != 0 &&
        strcasecmp(text, "NoCompression") != 0)
        return sl_fail(SL_UNSUPPORTED, "Compression '%s', expected none", text);
    block->swap = false;
    if (edf_value(header, "ByteOrder", text, sizeof text)) {
        if (strcasecmp(text, "HighByteFirst") != 0 && strcasecmp(text, "LowByteFirst") != 0)
            return sl_fail(SL_FORMAT, "ByteOrder is '%s', expected HighByteFirst or LowByteFirst", text);
        block->swap = strcasecmp(text, "HighByteFirst") == 0;
    }
    size_t frame_px = (size_t)(block->width_px * block->height_px), left = source->bytes - block->data_at;
    SL_TRY(sl_size_mul(frame_px * sl_dtype_bytes(block->dtype), (size_t)block->frames, &block->data_bytes));
    if (block->data_bytes > left)
        return sl_fail(SL_FORMAT,
                       "%lld x %lld x %lld pixels need %zu bytes at byte %zu, the file has %zu there",
                       (long long)block->frames, (long long)block->height_px, (long long)block->width_px,
                       block->data_bytes, block->data_at, left);
    SL_TRY(edf_integer(header, "EDF_BinarySize", (int64_t)block->data_bytes, &stored_bytes));
    size_t step = block->data_bytes;
    if ((uint64_t)stored_bytes > step && (uint64_t)stored_bytes <= left) step = (size_t)stored_bytes;
    block->next_at = block->data_at + step;
    return SL_OK;
}

static sl_status edf_header_text(const sl_source *source, const edf_block *block, char **out) {
    SL_TRY(sl_alloc(out, block->header_bytes + 1, 1));
    memcpy(*out, source->data + block->header_at, block->header_bytes);
    for (size_t i = 0; i < block->header_bytes; i++)
        if ((*out)[i] == '\0') (*out)[i] = ' ';
    return SL_OK;
}

/* The block at `at`; `has_image` is false for a general block, which has text only. */
static sl_status edf_read_block(const sl_source *source, size_t at, edf_block *block, bool *has_image) {
    *block = (edf_block){0};
    SL_TRY(edf_bounds(source, at, block));
    char *header, text[8];
    SL_TRY(edf_header_text(source, block, &header));
    sl_status status = SL_OK;
    *has_image = edf_value(header, "Dim_1", text, sizeof text);
    block->next_at = block->data_at;
    if (*has_image) status = edf_layout(source, header, block);
    sl_free(header);
    return status;
}

/* The block that holds the frame, the frame's number in it, and the number of frames of the file. A damaged
 * block behind the wanted one only ends the count. */
static sl_status edf_find(const sl_source *source, int64_t wanted, edf_block *out, int64_t *out_within,
                          int64_t *out_frames) {
    int64_t frames = 0;
    bool found = false;
    size_t at = skip_blank(source, 0);
    for (int i = 0; i < BLOCK_COUNT_MAX && at < source->bytes && source->data[at] == '{'; i++) {
        edf_block block;
        bool has_image;
        sl_status status = edf_read_block(source, at, &block, &has_image);
        if (status && !found) return sl_context(status, "block %d", i);
        if (status) break;
        if (has_image) {
            if (wanted >= frames && wanted < frames + block.frames) {
                *out = block;
                *out_within = wanted - frames;
                found = true;
            }
            frames += block.frames;
        }
        at = skip_blank(source, block.next_at);
    }
    if (frames == 0) return sl_fail(SL_FORMAT, "no block with an image (key Dim_1)");
    *out_frames = frames;
    return sl_format_check_frame(wanted, frames);
}

static void edf_number(const char *header, const char *key, double *out) {
    char text[64];
    if (edf_value(header, key, text, sizeof text)) sl_parse_number(text, out);
}

/* Keys as SAXS beamlines of the ESRF write them: metres, seconds, pixels. */
static void edf_geometry(const char *header, sl_frame_geometry *geometry) {
    edf_number(header, "WaveLength", &geometry->wavelength_m);
    edf_number(header, "SampleDistance", &geometry->distance_m);
    edf_number(header, "PSize_1", &geometry->pixel_x_m);
    edf_number(header, "PSize_2", &geometry->pixel_y_m);
    edf_number(header, "Center_1", &geometry->beam_x_px);
    edf_number(header, "Center_2", &geometry->beam_y_px);
    edf_number(header, "ExposureTime", &geometry->exposure_s);
}

static void edf_texts(char *header, json_t *metadata) {
    char *rest = header;
    for (char *pair; (pair = strsep(&rest, ";"));) {
        char *equals = strchr(pair, '=');
        if (!equals) continue;
        *equals = '\0';
        char *key = pair + strspn(pair, " \t\r\n"), *value = equals + 1 + strspn(equals + 1, " \t\r\n");
        for (size_t n = strlen(key); n && isspace((unsigned char)key[n - 1]); n--) key[n - 1] = '\0';
        size_t length = strlen(value);
        while (length && isspace((unsigned char)value[length - 1])) length--;
        if (*key) sl_metadata_text(metadata, key, value, length);
    }
}

static sl_status edf_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "EDF"));
    edf_block block;
    int64_t within;
    SL_TRY(edf_find(source, request->frame, &block, &within, &out->frames));
    out->dtype = block.dtype;
    out->height_px = (int32_t)block.height_px;
    out->width_px = (int32_t)block.width_px;
    char *header;
    SL_TRY(edf_header_text(source, &block, &header));
    edf_geometry(header, &out->geometry);
    edf_texts(header, out->metadata);
    sl_free(header);
    return SL_OK;
}

static sl_status edf_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    edf_block block;
    int64_t within, frames;
    SL_TRY(edf_find(source, header->frame, &block, &within, &frames));
    size_t count = (size_t)(block.width_px * block.height_px), element = sl_dtype_bytes(block.dtype);
    memcpy(out, source->data + block.data_at + (size_t)within * count * element, count * element);
    if (block.swap) sl_bytes_swap(out, count, element);
    return SL_OK;
}

const sl_format sl_format_edf = {"EDF", edf_sniff, edf_header, edf_pixels};
