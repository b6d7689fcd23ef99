#include "base/core/json_value.h"

#include "base/core/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static json_t constants[] = {{JSON_TRUE, 1}, {JSON_FALSE, 1}, {JSON_NULL, 1}};

json_t *json_true(void) {
    return &constants[0];
}

json_t *json_false(void) {
    return &constants[1];
}

json_t *json_null(void) {
    return &constants[2];
}

void *json_value_new(json_type type, size_t bytes) {
    json_t *value = calloc(1, bytes);
    if (value) *value = (json_t){type, 1};
    return value;
}

json_t *json_incref(json_t *value) {
    if (value && value->type < JSON_TRUE) __atomic_add_fetch(&value->references, 1, __ATOMIC_ACQUIRE);
    return value;
}

void json_decref(json_t *value) {
    if (!value || value->type >= JSON_TRUE) return;
    if (__atomic_sub_fetch(&value->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    if (value->type == JSON_OBJECT) json_map_empty((json_map *)value);
    if (value->type == JSON_ARRAY) json_list_empty((json_list *)value);
    free(value);
}

/* ---- numbers ---- */

json_t *json_integer(json_int_t number) {
    json_scalar *value = json_value_new(JSON_INTEGER, sizeof *value);
    if (!value) return NULL;
    value->integer = number;
    return &value->head;
}

json_t *json_real(double number) {
    if (!isfinite(number)) return NULL;
    json_scalar *value = json_value_new(JSON_REAL, sizeof *value);
    if (!value) return NULL;
    value->real = number;
    return &value->head;
}

json_int_t json_integer_value(const json_t *value) {
    return json_is_integer(value) ? ((const json_scalar *)value)->integer : 0;
}

double json_real_value(const json_t *value) {
    return json_is_real(value) ? ((const json_scalar *)value)->real : 0;
}

double json_number_value(const json_t *value) {
    return json_is_integer(value) ? (double)json_integer_value(value) : json_real_value(value);
}

/* ---- strings ---- */

json_t *json_stringn_nocheck(const char *text, size_t bytes) {
    if (!text) return NULL;
    json_text *value = json_value_new(JSON_STRING, sizeof *value + bytes + 1);
    if (!value) return NULL;
    value->bytes = bytes;
    memcpy(value->data, text, bytes);
    return &value->head;
}

json_t *json_stringn(const char *text, size_t bytes) {
    return text && sl_utf8_check(text, bytes) ? json_stringn_nocheck(text, bytes) : NULL;
}

json_t *json_string(const char *text) {
    return text ? json_stringn(text, strlen(text)) : NULL;
}

json_t *json_sprintf(const char *format, ...) {
    va_list args;
    char *text;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return NULL;
    json_t *value = json_stringn(text, (size_t)length);
    free(text);
    return value;
}

const char *json_string_value(const json_t *value) {
    return json_is_string(value) ? ((const json_text *)value)->data : NULL;
}

size_t json_string_length(const json_t *value) {
    return json_is_string(value) ? ((const json_text *)value)->bytes : 0;
}

/* ---- arrays ---- */

json_t *json_array(void) {
    return json_value_new(JSON_ARRAY, sizeof(json_list));
}

void json_list_empty(json_list *list) {
    for (size_t i = 0; i < list->count; i++) json_decref(list->item[i]);
    free(list->item);
}

size_t json_array_size(const json_t *array) {
    return json_is_array(array) ? ((const json_list *)array)->count : 0;
}

json_t *json_array_get(const json_t *array, size_t index) {
    return index < json_array_size(array) ? ((const json_list *)array)->item[index] : NULL;
}

static bool grow(json_list *list) {
    if (list->count < list->capacity) return true;
    size_t capacity = list->capacity ? 2 * list->capacity : 8;
    json_t **item = realloc(list->item, capacity * sizeof(json_t *));
    if (!item) return false;
    list->item = item;
    list->capacity = capacity;
    return true;
}

int json_array_append_new(json_t *array, json_t *value) {
    json_list *list = (json_list *)array;
    if (!value || value == array || !json_is_array(array) || !grow(list)) {
        json_decref(value);
        return -1;
    }
    list->item[list->count++] = value;
    return 0;
}

int json_array_append(json_t *array, json_t *value) {
    return json_array_append_new(array, json_incref(value));
}

/* ---- all ---- */

static bool equal_objects(const json_t *a, const json_t *b) {
    const json_map *map = (const json_map *)a;
    if (json_object_size(a) != json_object_size(b)) return false;
    for (size_t i = 0; i < map->used; i++) {
        const json_member *m = &map->member[i];
        if (m->key && !json_equal(m->value, json_object_getn(b, m->key, m->bytes))) return false;
    }
    return true;
}

static bool equal_arrays(const json_t *a, const json_t *b) {
    if (json_array_size(a) != json_array_size(b)) return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!json_equal(json_array_get(a, i), json_array_get(b, i))) return false;
    return true;
}

int json_equal(const json_t *a, const json_t *b) {
    if (!a || !b || a->type != b->type) return 0;
    switch (a->type) {
    case JSON_OBJECT:
        return equal_objects(a, b);
    case JSON_ARRAY:
        return equal_arrays(a, b);
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    case JSON_INTEGER:
        return json_integer_value(a) == json_integer_value(b);
    case JSON_REAL:
        return json_real_value(a) == json_real_value(b);
    default:
        return 1;
    }
}

typedef json_t *(*copier)(const json_t *value);

static json_t *same(const json_t *value) {
    return json_incref((json_t *)(uintptr_t)value);
}

static json_t *copy_with(const json_t *value, copier copy_part) {
    bool good = true;
    json_t *out = json_is_object(value) ? json_object() : json_array();
    if (!out) return NULL;
    for (size_t i = 0; good && i < json_array_size(value); i++)
        good = json_array_append_new(out, copy_part(json_array_get(value, i))) == 0;
    const json_map *map = json_is_object(value) ? (const json_map *)value : NULL;
    for (size_t i = 0; good && map && i < map->used; i++) {
        const json_member *m = &map->member[i];
        good = !m->key || json_object_setn_new(out, m->key, m->bytes, copy_part(m->value)) == 0;
    }
    if (good) return out;
    json_decref(out);
    return NULL;
}

static json_t *copy(const json_t *value, copier copy_part) {
    if (!value) return NULL;
    switch (value->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return copy_with(value, copy_part);
    case JSON_STRING:
        return json_stringn_nocheck(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return json_integer(json_integer_value(value));
    case JSON_REAL:
        return json_real(json_real_value(value));
    default:
        return same(value);
    }
}

json_t *json_copy(json_t *value) {
    return copy(value, same);
}

json_t *json_deep_copy(const json_t *value) {
    return copy(value, json_deep_copy);
}
