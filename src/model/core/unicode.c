/* Unicode by tables of our own (unicode.def), and normal form C by its definition: decompose, put combining
 * marks in order, compose (Unicode Standard Annex 15; Hangul by the standard's section 3.12). */
#include "model/unicode.h"

#include "base/core/utf8.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

typedef struct range {
    int32_t first, last, number;
} range;

#define SL_KIND(first, last, number) {first, last, number},
static const range kinds[] = {
#include "model/core/unicode.def"
};
#undef SL_KIND

#define SL_CLASS(first, last, number) {first, last, number},
static const range classes[] = {
#include "model/core/unicode.def"
};
#undef SL_CLASS

/* Every step-th character from first to last has a small form at a distance. */
#define SL_LOWER(first, last, step, distance) {{first, last, step}, distance},
static const struct lower {
    range range;
    int32_t distance;
} lowers[] = {
#include "model/core/unicode.def"
};
#undef SL_LOWER

enum { PARTS_MAX = 4 };

#define SL_PARTS(c, first, ...) {c, first, {__VA_ARGS__}},
static const struct parts {
    int32_t c, first, part[PARTS_MAX];
} parts[] = {
#include "model/core/unicode.def"
};
#undef SL_PARTS

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])

/* Rows begin with a range; NULL where none holds c. */
static const void *find(const void *table, size_t count, size_t row_bytes, int32_t c) {
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = (low + high) / 2;
        const range *row = (const range *)(const void *)((const char *)table + middle * row_bytes);
        if (c < row->first)
            high = middle;
        else if (c > row->last)
            low = middle + 1;
        else
            return row;
    }
    return NULL;
}

sl_unicode_kind sl_unicode_kind_of(int32_t c) {
    const range *row = find(kinds, COUNT_OF(kinds), sizeof *kinds, c);
    return row ? (sl_unicode_kind)row->number : SL_UNICODE_OTHER;
}

int32_t sl_unicode_lower(int32_t c) {
    const struct lower *row = find(lowers, COUNT_OF(lowers), sizeof *lowers, c);
    return row && (c - row->range.first) % row->range.number == 0 ? c + row->distance : c;
}

size_t sl_unicode_read(const char *text, size_t bytes, int32_t *c) {
    return sl_utf8_read(text, bytes, c);
}

size_t sl_unicode_write(int32_t c, char out[4]) {
    return sl_utf8_write(c, out);
}

static int32_t class_of(int32_t c) {
    const range *row = find(classes, COUNT_OF(classes), sizeof *classes, c);
    return row ? row->number : 0;
}

/* ---- Hangul syllables: a lead, a vowel and perhaps a tail ---- */

enum {
    SYLLABLE = 0xac00,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TAIL = 0x11a7, /* one before the first: no tail */
    LEADS = 19,
    VOWELS = 21,
    TAILS = 28
};

static int split_syllable(int32_t c, int32_t out[PARTS_MAX]) {
    int32_t index = c - SYLLABLE;
    out[0] = LEAD + index / (VOWELS * TAILS);
    out[1] = VOWEL + index % (VOWELS * TAILS) / TAILS;
    out[2] = TAIL + index % TAILS;
    return index % TAILS ? 3 : 2;
}

static int32_t join_syllable(int32_t a, int32_t b) {
    if (a >= LEAD && a < LEAD + LEADS && b >= VOWEL && b < VOWEL + VOWELS)
        return SYLLABLE + ((a - LEAD) * VOWELS + b - VOWEL) * TAILS;
    bool open = a >= SYLLABLE && a < SYLLABLE + LEADS * VOWELS * TAILS && (a - SYLLABLE) % TAILS == 0;
    return open && b > TAIL && b < TAIL + TAILS ? a + b - TAIL : 0;
}

/* ---- normal form C ---- */

static int split(int32_t c, int32_t out[PARTS_MAX]) {
    if (c >= SYLLABLE && c < SYLLABLE + LEADS * VOWELS * TAILS) return split_syllable(c, out);
    size_t low = 0, high = COUNT_OF(parts);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (parts[middle].c < c)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = c;
    if (low == COUNT_OF(parts) || parts[low].c != c) return 1;
    memcpy(out, parts[low].part, sizeof parts[low].part);
    int count = 1;
    while (count < PARTS_MAX && out[count]) count++;
    return count;
}

static int32_t last_part(const struct parts *row) {
    int count = 1;
    while (count < PARTS_MAX && row->part[count]) count++;
    return row->part[count - 1];
}

/* What two characters compose to, or 0. Few texts ask: the table is gone through. */
static int32_t join(int32_t a, int32_t b) {
    if (a < 0x80 && b < 0x80) return 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].first == a && last_part(&parts[i]) == b) return parts[i].c;
    return join_syllable(a, b);
}

/* Marks behind a character go by their class; equal ones stay as they are. */
static void order_marks(int32_t *c, size_t count) {
    for (size_t i = 1; i < count; i++) {
        int32_t mark = c[i], class = class_of(mark);
        size_t at = i;
        for (; class && at > 0 && class_of(c[at - 1]) > class; at--) c[at] = c[at - 1];
        c[at] = mark;
    }
}

/* Each mark goes into the last character of class 0 unless another stands between that blocks it. */
static size_t compose(int32_t *c, size_t count) {
    size_t kept = 0, starter = SIZE_MAX;
    int32_t before = 0; /* class of the one kept last */
    for (size_t i = 0; i < count; i++) {
        int32_t class = class_of(c[i]);
        bool next_to = starter != SIZE_MAX && starter + 1 == kept;
        bool free_path = starter != SIZE_MAX && (next_to || before < class);
        int32_t joined = free_path ? join(c[starter], c[i]) : 0;
        if (joined) {
            c[starter] = joined;
            continue;
        }
        if (!class) starter = kept;
        before = class;
        c[kept++] = c[i];
    }
    return kept;
}

static size_t decompose(const char *text, size_t bytes, int32_t *out) {
    size_t count = 0, step;
    for (size_t at = 0; at < bytes; at += step) {
        int32_t c;
        step = sl_utf8_read(text + at, bytes - at, &c);
        count += (size_t)split(c, out + count);
    }
    return count;
}

sl_status sl_unicode_compose(const char *text, size_t bytes, char **out, size_t *out_bytes) {
    int32_t *c;
    if (!sl_utf8_check(text, bytes))
        return sl_fail(SL_FORMAT, "the text is not valid UTF-8: \"%.100s\"", text);
    SL_TRY(sl_alloc(&c, PARTS_MAX * (bytes + 1), sizeof *c));
    size_t count = decompose(text, bytes, c);
    order_marks(c, count);
    count = compose(c, count);
    sl_text composed = SL_TEXT_INIT;
    sl_text_add(&composed, "");
    for (size_t i = 0; i < count; i++) {
        char character[4];
        sl_text_add_bytes(&composed, character, sl_utf8_write(c[i], character));
    }
    sl_free(c);
    if (composed.failed) return sl_text_status(&composed);
    *out = composed.data; /* from malloc */
    *out_bytes = composed.length;
    return SL_OK;
}
