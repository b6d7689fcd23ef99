/* NPY, the array file of NumPy (format versions 1 to 3): magic, version, a Python dictionary with descr,
 * fortran_order and shape, then the numbers. Behind the numbers our own files carry a provenance line. */
#include "image/format/format.h"

#include "image/format/npy.h"

#include <stdlib.h>
#include <string.h>

typedef struct npy_array {
    size_t data_at;
    sl_dtype dtype;
    bool swap, fortran;
    int rank;
    int64_t dim[4];
} npy_array;

static bool npy_sniff(const sl_source *source) {
    return source->bytes >= 10 && memcmp(source->data, "\x93NUMPY", 6) == 0;
}

static sl_status npy_type(const char *text, npy_array *array) {
    static const struct {
        char name[3];
        sl_dtype dtype;
    } types[] = {{"b1", SL_BOOL}, {"i1", SL_I8},  {"u1", SL_U8},  {"i2", SL_I16},
                 {"u2", SL_U16},  {"i4", SL_I32}, {"u4", SL_U32}, {"i8", SL_I64},
                 {"u8", SL_U64},  {"f2", SL_F16}, {"f4", SL_F32}, {"f8", SL_F64}};
    char order = text[0];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strchr("<>|=", order) == NULL || strcmp(text + 1, types[i].name) != 0) continue;
        array->dtype = types[i].dtype;
        array->swap = order == '>';
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED, "descr '%s', expected a number type such as '<f4'", text);
}

/* The text behind 'key': in the dictionary. */
static const char *npy_key(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    if (*at != ':') return NULL;
    return at + 1 + strspn(at + 1, " ");
}

static sl_status npy_shape(const char *at, npy_array *array) {
    if (!at || *at != '(') return sl_fail(SL_FORMAT, "key 'shape' is missing");
    at++;
    array->rank = 0;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')') break;
        char *end;
        long long size = strtoll(at, &end, 10);
        if (end == at || size < 0) return sl_fail(SL_FORMAT, "shape cannot be read at '%.16s'", at);
        if (array->rank == 4) return sl_fail(SL_UNSUPPORTED, "array of more than 4 dimensions");
        array->dim[array->rank++] = size;
        at = end;
    }
    if (array->rank < 2)
        return sl_fail(SL_UNSUPPORTED, "array of %d dimensions, expected at least 2", array->rank);
    return SL_OK;
}

static sl_status npy_dictionary(const char *header, npy_array *array) {
    char descr[8] = "";
    const char *at = npy_key(header, "descr");
    if (!at || *at != '\'') return sl_fail(SL_UNSUPPORTED, "key 'descr' is missing or a record type");
    size_t length = strcspn(at + 1, "'");
    if (length < sizeof descr) memcpy(descr, at + 1, length);
    SL_TRY(npy_type(descr, array));
    at = npy_key(header, "fortran_order");
    if (!at) return sl_fail(SL_FORMAT, "key 'fortran_order' is missing");
    array->fortran = strncmp(at, "True", 4) == 0;
    return npy_shape(npy_key(header, "shape"), array);
}

static sl_status npy_open(const sl_source *source, npy_array *array, int64_t *out_frames) {
    *array = (npy_array){0};
    const uint8_t *data = source->data;
    size_t text_at = data[6] == 1 ? 10 : 12, text_bytes = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] < 1 || data[6] > 3)
        return sl_fail(SL_UNSUPPORTED, "format version %d, expected 1 to 3", data[6]);
    if (source->bytes < text_at) return sl_fail(SL_FORMAT, "the file ends in its header");
    if (data[6] > 1) text_bytes |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (text_bytes > source->bytes - text_at || text_bytes > (1 << 20))
        return sl_fail(SL_FORMAT, "header of %zu bytes, the file has %zu", text_bytes,
                       source->bytes - text_at);
    char *header;
    SL_TRY(sl_alloc(&header, text_bytes + 1, 1));
    memcpy(header, data + text_at, text_bytes);
    sl_status status = npy_dictionary(header, array);
    sl_free(header);
    SL_TRY(status);
    array->data_at = text_at + text_bytes;

    int64_t height_px = array->dim[array->rank - 2], width_px = array->dim[array->rank - 1];
    SL_TRY(sl_format_check_size(height_px, width_px));
    size_t frames = 1, total;
    for (int i = 0; i < array->rank - 2; i++) SL_TRY(sl_size_mul(frames, (size_t)array->dim[i], &frames));
    SL_TRY(sl_size_mul(frames, (size_t)(height_px * width_px) * sl_dtype_bytes(array->dtype), &total));
    if (frames < 1) return sl_fail(SL_FORMAT, "array without frames");
    if (total > source->bytes - array->data_at)
        return sl_fail(SL_FORMAT, "%zu frames of %lld x %lld pixels need %zu bytes, the file has %zu", frames,
                       (long long)height_px, (long long)width_px, total, source->bytes - array->data_at);
    if (array->fortran && array->rank > 2)
        return sl_fail(SL_UNSUPPORTED, "stack in Fortran order, expected C order");
    *out_frames = (int64_t)frames;
    return SL_OK;
}

static void npy_trailer(const sl_source *source, const npy_array *array, int64_t frames, json_t *metadata) {
    size_t used = (size_t)(frames * array->dim[array->rank - 2] * array->dim[array->rank - 1]);
    const uint8_t *at = source->data + array->data_at + used * sl_dtype_bytes(array->dtype);
    size_t left = (size_t)(source->data + source->bytes - at), mark = strlen(SL_NPY_PROVENANCE_MARK);
    if (left > mark && memcmp(at, SL_NPY_PROVENANCE_MARK, mark) == 0)
        sl_metadata_provenance(metadata, (const char *)at + mark, left - mark);
}

static sl_status npy_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(sl_format_no_dataset(request, "NPY"));
    npy_array array;
    SL_TRY(npy_open(source, &array, &out->frames));
    SL_TRY(sl_format_check_frame(request->frame, out->frames));
    out->dtype = array.dtype;
    out->height_px = (int32_t)array.dim[array.rank - 2];
    out->width_px = (int32_t)array.dim[array.rank - 1];
    npy_trailer(source, &array, out->frames, out->metadata);
    return SL_OK;
}

static sl_status npy_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    npy_array array;
    int64_t frames;
    SL_TRY(npy_open(source, &array, &frames));
    size_t height = (size_t)header->height_px, width = (size_t)header->width_px,
           element = sl_dtype_bytes(array.dtype);
    const uint8_t *data = source->data + array.data_at + (size_t)header->frame * height * width * element;
    uint8_t *target = out;
    if (!array.fortran) {
        memcpy(target, data, height * width * element);
    } else {
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                memcpy(target + (y * width + x) * element, data + (x * height + y) * element, element);
    }
    if (array.swap) sl_bytes_swap(out, height * width, element);
    return SL_OK;
}

const sl_format sl_format_npy = {"NPY", npy_sniff, npy_header, npy_pixels};
