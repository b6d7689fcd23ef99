/* The pieces' bodies on the host, one item after the other. */
#include "backend/cuda/api.h"
#include "host_pieces.h"

typedef struct sl_cuda_team {
    int rank, size;
} sl_cuda_team;

static float team_max(sl_cuda_team team, float x) {
    (void)team;
    return x;
}

static float team_sum(sl_cuda_team team, float x) {
    (void)team;
    return x;
}

#define PIECE static
#include "backend/cuda/lib/pieces_bodies.h"

#define ELEMENT(name) name##_at(piece, i)
#define TEAM(name)    name##_at(piece, i, (sl_cuda_team){0, 1})
#define SL_CUDA_PIECE(name, kind)                                                                            \
    static cudaError_t host_##name(const sl_cuda_##name *piece, cudaStream_t stream) {                       \
        (void)stream;                                                                                        \
        for (int64_t i = 0; i < name##_items(piece); i++) kind(name);                                        \
        return cudaSuccess;                                                                                  \
    }
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE

void host_pieces_use(void) {
#define SL_CUDA_PIECE(name, kind) sl_cuda_api.sl_cuda_run_##name = host_##name;
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
}
