#include "weights/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

struct sl_safetensors {
    sl_file_map map; /* empty when the bytes are the caller's */
    sl_arena *arena; /* holds origin */
    const char *origin;
    json_t *header; /* names and metadata point into it */
    sl_stored_tensor *tensors;
    size_t count;
};

void sl_stored_tensor_read(const sl_stored_tensor *tensor, size_t first, size_t count, sl_dtype dtype,
                           void *target) {
    enum { CHUNK = 1024 };
    size_t from_bytes = sl_dtype_bytes(tensor->dtype), to_bytes = sl_dtype_bytes(dtype);
    const unsigned char *source = tensor->data + first * from_bytes;
    if (tensor->dtype == dtype) {
        if (count) memcpy(target, source, count * from_bytes);
        return;
    }
    if ((uintptr_t)source % from_bytes == 0) {
        sl_convert(tensor->dtype, source, dtype, target, count);
        return;
    }
    for (size_t at = 0; at < count; at += CHUNK) {
        uint64_t aligned[CHUNK];
        size_t part = count - at < CHUNK ? count - at : CHUNK;
        memcpy(aligned, source + at * from_bytes, part * from_bytes);
        sl_convert(tensor->dtype, aligned, dtype, (unsigned char *)target + at * to_bytes, part);
    }
}

void sl_safetensors_forget(const sl_safetensors *file, const sl_stored_tensor *tensor) {
    sl_file_map_forget(&file->map, tensor->data, tensor->bytes);
}

static sl_status read_shape(const json_t *entry, sl_shape *shape) {
    json_t *sizes;
    SL_TRY(sl_json_array((json_t *)(uintptr_t)entry, "shape", &sizes));
    size_t rank = json_array_size(sizes);
    if (rank > SL_RANK_MAX)
        return sl_fail(SL_UNSUPPORTED, "%zu dimensions, at most %d are handled", rank, SL_RANK_MAX);
    *shape = (sl_shape){.rank = (int)rank};
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(sizes, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return sl_fail(SL_FORMAT, "size %zu of \"shape\" is not a whole number", i);
        shape->dim[i] = json_integer_value(size);
    }
    return SL_OK;
}

static sl_status read_range(const json_t *entry, size_t data_bytes, size_t *out_begin, size_t *out_end) {
    json_t *offsets;
    SL_TRY(sl_json_array((json_t *)(uintptr_t)entry, "data_offsets", &offsets));
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return sl_fail(SL_FORMAT, "\"data_offsets\" is not a pair of whole numbers");
    int64_t low = json_integer_value(begin), high = json_integer_value(end);
    if (low < 0 || high < low || (uint64_t)high > data_bytes)
        return sl_fail(SL_FORMAT, "bytes %lld to %lld, but the file holds bytes 0 to %zu", (long long)low,
                       (long long)high, data_bytes);
    *out_begin = (size_t)low;
    *out_end = (size_t)high;
    return SL_OK;
}

static sl_status read_entry(const json_t *entry, const unsigned char *data, size_t data_bytes,
                            sl_stored_tensor *tensor) {
    if (!json_is_object(entry)) return sl_fail(SL_FORMAT, "the entry is not an object");
    const char *dtype;
    size_t begin = 0, end = 0;
    int64_t count;
    sl_shape_text text;
    SL_TRY(sl_json_string(entry, "dtype", &dtype));
    SL_TRY(sl_dtype_parse(dtype, &tensor->dtype));
    SL_TRY(read_shape(entry, &tensor->shape));
    SL_TRY(read_range(entry, data_bytes, &begin, &end));
    SL_TRY(sl_shape_check(&tensor->shape, SL_LIMIT_CHECKPOINT_BYTES, &count));
    size_t expected = (size_t)count * sl_dtype_bytes(tensor->dtype);
    if (end - begin != expected)
        return sl_fail(SL_FORMAT, "%s of shape %s needs %zu bytes, found %zu", dtype,
                       sl_shape_format(&tensor->shape, &text), expected, end - begin);
    tensor->data = data + begin;
    tensor->bytes = end - begin;
    return SL_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const sl_stored_tensor *)a)->name, ((const sl_stored_tensor *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const sl_stored_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The tensors must follow one another from the first data byte to the last. */
static sl_status check_layout(const sl_stored_tensor *sorted, size_t count, const unsigned char *data,
                              size_t data_bytes) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t begin = (size_t)(sorted[i].data - data);
        if (begin != at)
            return sl_fail(SL_FORMAT, "tensor '%.200s' begins at byte %zu, where %zu was expected (%s)",
                           sorted[i].name, begin, at, begin < at ? "it overlaps another" : "there is a hole");
        at += sorted[i].bytes;
    }
    if (at != data_bytes)
        return sl_fail(SL_FORMAT, "the tensors end at byte %zu of the data, the file at byte %zu", at,
                       data_bytes);
    return SL_OK;
}

