#include "model/tokenizer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "model/token_text.h"

#include <string.h>

enum { VOCABULARY_LIMIT = 1 << 24, MERGE_LINE_BYTES = 1024 };
#define WORD_END "</w>"

/* A merge of two tokens: the lower its rank, the earlier it is applied. */
typedef struct merge {
    uint64_t pair; /* left id << 32 | right id, plus 1; 0: free slot */
    int32_t rank, merged;
} merge;

typedef enum special { BEGIN, END, PAD, UNKNOWN, SPECIALS } special;

struct sl_tokenizer {
    sl_arena *arena;
    json_t *vocabulary; /* token -> id */
    int32_t size;
    const char *special_text[SPECIALS];
    int32_t special_id[SPECIALS];
    int32_t byte_id[256], byte_end_id[256]; /* of a single byte, and of one that ends a word; -1: not there */
    merge *merges;                          /* open addressing, a power of two of slots */
    size_t slots;
};

static merge *merge_slot(const sl_tokenizer *tokenizer, int32_t left, int32_t right) {
    uint64_t pair = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    size_t at = (size_t)(pair * 0x9e3779b97f4a7c15u >> 32) & (tokenizer->slots - 1);
    while (tokenizer->merges[at].pair && tokenizer->merges[at].pair != pair)
        at = (at + 1) & (tokenizer->slots - 1);
    return &tokenizer->merges[at];
}

static int32_t find_token(const sl_tokenizer *tokenizer, const char *text) {
    const json_t *id = json_object_get(tokenizer->vocabulary, text);
    return id ? (int32_t)json_integer_value(id) : -1;
}

static sl_status check_vocabulary(sl_tokenizer *tokenizer, const char *path) {
    if (!json_is_object(tokenizer->vocabulary)) return sl_fail(SL_FORMAT, "'%s' is not a JSON object", path);
    const char *token;
    json_t *id;
    json_object_foreach(tokenizer->vocabulary, token, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCABULARY_LIMIT)
            return sl_fail(SL_FORMAT, "'%s': the id of \"%.100s\" is not a whole number below %d", path,
                           token, VOCABULARY_LIMIT);
        if (json_integer_value(id) >= tokenizer->size) tokenizer->size = (int32_t)json_integer_value(id) + 1;
    }
    return SL_OK;
}

/* "left right" of line `number` into the table. */
static sl_status add_merge(sl_tokenizer *tokenizer, char *line, int32_t rank, int number) {
    char joined[MERGE_LINE_BYTES], *blank = strchr(line, ' ');
    if (!blank || strchr(blank + 1, ' ') || strlen(line) >= sizeof joined)
        return sl_fail(SL_FORMAT, "line %d is not two tokens: \"%.100s\"", number, line);
    *blank = '\0';
    snprintf(joined, sizeof joined, "%s%s", line, blank + 1);
    const char *const parts[] = {line, blank + 1, joined};
    int32_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = find_token(tokenizer, parts[i]);
        if (ids[i] < 0)
            return sl_fail(SL_FORMAT, "line %d: \"%.100s\" is not in the vocabulary", number, parts[i]);
    }
    merge *slot = merge_slot(tokenizer, ids[0], ids[1]);
    *slot = (merge){((uint64_t)(uint32_t)ids[0] << 32 | (uint32_t)ids[1]) + 1, rank, ids[2]};
    return SL_OK;
}

static sl_status read_merges(sl_tokenizer *tokenizer, char *text, size_t bytes) {
    size_t lines = 1;
    for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
    for (tokenizer->slots = 64; tokenizer->slots < 2 * lines;) tokenizer->slots *= 2;
    SL_TRY(sl_alloc(&tokenizer->merges, tokenizer->slots, sizeof *tokenizer->merges));
    int32_t rank = 0;
    int number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        number++;
        line[strcspn(line, "\r")] = '\0';
        if (!*line || (number == 1 && strncmp(line, "#version", 8) == 0)) continue;
        SL_TRY(add_merge(tokenizer, line, rank++, number));
    }
    return SL_OK;
}

