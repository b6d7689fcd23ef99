/* Option tables written for people. */
#include "loop/option/option.h"

#include <string.h>

enum { HELP_COLUMN = 30, HELP_WIDTH = 100 };

static const char *value_name(const sl_option *option) {
    if (option->unit) return option->unit;
    switch (option->type) {
    case SL_OPTION_IS_INT:
        return "N";
    case SL_OPTION_IS_REAL:
        return "X";
    case SL_OPTION_IS_PATH:
        return "PATH";
    default:
        return "TEXT";
    }
}

/* "low to high", "at least low", "" */
static void range_text(const sl_option *option, char out[96]) {
    bool number = option->type == SL_OPTION_IS_INT || option->type == SL_OPTION_IS_REAL;
    out[0] = '\0';
    if (!number || (option->low == 0 && option->high == 0)) return;
    if (option->high >= 1e15) {
        snprintf(out, 96, "at least %.10g", option->low);
    } else {
        snprintf(out, 96, "%.10g to %.10g", option->low, option->high);
    }
}

/* Adds `words`, broken at HELP_WIDTH and where they hold a line's end, each further line starting at
 * HELP_COLUMN. */
static void add_wrapped(sl_text *out, const char *words) {
    size_t column = HELP_COLUMN;
    while (*words) {
        size_t length = strcspn(words, " \n");
        bool ended = words[0] == '\n';
        if (ended) words += 1 + strspn(words + 1, " "), length = strcspn(words, " \n");
        if (ended || column + length >= HELP_WIDTH) {
            sl_text_printf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            sl_text_add(out, " ");
        }
        sl_text_add_bytes(out, words, length);
        column += length + 1;
        words += length;
        words += strspn(words, " ");
    }
}

/* "help text (choices; range; default x)" */
static void describe(const sl_option *option, sl_text *out) {
    char range[96];
    range_text(option, range);
    sl_text_add(out, option->help);
    const char *separator = " (";
    if (option->type == SL_OPTION_IS_CHOICE) {
        sl_text_add(out, separator);
        for (const char *at = option->choices; *at;) {
            size_t length = strcspn(at, "|");
            sl_text_add_bytes(out, at, length);
            at += length;
            if (*at == '|') sl_text_add(out, *++at ? ", " : "");
        }
        separator = "; ";
    }
    if (range[0]) {
        sl_text_printf(out, "%s%s", separator, range);
        separator = "; ";
    }
    if (option->fallback) {
        sl_text_printf(out, "%sdefault %s", separator, option->fallback[0] ? option->fallback : "empty");
        separator = "; ";
    }
    if (separator[0] == ';') sl_text_add(out, ")");
}

static void heading(const sl_option *option, sl_text *out) {
    if (option->short_name) sl_text_printf(out, "-%c, ", option->short_name);
    sl_text_printf(out, "--%s", option->name);
    if (option->type == SL_OPTION_IS_CHOICE) sl_text_add(out, " NAME");
    if (option->type != SL_OPTION_IS_FLAG && option->type != SL_OPTION_IS_CHOICE)
        sl_text_printf(out, " %s", value_name(option));
    if (option->type == SL_OPTION_IS_LIST) sl_text_add(out, " ...");
}

static bool is_hidden(const sl_option *option, const sl_option *before) {
    return before && sl_option_find(before, option->name);
}

void sl_options_help(const sl_option *table, const sl_option *before, sl_text *out) {
    for (; table && table->name; table++) {
        if (is_hidden(table, before)) continue;
        sl_text head = SL_TEXT_INIT, body = SL_TEXT_INIT;
        heading(table, &head);
        describe(table, &body);
        size_t indent = table->short_name ? 2 : 6;
        sl_text_printf(out, "%*s%s", (int)indent, "", sl_text_get(&head));
        size_t used = indent + head.length;
        if (used + 2 > HELP_COLUMN) {
            sl_text_printf(out, "\n%*s", HELP_COLUMN, "");
        } else {
            sl_text_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
        }
        add_wrapped(out, sl_text_get(&body));
        sl_text_add(out, "\n");
        sl_text_free(&head);
        sl_text_free(&body);
    }
}

static void add_roff(sl_text *out, const char *plain) {
    for (; *plain; plain++) {
        if (*plain == '-' || *plain == '\\') sl_text_add(out, "\\");
        sl_text_add_bytes(out, plain, 1);
    }
}

void sl_options_man(const sl_option *table, const sl_option *before, sl_text *out) {
    for (; table && table->name; table++) {
        if (is_hidden(table, before)) continue;
        sl_text head = SL_TEXT_INIT, body = SL_TEXT_INIT;
        heading(table, &head);
        describe(table, &body);
        sl_text_add(out, ".TP\n.B ");
        add_roff(out, sl_text_get(&head));
        sl_text_add(out, "\n");
        add_roff(out, sl_text_get(&body));
        sl_text_add(out, "\n");
        sl_text_free(&head);
        sl_text_free(&body);
    }
}
