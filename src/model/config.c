#include "model/config.h"

#include "base/log.h"

#include <math.h>
#include <string.h>

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

static sl_status read_int(const sl_config_field *field, const json_t *value, int64_t *out) {
    if (!json_is_integer(value))
        return sl_fail(SL_FORMAT, "'%s' is %s, expected an integer", field->key, type_name(value));
    int64_t number = json_integer_value(value);
    if (number < field->low || number > field->high)
        return sl_fail(SL_FORMAT, "'%s' is %lld, expected %lld to %lld", field->key, (long long)number,
                       (long long)field->low, (long long)field->high);
    *out = number;
    return SL_OK;
}

static sl_status read_real(const sl_config_field *field, const json_t *value, double *out) {
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return sl_fail(SL_FORMAT, "'%s' is %s, expected a finite number", field->key, type_name(value));
    *out = json_number_value(value);
    return SL_OK;
}

static sl_status read_choice(const sl_config_field *field, const json_t *value, int64_t *out) {
    if (!json_is_string(value))
        return sl_fail(SL_FORMAT, "'%s' is %s, expected a string", field->key, type_name(value));
    sl_text known = SL_TEXT_INIT;
    for (int i = 0; field->choices[i]; i++) {
        if (strcmp(field->choices[i], json_string_value(value)) == 0) {
            sl_text_free(&known);
            *out = i;
            return SL_OK;
        }
        sl_text_printf(&known, "%s%s", i ? ", " : "", field->choices[i]);
    }
    sl_status status = sl_fail(SL_UNSUPPORTED, "'%s' is '%s', supported are %s", field->key,
                               json_string_value(value), sl_text_get(&known));
    sl_text_free(&known);
    return status;
}

/* A list, or a single value as a list of one. */
static sl_status read_list(const sl_config_field *field, const json_t *value, sl_config_list *out) {
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count == 0 || count > SL_CONFIG_LIST_MAX)
        return sl_fail(SL_FORMAT, "'%s' has %zu entries, expected 1 to %d", field->key, count,
                       SL_CONFIG_LIST_MAX);
    sl_config_list list = {.count = (int)count};
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (field->kind == SL_CONFIG_INTS)
            SL_TRY(read_int(field, item, &list.value[i]));
        else
            SL_TRY(read_choice(field, item, &list.value[i]));
    }
    *out = list;
    return SL_OK;
}

static sl_status read_reals(const sl_config_field *field, const json_t *value, sl_config_reals *out) {
    sl_config_reals list = {0};
    size_t limit = sizeof list.value / sizeof *list.value;
    if (!json_is_array(value))
        return sl_fail(SL_FORMAT, "'%s' is %s, expected a list of numbers", field->key, type_name(value));
    if (json_array_size(value) > limit)
        return sl_fail(SL_LIMIT, "'%s' has %zu entries, the limit is %zu", field->key, json_array_size(value),
                       limit);
    for (size_t i = 0; i < json_array_size(value); i++)
        SL_TRY(read_real(field, json_array_get(value, i), &list.value[list.count++]));
    *out = list;
    return SL_OK;
}

static bool json_same(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

static sl_status read_value(const sl_config_field *field, const json_t *value, char *config) {
    void *place = config + field->offset;
    switch (field->kind) {
    case SL_CONFIG_INT:
        return read_int(field, value, place);
    case SL_CONFIG_REAL:
        return read_real(field, value, place);
    case SL_CONFIG_CHOICE:
        return read_choice(field, value, place);
    case SL_CONFIG_INTS:
    case SL_CONFIG_CHOICES:
        return read_list(field, value, place);
    case SL_CONFIG_REALS:
        return read_reals(field, value, place);
    case SL_CONFIG_BOOL:
        if (!json_is_boolean(value))
            return sl_fail(SL_FORMAT, "'%s' is %s, expected true or false", field->key, type_name(value));
        *(bool *)place = json_is_true(value);
        return SL_OK;
    default:
        return SL_OK;
    }
}

static sl_status read_field(const sl_config_field *field, const json_t *json, char *config) {
    if (field->kind == SL_CONFIG_UNUSED) return SL_OK;
    const json_t *found = json_object_get(json, field->key);
    bool absent = !found || json_is_null(found);
    if (absent && !field->fallback) return sl_fail(SL_NOT_FOUND, "the key '%s' is missing", field->key);
    if (absent && field->kind == SL_CONFIG_FIXED) return SL_OK;
    json_t *fallback = NULL;
    if (field->fallback) {
        fallback = json_loads(field->fallback, JSON_DECODE_ANY, NULL);
        if (!fallback) return sl_fail(SL_INTERNAL, "the table's value for '%s' is not JSON", field->key);
    }
    sl_status status = SL_OK;
    if (field->kind == SL_CONFIG_FIXED) {
        if (!json_same(found, fallback)) {
            char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);
            status = sl_fail(SL_UNSUPPORTED, "'%s' is %s, supported is only %s", field->key,
                             text ? text : "?", field->fallback);
            free(text);
        }
    } else if (!absent || !json_is_null(fallback)) {
        status = read_value(field, absent ? fallback : found, config);
    }
    json_decref(fallback);
    return status;
}

