#include "base/numeric/groups.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct keyed {
    int64_t group, item;
} keyed;

static int by_group(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->group != y->group) return x->group > y->group ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

sl_status sl_groups_collect(const int64_t *group, int64_t n, sl_groups *out) {
    size_t room = (size_t)n + 1;
    keyed *order = NULL;
    sl_status status;
    *out = (sl_groups){0};
    SL_GUARD(status, sl_alloc(&order, room, sizeof *order), done);
    SL_GUARD(status, sl_alloc(&out->item, room, sizeof *out->item), done);
    SL_GUARD(status, sl_alloc(&out->first, room, sizeof *out->first), done);
    for (int64_t i = 0; i < n; i++) order[i] = (keyed){group ? group[i] : i, i};
    qsort(order, (size_t)n, sizeof *order, by_group);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || order[i].group != order[i - 1].group) out->first[out->count++] = i;
        out->item[i] = order[i].item;
    }
    out->first[out->count] = n;
done:
    sl_free(order);
    return status;
}

void sl_groups_free(sl_groups *groups) {
    sl_free(groups->item);
    sl_free(groups->first);
    *groups = (sl_groups){0};
}
