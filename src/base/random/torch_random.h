/* The random numbers of PyTorch's CPU generator: the same stream from the same seed, for `--rng torch` and to
 * compare with other programs.
 *
 * The generator is MT19937 (Matsumoto and Nishimura 1998). Integers, permutations and uniforms are equal bit
 * for bit; normals to a few units of the last place, since PyTorch's own logarithm and cosine differ between
 * CPUs (ours do not). The ways in which PyTorch turns words into values were read from
 * aten/src/ATen/native/cpu/DistributionTemplates.h and core/DistributionsHelper.h. */
#ifndef SL_BASE_TORCH_RANDOM_H
#define SL_BASE_TORCH_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_MT19937_WORDS = 624 };

typedef struct sl_torch_random {
    uint32_t words[SL_MT19937_WORDS];
    int next;        /* next unused word */
    bool has_normal; /* the scalar path makes normals in pairs; the second waits here, whatever is drawn
                        between */
    double normal;
} sl_torch_random;

void sl_torch_random_seed(sl_torch_random *random, uint64_t seed); /* as in PyTorch, the low 32 bits count */
uint32_t sl_torch_random_u32(sl_torch_random *random);
uint64_t sl_torch_random_u64(sl_torch_random *random);

/* torch.randn of `count` contiguous elements. From 16 elements on, blocks of 16 uniforms become 16 normals,
 * and a rest is filled by drawing the last 16 elements again; below 16, single values in double. The split of
 * a tensor into calls therefore matters: one call is one torch.randn. */
void sl_torch_randn(sl_torch_random *random, float *out, size_t count);
void sl_torch_randn_f64(sl_torch_random *random, double *out, size_t count);
void sl_torch_normal(sl_torch_random *random, double mean, double deviation, float *out,
                     size_t count); /* normal_ */

void sl_torch_rand(sl_torch_random *random, float *out, size_t count);      /* [0,1), 24 bits */
void sl_torch_rand_f64(sl_torch_random *random, double *out, size_t count); /* [0,1), 53 bits */
void sl_torch_uniform(sl_torch_random *random, double low, double high, float *out,
                      size_t count); /* uniform_ */

/* torch.randint(low, high): low <= value < high; low < high. */
void sl_torch_randint(sl_torch_random *random, int64_t low, int64_t high, int64_t *out, size_t count);

void sl_torch_randperm(sl_torch_random *random, int64_t *out, size_t count); /* count < 2^27 */

/* torch.bernoulli of a float tensor of probabilities: 1 or 0. */
void sl_torch_bernoulli(sl_torch_random *random, const float *probability, float *out, size_t count);

#endif
