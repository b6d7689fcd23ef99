#include "model/bpe_train.h"

#include "base/file.h"
#include "base/json.h"
#include "model/token_text.h"

#include <string.h>

enum { SIZE_LIMIT = 65536 };
#define BEGIN_TEXT "<|startoftext|>"
#define END_TEXT   "<|endoftext|>"

typedef struct word {
    int32_t *ids;
    size_t length;
    int64_t count; /* occurrences in the corpus */
} word;

typedef struct pair_count {
    int32_t left, right;
    int64_t count; /* 0: free slot */
} pair_count;

typedef struct trainer {
    sl_arena *arena;
    json_t *counts; /* normalised word -> occurrences */
    word *words;
    size_t word_count;
    char **tokens;      /* text of each id */
    json_t *vocabulary; /* and back */
    int32_t size;
    pair_count *pairs; /* open addressing */
    size_t slots;
    bool failed; /* out of memory */
} trainer;

static sl_status count_word(void *context, const char *text, size_t bytes) {
    trainer *t = context;
    json_int_t before = json_integer_value(json_object_getn(t->counts, text, bytes));
    if (json_object_setn_new(t->counts, text, bytes, json_integer(before + 1)) != 0)
        return sl_fail(SL_FORMAT, "cannot count the word \"%.*s\"", (int)(bytes < 100 ? bytes : 100), text);
    return SL_OK;
}

static sl_status count_words(trainer *t, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sl_text normal = SL_TEXT_INIT;
        sl_status status = sl_token_text_normalise(texts[i], strlen(texts[i]), &normal);
        if (!status) status = sl_token_text_words(sl_text_get(&normal), count_word, t);
        sl_text_free(&normal);
        if (status) return sl_context(status, "text %zu of the corpus", i);
    }
    return SL_OK;
}

static int32_t add_token(trainer *t, char *text) {
    t->tokens[t->size] = text;
    if (json_object_set_new(t->vocabulary, text, json_integer(t->size)) != 0) t->failed = true;
    return t->size++;
}

/* Ids 0..255 are single bytes, 256..511 bytes that end a word. */
static void start_vocabulary(trainer *t) {
    sl_byte_characters characters;
    sl_byte_characters_fill(&characters);
    int32_t id_of_byte[256];
    for (int i = 0; i < 256; i++) {
        uint8_t byte = characters.order[i];
        id_of_byte[byte] = add_token(t, sl_arena_strdup(t->arena, characters.text[byte]));
    }
    for (int i = 0; i < 256; i++)
        add_token(t, sl_arena_printf(t->arena, "%s</w>", characters.text[characters.order[i]]));
    const char *text;
    json_t *count;
    json_object_foreach(t->counts, text, count) {
        word *w = &t->words[t->word_count++];
        *w = (word){NULL, strlen(text), json_integer_value(count)};
        w->ids = SL_NEW(t->arena, int32_t, w->length);
        for (size_t i = 0; i < w->length; i++) w->ids[i] = id_of_byte[(uint8_t)text[i]];
        w->ids[w->length - 1] += 256;
    }
}

static void count_pair(trainer *t, int32_t left, int32_t right, int64_t count) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & (t->slots - 1);
    while (t->pairs[at].count && (t->pairs[at].left != left || t->pairs[at].right != right))
        at = (at + 1) & (t->slots - 1);
    t->pairs[at] = (pair_count){left, right, t->pairs[at].count + count};
}

