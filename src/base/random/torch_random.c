#include "base/random/torch_random.h"

#include "base/numeric/plain_math.h"

#include <math.h>

enum { SHIFT = 397, BLOCK = 16 };

void sl_torch_random_seed(sl_torch_random *random, uint64_t seed) {
    uint32_t *w = random->words;
    w[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < SL_MT19937_WORDS; i++) w[i] = 1812433253u * (w[i - 1] ^ w[i - 1] >> 30) + i;
    random->next = SL_MT19937_WORDS;
    random->has_normal = false;
    random->normal = 0;
}

static void refill(sl_torch_random *random) {
    uint32_t *w = random->words;
    for (int i = 0; i < SL_MT19937_WORDS; i++) {
        uint32_t joined = (w[i] & 0x80000000u) | (w[(i + 1) % SL_MT19937_WORDS] & 0x7fffffffu);
        w[i] = w[(i + SHIFT) % SL_MT19937_WORDS] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
    random->next = 0;
}

uint32_t sl_torch_random_u32(sl_torch_random *random) {
    if (random->next == SL_MT19937_WORDS) refill(random);
    uint32_t y = random->words[random->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint64_t sl_torch_random_u64(sl_torch_random *random) {
    uint64_t high = sl_torch_random_u32(random);
    return high << 32 | sl_torch_random_u32(random);
}

static float uniform_f32(sl_torch_random *random) {
    return (float)(sl_torch_random_u32(random) & 0xffffff) * 0x1p-24f;
}

static double uniform_f64(sl_torch_random *random) {
    return (double)(sl_torch_random_u64(random) & 0x1fffffffffffff) * 0x1p-53;
}

void sl_torch_rand(sl_torch_random *random, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = uniform_f32(random);
}

void sl_torch_rand_f64(sl_torch_random *random, double *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = uniform_f64(random);
}

void sl_torch_uniform(sl_torch_random *random, double low, double high, float *out, size_t count) {
    float from = (float)low, width = (float)high - (float)low;
    for (size_t i = 0; i < count; i++) out[i] = uniform_f32(random) * width + from;
}

/* One normal of the path for few elements: Box-Muller in double, cosine first. */
static double scalar_normal(sl_torch_random *random) {
    if (random->has_normal) {
        random->has_normal = false;
        return random->normal;
    }
    double u1 = uniform_f64(random), u2 = uniform_f64(random), c, s;
    double radius = sqrt(-2 * sl_plain_log(1 - u2));
    sl_plain_cos_sin(u1, &c, &s);
    random->normal = radius * s;
    random->has_normal = true;
    return radius * c;
}

/* 16 uniforms to 16 normals in place: element j pairs with j+8. Each step is rounded to float, as the vector
 * code does. */
static void block_f32(float *x, float mean, float deviation) {
    for (int j = 0; j < BLOCK / 2; j++) {
        float u1 = 1 - x[j], theta = 6.283185307f * x[j + BLOCK / 2];
        float radius = sqrtf(-2 * (float)sl_plain_log((double)u1));
        double c, s;
        sl_plain_cos_sin((double)theta * (1 / 6.283185307179586), &c, &s);
        x[j] = radius * (float)c * deviation + mean;
        x[j + BLOCK / 2] = radius * (float)s * deviation + mean;
    }
}

static void block_f64(double *x) {
    for (int j = 0; j < BLOCK / 2; j++) {
        double radius = sqrt(-2 * sl_plain_log(1 - x[j])), c, s;
        sl_plain_cos_sin(x[j + BLOCK / 2], &c, &s);
        x[j] = radius * c;
        x[j + BLOCK / 2] = radius * s;
    }
}

void sl_torch_normal(sl_torch_random *random, double mean, double deviation, float *out, size_t count) {
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++) out[i] = (float)(scalar_normal(random) * deviation + mean);
        return;
    }
    sl_torch_rand(random, out, count);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK) block_f32(out + i, (float)mean, (float)deviation);
    if (count % BLOCK) {
        sl_torch_rand(random, out + count - BLOCK, BLOCK);
        block_f32(out + count - BLOCK, (float)mean, (float)deviation);
    }
}

void sl_torch_randn(sl_torch_random *random, float *out, size_t count) {
    sl_torch_normal(random, 0, 1, out, count);
}

void sl_torch_randn_f64(sl_torch_random *random, double *out, size_t count) {
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++) out[i] = scalar_normal(random);
        return;
    }
    sl_torch_rand_f64(random, out, count);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK) block_f64(out + i);
    if (count % BLOCK) {
        sl_torch_rand_f64(random, out + count - BLOCK, BLOCK);
        block_f64(out + count - BLOCK);
    }
}

void sl_torch_randint(sl_torch_random *random, int64_t low, int64_t high, int64_t *out, size_t count) {
    uint64_t range = (uint64_t)high - (uint64_t)low;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = range >> 28 ? sl_torch_random_u64(random) : sl_torch_random_u32(random);
        out[i] = (int64_t)(word % range + (uint64_t)low);
    }
}

void sl_torch_randperm(sl_torch_random *random, int64_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = (int64_t)i;
    for (size_t i = 0; i + 1 < count; i++) {
        size_t j = i + sl_torch_random_u32(random) % (count - i);
        int64_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

void sl_torch_bernoulli(sl_torch_random *random, const float *probability, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = uniform_f32(random) < probability[i] ? 1.0f : 0.0f;
}
