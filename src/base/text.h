/* A growing string. Out of memory is sticky: later calls do nothing, and sl_text_status tells. */
#ifndef SL_BASE_TEXT_H
#define SL_BASE_TEXT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct sl_text {
    char *data; /* NUL-terminated once anything was added; NULL before */
    size_t length, capacity;
    bool failed;
} sl_text;

#define SL_TEXT_INIT ((sl_text){0})

void sl_text_add(sl_text *text, const char *piece);
void sl_text_add_bytes(sl_text *text, const void *bytes, size_t count);
void sl_text_printf(sl_text *text, const char *format, ...) SL_PRINTF(2, 3);
void sl_text_clear(sl_text *text); /* keeps the memory */
void sl_text_free(sl_text *text);
const char *sl_text_get(const sl_text *text); /* never NULL */
sl_status sl_text_status(const sl_text *text);

/* Whether a string ends with another, which may be all of it. */
bool sl_ends_with(const char *string, const char *end);

#endif
