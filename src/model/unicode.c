#include "model/unicode.h"

#include <utf8proc.h>

sl_unicode_kind sl_unicode_kind_of(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return SL_UNICODE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return SL_UNICODE_DIGIT;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return SL_UNICODE_SPACE;
    default:
        return (c >= 0x09 && c <= 0x0d) || c == 0x85 ? SL_UNICODE_SPACE : SL_UNICODE_OTHER;
    }
}

int32_t sl_unicode_lower(int32_t c) {
    return utf8proc_tolower(c);
}

size_t sl_unicode_read(const char *text, size_t bytes, int32_t *c) {
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, c);
    return length > 0 ? (size_t)length : 0;
}

size_t sl_unicode_write(int32_t c, char out[4]) {
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out);
}

sl_status sl_unicode_compose(const char *text, size_t bytes, char **out, size_t *out_bytes) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &composed,
                                           UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length == UTF8PROC_ERROR_NOMEM) return sl_fail(SL_MEMORY, "out of memory reading a text");
    if (length < 0) return sl_fail(SL_FORMAT, "the text is not valid UTF-8: \"%.100s\"", text);
    *out = (char *)composed;
    *out_bytes = (size_t)length;
    return SL_OK;
}
