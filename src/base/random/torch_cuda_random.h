/* The normals of PyTorch's CUDA generator: the stream of torch.randn(..., device="cuda", generator=g) in
 * float32, g seeded by manual_seed, for `--rng torch-cuda`.
 *
 * The words are Philox4x32-10 (Salmon et al. 2011): key = seed; counter = (steps of the generator so far, in
 * 64 bits; number of the thread that asks, in 64 bits). Four words make four normals by Box-Muller, sine
 * first, as cuRAND's normal4 does. A call is spread over threads in blocks of 256, as many blocks as the
 * values need and the device holds; thread t makes the values t, t + threads, t + 2 threads, t + 3 threads
 * with its first four normals, the four places after them with its next four. So a call of no more values
 * than the device holds threads is the same on every device: then value t is the first normal of thread t.
 * Read from PyTorch's DistributionTemplates.h (aten, native/cuda) and from cuRAND's documented device API.
 *
 * Words and layout are exact. The device takes sine and cosine from its fast approximation, so that normals
 * agree to about 1e-6 times their radius, not to the bit. */
#ifndef SL_BASE_TORCH_CUDA_RANDOM_H
#define SL_BASE_TORCH_CUDA_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Threads that an A100 holds (108 multiprocessors of 2,048): the device that is assumed where a call has more
 * values than the device has threads. */
enum { SL_TORCH_CUDA_THREADS = 108 * 2048 };

typedef struct sl_torch_cuda_random {
    uint64_t seed, steps; /* steps: blocks of four words that each thread has used */
} sl_torch_cuda_random;

void sl_torch_cuda_random_seed(sl_torch_cuda_random *random, uint64_t seed);

/* torch.randn of `count` contiguous float32 on a device that holds so many threads (a multiple of 256). */
void sl_torch_cuda_randn(sl_torch_cuda_random *random, int64_t device_threads, float *out, size_t count);

#endif
