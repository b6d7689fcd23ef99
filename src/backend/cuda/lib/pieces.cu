/* The pieces on a device. */
#include "backend/cuda/launch.h"

#include "backend/cuda/own/own.h"

#include "backend/cuda/lib/pieces_bodies.h"

#define SL_CUDA_PIECE(name, kind)                                                                            \
    SL_CUDA_LAUNCH(kind, sl_cuda_run_##name, sl_cuda_##name, name, name##_extent)
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
