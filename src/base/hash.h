/* SHA-256, by which images, weights and settings are named. */
#ifndef SL_BASE_HASH_H
#define SL_BASE_HASH_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { SL_SHA256_BYTES = 32, SL_SHA256_HEX = 65 /* with NUL */ };

void sl_sha256(const void *data, size_t bytes, uint8_t out[SL_SHA256_BYTES]);
void sl_sha256_hex(const void *data, size_t bytes, char out[SL_SHA256_HEX]);
sl_status sl_sha256_file_hex(const char *path, char out[SL_SHA256_HEX]);
void sl_hex(const uint8_t *bytes, size_t count, char *out); /* 2*count+1 characters */

/* The same of data that comes in pieces: begin, add any number of times, end. */
typedef struct sl_sha256_state {
    uint32_t word[8];
    uint64_t bytes; /* taken so far */
    uint8_t block[64];
} sl_sha256_state;

void sl_sha256_begin(sl_sha256_state *state);
void sl_sha256_add(sl_sha256_state *state, const void *data, size_t bytes);
void sl_sha256_end(sl_sha256_state *state, uint8_t out[SL_SHA256_BYTES]);

#endif
