/* All images of a filter, a page at a time: the one way to see more of them than a list may hold. */
#include "store/store.h"

/* *first and filter->after go on behind the page; *out_count 0: there is none any more. */
static sl_status visit_page(sl_store *store, sl_image_filter *filter, int64_t *first, int64_t total,
                            sl_image_visit visit, void *context, int *out_count) {
    sl_arena *arena;
    sl_image_record *records;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = sl_store_images(store, filter, arena, &records, out_count);
    if (!status && *out_count > total - *first) *out_count = (int)(total - *first);
    if (!status && *out_count) {
        const sl_image_page page = {records, *out_count, *first, total, arena};
        filter->after = records[*out_count - 1].id;
        *first += *out_count;
        status = visit(context, &page);
    }
    sl_arena_free(arena);
    return status;
}

sl_status sl_store_image_pages(sl_store *store, const sl_image_filter *filter, sl_image_visit visit,
                               void *context) {
    sl_image_filter next = *filter;
    int64_t first = 0, total;
    int count = 1;
    next.after = 0;
    SL_TRY(sl_store_image_count(store, filter, &total));
    while (count && first < total) SL_TRY(visit_page(store, &next, &first, total, visit, context, &count));
    return SL_OK;
}
