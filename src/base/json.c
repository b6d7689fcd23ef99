#include "base/json.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Brackets open at once, at most; strings are passed over. Stops where there are more than are allowed. */
static int depth_of(const char *text, size_t bytes) {
    int depth = 0, most = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes && most <= SL_LIMIT_JSON_DEPTH; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{'))
            depth++;
        else if (!quoted && (c == ']' || c == '}'))
            depth--;
        if (depth > most) most = depth;
    }
    return most;
}

sl_status sl_json_parse(const char *text, size_t bytes, const char *origin, json_t **out) {
    if ((int64_t)bytes > SL_LIMIT_JSON_BYTES)
        return sl_fail(SL_LIMIT, "%s: %zu bytes of JSON, at most %lld are read", origin, bytes,
                       (long long)SL_LIMIT_JSON_BYTES);
    if (depth_of(text, bytes) > SL_LIMIT_JSON_DEPTH)
        return sl_fail(SL_LIMIT, "%s: JSON more than %d levels deep", origin, SL_LIMIT_JSON_DEPTH);
    json_error_t error;
    json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value) return sl_fail(SL_FORMAT, "%s:%d:%d: %s", origin, error.line, error.column, error.text);
    *out = value;
    return SL_OK;
}

sl_status sl_json_read(const char *path, json_t **out) {
    char *text;
    size_t bytes;
    SL_TRY(sl_file_read(path, SL_LIMIT_JSON_BYTES, &text, &bytes));
    sl_status status = sl_json_parse(text, bytes, path, out);
    sl_free(text);
    return status;
}

char *sl_json_pretty(const json_t *value) {
    char *text = json_dumps(value, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_ENCODE_ANY);
    char *line = NULL;
    if (text && asprintf(&line, "%s\n", text) < 0) line = NULL;
    free(text);
    return line;
}

sl_status sl_json_write(const char *path, const json_t *value) {
    char *text = sl_json_pretty(value);
    if (!text) return sl_fail(SL_MEMORY, "out of memory writing '%s'", path);
    sl_status status = sl_file_write_atomic(path, text, strlen(text));
    free(text);
    return status;
}

char *sl_json_canonical(const json_t *value) {
    return json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

/* Bytes of the UTF-8 character at `at`; 0: there is none. */
static size_t character_bytes(const char *at) {
    for (size_t n = 1; n <= 4 && at[n - 1]; n++) {
        json_t *character = json_stringn(at, n);
        json_decref(character);
        if (character) return n;
    }
    return 0;
}

bool sl_is_utf8(const char *text) {
    for (size_t n; *text; text += n)
        if (!(n = character_bytes(text))) return false;
    return true;
}

json_t *sl_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *sl_json_text(const char *text) {
    json_t *plain = json_string(text);
    if (plain || sl_is_utf8(text)) return plain;
    sl_text shown = SL_TEXT_INIT;
    while (*text) {
        size_t n = character_bytes(text);
        if (n)
            sl_text_add_bytes(&shown, text, n);
        else
            sl_text_printf(&shown, "\\x%02x", (unsigned char)*text);
        text += n ? n : 1;
    }
    json_t *out = shown.failed ? NULL : json_string(sl_text_get(&shown));
    sl_text_free(&shown);
    return out;
}

static const char *type_name(const json_t *value) {
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a real",    "true",     "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

static const json_t *member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static sl_status wrong_type(const char *key, const json_t *value, const char *wanted) {
    return sl_fail(SL_FORMAT, "key \"%s\" is %s, expected %s", key, type_name(value), wanted);
}

sl_status sl_json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out) {
    const json_t *value = member(object, key);
    if (!json_is_integer(value)) return wrong_type(key, value, "an integer");
    int64_t number = json_integer_value(value);
    if (number < low || number > high)
        return sl_fail(SL_FORMAT, "key \"%s\" is %lld, expected %lld to %lld", key, (long long)number,
                       (long long)low, (long long)high);
    *out = number;
    return SL_OK;
}

sl_status sl_json_int_or(const json_t *object, const char *key, int64_t low, int64_t high, int64_t fallback,
                         int64_t *out) {
    if (member(object, key)) return sl_json_int(object, key, low, high, out);
    *out = fallback;
    return SL_OK;
}

sl_status sl_json_real(const json_t *object, const char *key, double *out) {
    const json_t *value = member(object, key);
    if (!json_is_number(value)) return wrong_type(key, value, "a number");
    *out = json_number_value(value);
    return SL_OK;
}

sl_status sl_json_real_or(const json_t *object, const char *key, double fallback, double *out) {
    if (member(object, key)) return sl_json_real(object, key, out);
    *out = fallback;
    return SL_OK;
}

sl_status sl_json_bool_or(const json_t *object, const char *key, bool fallback, bool *out) {
    const json_t *value = member(object, key);
    if (value && !json_is_boolean(value)) return wrong_type(key, value, "true or false");
    *out = value ? json_is_true(value) : fallback;
    return SL_OK;
}

sl_status sl_json_string(const json_t *object, const char *key, const char **out) {
    const json_t *value = member(object, key);
    if (!json_is_string(value)) return wrong_type(key, value, "a string");
    *out = json_string_value(value);
    return SL_OK;
}

sl_status sl_json_string_or(const json_t *object, const char *key, const char *fallback, const char **out) {
    if (member(object, key)) return sl_json_string(object, key, out);
    *out = fallback;
    return SL_OK;
}

sl_status sl_json_object(const json_t *object, const char *key, json_t **out) {
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value)) return wrong_type(key, value, "an object");
    *out = value;
    return SL_OK;
}

sl_status sl_json_array(const json_t *object, const char *key, json_t **out) {
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) return wrong_type(key, value, "an array");
    *out = value;
    return SL_OK;
}
