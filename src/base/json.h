/* JSON through jansson, with the checks that every caller needs: size, depth, duplicate keys, types and
 * ranges. Getters name the key, the value found and what was expected. Lifetimes are jansson's: json_decref.
 */
#ifndef SL_BASE_JSON_H
#define SL_BASE_JSON_H

#include "base/memory.h"
#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* `origin` names the source in messages (a path, "request body"). *out belongs to the caller. */
sl_status sl_json_parse(const char *text, size_t bytes, const char *origin, json_t **out);
sl_status sl_json_read(const char *path, json_t **out);
/* Sorted keys, indented, ending with a newline. Caller frees (free()). NULL when out of memory. */
char *sl_json_pretty(const json_t *value);
sl_status sl_json_write(const char *path, const json_t *value); /* the same into a file, atomic */

/* Sorted keys, no blanks, reals with 17 digits: equal values give equal bytes. Caller frees (free()). NULL
 * when out of memory. */
char *sl_json_canonical(const json_t *value);

/* JSON holds UTF-8 alone; names of files, and messages with such names, may be anything. */
bool sl_is_utf8(const char *text);
/* `text` as a string; bytes that are not UTF-8 stand as "\\xfc". NULL when out of memory. */
json_t *sl_json_text(const char *text);
/* JSON has neither NaN nor infinity: null stands for them. NULL when out of memory. */
json_t *sl_json_number(double value);

/* Members of an object. The *_or forms return the fallback where the key is absent or null, and fail on a
 * wrong type; the others fail when it is absent. Strings stay owned by the object. */
sl_status sl_json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out);
sl_status sl_json_int_or(const json_t *object, const char *key, int64_t low, int64_t high, int64_t fallback,
                         int64_t *out);
sl_status sl_json_real(const json_t *object, const char *key, double *out);
sl_status sl_json_real_or(const json_t *object, const char *key, double fallback, double *out);
sl_status sl_json_bool_or(const json_t *object, const char *key, bool fallback, bool *out);
sl_status sl_json_string(const json_t *object, const char *key, const char **out);
sl_status sl_json_string_or(const json_t *object, const char *key, const char *fallback, const char **out);
sl_status sl_json_object(const json_t *object, const char *key, json_t **out); /* borrowed */
sl_status sl_json_array(const json_t *object, const char *key, json_t **out);  /* borrowed */

#endif
