#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

#include <stdlib.h>

typedef struct member {
    int64_t group, row;
} member;

static int by_group(const void *a, const void *b) {
    const member *x = a, *y = b;
    if (x->group != y->group) return x->group > y->group ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static void deal(const member *members, int64_t count, const int64_t *first, uint32_t groups,
                 const uint32_t *order, sl_rows *a, sl_rows *b) {
    a->count = b->count = 0;
    for (uint32_t g = 0; g < groups; g++) {
        int64_t start = first[order[g]], end = order[g] + 1 < groups ? first[order[g] + 1] : count;
        sl_rows *side = a->count <= b->count ? a : b;
        for (int64_t i = start; i < end; i++) side->row[side->count++] = members[i].row;
    }
}

sl_status sl_halves_draw(const sl_rows *rows, const int64_t *group, sl_random *random, sl_rows *a,
                         sl_rows *b) {
    size_t n = (size_t)rows->count;
    member *members = NULL;
    int64_t *first = NULL;
    uint32_t *order = NULL, groups = 0;
    sl_status status;
    SL_GUARD(status, sl_alloc(&members, n + 1, sizeof *members), done);
    SL_GUARD(status, sl_alloc(&first, n + 1, sizeof *first), done);
    SL_GUARD(status, sl_alloc(&order, n + 1, sizeof *order), done);
    for (size_t i = 0; i < n; i++) members[i] = (member){group[i], rows->row[i]};
    qsort(members, n, sizeof *members, by_group);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || members[i].group != members[i - 1].group) first[groups++] = (int64_t)i;
    sl_random_permutation(random, order, groups);
    deal(members, rows->count, first, groups, order, a, b);
done:
    sl_free(members);
    sl_free(first);
    sl_free(order);
    return status;
}
