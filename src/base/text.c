#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(sl_text *text, size_t more) {
    if (text->failed) return false;
    size_t need = text->length + more + 1;
    if (need <= text->capacity) return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need) capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void sl_text_add_bytes(sl_text *text, const void *bytes, size_t count) {
    if (!reserve(text, count)) return;
    if (count) memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void sl_text_add(sl_text *text, const char *piece) {
    sl_text_add_bytes(text, piece, strlen(piece));
}

void sl_text_printf(sl_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (bytes >= 0 && reserve(text, (size_t)bytes)) {
        vsnprintf(text->data + text->length, (size_t)bytes + 1, format, again);
        text->length += (size_t)bytes;
    }
    va_end(again);
}

void sl_text_clear(sl_text *text) {
    text->length = 0;
    if (text->data) text->data[0] = '\0';
}

void sl_text_free(sl_text *text) {
    free(text->data);
    *text = SL_TEXT_INIT;
}

const char *sl_text_get(const sl_text *text) {
    return text->data ? text->data : "";
}

sl_status sl_text_status(const sl_text *text) {
    return text->failed ? sl_fail(SL_MEMORY, "out of memory for a text of %zu bytes", text->length) : SL_OK;
}

bool sl_ends_with(const char *string, const char *end) {
    size_t length = strlen(string), tail = strlen(end);
    return length >= tail && strcmp(string + length - tail, end) == 0;
}
