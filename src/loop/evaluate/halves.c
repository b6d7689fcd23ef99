#include "base/numeric/groups.h"
#include "base/memory.h"
#include "loop/evaluate/set_metrics.h"

static void deal(const sl_rows *rows, const sl_groups *groups, const uint32_t *order, sl_rows *a,
                 sl_rows *b) {
    a->count = b->count = 0;
    for (int64_t g = 0; g < groups->count; g++) {
        sl_rows *side = a->count <= b->count ? a : b;
        for (int64_t i = groups->first[order[g]]; i < groups->first[order[g] + 1]; i++)
            side->row[side->count++] = rows->row[groups->item[i]];
    }
}

sl_status sl_halves_draw(const sl_rows *rows, const int64_t *group, sl_random *random, sl_rows *a,
                         sl_rows *b) {
    sl_groups groups;
    uint32_t *order = NULL;
    sl_status status;
    SL_GUARD(status, sl_groups_collect(group, rows->count, &groups), done);
    SL_GUARD(status, sl_alloc(&order, (size_t)groups.count + 1, sizeof *order), done);
    sl_random_permutation(random, order, (uint32_t)groups.count);
    deal(rows, &groups, order, a, b);
done:
    sl_groups_free(&groups);
    sl_free(order);
    return status;
}
