/* The own kernels' stages on a device. */
#include "backend/cuda/launch.h"

#include "backend/cuda/own/bodies_columns.h"
#include "backend/cuda/own/bodies_layout.h"
#include "backend/cuda/own/bodies_losses.h"
#include "backend/cuda/own/bodies_rows.h"
#include "backend/cuda/own/bodies_sampling.h"

static int64_t extent_of(const sl_cuda_own *c) {
    return c->extent;
}

#define SL_CUDA_STAGE(name, kind) SL_CUDA_LAUNCH(kind, sl_cuda_stage_##name, sl_cuda_own, name, extent_of)
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
