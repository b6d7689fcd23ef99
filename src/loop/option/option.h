/* Options of a use-case: one table, from which the command line, the configuration file, help, completion,
 * the man page and the recorded settings all come.
 *
 * A use-case declares a plain struct of settings and a table that ends with {0}:
 *
 *     typedef struct sl_generate_settings { int64_t steps; double guidance; const char *negative; } ...;
 *     static const sl_option options[] = {
 *         SL_OPTION_INT(sl_generate_settings, steps, "steps", 0, "30", 1, 1000, "steps", "denoising steps"),
 *         ...
 *         {0}};
 *
 * Values come, later over earlier, from: the table's default, the preset, the --config file, the command
 * line. Texts live in the arena that read them. */
#ifndef SL_LOOP_OPTION_H
#define SL_LOOP_OPTION_H

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sl_list {
    const char **item;
    int count;
} sl_list;

typedef enum sl_option_type {
    SL_OPTION_IS_FLAG,   /* bool; --name, --no-name */
    SL_OPTION_IS_INT,    /* int64_t */
    SL_OPTION_IS_REAL,   /* double */
    SL_OPTION_IS_TEXT,   /* const char *, NULL when unset */
    SL_OPTION_IS_PATH,   /* the same; completes file names */
    SL_OPTION_IS_CHOICE, /* int, index into `choices` */
    SL_OPTION_IS_LIST,   /* sl_list; may be given several times */
} sl_option_type;

typedef struct sl_option {
    const char *name; /* long name without dashes; also the key in YAML and in recorded settings */
    char short_name;  /* 0: none */
    sl_option_type type;
    size_t offset;        /* of the field in the settings */
    const char *fallback; /* the default, written as on the command line; NULL: 0, false, unset or empty */
    double low, high;     /* inclusive range of a number; both 0: any */
    const char *unit;     /* what the value is ("px", "FILE"); shown in the help */
    const char *choices;  /* "ddim|pndm|euler" */
    const char *help;
} sl_option;

/* Offset of a field, with a compile error where its C type is another one than the option's. */
#define SL_OPTION_OFFSET(settings, field, ctype)                                                             \
    (offsetof(settings, field) + 0 * sizeof((ctype *)0 == &((settings *)0)->field))

#define SL_OPTION_FLAG(settings, field, name, letter, help)                                                  \
    { name, letter, SL_OPTION_IS_FLAG, SL_OPTION_OFFSET(settings, field, bool), NULL, 0, 0, NULL, NULL, help }
#define SL_OPTION_INT(settings, field, name, letter, fallback, low, high, unit, help)                        \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_INT, SL_OPTION_OFFSET(settings, field, int64_t), fallback, low, high,     \
            unit, NULL, help                                                                                 \
    }
#define SL_OPTION_REAL(settings, field, name, letter, fallback, low, high, unit, help)                       \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_REAL, SL_OPTION_OFFSET(settings, field, double), fallback, low, high,     \
            unit, NULL, help                                                                                 \
    }
#define SL_OPTION_TEXT(settings, field, name, letter, fallback, unit, help)                                  \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_TEXT, SL_OPTION_OFFSET(settings, field, const char *), fallback, 0, 0,    \
            unit, NULL, help                                                                                 \
    }
#define SL_OPTION_PATH(settings, field, name, letter, fallback, unit, help)                                  \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_PATH, SL_OPTION_OFFSET(settings, field, const char *), fallback, 0, 0,    \
            unit, NULL, help                                                                                 \
    }
#define SL_OPTION_CHOICE(settings, field, name, letter, fallback, choices, help)                             \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_CHOICE, SL_OPTION_OFFSET(settings, field, int), fallback, 0, 0, NULL,     \
            choices, help                                                                                    \
    }
#define SL_OPTION_LIST(settings, field, name, letter, unit, help)                                            \
    {                                                                                                        \
        name, letter, SL_OPTION_IS_LIST, SL_OPTION_OFFSET(settings, field, sl_list), NULL, 0, 0, unit, NULL, \
            help                                                                                             \
    }

/* The table has an option "preset" (a choice): choosing `preset` gives option `name` the value instead of its
 * default. Ends with {0}. */
typedef struct sl_preset {
    const char *preset, *name, *value;
} sl_preset;

/* A value that was given, before it is applied. `where` names its source in messages ("--steps", "a.yaml:3").
 */
typedef struct sl_assignment {
    const sl_option *option;
    const char *value, *where;
} sl_assignment;

typedef struct sl_assignments {
    sl_arena *arena; /* set by the caller */
    sl_assignment *item;
    int count, capacity;
} sl_assignments;

/* Reads `count` words against the tables (searched in order; the array ends with NULL). Words that are no
 * options go to *arguments. With stop_at_argument it returns before the first of them. *out_used counts the
 * words read. SL_INVALID names the word, and the nearest known option where there is one. */
sl_status sl_options_read_words(const sl_option *const tables[], int count, char *const words[],
                                bool stop_at_argument, sl_assignments *out, sl_list *arguments,
                                int *out_used);

/* Reads a configuration file: keys are long names ("_" passes for "-"). Top-level values, and those in a
 * mapping with the command's name, are assigned; mappings with the name of another command (a NULL-terminated
 * list) are passed over, so that one file can serve several. SL_FORMAT / SL_INVALID name file and line. */
sl_status sl_options_read_yaml(const char *path, const sl_option *const tables[], const char *command,
                               const char *const commands[], sl_assignments *out);

/* Fills one table's settings: defaults, then the preset's, then the assignments in order; checks every value.
 */
sl_status sl_options_apply(const sl_option *table, const sl_preset *presets, const sl_assignments *given,
                           void *settings);

/* Defaults alone; for callers that then set fields by hand. */
sl_status sl_options_default(const sl_option *table, sl_arena *arena, void *settings);

/* The settings as a JSON object with every option of the table, to be recorded (new reference; NULL when out
 * of memory), and back: absent keys keep their default, unknown keys are SL_INVALID. */
json_t *sl_options_to_json(const sl_option *table, const void *settings);
sl_status sl_options_from_json(const sl_option *table, const json_t *object, sl_arena *arena, void *settings);

/* Adds the assignments of `more` behind those of `list`: they win. */
void sl_assignments_append(sl_assignments *list, const sl_assignments *more);

/* The last value given for an option; NULL where none was. */
const char *sl_options_given(const sl_assignments *given, const char *name);
const sl_option *sl_option_find(const sl_option *table, const char *name);

/* Writes the table for people (`--help`) and for man (roff), less what the table `before` (or NULL), which is
 * read first, has under the same name. */
void sl_options_help(const sl_option *table, const sl_option *before, sl_text *out);
void sl_options_man(const sl_option *table, const sl_option *before, sl_text *out);

/* The candidate nearest to a mistyped word, or NULL where none is near. `candidates` ends with NULL. */
const char *sl_suggest(const char *word, const char *const candidates[]);

#endif
