#include "host_pieces.h"

#include "host_bodies.h"

int host_team_size = 1;
bool host_is_wide;

#define EITHER(type, name)                                                                                   \
    static cudaError_t host_##name(const type *work, cudaStream_t stream) {                                  \
        return host_is_wide ? host_wide_##name(work, stream) : host_narrow_##name(work, stream);             \
    }
#define SL_CUDA_PIECE(name, kind) EITHER(sl_cuda_##name, name)
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#define SL_CUDA_STAGE(name, kind) EITHER(sl_cuda_own, name)
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE

void host_pieces_use(void) {
#define SL_CUDA_PIECE(name, kind) sl_cuda_api.sl_cuda_run_##name = host_##name;
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#define SL_CUDA_STAGE(name, kind) sl_cuda_api.sl_cuda_stage_##name = host_##name;
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
}
