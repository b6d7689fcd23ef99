/* Values to text. */
#include "base/core/json_value.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

typedef struct writer {
    sl_text out;
    size_t flags;
} writer;

static int indent_of(const writer *w) {
    return (int)(w->flags & 31);
}

static void write_string(writer *w, const char *text, size_t bytes) {
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    sl_text_add(&w->out, "\"");
    for (size_t at = 0, plain = 0; at <= bytes; at++) {
        unsigned char c = at < bytes ? (unsigned char)text[at] : 0;
        if (at < bytes && c >= 0x20 && c != '"' && c != '\\') continue;
        sl_text_add_bytes(&w->out, text + plain, at - plain);
        plain = at + 1;
        if (at == bytes) break;
        const char *found = c ? strchr(named, c) : NULL;
        if (found)
            sl_text_printf(&w->out, "\\%c", letters[found - named]);
        else
            sl_text_printf(&w->out, "\\u%04X", c);
    }
    sl_text_add(&w->out, "\"");
}

/* A point or an exponent tells a real from an integer; exponents go without plus and leading zeros. */
static void write_real(writer *w, double number) {
    char text[64];
    int digits = (int)(w->flags >> 11 & 31);
    snprintf(text, sizeof text, "%.*g", digits ? digits : 17, number);
    char *exponent = strchr(text, 'e');
    if (!exponent) {
        sl_text_add(&w->out, text);
        if (!strchr(text, '.')) sl_text_add(&w->out, ".0");
        return;
    }
    const char *at = exponent + 1;
    bool negative = *at == '-';
    while (*at == '-' || *at == '+' || (*at == '0' && at[1])) at++;
    sl_text_add_bytes(&w->out, text, (size_t)(exponent - text));
    sl_text_printf(&w->out, "e%s%s", negative ? "-" : "", at);
}

static void new_line(writer *w, int depth) {
    if (!indent_of(w)) return;
    sl_text_add(&w->out, "\n");
    for (int i = 0; i < depth * indent_of(w); i++) sl_text_add(&w->out, " ");
}

static void write_comma(writer *w, int depth) {
    sl_text_add(&w->out, indent_of(w) || (w->flags & JSON_COMPACT) ? "," : ", ");
    new_line(w, depth);
}

static void write_value(writer *w, const json_t *value, int depth);

static void write_array(writer *w, const json_t *array, int depth) {
    size_t count = json_array_size(array);
    sl_text_add(&w->out, "[");
    if (count) new_line(w, depth + 1);
    for (size_t i = 0; i < count; i++) {
        if (i) write_comma(w, depth + 1);
        write_value(w, json_array_get(array, i), depth + 1);
    }
    if (count) new_line(w, depth);
    sl_text_add(&w->out, "]");
}

static int by_key(const void *a, const void *b) {
    const json_member *one = *(const json_member *const *)a, *two = *(const json_member *const *)b;
    int order = memcmp(one->key, two->key, one->bytes < two->bytes ? one->bytes : two->bytes);
    return order ? order : (one->bytes > two->bytes) - (one->bytes < two->bytes);
}

static void write_object(writer *w, const json_t *object, int depth) {
    const json_map *map = (const json_map *)object;
    size_t count = 0;
    const json_member **member = malloc((map->count + 1) * sizeof(const json_member *));
    if (!member) {
        w->out.failed = true;
        return;
    }
    for (size_t i = 0; i < map->used; i++)
        if (map->member[i].key) member[count++] = &map->member[i];
    if (w->flags & JSON_SORT_KEYS) qsort(member, count, sizeof *member, by_key);
    sl_text_add(&w->out, "{");
    if (count) new_line(w, depth + 1);
    for (size_t i = 0; i < count; i++) {
        if (i) write_comma(w, depth + 1);
        write_string(w, member[i]->key, member[i]->bytes);
        sl_text_add(&w->out, w->flags & JSON_COMPACT ? ":" : ": ");
        write_value(w, member[i]->value, depth + 1);
    }
    if (count) new_line(w, depth);
    sl_text_add(&w->out, "}");
    free(member);
}

static void write_value(writer *w, const json_t *value, int depth) {
    switch (value->type) {
    case JSON_OBJECT:
        write_object(w, value, depth);
        break;
    case JSON_ARRAY:
        write_array(w, value, depth);
        break;
    case JSON_STRING:
        write_string(w, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        sl_text_printf(&w->out, "%lld", json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(w, json_real_value(value));
        break;
    default:
        sl_text_add(&w->out, value->type == JSON_TRUE    ? "true"
                             : value->type == JSON_FALSE ? "false"
                                                         : "null");
    }
}

char *json_dumps(const json_t *value, size_t flags) {
    if (!value || (!(flags & JSON_ENCODE_ANY) && value->type > JSON_ARRAY)) return NULL;
    writer w = {.flags = flags};
    write_value(&w, value, 0);
    if (!w.out.failed) return w.out.data; /* from malloc */
    sl_text_free(&w.out);
    return NULL;
}

size_t json_dumpb(const json_t *value, char *out, size_t bytes, size_t flags) {
    char *text = json_dumps(value, flags);
    size_t length = text ? strlen(text) : 0;
    if (text) memcpy(out, text, length < bytes ? length : bytes);
    free(text);
    return length;
}
