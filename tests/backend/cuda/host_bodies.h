/* host_narrow_<name> and host_wide_<name>: each piece and stage on the host. */
#ifndef SL_TESTS_CUDA_HOST_BODIES_H
#define SL_TESTS_CUDA_HOST_BODIES_H

#include "backend/cuda/api.h"

#if SL_CUDA_WIDE
#define HOST_NAME(name)  host_wide_##name
#define HOST_WIDTH(name) host_wide_width_##name
#else
#define HOST_NAME(name)  host_narrow_##name
#define HOST_WIDTH(name) host_narrow_width_##name
#endif

#define HOST_BOTH(type, name)                                                                                \
    cudaError_t host_narrow_##name(const type *work, cudaStream_t stream);                                   \
    cudaError_t host_wide_##name(const type *work, cudaStream_t stream);
#define SL_CUDA_PIECE(name, kind) HOST_BOTH(sl_cuda_##name, name)
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#define SL_CUDA_STAGE(name, kind) HOST_BOTH(sl_cuda_own, name)
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE

#endif