static sl_status find_specials(sl_tokenizer *tokenizer, const json_t *config) {
    static const char *const keys[SPECIALS] = {"bos_token", "eos_token", "pad_token", "unk_token"};
    static const char *const defaults[SPECIALS] = {"<|startoftext|>", "<|endoftext|>", "<|endoftext|>",
                                                   "<|endoftext|>"};
    for (int i = 0; i < SPECIALS; i++) {
        const json_t *value = config ? json_object_get(config, keys[i]) : NULL;
        if (json_is_object(value)) value = json_object_get(value, "content");
        const char *text = json_is_string(value) ? json_string_value(value) : defaults[i];
        tokenizer->special_text[i] = sl_arena_strdup(tokenizer->arena, text);
        tokenizer->special_id[i] = find_token(tokenizer, text);
        if (!*text || tokenizer->special_id[i] < 0)
            return sl_fail(SL_FORMAT, "%s \"%.100s\" is not in the vocabulary", keys[i], text);
    }
    return SL_OK;
}

static void find_bytes(sl_tokenizer *tokenizer) {
    sl_byte_characters characters;
    sl_byte_characters_fill(&characters);
    for (int b = 0; b < 256; b++) {
        char with_end[16];
        snprintf(with_end, sizeof with_end, "%s" WORD_END, characters.text[b]);
        tokenizer->byte_id[b] = find_token(tokenizer, characters.text[b]);
        tokenizer->byte_end_id[b] = find_token(tokenizer, with_end);
    }
}

static sl_status load(sl_tokenizer *tokenizer, const sl_tokenizer_source *source) {
    const char *path = sl_path_join(tokenizer->arena, source->origin, "vocab.json");
    SL_TRY(sl_json_parse(source->vocabulary, source->vocabulary_bytes, path, &tokenizer->vocabulary));
    SL_TRY(check_vocabulary(tokenizer, path));
    path = sl_path_join(tokenizer->arena, source->origin, "merges.txt");
    char *lines;
    SL_TRY(sl_alloc(&lines, source->merges_bytes + 1, 1));
    if (source->merges_bytes) memcpy(lines, source->merges, source->merges_bytes);
    sl_status status = sl_context(read_merges(tokenizer, lines, source->merges_bytes), "reading '%s'", path);
    sl_free(lines);
    SL_TRY(status);
    find_bytes(tokenizer);
    return sl_context(find_specials(tokenizer, source->config), "reading tokenizer '%s'", source->origin);
}

sl_status sl_tokenizer_parse(const sl_tokenizer_source *source, sl_tokenizer **out) {
    sl_tokenizer *tokenizer;
    SL_TRY(sl_alloc(&tokenizer, 1, sizeof *tokenizer));
    sl_status status = sl_arena_new(&tokenizer->arena);
    if (!status) status = load(tokenizer, source);
    if (status) {
        sl_tokenizer_close(tokenizer);
        return status;
    }
    *out = tokenizer;
    return SL_OK;
}

static sl_status read_config(sl_arena *arena, const char *folder, json_t **out) {
    const char *path = sl_path_join(arena, folder, "tokenizer_config.json");
    *out = NULL;
    return sl_file_exists(path) ? sl_json_read(path, out) : SL_OK;
}

sl_status sl_tokenizer_open(const char *folder, sl_tokenizer **out) {
    sl_arena *arena;
    char *vocabulary = NULL, *merges = NULL;
    json_t *config = NULL;
    sl_tokenizer_source source = {.origin = folder};
    sl_status status;
    SL_TRY(sl_arena_new(&arena));
    SL_GUARD(status,
             sl_file_read(sl_path_join(arena, folder, "vocab.json"), SL_LIMIT_JSON_BYTES, &vocabulary,
                          &source.vocabulary_bytes),
             out);
    SL_GUARD(status,
             sl_file_read(sl_path_join(arena, folder, "merges.txt"), SL_LIMIT_JSON_BYTES, &merges,
                          &source.merges_bytes),
             out);
    SL_GUARD(status, read_config(arena, folder, &config), out);
    source.vocabulary = vocabulary;
    source.merges = merges;
    source.config = config;
    status = sl_tokenizer_parse(&source, out);
out:
    sl_free(vocabulary);
    sl_free(merges);
    json_decref(config);
    sl_arena_free(arena);
    return status;
}

void sl_tokenizer_close(sl_tokenizer *tokenizer) {
    if (!tokenizer) return;
    json_decref(tokenizer->vocabulary);
    sl_free(tokenizer->merges);
    sl_arena_free(tokenizer->arena);
    sl_free(tokenizer);
}

