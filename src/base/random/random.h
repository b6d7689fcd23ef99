/* Counter-based random numbers (Philox4x32-10, Salmon et al. 2011, by Random123).
 *
 * A stream is named by a 64-bit seed, what it is for, and an item; value k of a stream depends on nothing
 * else. So image k of a run is the same for any batch size, order, number of threads or shards. Equal on
 * every machine: normals use our own logarithm and cosine, not the C library's. */
#ifndef SL_BASE_RANDOM_H
#define SL_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sl_random {
    uint64_t seed;
    uint32_t stream[2]; /* what it is for (SL_STREAM_*), and which item */
    uint64_t counter;   /* next block of four numbers */
    uint32_t block[4];
    int left; /* unused numbers in block */
} sl_random;

/* Purposes: two purposes never share numbers. Append only: the order is part of what makes old runs
 * repeatable. */
typedef enum sl_stream {
    SL_STREAM_LATENT = 1,
    SL_STREAM_SAMPLER,
    SL_STREAM_DETECTOR,
    SL_STREAM_SIMULATE,
    SL_STREAM_INIT,
    SL_STREAM_SHUFFLE,
    SL_STREAM_NOISE,
    SL_STREAM_TIMESTEP,
    SL_STREAM_AUGMENT,
    SL_STREAM_SPLIT,
    SL_STREAM_EXPERT,
    SL_STREAM_AUDIT,
    SL_STREAM_BOOTSTRAP,
    SL_STREAM_TEST,
    SL_STREAM_BEAM,
    SL_STREAM_SKETCH,
} sl_stream;

/* One block of the generator itself: four words of a key and a counter. */
void sl_random_block(uint64_t key, const uint32_t counter[4], uint32_t out[4]);

/* The beginning of the stream with that name. It owns nothing: a copy draws the same numbers again. */
sl_random sl_random_stream(uint64_t seed, sl_stream purpose, uint32_t item);
void sl_random_refill(sl_random *random); /* the next block of four numbers */
/* In line, since a detector draws some for every pixel. */
static inline uint32_t sl_random_u32(sl_random *random) {
    if (random->left == 0) sl_random_refill(random);
    return random->block[4 - random->left--];
}
static inline uint64_t sl_random_u64(sl_random *random) {
    uint64_t high = sl_random_u32(random);
    return high << 32 | sl_random_u32(random);
}
/* [0,1), 53 bits */
static inline double sl_random_uniform(sl_random *random) {
    return (double)(sl_random_u64(random) >> 11) * 0x1p-53;
}
/* true so often, of 1 */
static inline bool sl_random_chance(sl_random *random, double probability) {
    return sl_random_uniform(random) < probability;
}
double sl_random_range(sl_random *random, double low, double high); /* [low,high) */
double sl_random_log_range(sl_random *random, double low, double high);
uint32_t sl_random_below(sl_random *random, uint32_t bound); /* 0..bound-1, unbiased; bound > 0 */
double sl_random_normal(sl_random *random);                  /* mean 0, variance 1 */

/* `count` standard normals into out[]. */
void sl_random_normals(sl_random *random, float *out, size_t count);

/* A random order of 0..count-1 (Fisher-Yates). */
void sl_random_permutation(sl_random *random, uint32_t *out, uint32_t count);

#endif