static bool better(const pair_count *a, const pair_count *b) {
    if (a->count != b->count) return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static pair_count most_frequent(trainer *t) {
    memset(t->pairs, 0, t->slots * sizeof *t->pairs);
    for (size_t w = 0; w < t->word_count; w++)
        for (size_t i = 0; i + 1 < t->words[w].length; i++)
            count_pair(t, t->words[w].ids[i], t->words[w].ids[i + 1], t->words[w].count);
    pair_count best = {0, 0, 0};
    for (size_t i = 0; i < t->slots; i++)
        if (t->pairs[i].count && better(&t->pairs[i], &best)) best = t->pairs[i];
    return best;
}

static void merge_everywhere(trainer *t, const pair_count *pair, int32_t merged) {
    for (size_t w = 0; w < t->word_count; w++) {
        word *one = &t->words[w];
        size_t kept = 0;
        for (size_t i = 0; i < one->length; i++) {
            bool here = i + 1 < one->length && one->ids[i] == pair->left && one->ids[i + 1] == pair->right;
            one->ids[kept++] = here ? merged : one->ids[i];
            i += here;
        }
        one->length = kept;
    }
}

static void learn(trainer *t, int size, sl_text *merges) {
    sl_text_add(merges, "#version: 0.2\n");
    while (t->size < size - 2) {
        pair_count best = most_frequent(t);
        if (best.count < 2) break;
        sl_text_printf(merges, "%s %s\n", t->tokens[best.left], t->tokens[best.right]);
        char *text = sl_arena_printf(t->arena, "%s%s", t->tokens[best.left], t->tokens[best.right]);
        const json_t *known = json_object_get(t->vocabulary, text); /* "a" "bc" after "ab" "c" */
        merge_everywhere(t, &best, known ? (int32_t)json_integer_value(known) : add_token(t, text));
    }
    add_token(t, sl_arena_strdup(t->arena, BEGIN_TEXT));
    add_token(t, sl_arena_strdup(t->arena, END_TEXT));
}

static sl_status write_json(sl_arena *arena, const char *folder, const char *name, json_t *value) {
    if (!value) return sl_fail(SL_MEMORY, "out of memory writing '%s'", name);
    sl_status status = sl_json_write(sl_path_join(arena, folder, name), value);
    json_decref(value);
    return status;
}

static sl_status write_files(trainer *t, int positions, const char *folder, const sl_text *merges) {
    SL_TRY(sl_folder_make(folder));
    if (t->failed) return sl_fail(SL_MEMORY, "out of memory for the vocabulary");
    SL_TRY(sl_json_write(sl_path_join(t->arena, folder, "vocab.json"), t->vocabulary));
    SL_TRY(sl_file_write_atomic(sl_path_join(t->arena, folder, "merges.txt"), merges->data, merges->length));
    SL_TRY(write_json(t->arena, folder, "special_tokens_map.json",
                      json_pack("{s:s, s:s, s:s, s:s}", "bos_token", BEGIN_TEXT, "eos_token", END_TEXT,
                                "pad_token", END_TEXT, "unk_token", END_TEXT)));
    return write_json(t->arena, folder, "tokenizer_config.json",
                      json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:b}", "bos_token", BEGIN_TEXT, "eos_token",
                                END_TEXT, "pad_token", END_TEXT, "unk_token", END_TEXT, "model_max_length",
                                positions, "tokenizer_class", "CLIPTokenizer", "do_lower_case", 1));
}

static sl_status prepare(trainer *t, const char *const *texts, size_t count, int size) {
    SL_TRY(sl_arena_new(&t->arena));
    t->counts = json_object();
    t->vocabulary = json_object();
    SL_TRY(count_words(t, texts, count));
    SL_TRY(sl_alloc(&t->words, json_object_size(t->counts), sizeof *t->words));
    t->tokens = SL_NEW(t->arena, char *, size);
    start_vocabulary(t);
    size_t neighbours = 1;
    for (size_t w = 0; w < t->word_count; w++) neighbours += t->words[w].length;
    for (t->slots = 64; t->slots < 2 * neighbours;) t->slots *= 2;
    return sl_alloc(&t->pairs, t->slots, sizeof *t->pairs);
}

sl_status sl_bpe_train(const char *const *texts, size_t count, int size, int positions, const char *folder,
                       int *out_size) {
    if (size < SL_BPE_SMALLEST || size > SIZE_LIMIT)
        return sl_fail(SL_INVALID, "a vocabulary of %d entries, expected %d to %d", size, SL_BPE_SMALLEST,
                       SIZE_LIMIT);
    trainer t = {0};
    sl_text merges = SL_TEXT_INIT;
    sl_status status = prepare(&t, texts, count, size);
    if (!status) {
        learn(&t, size, &merges);
        status = sl_text_status(&merges);
    }
    if (!status) status = write_files(&t, positions, folder, &merges);
    if (!status && out_size) *out_size = t.size;
    sl_text_free(&merges);
    json_decref(t.counts);
    json_decref(t.vocabulary);
    sl_free(t.words);
    sl_free(t.pairs);
    sl_arena_free(t.arena);
    return status;
}
