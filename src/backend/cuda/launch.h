/* How bodies are launched. CUDA alone.
 *
 *   ELEMENT  an item is for one thread
 *   ROW      for a warp, or for a block where <name>_width() is large
 *   TEAM     for a block
 *   TILE     for a block whose threads share SL_CUDA_SHARED floats
 *
 * A source of kernels is compiled twice: as it is, and with SL_CUDA_WIDE=1, whose entries end in _wide and
 * are called by the first's where a call has more than SL_CUDA_NARROW_MOST elements. */
#ifndef SL_BACKEND_CUDA_LAUNCH_H
#define SL_BACKEND_CUDA_LAUNCH_H

#include "backend/cuda/tiling.h"

#include <cuda_runtime.h>
#include <stdint.h>

#define PIECE static __device__ __host__ inline

typedef struct sl_cuda_team {
    int rank, size; /* 32: a warp; else a block */
    float *shared;
} sl_cuda_team;

enum { WARP = 32, ROW_OF_WARP = 1024 };

template <typename Combine> static __device__ float over_warp(float x, Combine combine) {
#pragma unroll
    for (int step = WARP / 2; step; step /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

/* A sum or maximum over a block's threads, the same in all of them; fixed order. */
template <typename Combine> static __device__ float over_block(float x, Combine combine) {
    __shared__ float of_warp[SL_CUDA_THREADS / WARP];
    x = over_warp(x, combine);
    __syncthreads(); /* the values of an earlier call have been read */
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = x;
    __syncthreads();
    x = of_warp[0];
#pragma unroll
    for (int i = 1; i < SL_CUDA_THREADS / WARP; i++) x = combine(x, of_warp[i]);
    return x;
}

template <typename Combine> static __device__ float over_team(sl_cuda_team team, float x, Combine combine) {
    return team.size == WARP ? over_warp(x, combine) : over_block(x, combine);
}

static __device__ __host__ inline float team_max(sl_cuda_team team, float x) {
#ifdef __CUDA_ARCH__
    return over_team(team, x, [](float a, float b) { return fmaxf(a, b); });
#else
    return x + 0 * (float)team.rank;
#endif
}

static __device__ __host__ inline float team_sum(sl_cuda_team team, float x) {
#ifdef __CUDA_ARCH__
    return over_team(team, x, [](float a, float b) { return a + b; });
#else
    return x + 0 * (float)team.rank;
#endif
}

/* What members have written to shared memory is there for all. */
static __device__ __host__ inline void team_meet(sl_cuda_team) {
#ifdef __CUDA_ARCH__
    __syncthreads();
#endif
}

static inline unsigned blocks_for(int64_t items, int per_block) {
    return (unsigned)((items + per_block - 1) / per_block);
}

#define SL_CUDA_KERNEL static __global__ void __launch_bounds__(SL_CUDA_THREADS)
/* Without a number of blocks the compiler spills a register of a layer norm to fit five. */
#define SL_CUDA_ROW_KERNEL static __global__ void __launch_bounds__(SL_CUDA_THREADS, 4)

/* static cudaError_t BODY##_run(const TYPE *work, int64_t items, stream) */
#define SL_CUDA_RUN(TYPE, BODY, PER_BLOCK, KERNEL)                                                           \
    static cudaError_t KERNEL##_run(const TYPE *work, int64_t items, cudaStream_t stream) {                  \
        KERNEL<<<blocks_for(items, PER_BLOCK), SL_CUDA_THREADS, 0, stream>>>(*work, (position)items);        \
        return cudaGetLastError();                                                                           \
    }

#define SL_CUDA_KIND_ELEMENT(TYPE, BODY)                                                                     \
    SL_CUDA_KERNEL BODY##_element(const __grid_constant__ TYPE work, position items) {                       \
        position i = (position)((unsigned_position)blockIdx.x * SL_CUDA_THREADS + threadIdx.x);              \
        if (i < items) BODY##_at(&work, i);                                                                  \
    }                                                                                                        \
    SL_CUDA_RUN(TYPE, BODY, SL_CUDA_THREADS, BODY##_element)                                                 \
    static cudaError_t BODY##_launch(const TYPE *work, int64_t items, cudaStream_t stream) {                 \
        return BODY##_element_run(work, items, stream);                                                      \
    }

