/* CLIP's byte pair encoding: text to token ids, from vocab.json and merges.txt of a diffusers folder. */
#ifndef SL_MODEL_TOKENIZER_H
#define SL_MODEL_TOKENIZER_H

#include "base/json.h"
#include "base/status.h"

#include <stdint.h>

typedef struct sl_tokenizer sl_tokenizer;

/* Reads vocab.json, merges.txt and, for the special tokens' names, tokenizer_config.json (else CLIP's own:
 * <|startoftext|>, and <|endoftext|> for end, padding and unknown). Errors name the file and the line or
 * token. */
sl_status sl_tokenizer_open(const char *folder, sl_tokenizer **out);

/* The same from the files' contents; `config` is that of tokenizer_config.json or NULL, `origin` names the
 * source. */
typedef struct sl_tokenizer_source {
    const char *vocabulary, *merges;
    size_t vocabulary_bytes, merges_bytes;
    const json_t *config;
    const char *origin;
} sl_tokenizer_source;
sl_status sl_tokenizer_parse(const sl_tokenizer_source *source, sl_tokenizer **out);

void sl_tokenizer_close(sl_tokenizer *tokenizer); /* NULL is fine */

typedef struct sl_tokenizer_facts {
    int32_t vocabulary; /* highest id + 1 */
    int32_t begin, end, pad, unknown;
} sl_tokenizer_facts;
sl_tokenizer_facts sl_tokenizer_describe(const sl_tokenizer *tokenizer);

/* begin, the tokens of `text`, end, and padding: exactly `length` (at least 2) ids into ids[]. A longer text
 * is cut before `end`; *out_needed (may be NULL) is the length that would have held all of it. Special tokens
 * written out in the text become their id. Safe to call from several threads. */
sl_status sl_tokenizer_encode(const sl_tokenizer *tokenizer, const char *text, int length, int32_t *ids,
                              int *out_needed);

#endif
