/* The own kernels' stages on a device. */
#include "backend/cuda/launch.h"

#include "backend/cuda/own/bodies_layout.h"
#include "backend/cuda/own/bodies_reduce.h"

#define SL_CUDA_STAGE(name, kind) SL_CUDA_LAUNCH_##kind(sl_cuda_stage_##name, sl_cuda_own, name)
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
