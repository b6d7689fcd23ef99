#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    size_t bytes;
    const char *name;
} dtypes[SL_DTYPE_COUNT] = {
#define SL_DTYPE(name, bytes, text) {bytes, text},
    SL_DTYPE_TABLE
#undef SL_DTYPE
};

size_t sl_dtype_bytes(sl_dtype dtype) {
    return dtypes[dtype].bytes;
}

const char *sl_dtype_name(sl_dtype dtype) {
    return dtypes[dtype].name;
}

sl_status sl_dtype_parse(const char *name, sl_dtype *out) {
    for (int i = 0; i < SL_DTYPE_COUNT; i++) {
        if (strcasecmp(name, dtypes[i].name) != 0) continue;
        *out = (sl_dtype)i;
        return SL_OK;
    }
    return sl_fail(SL_FORMAT, "unknown data type '%.32s'", name);
}

int64_t sl_shape_count(const sl_shape *shape) {
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++) count *= shape->dim[i];
    return count;
}

bool sl_shape_equal(const sl_shape *a, const sl_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

sl_status sl_shape_check(const sl_shape *shape, int64_t limit, int64_t *out_count) {
    int64_t count = 1;
    sl_shape_text text;
    if (shape->rank < 0 || shape->rank > SL_RANK_MAX)
        return sl_fail(SL_LIMIT, "%d dimensions, at most %d are handled", shape->rank, SL_RANK_MAX);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0 || __builtin_mul_overflow(count, shape->dim[i], &count) || count > limit)
            return sl_fail(SL_LIMIT, "shape %s is over the limit of %lld elements",
                           sl_shape_format(shape, &text), (long long)limit);
    }
    *out_count = count;
    return SL_OK;
}

const char *sl_shape_format(const sl_shape *shape, sl_shape_text *out) {
    size_t at = (size_t)snprintf(out->text, sizeof out->text, "[");
    for (int i = 0; i < shape->rank && i < SL_RANK_MAX && at < sizeof out->text - 24; i++)
        at += (size_t)snprintf(out->text + at, sizeof out->text - at, i ? ", %lld" : "%lld",
                               (long long)shape->dim[i]);
    snprintf(out->text + at, sizeof out->text - at, "]");
    return out->text;
}

sl_status sl_tensor_new(sl_dtype dtype, const sl_shape *shape, sl_tensor *out) {
    int64_t count;
    void *data;
    SL_TRY(sl_shape_check(shape, INT64_MAX / 16, &count));
    SL_TRY(sl_alloc(&data, (size_t)count, sl_dtype_bytes(dtype)));
    *out = (sl_tensor){dtype, *shape, data};
    return SL_OK;
}

void sl_tensor_free(sl_tensor *tensor) {
    sl_free(tensor->data);
    *tensor = (sl_tensor){0};
}

size_t sl_tensor_bytes(const sl_tensor *tensor) {
    return (size_t)sl_shape_count(&tensor->shape) * sl_dtype_bytes(tensor->dtype);
}
