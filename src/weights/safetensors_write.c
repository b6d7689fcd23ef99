#include "weights/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { DATA_ALIGNMENT = 64 };

static int by_alignment_then_name(const void *a, const void *b) {
    const sl_safetensors_entry *x = *(const sl_safetensors_entry *const *)a;
    const sl_safetensors_entry *y = *(const sl_safetensors_entry *const *)b;
    size_t x_bytes = sl_dtype_bytes(x->dtype), y_bytes = sl_dtype_bytes(y->dtype);
    if (x_bytes != y_bytes) return x_bytes > y_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const sl_safetensors_note *)a)->key, ((const sl_safetensors_note *)b)->key);
}

static json_t *notes_object(const sl_safetensors_note *notes, size_t count) {
    json_t *object = json_object();
    sl_safetensors_note *sorted = malloc((count + 1) * sizeof *sorted);
    if (sorted) {
        if (count) memcpy(sorted, notes, count * sizeof *notes);
        qsort(sorted, count, sizeof *sorted, by_name);
        for (size_t i = 0; i < count; i++)
            json_object_set_new(object, sorted[i].key, json_string(sorted[i].value));
    }
    free(sorted);
    return object;
}

static json_t *entry_object(const sl_safetensors_entry *entry, size_t begin, size_t end) {
    json_t *shape = json_array();
    for (int i = 0; i < entry->shape.rank; i++)
        json_array_append_new(shape, json_integer(entry->shape.dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", sl_dtype_name(entry->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* The header's text, blank-padded so that length field and header together fill a multiple of DATA_ALIGNMENT.
 */
static sl_status header_text(const sl_safetensors_entry *const *entries, size_t count,
                             const sl_safetensors_note *notes, size_t note_count, sl_text *text) {
    json_t *header = json_object();
    if (note_count) json_object_set_new(header, "__metadata__", notes_object(notes, note_count));
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = (size_t)sl_shape_count(&entries[i]->shape) * sl_dtype_bytes(entries[i]->dtype);
        if (json_object_get(header, entries[i]->name)) {
            json_decref(header);
            return sl_fail(SL_INVALID, "tensor '%.200s' is given twice", entries[i]->name);
        }
        json_object_set_new(header, entries[i]->name, entry_object(entries[i], at, at + bytes));
        at += bytes;
    }
    char *dumped = json_dumps(header, JSON_COMPACT); /* in order of insertion */
    json_decref(header);
    if (!dumped) return sl_fail(SL_MEMORY, "out of memory, or a name is not UTF-8");
    sl_text_add(text, dumped);
    free(dumped);
    while ((text->length + 8) % DATA_ALIGNMENT) sl_text_add_bytes(text, " ", 1);
    return sl_text_status(text);
}

static sl_status write_entry(FILE *stream, const sl_safetensors_entry *entry) {
    enum { CHUNK = 64 * 1024 };
    size_t count = (size_t)sl_shape_count(&entry->shape), to_bytes = sl_dtype_bytes(entry->dtype);
    size_t from_bytes = sl_dtype_bytes(entry->source);
    void *buffer;
    SL_TRY(sl_alloc(&buffer, CHUNK, to_bytes));
    sl_status status = SL_OK;
    for (size_t at = 0; at < count && !status; at += CHUNK) {
        size_t part = count - at < CHUNK ? count - at : CHUNK;
        sl_convert(entry->source, (const char *)entry->data + at * from_bytes, entry->dtype, buffer, part);
        if (fwrite(buffer, to_bytes, part, stream) != part)
            status = sl_fail_errno("tensor '%.200s'", entry->name);
    }
    sl_free(buffer);
    return status;
}

static sl_status write_all(FILE *stream, const sl_text *header, const sl_safetensors_entry *const *entries,
                           size_t count) {
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
    if (fwrite(length, 1, 8, stream) != 8 ||
        fwrite(header->data, 1, header->length, stream) != header->length)
        return sl_fail_errno("header");
    for (size_t i = 0; i < count; i++) SL_TRY(write_entry(stream, entries[i]));
    return SL_OK;
}

sl_status sl_safetensors_write(const char *path, const sl_safetensors_entry *entries, size_t count,
                               const sl_safetensors_note *notes, size_t note_count) {
    const sl_safetensors_entry **sorted;
    SL_TRY(sl_alloc(&sorted, count + 1, sizeof *sorted));
    for (size_t i = 0; i < count; i++) sorted[i] = &entries[i];
    qsort(sorted, count, sizeof *sorted, by_alignment_then_name);
    sl_text header = SL_TEXT_INIT;
    sl_file_writer writer = {0};
    sl_status status;
    SL_GUARD(status, header_text(sorted, count, notes, note_count, &header), out);
    SL_GUARD(status, sl_file_writer_open(&writer, path), out);
    SL_GUARD(status, write_all(writer.stream, &header, sorted, count), out);
    status = sl_file_writer_commit(&writer);
out:
    if (status) sl_file_writer_abandon(&writer);
    sl_text_free(&header);
    sl_free(sorted);
    return sl_context(status, "writing '%s'", path);
}
