/* Names of the enumerations, from the lists of record.h. */
#include "store/record.h"

#include <stdio.h>
#include <string.h>

#define VALUE(constant, name) name,
static const char *const origins[] = {SL_ORIGINS(VALUE)};
static const char *const splits[] = {SL_SPLITS(VALUE)};
static const char *const labels[] = {SL_LABELS(VALUE)};
static const char *const queues[] = {SL_QUEUES(VALUE)};
static const char *const run_states[] = {SL_RUN_STATES(VALUE)};
static const char *const reasons[] = {SL_REASONS(VALUE)};
#undef VALUE

static sl_status find(const char *what, const char *name, const char *const names[], int count, int *out) {
    for (int i = 0; name && i < count; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = i;
        return SL_OK;
    }
    char known[160] = "";
    for (int i = 0; i < count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
    }
    return sl_fail(SL_INVALID, "unknown %s '%s', expected one of %s", what, name ? name : "", known);
}

#define NAME(noun, names, count)                                                                             \
    const char *sl_##noun##_name(sl_##noun value) {                                                          \
        return (unsigned)value < count ? names[value] : "unknown";                                           \
    }
#define PARSE(noun, names, count)                                                                            \
    sl_status sl_##noun##_parse(const char *name, sl_##noun *out) {                                          \
        int index;                                                                                           \
        SL_TRY(find(#noun, name, names, count, &index));                                                     \
        *out = (sl_##noun)index;                                                                             \
        return SL_OK;                                                                                        \
    }

NAME(origin, origins, SL_ORIGIN_COUNT)
NAME(split, splits, SL_SPLIT_COUNT)
NAME(label, labels, SL_LABEL_COUNT)
NAME(queue, queues, SL_QUEUE_COUNT)
NAME(run_state, run_states, SL_RUN_STATE_COUNT)
NAME(reason, reasons, SL_REASON_COUNT)
PARSE(origin, origins, SL_ORIGIN_COUNT)
PARSE(split, splits, SL_SPLIT_COUNT)
PARSE(label, labels, SL_LABEL_COUNT)
PARSE(queue, queues, SL_QUEUE_COUNT)
PARSE(run_state, run_states, SL_RUN_STATE_COUNT)
