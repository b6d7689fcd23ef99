#include "base/hash.h"

#include "base/file.h"

void sl_hex(const uint8_t *bytes, size_t count, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

void sl_sha256(const void *data, size_t bytes, uint8_t out[SL_SHA256_BYTES]) {
    sl_sha256_state state;
    sl_sha256_begin(&state);
    sl_sha256_add(&state, data, bytes);
    sl_sha256_end(&state, out);
}

void sl_sha256_hex(const void *data, size_t bytes, char out[SL_SHA256_HEX]) {
    uint8_t digest[SL_SHA256_BYTES];
    sl_sha256(data, bytes, digest);
    sl_hex(digest, sizeof digest, out);
}

sl_status sl_sha256_file_hex(const char *path, char out[SL_SHA256_HEX]) {
    sl_file_map map;
    SL_TRY(sl_file_map_open(&map, path));
    sl_sha256_hex(map.data, map.bytes, out);
    sl_file_map_close(&map);
    return SL_OK;
}
