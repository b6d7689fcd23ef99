/* What the settings of a round leave open. */
#include "loop/round/round.h"

#include <string.h>

enum { PROMPTS_MAX = 64 };

static bool is_listed(const char *const *list, int count, const char *text) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0) return true;
    return false;
}

typedef struct caption_list {
    const char **item; /* [PROMPTS_MAX] */
    int count;
    sl_arena *arena;
} caption_list;

static sl_status add_captions(void *context, const sl_image_page *page) {
    caption_list *out = context;
    for (int i = 0; i < page->count && out->count < PROMPTS_MAX; i++) {
        const char *caption = page->record[i].caption;
        if (caption && !is_listed(out->item, out->count, caption))
            out->item[out->count++] = sl_arena_strdup(out->arena, caption);
    }
    return SL_OK;
}

/* The captions of the measured images that models may learn from, each once. */
static sl_status choose_prompts(const sl_round *round, sl_list *out) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    caption_list found = {SL_NEW(round->arena, const char *, PROMPTS_MAX), 0, round->arena};
    filter.origin = SL_ORIGIN_EXPERIMENTAL;
    filter.split = SL_SPLIT_TRAIN;
    SL_TRY(sl_store_image_pages(round->workspace->store, &filter, add_captions, &found));
    *out = (sl_list){found.item, found.count};
    return SL_OK;
}

/* The newest adapter of the workspace, or none. */
static sl_status choose_lora(const sl_round *round, const char **out) {
    sl_model_record *models;
    int count;
    SL_TRY(sl_store_models(round->workspace->store, "lora", round->arena, &models, &count));
    *out = count ? sl_workspace_path(round->workspace, round->arena, models[count - 1].path) : "none";
    return SL_OK;
}

sl_status sl_round_choose(const sl_round *round, sl_round_settings *settings) {
    if (settings->prompts.count == 0) SL_TRY(choose_prompts(round, &settings->prompts));
    if (!settings->lora || strcmp(settings->lora, "auto") != 0) return SL_OK;
    return choose_lora(round, &settings->lora);
}
