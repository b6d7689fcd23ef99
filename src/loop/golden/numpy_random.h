/* Normals of NumPy's generators, for fixtures that were made with them.
 *
 * Sources: Marsaglia's polar method on MT19937 (RandomState); PCG64 (O'Neill 2014, XSL-RR 128/64) seeded by
 * SeedSequence, with the ziggurat of Marsaglia and Tsang 2000 in 256 layers (Generator). */
#ifndef SL_LOOP_GOLDEN_NUMPY_RANDOM_H
#define SL_LOOP_GOLDEN_NUMPY_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* numpy.random.seed(seed); numpy.random.randn(count) */
void sl_numpy_legacy_randn(uint32_t seed, double *out, size_t count);

/* numpy.random.default_rng(seed).standard_normal(count) */
void sl_numpy_standard_normal(uint64_t seed, double *out, size_t count);

#endif
