#include "image/captions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    sl_captions *captions;
    if (sl_captions_parse((const char *)data, bytes, "folder/metadata.jsonl", &captions) != SL_OK) return 0;
    sl_captions_find(captions, "folder/sub/b.edf");
    sl_captions_free(captions);
    return 0;
}
