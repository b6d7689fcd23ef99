/* Files named by the SHA-256 of their bytes: ROOT/ab/cdef... An object is written whole before any record
 * names it, never changed, and written only once however often it is put. */
#ifndef SL_STORE_OBJECT_H
#define SL_STORE_OBJECT_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

sl_status sl_object_put(const char *root, const void *data, size_t bytes, char out_hash[SL_SHA256_HEX]);
/* Copies the file. */
sl_status sl_object_put_file(const char *root, const char *path, char out_hash[SL_SHA256_HEX]);
/* Where the object lies, whether or not it is there. */
char *sl_object_path(sl_arena *arena, const char *root, const char *hash);
/* All its bytes; *out: sl_free. */
sl_status sl_object_get(const char *root, const char *hash, int64_t limit_bytes, char **out,
                        size_t *out_bytes);

/* Reads every object again. SL_FORMAT names the first whose bytes do not fit its name. Leftovers of
 * interrupted writes are removed and counted. */
typedef struct sl_object_check {
    int64_t objects, bytes, leftovers;
} sl_object_check;
sl_status sl_objects_check(const char *root, sl_object_check *out);

#endif
