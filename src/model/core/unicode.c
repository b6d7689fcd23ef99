/* ASCII alone: captions and prompts in the words of the field need no more, and the tables of Unicode are a
 * library of their own. */
#include "model/unicode.h"

#include <stdlib.h>
#include <string.h>

sl_unicode_kind sl_unicode_kind_of(int32_t c) {
    if ((c >= 0x09 && c <= 0x0d) || c == ' ') return SL_UNICODE_SPACE;
    if (c >= '0' && c <= '9') return SL_UNICODE_DIGIT;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? SL_UNICODE_LETTER : SL_UNICODE_OTHER;
}

int32_t sl_unicode_lower(int32_t c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

size_t sl_unicode_read(const char *text, size_t bytes, int32_t *c) {
    if (bytes == 0 || (unsigned char)text[0] > 0x7f) return 0;
    *c = text[0];
    return 1;
}

/* Up to U+07FF: the tokenizer writes bytes as characters up to U+0143. */
size_t sl_unicode_write(int32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
}

sl_status sl_unicode_compose(const char *text, size_t bytes, char **out, size_t *out_bytes) {
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] > 0x7f)
            return sl_fail(SL_UNSUPPORTED,
                           "the text has byte 0x%02x at place %zu, a core-only program reads ASCII: \"%.100s\"",
                           (unsigned char)text[i], i, text);
    char *copy = malloc(bytes + 1);
    if (!copy) return sl_fail(SL_MEMORY, "out of memory reading a text");
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    *out = copy;
    *out_bytes = bytes;
    return SL_OK;
}
