/* FIPS 180-4, sections 4.1.2, 4.2.2, 5 and 6.2. */
#include "base/hash.h"

#include <string.h>

enum { BLOCK = 64 };

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
static const uint32_t constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, int places) {
    return x >> places | x << (32 - places);
}

/* The eight words stand still and their names turn, so that a round moves nothing. */
#define ROUND(a, b, c, d, e, f, g, h, t)                                                                     \
    do {                                                                                                     \
        uint32_t one = (h) + (turn((e), 6) ^ turn((e), 11) ^ turn((e), 25)) + (((e) & (f)) ^ (~(e) & (g))) + \
                       constant[t] + schedule[t];                                                            \
        uint32_t majority = ((a) & (b)) ^ ((a) & (c)) ^ ((b) & (c));                                         \
        (d) += one;                                                                                          \
        (h) = one + (turn((a), 2) ^ turn((a), 13) ^ turn((a), 22)) + majority;                               \
    } while (0)

static void take_block(uint32_t hash[8], const uint8_t *block) {
    uint32_t schedule[64], v[8];
    for (int t = 0; t < 16; t++)
        schedule[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
                      (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t a = schedule[t - 15], b = schedule[t - 2];
        schedule[t] = schedule[t - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + schedule[t - 7] +
                      (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(v, hash, sizeof v);
    for (int t = 0; t < 64; t += 8) {
        ROUND(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], t);
        ROUND(v[7], v[0], v[1], v[2], v[3], v[4], v[5], v[6], t + 1);
        ROUND(v[6], v[7], v[0], v[1], v[2], v[3], v[4], v[5], t + 2);
        ROUND(v[5], v[6], v[7], v[0], v[1], v[2], v[3], v[4], t + 3);
        ROUND(v[4], v[5], v[6], v[7], v[0], v[1], v[2], v[3], t + 4);
        ROUND(v[3], v[4], v[5], v[6], v[7], v[0], v[1], v[2], t + 5);
        ROUND(v[2], v[3], v[4], v[5], v[6], v[7], v[0], v[1], t + 6);
        ROUND(v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[0], t + 7);
    }
    for (int i = 0; i < 8; i++) hash[i] += v[i];
}

void sl_sha256_begin(sl_sha256_state *state) {
    *state = (sl_sha256_state){.word = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                        0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sl_sha256_add(sl_sha256_state *state, const void *data, size_t bytes) {
    const uint8_t *at = data;
    size_t held = state->bytes % BLOCK;
    state->bytes += bytes;
    if (held) {
        size_t part = bytes < BLOCK - held ? bytes : BLOCK - held;
        memcpy(state->block + held, at, part);
        if (held + part < BLOCK) return;
        take_block(state->word, state->block);
        at += part;
        bytes -= part;
    }
    for (; bytes >= BLOCK; at += BLOCK, bytes -= BLOCK) take_block(state->word, at);
    if (bytes) memcpy(state->block, at, bytes);
}

void sl_sha256_end(sl_sha256_state *state, uint8_t out[SL_SHA256_BYTES]) {
    static const uint8_t padding[BLOCK] = {0x80};
    uint64_t bits = 8 * state->bytes;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    size_t held = state->bytes % BLOCK;
    sl_sha256_add(state, padding, (held < 56 ? 56 : 56 + BLOCK) - held);
    sl_sha256_add(state, length, sizeof length);
    for (int i = 0; i < SL_SHA256_BYTES; i++) out[i] = (uint8_t)(state->word[i / 4] >> (24 - 8 * (i % 4)));
}
