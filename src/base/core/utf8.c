#include "base/core/utf8.h"

static size_t length_by_first(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if (first >= 0xe0 && first <= 0xef) return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* The Unicode standard, table 3-7: well-formed UTF-8 byte sequences. */
size_t sl_utf8_read(const char *text, size_t bytes, int32_t *c) {
    const unsigned char *at = (const unsigned char *)text;
    size_t length = bytes ? length_by_first(at[0]) : 0;
    if (length == 0 || length > bytes) return 0;
    int32_t character = length == 1 ? at[0] : at[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        character = character << 6 | (at[i] & 0x3f);
    }
    bool longer_than_needed = (length == 3 && character < 0x800) || (length == 4 && character < 0x10000);
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    if (longer_than_needed || surrogate || character > 0x10ffff) return 0;
    if (c) *c = character;
    return length;
}

bool sl_utf8_check(const char *text, size_t bytes) {
    for (size_t at = 0, step; at < bytes; at += step)
        if ((step = sl_utf8_read(text + at, bytes - at, NULL)) == 0) return false;
    return true;
}

size_t sl_utf8_write(int32_t c, char out[4]) {
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t count = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = count; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[count] | c);
    return count;
}
