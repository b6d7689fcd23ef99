#include "loop/option/option.h"

#include "base/limits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const sl_option *sl_option_find(const sl_option *table, const char *name) {
    for (; table && table->name; table++)
        if (strcmp(table->name, name) == 0) return table;
    return NULL;
}

static sl_status parse_flag(const char *value, const char *where, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (int i = 0; i < 8; i++) {
        if (strcasecmp(value, words[i]) != 0) continue;
        *out = i % 2 == 1;
        return SL_OK;
    }
    return sl_fail(SL_INVALID, "%s: '%s' is neither true nor false", where, value);
}

static sl_status out_of_range(const sl_option *option, const char *value, const char *where) {
    return sl_fail(SL_INVALID, "%s: %s is outside %.15g to %.15g%s%s", where, value, option->low,
                   option->high, option->unit ? " " : "", option->unit ? option->unit : "");
}

static sl_status parse_int(const sl_option *option, const char *value, const char *where, int64_t *out) {
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0')
        return sl_fail(SL_INVALID, "%s: '%s' is not a whole number", where, value);
    bool ranged = option->low != 0 || option->high != 0;
    if (errno == ERANGE || (ranged && ((double)number < option->low || (double)number > option->high)))
        return out_of_range(option, value, where);
    *out = number;
    return SL_OK;
}

static sl_status parse_real(const sl_option *option, const char *value, const char *where, double *out) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(number))
        return sl_fail(SL_INVALID, "%s: '%s' is not a number", where, value);
    bool ranged = option->low != 0 || option->high != 0;
    if (ranged && (number < option->low || number > option->high)) return out_of_range(option, value, where);
    *out = number;
    return SL_OK;
}

/* Length of the first name in "a|b|c". */
static size_t choice_length(const char *choices) {
    return strcspn(choices, "|");
}

static sl_status parse_choice(const sl_option *option, const char *value, const char *where, int *out) {
    int index = 0;
    for (const char *at = option->choices;; at++, index++) {
        size_t length = choice_length(at);
        if (strlen(value) == length && strncmp(value, at, length) == 0) {
            *out = index;
            return SL_OK;
        }
        at += length;
        if (*at == '\0') return sl_fail(SL_INVALID, "%s: '%s' is none of %s", where, value, option->choices);
    }
}

static void list_append(sl_arena *arena, sl_list *list, const char *value) {
    const char **grown = SL_NEW(arena, const char *, list->count + 1);
    if (list->count) memcpy(grown, list->item, (size_t)list->count * sizeof *grown);
    grown[list->count] = sl_arena_strdup(arena, value);
    *list = (sl_list){grown, list->count + 1};
}

/* What is written in a file's place instead ([...]) may be longer. */
static sl_status check_path(const char *value, const char *where) {
    size_t bytes = strlen(value);
    if (bytes < SL_LIMIT_GIVEN_PATH_BYTES || value[0] == '[') return SL_OK;
    return sl_fail(SL_LIMIT, "%s: a path of %zu bytes ('%.40s...'), the limit is %d", where, bytes, value,
                   SL_LIMIT_GIVEN_PATH_BYTES);
}

static sl_status assign(const sl_option *option, const char *value, const char *where, sl_arena *arena,
                        void *settings) {
    void *field = (char *)settings + option->offset;
    switch (option->type) {
    case SL_OPTION_IS_FLAG:
        return parse_flag(value, where, field);
    case SL_OPTION_IS_INT:
        return parse_int(option, value, where, field);
    case SL_OPTION_IS_REAL:
        return parse_real(option, value, where, field);
    case SL_OPTION_IS_CHOICE:
        return parse_choice(option, value, where, field);
    case SL_OPTION_IS_TEXT: /* goes into records, which are JSON; a path may be anything */
        if (!sl_is_utf8(value)) return sl_fail(SL_INVALID, "%s: '%s' is not UTF-8", where, value);
        *(const char **)field = sl_arena_strdup(arena, value);
        return SL_OK;
    case SL_OPTION_IS_PATH:
        SL_TRY(check_path(value, where));
        *(const char **)field = sl_arena_strdup(arena, value);
        return SL_OK;
    case SL_OPTION_IS_LIST:
        list_append(arena, field, value);
        return SL_OK;
    }
    return sl_fail(SL_INTERNAL, "option %s has unknown type %d", option->name, (int)option->type);
}

static const size_t field_bytes[] = {
    [SL_OPTION_IS_FLAG] = sizeof(bool),         [SL_OPTION_IS_INT] = sizeof(int64_t),
    [SL_OPTION_IS_REAL] = sizeof(double),       [SL_OPTION_IS_TEXT] = sizeof(const char *),
    [SL_OPTION_IS_PATH] = sizeof(const char *), [SL_OPTION_IS_CHOICE] = sizeof(int),
    [SL_OPTION_IS_LIST] = sizeof(sl_list),
};

