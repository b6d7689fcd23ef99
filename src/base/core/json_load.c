/* Text to values: RFC 8259, with depth, duplicates, UTF-8 and number ranges checked. */
#include "base/core/json_value.h"

#include "base/core/utf8.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 2048 };

typedef struct reader {
    const char *text;
    size_t at, bytes, flags;
    int depth;
    bool failed;
    json_error_t error;
} reader;

/* The first failure stays. Returns NULL. */
static json_t *fail(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static json_t *fail(reader *r, const char *format, ...) {
    if (r->failed) return NULL;
    r->failed = true;
    r->error.line = 1;
    r->error.position = (int)r->at;
    r->error.column = 0;
    for (size_t i = 0; i < r->at && i < r->bytes; i++) {
        r->error.column++;
        if (r->text[i] != '\n') continue;
        r->error.line++;
        r->error.column = 0;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(r->error.text, sizeof r->error.text, format, args);
    va_end(args);
    return NULL;
}

/* What stands at the place, for messages. */
static json_t *unexpected(reader *r, const char *wanted) {
    if (r->at >= r->bytes) return fail(r, "%s expected, found the end", wanted);
    unsigned char c = (unsigned char)r->text[r->at];
    r->at++;
    if (c < 0x20 || c > 0x7e) return fail(r, "%s expected, found byte 0x%02x", wanted, c);
    return fail(r, "%s expected, found '%c'", wanted, c);
}

static int peek(reader *r) {
    while (r->at < r->bytes && memchr(" \t\n\r", r->text[r->at], 4)) r->at++;
    return r->at < r->bytes ? (unsigned char)r->text[r->at] : -1;
}

/* ---- strings ---- */

static bool read_hex4(reader *r, unsigned *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->bytes ? r->text[r->at] : '\0';
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static void add_utf8(sl_text *out, unsigned c) {
    char bytes[4];
    size_t count = sl_utf8_write((int32_t)c, bytes);
    sl_text_add_bytes(out, bytes, count);
}

/* After "\u"; pairs of surrogates make one character. */
static void read_unicode(reader *r, sl_text *out) {
    unsigned c, low;
    if (!read_hex4(r, &c)) {
        fail(r, "four hexadecimal digits expected after \\u");
        return;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        bool pair = r->bytes - r->at >= 2 && memcmp(r->text + r->at, "\\u", 2) == 0;
        if (pair) r->at += 2;
        if (!pair || !read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff) {
            fail(r, "half a surrogate pair \\u%04X", c);
            return;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        fail(r, "half a surrogate pair \\u%04X", c);
    } else if (c == 0) {
        fail(r, "\\u0000 is not allowed");
    }
    add_utf8(out, c);
}

static void read_escape(reader *r, sl_text *out) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->bytes ? r->text[r->at] : '\0';
    const char *found = c ? strchr(letters, c) : NULL;
    r->at++;
    if (found) {
        sl_text_add_bytes(out, &meant[found - letters], 1);
    } else if (c == 'u') {
        read_unicode(r, out);
    } else {
        fail(r, "invalid escape in a string");
    }
}

/* The quote is at hand. */
static bool read_string(reader *r, sl_text *out) {
    r->at++;
    while (!r->failed) {
        if (r->at >= r->bytes) {
            fail(r, "a string without end");
            break;
        }
        unsigned char c = (unsigned char)r->text[r->at];
        size_t length = sl_utf8_read(r->text + r->at, r->bytes - r->at, NULL);
        if (c == '"') {
            r->at++;
            return true;
        }
        if (c < 0x20 || !length) {
            fail(r, c < 0x20 ? "control character 0x%02x in a string" : "byte 0x%02x is not UTF-8", c);
        } else if (c == '\\') {
            r->at++;
            read_escape(r, out);
        } else {
            sl_text_add_bytes(out, r->text + r->at, length);
            r->at += length;
        }
    }
    return false;
}

static json_t *read_string_value(reader *r) {
    sl_text text = SL_TEXT_INIT;
    json_t *value = NULL;
    if (read_string(r, &text) && !text.failed) value = json_stringn_nocheck(sl_text_get(&text), text.length);
    sl_text_free(&text);
    return value;
}

/* ---- numbers ---- */

static size_t digits_at(const reader *r, size_t at) {
    size_t count = 0;
    while (at + count < r->bytes && r->text[at + count] >= '0' && r->text[at + count] <= '9') count++;
    return count;
}

/* Bytes of the number at hand, 0 where there is none; its grammar is stricter than strtod's. */
static size_t number_bytes(const reader *r, bool *is_real) {
    size_t at = r->at + (r->text[r->at] == '-'), whole = digits_at(r, at), part;
    *is_real = false;
    if (!whole || (whole > 1 && r->text[at] == '0')) return 0;
    at += whole;
    if (at < r->bytes && r->text[at] == '.') {
        if (!(part = digits_at(r, at + 1))) return 0;
        at += 1 + part;
        *is_real = true;
    }
    if (at < r->bytes && (r->text[at] == 'e' || r->text[at] == 'E')) {
        at++;
        if (at < r->bytes && (r->text[at] == '+' || r->text[at] == '-')) at++;
        if (!(part = digits_at(r, at))) return 0;
        at += part;
        *is_real = true;
    }
    return at - r->at;
}

static json_t *convert_number(reader *r, const char *text, bool is_real) {
    errno = 0;
    if (!is_real) {
        json_int_t number = strtoll(text, NULL, 10);
        return errno == ERANGE ? fail(r, "integer out of range: %.40s", text) : json_integer(number);
    }
    double number = strtod(text, NULL);
    return isfinite(number) ? json_real(number) : fail(r, "real number out of range: %.40s", text);
}

static json_t *read_number(reader *r) {
    bool is_real;
    size_t bytes = number_bytes(r, &is_real);
    if (!bytes) return fail(r, "invalid number");
    char *text = strndup(r->text + r->at, bytes); /* strtod wants an end */
    r->at += bytes;
    json_t *value = text ? convert_number(r, text, is_real) : NULL;
    free(text);
    return value;
}

/* ---- containers ---- */

static json_t *read_value(reader *r);

static bool read_member(reader *r, json_t *object) {
    sl_text key = SL_TEXT_INIT;
    json_t *value = NULL;
    if (peek(r) != '"') {
        unexpected(r, "a key in quotes");
    } else if (read_string(r, &key)) {
        if ((r->flags & JSON_REJECT_DUPLICATES) && json_object_getn(object, sl_text_get(&key), key.length)) {
            fail(r, "duplicate key \"%.60s\"", sl_text_get(&key));
        } else if (peek(r) != ':') {
            unexpected(r, "':'");
        } else {
            r->at++;
            value = read_value(r);
        }
    }
    if (value && json_object_setn_new(object, sl_text_get(&key), key.length, value) != 0)
        fail(r, "out of memory");
    sl_text_free(&key);
    return !r->failed && value;
}

static bool read_item(reader *r, json_t *array) {
    json_t *value = read_value(r);
    if (value && json_array_append_new(array, value) != 0) fail(r, "out of memory");
    return !r->failed && value;
}

static json_t *read_container(reader *r, char end, json_t *container) {
    bool (*read_part)(reader *, json_t *) = end == '}' ? read_member : read_item;
    bool good = container != NULL;
    r->at++;
    if (good && ++r->depth > DEPTH_MAX) good = fail(r, "nested more than %d deep", DEPTH_MAX) != NULL;
    if (good && peek(r) != end) {
        good = read_part(r, container);
        while (good && peek(r) == ',') {
            r->at++;
            good = read_part(r, container);
        }
    }
    if (good && peek(r) != end) good = unexpected(r, end == '}' ? "',' or '}'" : "',' or ']'") != NULL;
    r->at++;
    r->depth--;
    if (good) return container;
    json_decref(container);
    return NULL;
}

static json_t *read_word(reader *r) {
    static const struct {
        const char *word;
        json_t *(*value)(void);
    } words[] = {{"true", json_true}, {"false", json_false}, {"null", json_null}};
    size_t length = 0;
    while (r->at + length < r->bytes && r->text[r->at + length] >= 'a' && r->text[r->at + length] <= 'z')
        length++;
    for (int i = 0; i < 3; i++) {
        if (length != strlen(words[i].word) || memcmp(r->text + r->at, words[i].word, length) != 0) continue;
        r->at += length;
        return words[i].value();
    }
    return unexpected(r, "a value");
}

static json_t *read_value(reader *r) {
    int c = peek(r);
    if (c == '{') return read_container(r, '}', json_object());
    if (c == '[') return read_container(r, ']', json_array());
    if (c == '"') return read_string_value(r);
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r);
    return read_word(r);
}

json_t *json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error) {
    reader r = {.text = text, .bytes = bytes, .flags = flags};
    int first = peek(&r);
    json_t *value = NULL;
    if ((flags & JSON_DECODE_ANY) || first == '{' || first == '[')
        value = read_value(&r);
    else
        unexpected(&r, "'[' or '{'");
    if (value && peek(&r) != -1) unexpected(&r, "the end");
    if (value && !r.failed) return value;
    fail(&r, "out of memory"); /* where nothing else was said */
    json_decref(value);
    if (error) *error = r.error;
    return NULL;
}

json_t *json_loads(const char *text, size_t flags, json_error_t *error) {
    return json_loadb(text, strlen(text), flags, error);
}

json_t *json_load_file(const char *path, size_t flags, json_error_t *error) {
    reader r = {0};
    sl_text text = SL_TEXT_INIT;
    char piece[1 << 14];
    FILE *file = fopen(path, "re");
    size_t got;
    while (file && (got = fread(piece, 1, sizeof piece, file)) > 0) sl_text_add_bytes(&text, piece, got);
    json_t *value = NULL;
    if (!file || ferror(file) || text.failed) {
        fail(&r, "cannot read '%.100s'", path);
        if (error) *error = r.error;
    } else {
        value = json_loadb(sl_text_get(&text), text.length, flags, error);
    }
    if (file) fclose(file);
    sl_text_free(&text);
    return value;
}
