/* Makes src/model/core/unicode.def anew, from utf8proc: what the tokenizer asks of Unicode, for a build
 * without that library.     build/tools/unicode-tables >src/model/core/unicode.def */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/unicode.h"

#include <utf8proc.h>

enum { LINE_COLUMNS = 110, END = 0x110000, PARTS = 4, HANGUL_FIRST = 0xac00, HANGUL_LAST = 0xd7a3 };

/* Entries fill lines; NULL ends one. */
static void print_entry(const char *entry) {
    static size_t column;
    if (!entry || column + 1 + strlen(entry) > LINE_COLUMNS) {
        if (column) putchar('\n');
        column = 0;
    }
    if (!entry) return;
    column += (size_t)printf("%s%s", column ? " " : "", entry);
}

static void begin_table(const char *macro, const char *about) {
    printf("#ifdef %s /* %s */\n", macro, about);
}

static void end_table(void) {
    print_entry(NULL);
    puts("#endif");
}

/* A number for each character. */
typedef int32_t (*property)(int32_t c);

static bool is_surrogate(int32_t c) {
    return c >= 0xd800 && c <= 0xdfff;
}

static int32_t kind(int32_t c) {
    return (int32_t)sl_unicode_kind_of(c);
}

static int32_t combining_class(int32_t c) {
    return utf8proc_get_property(c)->combining_class;
}

/* Runs of equal numbers, but of `unused`, as MACRO(first, last, number). */
static void print_ranges(const char *macro, property of, int32_t unused) {
    for (int32_t first = 0, last; first < END; first = last + 1) {
        int32_t number = of(first);
        for (last = first; last + 1 < END && of(last + 1) == number; last++) {
        }
        char entry[80];
        snprintf(entry, sizeof entry, "%s(0x%x, 0x%x, %d)", macro, (unsigned)first, (unsigned)last, number);
        if (number != unused) print_entry(entry);
    }
}

/* Runs at a step of 1 or 2 with one distance from capital to small. */
static void print_lower(void) {
    for (int32_t c = 0; c < END; c++) {
        int32_t distance = sl_unicode_lower(c) - c, last = c, step = 0;
        if (!distance) continue;
        for (int32_t by = 1; by <= 2 && !step; by++)
            if (sl_unicode_lower(c + by) - c - by == distance) step = by;
        while (step && last + step < END && sl_unicode_lower(last + step) - last - step == distance &&
               (step == 1 || sl_unicode_lower(last + 1) == last + 1))
            last += step;
        char entry[80];
        snprintf(entry, sizeof entry, "SL_LOWER(0x%x, 0x%x, %d, %d)", (unsigned)c, (unsigned)last,
                 step ? step : 1, distance);
        print_entry(entry);
        c = last; /* at a step of 2, what lies between has no small form */
    }
}

/* Canonical decomposition to its end; returns how many characters. */
static int decompose(int32_t c, int32_t out[PARTS]) {
    int ignored = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(c, out, PARTS, UTF8PROC_DECOMPOSE, &ignored);
    if (count < 1 || count > PARTS) exit(1);
    return (int)count;
}

/* The one character that `part` composes to, 0 where there is none. */
static int32_t composed(const int32_t *part, int count) {
    int32_t copy[PARTS];
    memcpy(copy, part, (size_t)count * sizeof *part);
    return utf8proc_normalize_utf32(copy, count, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 ? copy[0] : 0;
}

/* SL_PARTS(c, composes, parts ...): all that is not its own decomposition. Where it composes again, it
 * is made of the character that all parts but the last compose to, and the last. */
static void print_parts(void) {
    for (int32_t c = 0; c < END; c++) {
        int32_t part[PARTS] = {0};
        if (is_surrogate(c) || (c >= HANGUL_FIRST && c <= HANGUL_LAST)) continue;
        int count = decompose(c, part);
        if (count == 1 && part[0] == c) continue;
        int32_t first = count > 1 && composed(part, count) == c ? composed(part, count - 1) : 0;
        char entry[80];
        int length = snprintf(entry, sizeof entry, "SL_PARTS(0x%x, 0x%x", (unsigned)c, (unsigned)first);
        for (int i = 0; i < count; i++)
            length += snprintf(entry + length, sizeof entry - (size_t)length, ", 0x%x", (unsigned)part[i]);
        snprintf(entry + length, sizeof entry - (size_t)length, ")");
        print_entry(entry);
    }
}

int main(void) {
    printf("/* Made by tools/unicode_tables.c from utf8proc %s, Unicode %s (unicode.org/ucd). Each macro's "
           "entries\n"
           " * rise by their first number. */\n",
           utf8proc_version(), utf8proc_unicode_version());
    begin_table("SL_KIND", "first, last, sl_unicode_kind");
    print_ranges("SL_KIND", kind, SL_UNICODE_OTHER);
    end_table();
    begin_table("SL_LOWER", "first, last, step, distance");
    print_lower();
    end_table();
    begin_table("SL_CLASS", "first, last, canonical combining class");
    print_ranges("SL_CLASS", combining_class, 0);
    end_table();
    begin_table("SL_PARTS", "c, the character that composes with the last part to c or 0, parts");
    print_parts();
    end_table();
    return 0;
}
