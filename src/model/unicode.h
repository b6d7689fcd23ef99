/* What the tokenizer asks of Unicode. One of two files implements it: unicode.c by utf8proc, or
 * core/unicode.c by tables in a core-only build. */
#ifndef SL_MODEL_UNICODE_H
#define SL_MODEL_UNICODE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum sl_unicode_kind {
    SL_UNICODE_SPACE,
    SL_UNICODE_LETTER,
    SL_UNICODE_DIGIT,
    SL_UNICODE_OTHER
} sl_unicode_kind;

sl_unicode_kind sl_unicode_kind_of(int32_t c);
int32_t sl_unicode_lower(int32_t c);

/* Bytes of the character at the start of `text`, *c is the character; 0 where it is not UTF-8. */
size_t sl_unicode_read(const char *text, size_t bytes, int32_t *c);
/* Writes up to 4 bytes of UTF-8, without NUL; returns how many. */
size_t sl_unicode_write(int32_t c, char out[4]);

/* Normal form C in a block of its own (*out: free()). SL_FORMAT where it is not UTF-8. */
sl_status sl_unicode_compose(const char *text, size_t bytes, char **out, size_t *out_bytes);

#endif
