/* Values from a format, as in json_pack("{s:i, s:[f, f]}", ...). */
#include "base/core/json_value.h"

#include <stdarg.h>
#include <string.h>

typedef struct packer {
    const char *at;
    va_list args;
    bool failed; /* the rest is still read, so that references given away are not lost */
} packer;

static char next(packer *p) {
    while (*p->at && strchr(" \t\n,:", *p->at)) p->at++;
    return *p->at ? *p->at++ : '\0';
}

static bool optional(packer *p) {
    if (*p->at != '?') return false;
    p->at++;
    return true;
}

static json_t *pack_value(packer *p, char kind);

static json_t *pack_object(packer *p) {
    json_t *object = json_object();
    for (char kind = next(p); kind != '}'; kind = next(p)) {
        const char *key = kind == 's' ? va_arg(p->args, const char *) : NULL;
        json_t *value = kind ? pack_value(p, next(p)) : NULL;
        if (json_object_set_new(object, key, value) != 0) p->failed = true;
        if (!kind) break;
    }
    return object;
}

static json_t *pack_array(packer *p) {
    json_t *array = json_array();
    for (char kind = next(p); kind != ']'; kind = next(p)) {
        if (json_array_append_new(array, kind ? pack_value(p, kind) : NULL) != 0) p->failed = true;
        if (!kind) break;
    }
    return array;
}

static json_t *pack_value(packer *p, char kind) {
    json_t *value = NULL;
    switch (kind) {
    case '{':
        return pack_object(p);
    case '[':
        return pack_array(p);
    case 'b':
        return json_boolean(va_arg(p->args, int));
    case 'i':
        return json_integer(va_arg(p->args, int));
    case 'I':
        return json_integer(va_arg(p->args, json_int_t));
    case 'f':
        return json_real(va_arg(p->args, double));
    case 'n':
        return json_null();
    case 's': {
        const char *text = va_arg(p->args, const char *);
        return optional(p) && !text ? json_null() : json_string(text);
    }
    case 'o':
        value = va_arg(p->args, json_t *);
        break;
    case 'O':
        value = json_incref(va_arg(p->args, json_t *));
        break;
    default:
        p->failed = true; /* a mistake in the format */
    }
    return optional(p) && !value ? json_null() : value;
}

json_t *json_pack(const char *format, ...) {
    packer p = {.at = format};
    va_start(p.args, format);
    json_t *value = pack_value(&p, next(&p));
    va_end(p.args);
    if (!p.failed && !next(&p)) return value;
    json_decref(value);
    return NULL;
}
