/* The functions of jansson's interface that this program calls, for a core-only build, where there is no such
 * library: same names, same contracts (https://jansson.readthedocs.io), our own code. Compiled and found in
 * that build alone; base/json.h is what the rest of the program includes.
 *
 * What differs: messages of the parser are our own, and flags that nothing here uses are not there. */
#ifndef SL_BASE_CORE_JANSSON_H
#define SL_BASE_CORE_JANSSON_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h> /* free() of what json_dumps returns */

typedef enum json_type {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_INTEGER,
    JSON_REAL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
} json_type;

typedef struct json_t {
    json_type type;
    size_t references; /* not counted for true, false and null */
} json_t;

typedef long long json_int_t;

enum { JSON_ERROR_TEXT_LENGTH = 160 };
typedef struct json_error_t {
    int line, column, position; /* of the byte after the last one read; lines from 1, columns in bytes */
    char text[JSON_ERROR_TEXT_LENGTH];
} json_error_t;

/* ---- values ---- */

#define json_typeof(value)     ((value)->type)
#define json_is_object(value)  ((value) && json_typeof(value) == JSON_OBJECT)
#define json_is_array(value)   ((value) && json_typeof(value) == JSON_ARRAY)
#define json_is_string(value)  ((value) && json_typeof(value) == JSON_STRING)
#define json_is_integer(value) ((value) && json_typeof(value) == JSON_INTEGER)
#define json_is_real(value)    ((value) && json_typeof(value) == JSON_REAL)
#define json_is_number(value)  (json_is_integer(value) || json_is_real(value))
#define json_is_true(value)    ((value) && json_typeof(value) == JSON_TRUE)
#define json_is_false(value)   ((value) && json_typeof(value) == JSON_FALSE)
#define json_is_boolean(value) (json_is_true(value) || json_is_false(value))
#define json_is_null(value)    ((value) && json_typeof(value) == JSON_NULL)

json_t *json_incref(json_t *value);
void json_decref(json_t *value);

json_t *json_true(void);
json_t *json_false(void);
json_t *json_null(void);
#define json_boolean(flag) ((flag) ? json_true() : json_false())
json_t *json_integer(json_int_t number);
json_t *json_real(double number); /* NULL unless finite */
json_t *json_string(const char *text);
json_t *json_stringn(const char *text, size_t bytes);
json_t *json_stringn_nocheck(const char *text, size_t bytes);
json_t *json_sprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

json_int_t json_integer_value(const json_t *value);
double json_real_value(const json_t *value);
double json_number_value(const json_t *value);
const char *json_string_value(const json_t *value);
size_t json_string_length(const json_t *value);

int json_equal(const json_t *a, const json_t *b);
json_t *json_copy(json_t *value);
json_t *json_deep_copy(const json_t *value);

/* ---- arrays ---- */

json_t *json_array(void);
size_t json_array_size(const json_t *array);
json_t *json_array_get(const json_t *array, size_t index);
int json_array_append_new(json_t *array, json_t *value);
int json_array_append(json_t *array, json_t *value);

#define json_array_foreach(array, index, value)                                                              \
    for ((index) = 0; (index) < json_array_size(array) && ((value) = json_array_get((array), (index)));      \
         (index)++)

/* ---- objects; members keep the order in which they came ---- */

json_t *json_object(void);
size_t json_object_size(const json_t *object);
json_t *json_object_get(const json_t *object, const char *key);
json_t *json_object_getn(const json_t *object, const char *key, size_t bytes);
int json_object_set_new(json_t *object, const char *key, json_t *value);
int json_object_setn_new(json_t *object, const char *key, size_t bytes, json_t *value);
int json_object_set(json_t *object, const char *key, json_t *value);
int json_object_del(json_t *object, const char *key);
int json_object_clear(json_t *object);
int json_object_update(json_t *object, json_t *other);
int json_object_update_new(json_t *object, json_t *other);

void *json_object_iter(json_t *object);
void *json_object_iter_next(json_t *object, void *iter);
const char *json_object_iter_key(void *iter);
json_t *json_object_iter_value(void *iter);

#define json_object_foreach(object, key, value)                                                              \
    for (void *json_iter_ = json_object_iter(object);                                                        \
         json_iter_ && ((key) = json_object_iter_key(json_iter_)) &&                                         \
         ((value) = json_object_iter_value(json_iter_));                                                     \
         json_iter_ = json_object_iter_next((object), json_iter_))

/* ---- text ---- */

enum { /* of reading */ JSON_REJECT_DUPLICATES = 1, JSON_DECODE_ANY = 4 };

json_t *json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error);
json_t *json_loads(const char *text, size_t flags, json_error_t *error);
json_t *json_load_file(const char *path, size_t flags, json_error_t *error);

/* Of writing: an indent of n blanks (0: all in one line); keys in byte order, else as they came; no blanks;
 * also values that are no container; reals with n digits (0: 17). */
#define JSON_INDENT(n)         ((size_t)(n)&31)
#define JSON_COMPACT           ((size_t)32)
#define JSON_SORT_KEYS         ((size_t)128)
#define JSON_PRESERVE_ORDER    ((size_t)256)
#define JSON_ENCODE_ANY        ((size_t)512)
#define JSON_REAL_PRECISION(n) (((size_t)(n)&31) << 11)

char *json_dumps(const json_t *value, size_t flags); /* free() */
/* The bytes that it takes, of which at most `bytes` are written; no NUL. */
size_t json_dumpb(const json_t *value, char *out, size_t bytes, size_t flags);

/* Objects {s:x, ...} and arrays [x, ...] of s (text), b (int, true or false), i, I (json_int_t), f, n (null),
 * o (takes the reference) and O (keeps its own); `?` after s, o or O makes NULL a null. */
json_t *json_pack(const char *format, ...);

#endif