static sl_status read_metadata(const json_t *notes) {
    if (!json_is_object(notes)) return sl_fail(SL_FORMAT, "\"__metadata__\" is not an object");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)notes, key, value) {
        if (!json_is_string(value))
            return sl_fail(SL_FORMAT, "\"__metadata__\": \"%.200s\" is not a string", key);
    }
    return SL_OK;
}

static sl_status read_tensors(sl_safetensors *file, const unsigned char *data, size_t data_bytes) {
    SL_TRY(sl_alloc(&file->tensors, json_object_size(file->header), sizeof *file->tensors));
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            SL_TRY(read_metadata(entry));
            continue;
        }
        sl_stored_tensor *tensor = &file->tensors[file->count];
        tensor->name = name;
        sl_status status = read_entry(entry, data, data_bytes, tensor);
        if (status) return sl_context(status, "tensor '%.200s'", name);
        file->count++;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    SL_TRY(check_layout(file->tensors, file->count, data, data_bytes));
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    return SL_OK;
}

static sl_status parse(sl_safetensors *file, const unsigned char *bytes, size_t count) {
    if (count < LENGTH_BYTES)
        return sl_fail(SL_FORMAT, "%zu bytes, a header needs at least %d", count, LENGTH_BYTES);
    uint64_t header_bytes = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) header_bytes = header_bytes << 8 | bytes[i];
    if (header_bytes > count - LENGTH_BYTES)
        return sl_fail(SL_FORMAT, "the header claims %llu bytes, the file has %zu after its length",
                       (unsigned long long)header_bytes, count - LENGTH_BYTES);
    const char *text = (const char *)bytes + LENGTH_BYTES;
    SL_TRY(sl_json_parse(text, (size_t)header_bytes, "header", &file->header));
    if (!json_is_object(file->header)) return sl_fail(SL_FORMAT, "the header is not a JSON object");
    return read_tensors(file, bytes + LENGTH_BYTES + header_bytes,
                        count - LENGTH_BYTES - (size_t)header_bytes);
}

static sl_status new_file(const char *origin, sl_safetensors **out) {
    SL_TRY(sl_alloc(out, 1, sizeof **out));
    sl_status status = sl_arena_new(&(*out)->arena);
    if (status) {
        sl_free(*out);
        return status;
    }
    (*out)->origin = sl_arena_strdup((*out)->arena, origin);
    return SL_OK;
}

static sl_status finish(sl_safetensors *file, const void *data, size_t bytes, sl_safetensors **out) {
    sl_status status = sl_context(parse(file, data, bytes), "reading '%s'", file->origin);
    if (status) {
        sl_safetensors_close(file);
        return status;
    }
    *out = file;
    return SL_OK;
}

sl_status sl_safetensors_parse(const void *data, size_t bytes, const char *origin, sl_safetensors **out) {
    sl_safetensors *file;
    SL_TRY(new_file(origin, &file));
    return finish(file, data, bytes, out);
}

sl_status sl_safetensors_open(const char *path, sl_safetensors **out) {
    sl_safetensors *file;
    SL_TRY(new_file(path, &file));
    sl_status status = sl_file_map_open(&file->map, path);
    if (status) {
        sl_safetensors_close(file);
        return status;
    }
    return finish(file, file->map.data, file->map.bytes, out);
}

void sl_safetensors_close(sl_safetensors *file) {
    if (!file) return;
    sl_file_map_close(&file->map);
    json_decref(file->header);
    sl_free(file->tensors);
    sl_arena_free(file->arena);
    sl_free(file);
}

size_t sl_safetensors_count(const sl_safetensors *file) {
    return file->count;
}

const sl_stored_tensor *sl_safetensors_at(const sl_safetensors *file, size_t index) {
    return &file->tensors[index];
}

const sl_stored_tensor *sl_safetensors_find(const sl_safetensors *file, const char *name) {
    sl_stored_tensor key = {.name = name};
    return file->count ? bsearch(&key, file->tensors, file->count, sizeof key, by_name) : NULL;
}

const char *sl_safetensors_metadata(const sl_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

sl_status sl_safetensors_load(const sl_safetensors *file, const char *name, sl_dtype dtype, sl_tensor *out) {
    const sl_stored_tensor *stored = sl_safetensors_find(file, name);
    if (!stored) return sl_fail(SL_NOT_FOUND, "'%s' has no tensor '%s'", file->origin, name);
    SL_TRY(sl_tensor_new(dtype, &stored->shape, out));
    sl_stored_tensor_read(stored, 0, (size_t)sl_shape_count(&stored->shape), dtype, out->data);
    return SL_OK;
}