sl_status sl_options_default(const sl_option *table, sl_arena *arena, void *settings) {
    for (const sl_option *option = table; option && option->name; option++) {
        memset((char *)settings + option->offset, 0, field_bytes[option->type]);
        if (option->fallback) SL_TRY(assign(option, option->fallback, option->name, arena, settings));
    }
    return SL_OK;
}

const char *sl_options_given(const sl_assignments *given, const char *name) {
    for (int i = given->count - 1; i >= 0; i--)
        if (strcmp(given->item[i].option->name, name) == 0) return given->item[i].value;
    return NULL;
}

static sl_status apply_preset(const sl_option *table, const sl_preset *presets, const sl_assignments *given,
                              void *settings) {
    const char *chosen = sl_options_given(given, "preset");
    if (!chosen) return SL_OK;
    for (; presets && presets->preset; presets++) {
        if (strcmp(presets->preset, chosen) != 0) continue;
        const sl_option *option = sl_option_find(table, presets->name);
        if (!option) return sl_fail(SL_INTERNAL, "preset %s sets unknown option %s", chosen, presets->name);
        SL_TRY(assign(option, presets->value, presets->name, given->arena, settings));
    }
    return SL_OK;
}

sl_status sl_options_apply(const sl_option *table, const sl_preset *presets, const sl_assignments *given,
                           void *settings) {
    SL_TRY(sl_options_default(table, given->arena, settings));
    SL_TRY(apply_preset(table, presets, given, settings));
    for (int i = 0; i < given->count; i++) {
        const sl_assignment *item = &given->item[i];
        if (sl_option_find(table, item->option->name) != item->option) continue;
        SL_TRY(assign(item->option, item->value, item->where, given->arena, settings));
    }
    return SL_OK;
}

static json_t *choice_to_json(const sl_option *option, int index) {
    const char *at = option->choices;
    for (; index > 0 && *at; index--) {
        at += choice_length(at);
        if (*at) at++;
    }
    return json_stringn(at, choice_length(at));
}

static json_t *field_to_json(const sl_option *option, const void *field) {
    switch (option->type) {
    case SL_OPTION_IS_FLAG:
        return json_boolean(*(const bool *)field);
    case SL_OPTION_IS_INT:
        return json_integer(*(const int64_t *)field);
    case SL_OPTION_IS_REAL:
        return json_real(*(const double *)field);
    case SL_OPTION_IS_CHOICE:
        return choice_to_json(option, *(const int *)field);
    case SL_OPTION_IS_TEXT:
    case SL_OPTION_IS_PATH: {
        const char *text = *(const char *const *)field;
        return text ? json_string(text) : json_null();
    }
    case SL_OPTION_IS_LIST: {
        const sl_list *list = field;
        json_t *array = json_array();
        for (int i = 0; i < list->count; i++) json_array_append_new(array, json_string(list->item[i]));
        return array;
    }
    }
    return json_null();
}

json_t *sl_options_to_json(const sl_option *table, const void *settings) {
    json_t *object = json_object();
    for (; table && table->name && object; table++)
        json_object_set_new(object, table->name,
                            field_to_json(table, (const char *)settings + table->offset));
    return object;
}

static sl_status assign_json(const sl_option *option, const json_t *value, sl_arena *arena, void *settings) {
    char number[32];
    if (json_is_null(value)) return SL_OK;
    if (json_is_string(value)) return assign(option, json_string_value(value), option->name, arena, settings);
    if (json_is_boolean(value))
        return assign(option, json_is_true(value) ? "true" : "false", option->name, arena, settings);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        return assign(option, number, option->name, arena, settings);
    }
    if (json_is_real(value)) {
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        return assign(option, number, option->name, arena, settings);
    }
    if (json_is_array(value) && option->type == SL_OPTION_IS_LIST) {
        size_t index;
        json_t *item;
        json_array_foreach(value, index, item) {
            if (!json_is_string(item))
                return sl_fail(SL_INVALID, "%s: item %zu is not a text", option->name, index);
            SL_TRY(assign(option, json_string_value(item), option->name, arena, settings));
        }
        return SL_OK;
    }
    return sl_fail(SL_INVALID, "%s: an object where a value was expected", option->name);
}

sl_status sl_options_from_json(const sl_option *table, const json_t *object, sl_arena *arena,
                               void *settings) {
    SL_TRY(sl_options_default(table, arena, settings));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        const sl_option *option = sl_option_find(table, key);
        if (!option) return sl_fail(SL_INVALID, "unknown setting '%s'", key);
        SL_TRY(assign_json(option, value, arena, settings));
    }
    return SL_OK;
}