sl_status sl_config_read(const sl_config_table *table, const json_t *json, void *config) {
    if (!json_is_object(json)) return sl_fail(SL_FORMAT, "the configuration is not a JSON object");
    for (int i = 0; i < table->count; i++) SL_TRY(read_field(&table->fields[i], json, config));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value) {
        bool known = key[0] == '_';
        for (int i = 0; i < table->count && !known; i++) known = strcmp(table->fields[i].key, key) == 0;
        if (!known) sl_warn("configuration key '%s' is not known here and has no effect", key);
    }
    return SL_OK;
}

static json_t *list_json(const sl_config_field *field, const sl_config_list *list) {
    if (list->count == 0) return json_null();
    /* One number in place of a list is how most files say it. */
    if (list->count == 1 && field->kind == SL_CONFIG_INTS && field->fallback)
        return json_integer(list->value[0]);
    json_t *array = json_array();
    for (int i = 0; i < list->count; i++)
        json_array_append_new(array, field->kind == SL_CONFIG_INTS
                                         ? json_integer(list->value[i])
                                         : json_string(field->choices[list->value[i]]));
    return array;
}

static json_t *field_json(const sl_config_field *field, const char *config) {
    const void *place = config + field->offset;
    switch (field->kind) {
    case SL_CONFIG_INT:
        return json_integer(*(const int64_t *)place);
    case SL_CONFIG_REAL:
        /* null and 0 mean the same for such a key; most files say null */
        if (*(const double *)place == 0.0 && field->fallback && strcmp(field->fallback, "null") == 0)
            return json_null();
        return json_real(*(const double *)place);
    case SL_CONFIG_BOOL:
        return json_boolean(*(const bool *)place);
    case SL_CONFIG_CHOICE:
        return json_string(field->choices[*(const int64_t *)place]);
    case SL_CONFIG_INTS:
    case SL_CONFIG_CHOICES:
        return list_json(field, place);
    case SL_CONFIG_REALS: {
        const sl_config_reals *list = place;
        if (list->count == 0) return json_null();
        json_t *array = json_array();
        for (int i = 0; i < list->count; i++) json_array_append_new(array, json_real(list->value[i]));
        return array;
    }
    default:
        return json_loads(field->fallback, JSON_DECODE_ANY, NULL);
    }
}

sl_status sl_config_write(const sl_config_table *table, const void *config, json_t **out) {
    json_t *object = json_object();
    for (int i = 0; i < table->count; i++) {
        if (table->fields[i].kind == SL_CONFIG_UNUSED && !table->fields[i].fallback) continue;
        if (json_object_set_new(object, table->fields[i].key, field_json(&table->fields[i], config)) != 0) {
            json_decref(object);
            return sl_fail(SL_MEMORY, "no memory for the configuration key '%s'", table->fields[i].key);
        }
    }
    *out = object;
    return SL_OK;
}

sl_status sl_config_spread(const char *key, sl_config_list *list, int count) {
    if (list->count == 1)
        for (; list->count < count; list->count++) list->value[list->count] = list->value[0];
    if (list->count != count)
        return sl_fail(SL_FORMAT, "'%s' has %d entries, expected 1 or %d (one a level)", key, list->count,
                       count);
    return SL_OK;
}
