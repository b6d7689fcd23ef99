#include "image/frame.h"

#include "base/file.h"
#include "image/percentile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Detectors mark gaps with the largest numbers of 32 bits, or of 16. */
static const double code_limit_32 = 4294967294.0, code_limit_16 = 65534.0;

static size_t pixel_count(const sl_frame *frame) {
    return (size_t)frame->header.height_px * (size_t)frame->header.width_px;
}

/* Whether all of `count` numbers, so many apart, are the largest of 16 bits. */
static bool is_bar(const uint16_t *value, size_t count, size_t apart) {
    size_t i = 0;
    while (i < count && value[i * apart] == UINT16_MAX) i++;
    return i == count;
}

/* Whether some row or column is a bar: light saturates a spot, only a gap reaches from edge to edge. */
static bool has_bar(const sl_frame *frame) {
    const uint16_t *value = frame->data;
    size_t height = (size_t)frame->header.height_px, width = (size_t)frame->header.width_px;
    for (size_t y = 0; y < height; y++)
        if (is_bar(value + y * width, width, 1)) return true;
    for (size_t x = 0; x < width; x++)
        if (is_bar(value + x, height, width)) return true;
    return false;
}

/* Numbers from here on are codes. */
static double code_limit_of(const sl_frame *frame) {
    bool may_have_codes = frame->header.dtype == SL_U16 && !frame->header.is_picture;
    return may_have_codes && has_bar(frame) ? code_limit_16 : code_limit_32;
}

/* What masks pixel i with that number. */
static uint8_t mask_of(const sl_frame *frame, size_t i, double value, double code_limit) {
    uint8_t bits = frame->mask ? frame->mask[i] : 0;
    bool is_code = !(value >= 0 && value < code_limit);
    return is_code && !(bits & SL_MASK_NO_VALUE) ? bits | SL_MASK_INVALID : bits;
}

void sl_frame_free(sl_frame *frame) {
    json_decref(frame->header.metadata);
    sl_free(frame->data);
    sl_free(frame->mask);
    free(frame->source);
    *frame = (sl_frame){0};
}

const char *sl_dtype_numpy(sl_dtype dtype) {
    static const char *const names[SL_DTYPE_COUNT] = {
        [SL_F32] = "float32", [SL_BF16] = "bfloat16", [SL_F16] = "float16", [SL_F64] = "float64",
        [SL_I8] = "int8",     [SL_I16] = "int16",     [SL_I32] = "int32",   [SL_I64] = "int64",
        [SL_U8] = "uint8",    [SL_U16] = "uint16",    [SL_U32] = "uint32",  [SL_U64] = "uint64",
        [SL_BOOL] = "bool",
    };
    return (unsigned)dtype < SL_DTYPE_COUNT ? names[dtype] : "unknown";
}

static bool parse_frame_number(const char *text, int64_t *out) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    *out = strtoll(text, &end, 10);
    return strcmp(end, "]") == 0;
}

sl_status sl_frame_locate(sl_arena *arena, const char *location, const char **out_path,
                          sl_frame_request *out) {
    *out = (sl_frame_request){"", 0};
    *out_path = location;
    if (sl_file_exists(location)) return SL_OK;
    const char *mark = NULL;
    for (const char *at = location; (at = strstr(at, "::")); at += 2) mark = at;
    if (!mark) return SL_OK;
    char *dataset = sl_arena_strdup(arena, mark + 2);
    size_t length = strlen(dataset);
    if (length && dataset[length - 1] == ']') {
        char *bracket = strrchr(dataset, '[');
        if (!bracket || !parse_frame_number(bracket + 1, &out->frame))
            return sl_fail(SL_INVALID, "'%s' ends in no frame number, expected path::dataset[3]", location);
        *bracket = '\0';
    }
    *out_path = sl_arena_strndup(arena, location, (size_t)(mark - location));
    out->dataset = dataset;
    return SL_OK;
}

sl_status sl_frame_measure(const sl_frame *frame, sl_frame_statistics *out) {
    size_t count = pixel_count(frame), kept = 0;
    double *values, limit = code_limit_of(frame);
    SL_TRY(sl_alloc(&values, count, sizeof *values));
    sl_convert(frame->header.dtype, frame->data, SL_F64, values, count);
    sl_frame_statistics found = {.min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        if (isfinite(value)) {
            found.min = fmin(found.min, value);
            found.max = fmax(found.max, value);
        }
        if (mask_of(frame, i, value, limit) & SL_MASK_NO_VALUE) continue;
        found.sum += value;
        values[kept++] = value;
    }
    if (found.min > found.max) found.min = found.max = NAN;
    found.masked = (int64_t)(count - kept);
    found.median = sl_percentile(values, kept, 50);
    found.p999 = sl_percentile(values, kept, 99.9);
    sl_free(values);
    *out = found;
    return SL_OK;
}

sl_status sl_frame_to_image(const sl_frame *frame, sl_image *out) {
    enum { PIECE = 4096 };
    size_t count = pixel_count(frame), element = sl_dtype_bytes(frame->header.dtype);
    SL_TRY(sl_image_new(frame->header.height_px, frame->header.width_px, out));
    double limit = code_limit_of(frame);
    double values[PIECE]; /* codes near 2^32 do not survive as float: judge them as double */
    for (size_t start = 0; start < count; start += PIECE) {
        size_t here = count - start < PIECE ? count - start : PIECE;
        sl_convert(frame->header.dtype, (const char *)frame->data + start * element, SL_F64, values, here);
        for (size_t i = 0; i < here; i++) {
            uint8_t mask = mask_of(frame, start + i, values[i], limit);
            out->value[start + i] = mask & SL_MASK_NO_VALUE ? 0 : (float)values[i];
            out->mask[start + i] = mask;
        }
    }
    return SL_OK;
}

/* Whole numbers as JSON integers, so that counts print as counts. */
static json_t *number(double value) {
    if (!isfinite(value)) return json_null();
    if (value == floor(value) && fabs(value) < 0x1p53) return json_integer((json_int_t)value);
    return json_real(value);
}

sl_status sl_frame_inspect(const sl_frame *frame, json_t **out) {
    sl_frame_statistics statistics;
    SL_TRY(sl_frame_measure(frame, &statistics));
    json_t *object = json_pack("{s:s, s:[i,i], s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:s}", "format",
                               frame->format, "shape", frame->header.height_px, frame->header.width_px,
                               "dtype", sl_dtype_numpy(frame->header.dtype), "min", number(statistics.min),
                               "max", number(statistics.max), "masked", (json_int_t)statistics.masked, "sum",
                               number(statistics.sum), "median", number(statistics.median), "p999",
                               number(statistics.p999), "source", frame->source);
    if (!object) return sl_fail(SL_MEMORY, "out of memory, or the name '%s' is not UTF-8", frame->source);
    *out = object;
    return SL_OK;
}
