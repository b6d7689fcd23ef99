/* Configurations by table: one row a key of config.json.
 *
 * A model's configuration is a plain struct. Its table says, for each key, where the value lives, what it may
 * be, and what an absent (or null) key means; keys whose every value but one would change the model are rows
 * too, with that value. Reading, checking, writing and `model show` all walk the table. A key that no row
 * names is ignored with a warning, unless it starts with '_'. */
#ifndef SL_MODEL_CONFIG_H
#define SL_MODEL_CONFIG_H

#include "base/json.h"
#include "base/text.h"

#include <stddef.h>

enum { SL_CONFIG_LIST_MAX = 16 };

typedef struct sl_config_list {
    int count; /* 0: key absent or null */
    int64_t value[SL_CONFIG_LIST_MAX];
} sl_config_list;

typedef struct sl_config_reals {
    int count;
    double value[64];
} sl_config_reals;

typedef enum sl_config_kind {
    SL_CONFIG_INT,     /* int64_t in low..high */
    SL_CONFIG_REAL,    /* double */
    SL_CONFIG_BOOL,    /* bool */
    SL_CONFIG_CHOICE,  /* int64_t: index into choices */
    SL_CONFIG_INTS,    /* sl_config_list: a list, or one number standing for a list of one */
    SL_CONFIG_CHOICES, /* sl_config_list of indices into choices */
    SL_CONFIG_REALS,   /* sl_config_reals; null: empty */
    SL_CONFIG_FIXED,   /* no storage: the only value supported, as JSON text in `fallback` */
    SL_CONFIG_UNUSED,  /* no storage: any value; `fallback` is written, nothing where it is NULL */
} sl_config_kind;

typedef struct sl_config_field {
    const char *key;
    sl_config_kind kind;
    size_t offset;
    const char *fallback;       /* JSON text for an absent or null key; NULL: the key must be there */
    int64_t low, high;          /* INT and INTS */
    const char *const *choices; /* CHOICE(S): names, ended by NULL */
} sl_config_field;

/* Rows of a table for the struct `type`. */
#define SL_CONFIG_FIELD(type, kind_, key_, member, fallback_, low_, high_)                                   \
    {                                                                                                        \
        .key = key_, .kind = SL_CONFIG_##kind_, .offset = offsetof(type, member), .fallback = fallback_,     \
        .low = low_, .high = high_                                                                           \
    }
#define SL_CONFIG_CHOICE_FIELD(type, kind_, key_, member, fallback_, choices_)                               \
    {                                                                                                        \
        .key = key_, .kind = SL_CONFIG_##kind_, .offset = offsetof(type, member), .fallback = fallback_,     \
        .choices = choices_                                                                                  \
    }
#define SL_CONFIG_CONSTANT(kind_, key_, fallback_)                                                           \
    { .key = key_, .kind = SL_CONFIG_##kind_, .fallback = fallback_ }

typedef struct sl_config_table {
    const sl_config_field *fields;
    int count;
} sl_config_table;

/* Fill *config (of the struct that the table describes). SL_NOT_FOUND for a missing key, SL_FORMAT for a
 * wrong type or range, SL_UNSUPPORTED for a value that we know but do not build. */
sl_status sl_config_read(const sl_config_table *table, const json_t *json, void *config);

/* All keys of the table with the values of *config, as a new object. */
sl_status sl_config_write(const sl_config_table *table, const void *config, json_t **out);

/* Values of an array or a scalar repeated `count` times: the list itself when it has `count` entries, one
 * entry repeated. SL_FORMAT otherwise, naming the key. */
sl_status sl_config_spread(const char *key, sl_config_list *list, int count);

#endif
