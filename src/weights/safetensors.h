/* The safetensors file: an 8-byte little-endian length, that many bytes of JSON, then the tensors' bytes.
 *
 * Nothing in such a file can run code. Every number of the header is checked before use: lengths against the
 * file, shapes against byte counts, and the tensors' ranges against each other (they must fill the data
 * exactly, without overlap or hole, as the format demands). Source: the format's description in the
 * safetensors repository. */
#ifndef SL_WEIGHTS_SAFETENSORS_H
#define SL_WEIGHTS_SAFETENSORS_H

#include "base/memory.h"
#include "base/status.h"
#include "tensor/tensor.h"

/* A tensor as it lies in a file. `data` points into the map and need not be aligned. */
typedef struct sl_stored_tensor {
    const char *name;
    sl_dtype dtype;
    sl_shape shape;
    const unsigned char *data;
    size_t bytes;
} sl_stored_tensor;

/* `count` elements from element `first` on, converted to `dtype`, into target[] (any alignment of the
 * source). The caller has checked that first+count is within the tensor. */
void sl_stored_tensor_read(const sl_stored_tensor *tensor, size_t first, size_t count, sl_dtype dtype,
                           void *target);

typedef struct sl_safetensors sl_safetensors;

/* Maps the file; names and data stay valid until sl_safetensors_close. SL_FORMAT names file, tensor and
 * values. */
sl_status sl_safetensors_open(const char *path, sl_safetensors **out);

/* The same from bytes that the caller keeps; `origin` names them in messages. */
sl_status sl_safetensors_parse(const void *data, size_t bytes, const char *origin, sl_safetensors **out);

void sl_safetensors_close(sl_safetensors *file); /* NULL is fine */

size_t sl_safetensors_count(const sl_safetensors *file);
const sl_stored_tensor *sl_safetensors_at(const sl_safetensors *file,
                                          size_t index); /* in byte order of the names */
const sl_stored_tensor *sl_safetensors_find(const sl_safetensors *file,
                                            const char *name); /* NULL: not there */

/* The tensor's bytes were read: until they are again, they need not be in memory. */
void sl_safetensors_forget(const sl_safetensors *file, const sl_stored_tensor *tensor);

/* A string of the header's "__metadata__"; NULL where absent. */
const char *sl_safetensors_metadata(const sl_safetensors *file, const char *key);

/* A new tensor (caller: sl_tensor_free) of type `dtype` with the stored values. SL_NOT_FOUND names file and
 * tensor. */
sl_status sl_safetensors_load(const sl_safetensors *file, const char *name, sl_dtype dtype, sl_tensor *out);

/* What to write: `data` holds values of type `source`, stored as `dtype`. */
typedef struct sl_safetensors_entry {
    const char *name;
    sl_dtype dtype, source;
    sl_shape shape;
    const void *data;
} sl_safetensors_entry;

typedef struct sl_safetensors_note {
    const char *key, *value;
} sl_safetensors_note;

/* Writes all entries atomically. The order in the file depends on names and types alone (larger elements
 * first, then by name, so that each tensor is aligned), and data begins at a multiple of 64 bytes: equal
 * content, equal bytes. SL_INVALID for a name given twice. */
sl_status sl_safetensors_write(const char *path, const sl_safetensors_entry *entries, size_t count,
                               const sl_safetensors_note *notes, size_t note_count);

#endif
