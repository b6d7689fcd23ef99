#include "model/token_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef enum kind { SPACE, LETTER, DIGIT, OTHER } kind;

static kind kind_of(utf8proc_int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return DIGIT;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return SPACE;
    default:
        return (c >= 0x09 && c <= 0x0d) || c == 0x85 ? SPACE : OTHER;
    }
}

static void add_character(sl_text *out, utf8proc_int32_t c) {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t count = utf8proc_encode_char(c, bytes);
    sl_text_add_bytes(out, bytes, (size_t)count);
}

sl_status sl_token_text_normalise(const char *text, size_t bytes, sl_text *out) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &composed,
                                           UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length == UTF8PROC_ERROR_NOMEM) return sl_fail(SL_MEMORY, "out of memory reading a text");
    if (length < 0) return sl_fail(SL_FORMAT, "the text is not valid UTF-8: \"%.100s\"", text);
    bool blank = false;
    for (utf8proc_ssize_t at = 0; at < length;) {
        utf8proc_int32_t c;
        at += utf8proc_iterate(composed + at, length - at, &c);
        if (kind_of(c) == SPACE) {
            if (!blank) sl_text_add(out, " ");
            blank = true;
            continue;
        }
        blank = false;
        add_character(out, utf8proc_tolower(c));
        if (c == 0x130)
            add_character(out, 0x307); /* the only lower case of two characters: i and a dot above */
    }
    free(composed);
    return sl_text_status(out);
}

/* Bytes of a contraction at the start of `text`, or 0. */
static size_t contraction(const char *text) {
    static const char *const forms[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strncmp(text, forms[i], strlen(forms[i])) == 0) return strlen(forms[i]);
    return 0;
}

static size_t character(const char *text, size_t bytes, kind *out) {
    utf8proc_int32_t c;
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &c);
    *out = length > 0 ? kind_of(c) : OTHER;
    return length > 0 ? (size_t)length : 1;
}

sl_status sl_token_text_words(const char *text, sl_token_word_visit visit, void *context) {
    size_t total = strlen(text);
    for (size_t at = 0; at < total;) {
        kind first, next;
        size_t end = at + character(text + at, total - at, &first);
        size_t short_form = contraction(text + at);
        if (short_form) {
            end = at + short_form;
        } else if (first == LETTER || first == OTHER) {
            for (size_t step; end < total; end += step) {
                step = character(text + end, total - end, &next);
                if (next != first) break;
            }
        }
        if (first != SPACE) SL_TRY(visit(context, text + at, end - at));
        at = end;
    }
    return SL_OK;
}

void sl_byte_characters_fill(sl_byte_characters *out) {
    static const struct { int first, last; } printable[] = {{33, 126}, {161, 172}, {174, 255}};
    *out = (sl_byte_characters){0};
    int count = 0;
    for (size_t r = 0; r < sizeof printable / sizeof printable[0]; r++) {
        for (int b = printable[r].first; b <= printable[r].last; b++) {
            utf8proc_encode_char(b, (utf8proc_uint8_t *)out->text[b]);
            out->order[count++] = (uint8_t)b;
        }
    }
    for (int b = 0, c = 256; b < 256; b++) {
        if (out->text[b][0]) continue;
        utf8proc_encode_char(c++, (utf8proc_uint8_t *)out->text[b]);
        out->order[count++] = (uint8_t)b;
    }
}