#define SL_CUDA_BLOCK_OF(TYPE, BODY, BOUND)                                                                  \
    BOUND BODY##_block(const __grid_constant__ TYPE work, position items) {                                  \
        sl_cuda_team team = {(int)threadIdx.x, SL_CUDA_THREADS, nullptr};                                    \
        if ((position)blockIdx.x < items) BODY##_at(&work, (position)blockIdx.x, team);                      \
    }                                                                                                        \
    SL_CUDA_RUN(TYPE, BODY, 1, BODY##_block)

#define SL_CUDA_KIND_TEAM(TYPE, BODY)                                                                        \
    SL_CUDA_BLOCK_OF(TYPE, BODY, SL_CUDA_KERNEL)                                                             \
    static cudaError_t BODY##_launch(const TYPE *work, int64_t items, cudaStream_t stream) {                 \
        return BODY##_block_run(work, items, stream);                                                        \
    }

#define SL_CUDA_KIND_ROW(TYPE, BODY)                                                                         \
    SL_CUDA_BLOCK_OF(TYPE, BODY, SL_CUDA_ROW_KERNEL)                                                         \
    SL_CUDA_ROW_KERNEL BODY##_warp(const __grid_constant__ TYPE work, position items) {                      \
        sl_cuda_team team = {(int)threadIdx.x % WARP, WARP, nullptr};                                        \
        position i = (position)(blockIdx.x * (unsigned_position)(SL_CUDA_THREADS / WARP)) +                  \
                     (position)(threadIdx.x / WARP);                                                         \
        if (i < items) BODY##_at(&work, i, team);                                                            \
    }                                                                                                        \
    SL_CUDA_RUN(TYPE, BODY, SL_CUDA_THREADS / WARP, BODY##_warp)                                             \
    static cudaError_t BODY##_launch(const TYPE *work, int64_t items, cudaStream_t stream) {                 \
        return BODY##_width(work) > ROW_OF_WARP ? BODY##_block_run(work, items, stream)                      \
                                                : BODY##_warp_run(work, items, stream);                      \
    }

#define SL_CUDA_KIND_TILE(TYPE, BODY)                                                                        \
    SL_CUDA_KERNEL BODY##_tile(const __grid_constant__ TYPE work, position items) {                          \
        __shared__ float shared[SL_CUDA_SHARED];                                                             \
        sl_cuda_team team = {(int)threadIdx.x, SL_CUDA_THREADS, shared};                                     \
        if ((position)blockIdx.x < items) BODY##_at(&work, (position)blockIdx.x, team);                      \
    }                                                                                                        \
    SL_CUDA_RUN(TYPE, BODY, 1, BODY##_tile)                                                                  \
    static cudaError_t BODY##_launch(const TYPE *work, int64_t items, cudaStream_t stream) {                 \
        return BODY##_tile_run(work, items, stream);                                                         \
    }

#if SL_CUDA_WIDE
#define SL_CUDA_ENTRY(ENTRY, TYPE, BODY, EXTENT)                                                             \
    extern "C" cudaError_t ENTRY##_wide(const TYPE *work, cudaStream_t stream);                              \
    extern "C" cudaError_t ENTRY##_wide(const TYPE *work, cudaStream_t stream) {                             \
        int64_t items = EXTENT(work) ? (int64_t)BODY##_items(work) : 0;                                      \
        return items ? BODY##_launch(work, items, stream) : cudaSuccess;                                     \
    }
#else
#define SL_CUDA_ENTRY(ENTRY, TYPE, BODY, EXTENT)                                                             \
    extern "C" cudaError_t ENTRY##_wide(const TYPE *work, cudaStream_t stream);                              \
    extern "C" cudaError_t ENTRY(const TYPE *work, cudaStream_t stream) {                                    \
        if (EXTENT(work) > SL_CUDA_NARROW_MOST) return ENTRY##_wide(work, stream);                           \
        int64_t items = EXTENT(work) ? (int64_t)BODY##_items(work) : 0;                                      \
        return items ? BODY##_launch(work, items, stream) : cudaSuccess;                                     \
    }
#endif

/* extern "C" cudaError_t ENTRY(const TYPE *work, stream): BODY##_at for all of BODY##_items(work);
 * EXTENT(work) is the largest number of elements of its arrays. */
#define SL_CUDA_LAUNCH(KIND, ENTRY, TYPE, BODY, EXTENT)                                                      \
    SL_CUDA_KIND_##KIND(TYPE, BODY) SL_CUDA_ENTRY(ENTRY, TYPE, BODY, EXTENT)

#endif
