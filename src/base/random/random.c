#include "base/random/random.h"

#include "base/numeric/plain_math.h"

#include <Random123/philox.h>
#include <math.h>

sl_random sl_random_stream(uint64_t seed, sl_stream purpose, uint32_t item) {
    return (sl_random){.seed = seed, .stream = {(uint32_t)purpose, item}};
}

void sl_random_block(uint64_t key, const uint32_t counter[4], uint32_t out[4]) {
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t k = {{(uint32_t)key, (uint32_t)(key >> 32)}};
    philox4x32_ctr_t block = philox4x32(c, k);
    for (int i = 0; i < 4; i++) out[i] = block.v[i];
}

void sl_random_refill(sl_random *random) {
    const uint32_t counter[4] = {(uint32_t)random->counter, (uint32_t)(random->counter >> 32),
                                 random->stream[0], random->stream[1]};
    sl_random_block(random->seed, counter, random->block);
    random->counter++;
    random->left = 4;
}

double sl_random_range(sl_random *random, double low, double high) {
    return low + (high - low) * sl_random_uniform(random);
}

double sl_random_log_range(sl_random *random, double low, double high) {
    return exp(sl_random_range(random, log(low), log(high)));
}

uint32_t sl_random_below(sl_random *random, uint32_t bound) {
    uint32_t reject_below = (0u - bound) % bound;
    for (;;) {
        uint64_t product = (uint64_t)sl_random_u32(random) * bound;
        if ((uint32_t)product >= reject_below) return (uint32_t)(product >> 32);
    }
}

/* Box-Muller; each pair of uniforms gives two normals, of which the scalar form uses one, so that a stream
 * needs no extra state. */
static void normal_pair(sl_random *random, double *first, double *second) {
    double radius = sqrt(-2 * sl_plain_log(1 - sl_random_uniform(random))), c, s;
    sl_plain_cos_sin(sl_random_uniform(random), &c, &s);
    *first = radius * c;
    *second = radius * s;
}

double sl_random_normal(sl_random *random) {
    double first, second;
    normal_pair(random, &first, &second);
    return first;
}

void sl_random_normals(sl_random *random, float *out, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        double first, second;
        normal_pair(random, &first, &second);
        out[i] = (float)first;
        if (i + 1 < count) out[i + 1] = (float)second;
    }
}

void sl_random_permutation(sl_random *random, uint32_t *out, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = sl_random_below(random, i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
