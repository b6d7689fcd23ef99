#include "model/tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* vocab.json, merges.txt and a text, set apart by NUL bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char *text = malloc(bytes + 1);
    if (!text) return 0;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    size_t vocabulary = strlen(text), merges_at = vocabulary < bytes ? vocabulary + 1 : bytes;
    size_t merges = strlen(text + merges_at),
           prompt_at = merges_at + merges < bytes ? merges_at + merges + 1 : bytes;
    sl_tokenizer_source source = {text, text + merges_at, vocabulary, merges, NULL, "fuzz"};
    sl_tokenizer *tokenizer;
    if (sl_tokenizer_parse(&source, &tokenizer) == SL_OK) {
        int32_t ids[77];
        if (sl_tokenizer_encode(tokenizer, text + prompt_at, 77, ids, NULL) == SL_OK)
            for (int i = 0; i < 77; i++)
                if (ids[i] < 0 || ids[i] >= sl_tokenizer_describe(tokenizer).vocabulary) abort();
        sl_tokenizer_close(tokenizer);
    }
    free(text);
    return 0;
}
