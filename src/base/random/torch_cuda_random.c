#include "base/random/torch_cuda_random.h"

#include "base/numeric/plain_math.h"
#include "base/random/random.h"

#include <math.h>

enum { BLOCK = 256, UNROLL = 4 };

void sl_torch_cuda_random_seed(sl_torch_cuda_random *random, uint64_t seed) {
    *random = (sl_torch_cuda_random){.seed = seed};
}

/* Two words to two normals; each step is rounded to float as on the device, where products and sums are
 * fused. */
static void normals(uint32_t x, uint32_t y, float *out) {
    const float two_pi = 6.2831855f;
    float u = fmaf((float)x, 0x1p-32f, 0x1p-33f);
    float angle = fmaf((float)y, 0x1p-32f * two_pi, 0x1p-33f * two_pi);
    float radius = sqrtf(-2 * (float)sl_plain_log((double)u));
    double c, s;
    sl_plain_cos_sin((double)angle * (1 / 6.283185307179586), &c, &s);
    out[0] = radius * (float)s;
    out[1] = radius * (float)c;
}

/* The four normals of a thread's step. */
static void thread_normals(const sl_torch_cuda_random *random, uint64_t step, uint64_t thread,
                           float out[UNROLL]) {
    const uint32_t counter[4] = {(uint32_t)step, (uint32_t)(step >> 32), (uint32_t)thread,
                                 (uint32_t)(thread >> 32)};
    uint32_t words[4];
    sl_random_block(random->seed, counter, words);
    normals(words[0], words[1], out);
    normals(words[2], words[3], out + 2);
}

void sl_torch_cuda_randn(sl_torch_cuda_random *random, int64_t device_threads, float *out, size_t count) {
    if (count == 0) return;
    size_t most = (size_t)device_threads / BLOCK, blocks = (count + BLOCK - 1) / BLOCK;
    size_t threads = (blocks < most ? blocks : most) * BLOCK, round = threads * UNROLL;
    size_t rounds = (count - 1) / round + 1;
    for (size_t r = 0; r < rounds; r++)
        for (size_t t = 0; t < threads && r * round + t < count; t++) {
            float four[UNROLL];
            thread_normals(random, random->steps + r, t, four);
            for (size_t i = 0; i < UNROLL && r * round + i * threads + t < count; i++)
                out[r * round + i * threads + t] = four[i];
        }
    random->steps += rounds;
}
