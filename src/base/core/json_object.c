/* Objects: members in the order in which they came, found by a table of hashes. */
#include "base/core/json_value.h"

#include "base/core/utf8.h"

#include <stdlib.h>
#include <string.h>

json_t *json_object(void) {
    return json_value_new(JSON_OBJECT, sizeof(json_map));
}

void json_map_empty(json_map *map) {
    for (size_t i = 0; i < map->used; i++) {
        if (!map->member[i].key) continue;
        free(map->member[i].key);
        json_decref(map->member[i].value);
    }
    free(map->member);
    free(map->slot);
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(const char *key, size_t bytes) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* NULL: not there. Removed members stay in the table until it is made anew, and match no key. */
static json_member *find(const json_map *map, const char *key, size_t bytes, uint64_t hash) {
    if (!map->slots) return NULL;
    for (size_t at = hash & (map->slots - 1); map->slot[at]; at = (at + 1) & (map->slots - 1)) {
        json_member *m = &map->member[map->slot[at] - 1];
        if (m->key && m->hash == hash && m->bytes == bytes && memcmp(m->key, key, bytes) == 0) return m;
    }
    return NULL;
}

static void enter(json_map *map, size_t place) {
    size_t at = map->member[place].hash & (map->slots - 1);
    while (map->slot[at]) at = (at + 1) & (map->slots - 1);
    map->slot[at] = (uint32_t)place + 1;
}

/* Room for one member more: closes the gaps of removed ones, then doubles where less than half was theirs. */
static bool make_room(json_map *map) {
    if (map->used < map->capacity) return true;
    size_t capacity = map->count < map->capacity / 2 ? map->capacity : map->capacity ? 2 * map->capacity : 4;
    size_t slots = 2 * capacity, kept = 0;
    json_member *member = capacity > UINT32_MAX / 2 ? NULL : calloc(capacity, sizeof *member);
    uint32_t *slot = member ? calloc(slots, sizeof *slot) : NULL;
    if (!slot) {
        free(member);
        return false;
    }
    for (size_t i = 0; i < map->used; i++)
        if (map->member[i].key) member[kept++] = map->member[i];
    free(map->member);
    free(map->slot);
    map->member = member;
    map->slot = slot;
    map->capacity = capacity;
    map->slots = slots;
    map->used = kept;
    for (size_t i = 0; i < kept; i++) enter(map, i);
    return true;
}

static bool add(json_map *map, const char *key, size_t bytes, uint64_t hash, json_t *value) {
    char *own = make_room(map) ? malloc(bytes + 1) : NULL;
    if (!own) return false;
    memcpy(own, key, bytes);
    own[bytes] = '\0';
    map->member[map->used] = (json_member){own, bytes, hash, value};
    enter(map, map->used);
    map->used++;
    map->count++;
    return true;
}

size_t json_object_size(const json_t *object) {
    return json_is_object(object) ? ((const json_map *)object)->count : 0;
}

json_t *json_object_getn(const json_t *object, const char *key, size_t bytes) {
    if (!key || !json_is_object(object)) return NULL;
    const json_member *m = find((const json_map *)object, key, bytes, hash_of(key, bytes));
    return m ? m->value : NULL;
}

json_t *json_object_get(const json_t *object, const char *key) {
    return key ? json_object_getn(object, key, strlen(key)) : NULL;
}

int json_object_setn_new(json_t *object, const char *key, size_t bytes, json_t *value) {
    bool good = value && value != object && key && json_is_object(object) && sl_utf8_check(key, bytes);
    if (good) {
        json_map *map = (json_map *)object;
        uint64_t hash = hash_of(key, bytes);
        json_member *m = find(map, key, bytes, hash);
        if (m) {
            json_decref(m->value);
            m->value = value;
        } else {
            good = add(map, key, bytes, hash, value);
        }
    }
    if (!good) json_decref(value);
    return good ? 0 : -1;
}

int json_object_set_new(json_t *object, const char *key, json_t *value) {
    return json_object_setn_new(object, key, key ? strlen(key) : 0, value);
}

int json_object_set(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, json_incref(value));
}

int json_object_del(json_t *object, const char *key) {
    if (!key || !json_is_object(object)) return -1;
    json_map *map = (json_map *)object;
    json_member *m = find(map, key, strlen(key), hash_of(key, strlen(key)));
    if (!m) return -1;
    free(m->key);
    json_decref(m->value);
    *m = (json_member){0};
    map->count--;
    return 0;
}

int json_object_clear(json_t *object) {
    if (!json_is_object(object)) return -1;
    json_map *map = (json_map *)object;
    json_map_empty(map);
    *map = (json_map){.head = map->head};
    return 0;
}

int json_object_update(json_t *object, json_t *other) {
    if (!json_is_object(object) || !json_is_object(other)) return -1;
    const json_map *map = (const json_map *)other;
    for (size_t i = 0; object != other && i < map->used; i++) {
        const json_member *m = &map->member[i];
        if (m->key && json_object_setn_new(object, m->key, m->bytes, json_incref(m->value)) != 0) return -1;
    }
    return 0;
}

int json_object_update_new(json_t *object, json_t *other) {
    int result = json_object_update(object, other);
    json_decref(other);
    return result;
}

/* ---- iteration: a place in the list of members ---- */

static void *next_from(const json_map *map, size_t place) {
    while (place < map->used && !map->member[place].key) place++;
    return place < map->used ? &map->member[place] : NULL;
}

void *json_object_iter(json_t *object) {
    return json_is_object(object) ? next_from((const json_map *)object, 0) : NULL;
}

void *json_object_iter_next(json_t *object, void *iter) {
    const json_map *map = (const json_map *)object;
    return iter && json_is_object(object) ? next_from(map, (size_t)((json_member *)iter - map->member) + 1)
                                          : NULL;
}

const char *json_object_iter_key(void *iter) {
    return iter ? ((const json_member *)iter)->key : NULL;
}

json_t *json_object_iter_value(void *iter) {
    return iter ? ((const json_member *)iter)->value : NULL;
}
