#include "graph/plan_internal.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b, void *context) {
    const layout_block *blocks = context;
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    if (blocks[left].bytes != blocks[right].bytes) return blocks[left].bytes < blocks[right].bytes ? 1 : -1;
    return left < right ? -1 : 1; /* a total order: the same layout everywhere */
}

static bool meet(const layout_block *a, const layout_block *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* Lowest free offset for a block among those placed, which are sorted by offset. */
static size_t free_offset(const layout_block *blocks, const int32_t *placed, int32_t count,
                          const layout_block *block) {
    size_t offset = 0;
    for (int32_t i = 0; i < count; i++) {
        const layout_block *other = &blocks[placed[i]];
        if (!meet(block, other) || other->offset + other->bytes <= offset) continue;
        if (other->offset >= offset + block->bytes) break;
        offset = other->offset + other->bytes;
    }
    return offset;
}

size_t sl_layout_place(layout_block *blocks, int32_t count, int32_t *order) {
    size_t total = 0;
    for (int32_t i = 0; i < count; i++) {
        blocks[i].bytes = (blocks[i].bytes + SL_ALIGNMENT - 1) / SL_ALIGNMENT * SL_ALIGNMENT;
        order[i] = i;
    }
    qsort_r(order, (size_t)count, sizeof *order, by_size, blocks);
    /* order[0..i-1] turns into the placed blocks by offset while order[i..] is still by size */
    for (int32_t i = 0; i < count; i++) {
        int32_t current = order[i], at = i;
        layout_block *block = &blocks[current];
        block->offset = free_offset(blocks, order, i, block);
        for (; at > 0 && blocks[order[at - 1]].offset > block->offset; at--) order[at] = order[at - 1];
        order[at] = current;
        if (block->offset + block->bytes > total) total = block->offset + block->bytes;
    }
    return total;
}
