/* Items in order of the groups that they belong to. */
#ifndef SL_BASE_GROUPS_H
#define SL_BASE_GROUPS_H

#include "base/status.h"

#include <stdint.h>

/* Groups in rising order, group g with item[first[g]] to item[first[g + 1] - 1], rising too. */
typedef struct sl_groups {
    int64_t *item, *first, count;
} sl_groups;

/* Of items 0 to n-1 whose group is group[item]; NULL: each is one of its own. SL_MEMORY; `out` can be freed
 * whatever comes back. */
sl_status sl_groups_collect(const int64_t *group, int64_t n, sl_groups *out);
void sl_groups_free(sl_groups *groups);

#endif
