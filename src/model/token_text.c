#include "model/token_text.h"

#include "model/unicode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void add_character(sl_text *out, int32_t c) {
    char bytes[4];
    size_t count = sl_unicode_write(c, bytes);
    sl_text_add_bytes(out, bytes, count);
}

sl_status sl_token_text_normalise(const char *text, size_t bytes, sl_text *out) {
    char *composed;
    size_t length;
    SL_TRY(sl_unicode_compose(text, bytes, &composed, &length));
    bool blank = false;
    for (size_t at = 0; at < length;) {
        int32_t c;
        at += sl_unicode_read(composed + at, length - at, &c);
        if (sl_unicode_kind_of(c) == SL_UNICODE_SPACE) {
            if (!blank) sl_text_add(out, " ");
            blank = true;
            continue;
        }
        blank = false;
        add_character(out, sl_unicode_lower(c));
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

static size_t character(const char *text, size_t bytes, sl_unicode_kind *out) {
    int32_t c;
    size_t length = sl_unicode_read(text, bytes, &c);
    *out = length ? sl_unicode_kind_of(c) : SL_UNICODE_OTHER;
    return length ? length : 1;
}

sl_status sl_token_text_words(const char *text, sl_token_word_visit visit, void *context) {
    size_t total = strlen(text);
    for (size_t at = 0; at < total;) {
        sl_unicode_kind first, next;
        size_t end = at + character(text + at, total - at, &first);
        size_t short_form = contraction(text + at);
        if (short_form) {
            end = at + short_form;
        } else if (first == SL_UNICODE_LETTER || first == SL_UNICODE_OTHER) {
            for (size_t step; end < total; end += step) {
                step = character(text + end, total - end, &next);
                if (next != first) break;
            }
        }
        if (first != SL_UNICODE_SPACE) SL_TRY(visit(context, text + at, end - at));
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
            sl_unicode_write(b, out->text[b]);
            out->order[count++] = (uint8_t)b;
        }
    }
    for (int b = 0, c = 256; b < 256; b++) {
        if (out->text[b][0]) continue;
        sl_unicode_write(c++, out->text[b]);
        out->order[count++] = (uint8_t)b;
    }
}
