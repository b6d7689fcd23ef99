/* Token ids of the folder's own vocabulary. */
#include "loop/golden/family.h"

#include "model/tokenizer.h"

#include <stdio.h>

enum { LENGTH_LIMIT = 4096 };

static sl_status one_text(sl_golden *g, const sl_tokenizer *tokenizer, const char *text, const json_t *ids,
                          const char *path) {
    int32_t found[LENGTH_LIMIT];
    size_t length = json_array_size(ids);
    if (length < 2 || length > LENGTH_LIMIT) return sl_fail(SL_FORMAT, "%s has %zu ids", path, length);
    SL_TRY(sl_tokenizer_encode(tokenizer, text, (int)length, found, NULL));
    double different = 0, none = 0;
    for (size_t i = 0; i < length; i++) different += found[i] != json_integer_value(json_array_get(ids, i));
    json_t *expected = json_real(none);
    sl_status status = sl_golden_numbers(g, path, expected, &different, 1);
    json_decref(expected);
    return status;
}

sl_status sl_golden_tokenizer(sl_golden *g) {
    json_t *cases = sl_golden_case(g, "tokenizer", NULL), *texts, *ids;
    sl_tokenizer *tokenizer;
    SL_TRY(sl_json_array(cases, "texts", &texts));
    SL_TRY(sl_json_array(cases, "ids", &ids));
    SL_TRY(sl_tokenizer_open(sl_golden_path(g, "pipe/tokenizer"), &tokenizer));
    sl_tokenizer_facts facts = sl_tokenizer_describe(tokenizer);
    const char *const keys[] = {"bos", "eos", "pad"};
    const double found[] = {facts.begin, facts.end, facts.pad};
    sl_golden_begin(g, "special tokens");
    sl_status status = SL_OK;
    for (int i = 0; i < 3 && !status; i++)
        status = sl_golden_numbers(g, sl_arena_printf(g->arena, "/tokenizer/%s", keys[i]),
                                   json_object_get(cases, keys[i]), &found[i], 1);
    sl_golden_end(g, status);
    size_t index;
    json_t *text;
    json_array_foreach(texts, index, text) {
        const char *name = sl_arena_printf(g->arena, "text %zu", index);
        sl_golden_begin(g, name);
        sl_golden_end(g, one_text(g, tokenizer, json_string_value(text), json_array_get(ids, index),
                                  sl_arena_printf(g->arena, "/tokenizer/ids/%zu", index)));
    }
    sl_tokenizer_close(tokenizer);
    return SL_OK;
}
