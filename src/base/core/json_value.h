/* Between the files of the core-only JSON: the layout of values. */
#ifndef SL_BASE_CORE_JSON_VALUE_H
#define SL_BASE_CORE_JSON_VALUE_H

#include "base/core/jansson.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct json_scalar {
    json_t head;
    union {
        json_int_t integer;
        double real;
    };
} json_scalar;

typedef struct json_text {
    json_t head;
    size_t bytes;
    char data[]; /* NUL-terminated; may hold further NULs */
} json_text;

typedef struct json_list {
    json_t head;
    size_t count, capacity;
    json_t **item;
} json_list;

typedef struct json_member {
    char *key; /* NUL-terminated; NULL: removed */
    size_t bytes;
    uint64_t hash;
    json_t *value;
} json_member;

/* Members by order, and a table of their places by hash (open addressing, 0: free, else place + 1). */
typedef struct json_map {
    json_t head;
    size_t count, used, capacity; /* members; with removed ones; room */
    json_member *member;
    size_t slots; /* a power of two, or 0 */
    uint32_t *slot;
} json_map;

void *json_value_new(json_type type, size_t bytes);
/* Frees what an array or object holds, not itself. */
void json_list_empty(json_list *list);
void json_map_empty(json_map *map);

#endif
