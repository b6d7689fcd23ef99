/* The bodies of pieces and stages on the host. A TEAM's item is shared by host_team_size threads, which meet
 * in team_sum and team_max as a block's do. */
#include "backend/cuda/api.h"
#include "host_pieces.h"

#include <pthread.h>
#include <stdlib.h>

enum { TEAM_MOST = 8 };

int host_team_size = 1;

typedef struct sl_cuda_team {
    int rank, size;
} sl_cuda_team;

static pthread_barrier_t meeting;
static float shared[TEAM_MOST];

static float combined(sl_cuda_team team, float x, bool is_sum) {
    if (team.size == 1) return x;
    shared[team.rank] = x;
    pthread_barrier_wait(&meeting);
    float all = shared[0];
    for (int i = 1; i < team.size; i++) all = is_sum ? all + shared[i] : all > shared[i] ? all : shared[i];
    pthread_barrier_wait(&meeting); /* all have read */
    return all;
}

static float team_max(sl_cuda_team team, float x) {
    return combined(team, x, false);
}

static float team_sum(sl_cuda_team team, float x) {
    return combined(team, x, true);
}

#define PIECE static inline
#include "backend/cuda/lib/pieces_bodies.h"
#include "backend/cuda/own/bodies_layout.h"
#include "backend/cuda/own/bodies_reduce.h"

typedef struct member {
    pthread_t thread;
    sl_cuda_team team;
    void (*run)(const void *work, sl_cuda_team team);
    const void *work;
} member;

static void *run_member(void *context) {
    const member *m = context;
    m->run(m->work, m->team);
    return NULL;
}

static void run_team(void (*run)(const void *work, sl_cuda_team team), const void *work) {
    member members[TEAM_MOST];
    pthread_barrier_init(&meeting, NULL, (unsigned)host_team_size);
    for (int i = 0; i < host_team_size; i++) {
        members[i] = (member){.team = {i, host_team_size}, .run = run, .work = work};
        if (pthread_create(&members[i].thread, NULL, run_member, &members[i])) abort();
    }
    for (int i = 0; i < host_team_size; i++) pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&meeting);
}

#define HOST_ELEMENT(type, name)                                                                             \
    static cudaError_t host_##name(const type *work, cudaStream_t stream) {                                  \
        (void)stream;                                                                                        \
        for (int64_t i = 0; i < name##_items(work); i++) name##_at(work, i);                                 \
        return cudaSuccess;                                                                                  \
    }
#define HOST_TEAM(type, name)                                                                                \
    static void all_##name(const void *work, sl_cuda_team team) {                                            \
        for (int64_t i = 0; i < name##_items((const type *)work); i++)                                       \
            name##_at((const type *)work, i, team);                                                          \
    }                                                                                                        \
    static cudaError_t host_##name(const type *work, cudaStream_t stream) {                                  \
        (void)stream;                                                                                        \
        run_team(all_##name, work);                                                                          \
        return cudaSuccess;                                                                                  \
    }

#define SL_CUDA_PIECE(name, kind) HOST_##kind(sl_cuda_##name, name)
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#define SL_CUDA_STAGE(name, kind) HOST_##kind(sl_cuda_own, name)
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
