/* How bodies are launched: a thread for each item, or a block whose threads share it. CUDA alone. */
#ifndef SL_BACKEND_CUDA_LAUNCH_H
#define SL_BACKEND_CUDA_LAUNCH_H

#include <cuda_runtime.h>
#include <stdint.h>

#define PIECE static __device__ __host__ inline

typedef struct sl_cuda_team {
    int rank, size;
} sl_cuda_team;

/* A sum or maximum over a block's threads, the same in all of them; fixed order. */
template <typename Combine> static __device__ float over_block(float x, Combine combine) {
    __shared__ float of_warp[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (int step = 16; step; step /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, step));
    __syncthreads(); /* the values of an earlier call have been read */
    if (lane == 0) of_warp[warp] = x;
    __syncthreads();
    x = of_warp[0];
    for (int i = 1; i < warps; i++) x = combine(x, of_warp[i]);
    return x;
}

static __device__ __host__ inline float team_max(sl_cuda_team, float x) {
#ifdef __CUDA_ARCH__
    return over_block(x, [](float a, float b) { return fmaxf(a, b); });
#else
    return x;
#endif
}

static __device__ __host__ inline float team_sum(sl_cuda_team, float x) {
#ifdef __CUDA_ARCH__
    return over_block(x, [](float a, float b) { return a + b; });
#else
    return x;
#endif
}

enum { THREADS = 256, BLOCKS_MAX = 1 << 20 };

static int blocks_for(int64_t items) {
    return items < BLOCKS_MAX ? (int)items : (int)BLOCKS_MAX;
}

/* extern "C" cudaError_t ENTRY(const TYPE *work, stream): BODY##_at for all of BODY##_items(work). */
#define SL_CUDA_LAUNCH_ELEMENT(ENTRY, TYPE, BODY)                                                            \
    static __global__ void BODY##_kernel(TYPE work, int64_t items) {                                         \
        int64_t step = (int64_t)gridDim.x * blockDim.x;                                                      \
        for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < items; i += step)               \
            BODY##_at(&work, i);                                                                             \
    }                                                                                                        \
    extern "C" cudaError_t ENTRY(const TYPE *work, cudaStream_t stream) {                                    \
        int64_t items = BODY##_items(work);                                                                  \
        if (items == 0) return cudaSuccess;                                                                  \
        BODY##_kernel<<<blocks_for((items + THREADS - 1) / THREADS), THREADS, 0, stream>>>(*work, items);    \
        return cudaGetLastError();                                                                           \
    }

#define SL_CUDA_LAUNCH_TEAM(ENTRY, TYPE, BODY)                                                               \
    static __global__ void BODY##_kernel(TYPE work, int64_t items) {                                         \
        sl_cuda_team team = {(int)threadIdx.x, (int)blockDim.x};                                             \
        for (int64_t i = blockIdx.x; i < items; i += gridDim.x) BODY##_at(&work, i, team);                   \
    }                                                                                                        \
    extern "C" cudaError_t ENTRY(const TYPE *work, cudaStream_t stream) {                                    \
        int64_t items = BODY##_items(work);                                                                  \
        if (items == 0) return cudaSuccess;                                                                  \
        BODY##_kernel<<<blocks_for(items), THREADS, 0, stream>>>(*work, items);                              \
        return cudaGetLastError();                                                                           \
    }

#endif
