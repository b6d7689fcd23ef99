/* Options from the command line. */
#include "loop/option/option.h"

#include "loop/option/option_internal.h"

#include <ctype.h>
#include <string.h>

void sl_assignments_add(sl_assignments *list, const sl_option *option, const char *value, const char *where) {
    if (list->count == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 16;
        sl_assignment *grown = SL_NEW(list->arena, sl_assignment, capacity);
        if (list->count) memcpy(grown, list->item, (size_t)list->count * sizeof *grown);
        list->item = grown;
        list->capacity = capacity;
    }
    list->item[list->count++] = (sl_assignment){option, value, where};
}

void sl_assignments_append(sl_assignments *list, const sl_assignments *more) {
    for (int i = 0; i < more->count; i++)
        sl_assignments_add(list, more->item[i].option, more->item[i].value, more->item[i].where);
}

const sl_option *sl_options_search(const sl_option *const tables[], const char *name) {
    for (; *tables; tables++) {
        const sl_option *option = sl_option_find(*tables, name);
        if (option) return option;
    }
    return NULL;
}

static const sl_option *search_letter(const sl_option *const tables[], char letter) {
    for (; *tables; tables++)
        for (const sl_option *option = *tables; option->name; option++)
            if (option->short_name == letter) return option;
    return NULL;
}

/* Edit distance with transpositions of neighbours; words longer than 63 bytes count as far. */
static int distance(const char *a, const char *b) {
    enum { MAX = 64 };
    size_t rows = strlen(a), columns = strlen(b);
    if (rows >= MAX || columns >= MAX) return MAX;
    int cost[MAX][MAX];
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = (int)(i + j);
                continue;
            }
            int best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (cost[i - 1][j] + 1 < best) best = cost[i - 1][j] + 1;
            if (cost[i][j - 1] + 1 < best) best = cost[i][j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && cost[i - 2][j - 2] + 1 < best) best = cost[i - 2][j - 2] + 1;
            cost[i][j] = best;
        }
    }
    return cost[rows][columns];
}

const char *sl_suggest(const char *word, const char *const candidates[]) {
    const char *nearest = NULL;
    int limit = strlen(word) <= 3 ? 1 : strlen(word) <= 6 ? 2 : 3;
    for (; *candidates; candidates++) {
        int far = distance(word, *candidates);
        if (far > limit) continue;
        nearest = *candidates;
        limit = far - 1;
    }
    return nearest;
}

sl_status sl_options_unknown(const sl_option *const tables[], const char *name, const char *where) {
    const char *names[256];
    int count = 0;
    for (; *tables; tables++)
        for (const sl_option *option = *tables; option->name && count < 255; option++)
            names[count++] = option->name;
    names[count] = NULL;
    const char *near = sl_suggest(name, names);
    if (near)
        return sl_fail(SL_INVALID, "%s: unknown option; did you mean %s%s?", where,
                       strncmp(where, "--", 2) == 0 ? "--" : "", near);
    return sl_fail(SL_INVALID, "%s: unknown option", where);
}

typedef struct reader {
    const sl_option *const *tables;
    char *const *words;
    int count, at;
    sl_assignments *out;
} reader;

/* The word after the option; SL_INVALID at the end of the line. */
static sl_status take_value(reader *in, const sl_option *option, const char *where, const char **out) {
    if (in->at >= in->count)
        return sl_fail(SL_INVALID, "%s needs a value%s%s", where, option->unit ? ": " : "",
                       option->unit ? option->unit : "");
    *out = in->words[in->at++];
    return SL_OK;
}

static sl_status read_long(reader *in, const char *word) {
    sl_arena *arena = in->out->arena;
    size_t length = strcspn(word + 2, "=");
    const char *name = sl_arena_strndup(arena, word + 2, length);
    const char *value = word[2 + length] == '=' ? word + 3 + length : NULL;
    const char *where = sl_arena_printf(arena, "--%s", name);
    const sl_option *option = sl_options_search(in->tables, name);
    bool negated = !option && strncmp(name, "no-", 3) == 0;
    if (negated) option = sl_options_search(in->tables, name + 3);
    if (!option || (negated && option->type != SL_OPTION_IS_FLAG))
        return sl_options_unknown(in->tables, name, where);
    if (option->type == SL_OPTION_IS_FLAG) {
        if (negated && value) return sl_fail(SL_INVALID, "%s takes no value", where);
        if (!value) value = negated ? "false" : "true";
    } else if (!value) {
        SL_TRY(take_value(in, option, where, &value));
    }
    sl_assignments_add(in->out, option, value, where);
    return SL_OK;
}

/* "-v", "-qv", "-n5", "-n 5". */
static sl_status read_short(reader *in, const char *word) {
    for (const char *letter = word + 1; *letter; letter++) {
        const char *where = sl_arena_printf(in->out->arena, "-%c", *letter);
        const sl_option *option = search_letter(in->tables, *letter);
        if (!option) return sl_fail(SL_INVALID, "%s: unknown option", where);
        const char *value = "true";
        bool flag = option->type == SL_OPTION_IS_FLAG;
        if (!flag && letter[1]) value = letter + 1;
        if (!flag && !letter[1]) SL_TRY(take_value(in, option, where, &value));
        sl_assignments_add(in->out, option, value, where);
        if (!flag) break;
    }
    return SL_OK;
}

/* "-3" is a number unless some option has that letter; "-" alone stands for standard input. */
static bool is_argument(const reader *in, const char *word) {
    if (word[0] != '-' || word[1] == '\0') return true;
    return (isdigit((unsigned char)word[1]) || word[1] == '.') && !search_letter(in->tables, word[1]);
}

sl_status sl_options_read_words(const sl_option *const tables[], int count, char *const words[],
                                bool stop_at_argument, sl_assignments *out, sl_list *arguments,
                                int *out_used) {
    reader in = {tables, words, count, 0, out};
    const char **found = SL_NEW(out->arena, const char *, count + 1);
    int found_count = 0;
    bool only_arguments = false;
    while (in.at < count) {
        const char *word = words[in.at];
        bool argument = only_arguments || is_argument(&in, word);
        if (argument && stop_at_argument) break;
        in.at++;
        if (argument) {
            found[found_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_arguments = true;
        } else if (word[1] == '-') {
            SL_TRY(read_long(&in, word));
        } else {
            SL_TRY(read_short(&in, word));
        }
    }
    if (arguments) *arguments = (sl_list){found, found_count};
    if (out_used) *out_used = in.at;
    return SL_OK;
}