sl_tokenizer_facts sl_tokenizer_describe(const sl_tokenizer *tokenizer) {
    const int32_t *id = tokenizer->special_id;
    return (sl_tokenizer_facts){tokenizer->size, id[BEGIN], id[END], id[PAD], id[UNKNOWN]};
}

/* The ids of a text as they come; those beyond `limit` are only counted. */
typedef struct output {
    const sl_tokenizer *tokenizer;
    int32_t *ids;
    int count, limit;
    int32_t *word; /* scratch of `capacity` ids */
    size_t capacity;
} output;

static void emit(output *out, int32_t id) {
    if (out->count < out->limit) out->ids[out->count] = id;
    out->count++;
}

/* Applies merges to ids[0..count) until none fits: the one of lowest rank first, the leftmost of equals. */
static size_t apply_merges(const sl_tokenizer *tokenizer, int32_t *ids, size_t count) {
    for (;;) {
        const merge *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const merge *slot = merge_slot(tokenizer, ids[i], ids[i + 1]);
            if (!slot->pair || (best && slot->rank >= best->rank)) continue;
            best = slot;
            place = i;
        }
        if (!best) return count;
        ids[place] = best->merged;
        memmove(ids + place + 1, ids + place + 2, (count - place - 2) * sizeof *ids);
        count--;
    }
}

static sl_status encode_word(void *context, const char *word, size_t bytes) {
    output *out = context;
    const sl_tokenizer *tokenizer = out->tokenizer;
    if (bytes > out->capacity)
        return sl_fail(SL_LIMIT, "a word has %zu bytes, at most %zu are handled", bytes, out->capacity);
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)word[i];
        int32_t id = i + 1 == bytes ? tokenizer->byte_end_id[byte] : tokenizer->byte_id[byte];
        out->word[i] = id < 0 ? tokenizer->special_id[UNKNOWN] : id;
    }
    size_t count = apply_merges(tokenizer, out->word, bytes);
    for (size_t i = 0; i < count; i++) emit(out, out->word[i]);
    return SL_OK;
}

static sl_status encode_plain(output *out, const char *text, size_t bytes) {
    sl_text normal = SL_TEXT_INIT;
    sl_status status = sl_token_text_normalise(text, bytes, &normal);
    if (!status) status = sl_token_text_words(sl_text_get(&normal), encode_word, out);
    sl_text_free(&normal);
    return status;
}

/* The first special token written out in `text`, or NULL. */
static const char *find_special(const sl_tokenizer *tokenizer, const char *text, special *out) {
    const char *first = NULL;
    for (int i = 0; i < SPECIALS; i++) {
        const char *place = strstr(text, tokenizer->special_text[i]);
        if (!place || (first && place >= first)) continue;
        first = place;
        *out = (special)i;
    }
    return first;
}

static sl_status encode_text(output *out, const char *text) {
    special which = END;
    for (const char *found; (found = find_special(out->tokenizer, text, &which));) {
        SL_TRY(encode_plain(out, text, (size_t)(found - text)));
        emit(out, out->tokenizer->special_id[which]);
        text = found + strlen(out->tokenizer->special_text[which]);
    }
    return encode_plain(out, text, strlen(text));
}

sl_status sl_tokenizer_encode(const sl_tokenizer *tokenizer, const char *text, int length, int32_t *ids,
                              int *out_needed) {
    size_t bytes = strlen(text);
    if (length < 2) return sl_fail(SL_INVALID, "room for %d tokens, at least 2 are needed", length);
    if (bytes > SL_LIMIT_CAPTION_BYTES)
        return sl_fail(SL_LIMIT, "the text has %zu bytes, at most %d are handled", bytes,
                       SL_LIMIT_CAPTION_BYTES);
    output out = {tokenizer, ids, 0, length - 1, NULL, 4 * bytes + 16};
    SL_TRY(sl_alloc(&out.word, out.capacity, sizeof *out.word));
    emit(&out, tokenizer->special_id[BEGIN]);
    sl_status status = encode_text(&out, text);
    sl_free(out.word);
    SL_TRY(status);
    int used = out.count < out.limit ? out.count : out.limit;
    ids[used] = tokenizer->special_id[END];
    for (int i = used + 1; i < length; i++) ids[i] = tokenizer->special_id[PAD];
    if (out_needed) *out_needed = out.count + 1;
    return SL_OK;
}
