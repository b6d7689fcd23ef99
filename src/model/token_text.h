/* Text before byte pair encoding, as CLIP's tokenizer cuts it (transformers 5, tokenizers): Unicode NFC, runs
 * of white space to one blank, lower case; then words: contractions ('s 't 're 've 'm 'll 'd), runs of
 * letters, single digits, runs of anything else. Inside a vocabulary each byte of a word is written as one
 * printable character. */
#ifndef SL_MODEL_TOKEN_TEXT_H
#define SL_MODEL_TOKEN_TEXT_H

#include "base/status.h"
#include "base/text.h"

#include <stdint.h>

/* NFC, white space and lower case. SL_FORMAT where `bytes` of `text` are not UTF-8. Appends to *out. */
sl_status sl_token_text_normalise(const char *text, size_t bytes, sl_text *out);

/* Calls visit(context, word, bytes) for each word of a normalised text in order; stops at the first failure.
 */
typedef sl_status (*sl_token_word_visit)(void *context, const char *word, size_t bytes);
sl_status sl_token_text_words(const char *text, sl_token_word_visit visit, void *context);

/* The character that stands for a byte in vocabulary files, as NUL-terminated UTF-8 (GPT-2's table: printable
 * Latin-1 stands for itself, the rest follows from U+0100 on), and the bytes in the order of that table's
 * construction, which is also the order of the first 256 entries of CLIP vocabularies. */
typedef struct sl_byte_characters {
    char text[256][4];
    uint8_t order[256];
} sl_byte_characters;
void sl_byte_characters_fill(sl_byte_characters *out);

#endif
