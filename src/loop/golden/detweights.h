/* Weights that need no file: every value is a function of the tensor's name and the element's number.
 *
 * With k = fnv1a64(salt + name): z = splitmix64(k + i * 0x9E3779B97F4A7C15), v = 2 (z >> 40) 2^-24 - 1; then
 * by role of the tensor: running variances 1 + 0.3 v, means and biases 0.1 v, tokens and position embeddings
 * 0.1 v, other vectors 1 + 0.2 v, matrices and kernels v sqrt(6 / fan_in). */
#ifndef SL_LOOP_GOLDEN_DETWEIGHTS_H
#define SL_LOOP_GOLDEN_DETWEIGHTS_H

#include "base/memory.h"
#include "tensor/tensor.h"

/* `count` values of v for a name. */
void sl_detweights_uniform(const char *salt, const char *name, float *out, size_t count);

/* A tensor (F32, memory held) by its name and shape. */
sl_status sl_detweights_fill(const char *salt, const char *name, sl_tensor *tensor);

#endif
