/* The bodies of pieces and stages on the host: compiled twice, as for devices (SL_CUDA_WIDE). An item that a
 * warp or a block shares is shared by host_team_size threads, which meet in team_sum, team_max and team_meet
 * as a block's do. */
#include "host_bodies.h"

#include "backend/cuda/tiling.h"
#include "host_pieces.h"

#include <pthread.h>
#include <stdlib.h>

enum { TEAM_MOST = 8 };

typedef struct sl_cuda_team {
    int rank, size;
    float *shared;
} sl_cuda_team;

static pthread_barrier_t meeting;
static float given[TEAM_MOST], shared_by_team[SL_CUDA_SHARED];

static void team_meet(sl_cuda_team team) {
    if (team.size > 1) pthread_barrier_wait(&meeting);
}

static float combined(sl_cuda_team team, float x, bool is_sum) {
    if (team.size == 1) return x;
    given[team.rank] = x;
    team_meet(team);
    float all = given[0];
    for (int i = 1; i < team.size; i++) all = is_sum ? all + given[i] : all > given[i] ? all : given[i];
    team_meet(team); /* all have read */
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
#include "backend/cuda/own/bodies_columns.h"
#include "backend/cuda/own/bodies_layout.h"
#include "backend/cuda/own/bodies_losses.h"
#include "backend/cuda/own/bodies_rows.h"
#include "backend/cuda/own/bodies_sampling.h"

typedef struct member {
    pthread_t thread;
    sl_cuda_team team;
    void (*body)(const void *work, sl_cuda_team team);
    const void *work;
} member;

static void *run_member(void *context) {
    const member *m = context;
    m->body(m->work, m->team);
    return NULL;
}

static void run_team(void (*body)(const void *work, sl_cuda_team team), const void *work) {
    member members[TEAM_MOST];
    pthread_barrier_init(&meeting, NULL, (unsigned)host_team_size);
    for (int i = 0; i < host_team_size; i++) {
        members[i] = (member){.team = {i, host_team_size, shared_by_team}, .body = body, .work = work};
        if (pthread_create(&members[i].thread, NULL, run_member, &members[i])) abort();
    }
    for (int i = 0; i < host_team_size; i++) pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&meeting);
}

#define HOST_ELEMENT(type, name)                                                                             \
    cudaError_t HOST_NAME(name)(const type *work, cudaStream_t stream) {                                     \
        (void)stream;                                                                                        \
        for (position i = 0; i < name##_items(work); i++) name##_at(work, i);                                \
        return cudaSuccess;                                                                                  \
    }
#define HOST_TEAM(type, name)                                                                                \
    static void all_##name(const void *work, sl_cuda_team team) {                                            \
        for (position i = 0; i < name##_items((const type *)work); i++)                                      \
            name##_at((const type *)work, i, team);                                                          \
    }                                                                                                        \
    cudaError_t HOST_NAME(name)(const type *work, cudaStream_t stream) {                                     \
        (void)stream;                                                                                        \
        run_team(all_##name, work);                                                                          \
        return cudaSuccess;                                                                                  \
    }
#define HOST_TILE HOST_TEAM
/* the width chooses between warp and block */
#define HOST_ROW(type, name)                                                                                 \
    HOST_TEAM(type, name)                                                                                    \
    bool HOST_WIDTH(name)(const type *work);                                                                 \
    bool HOST_WIDTH(name)(const type *work) {                                                                \
        return name##_width(work) > 0;                                                                       \
    }

#define SL_CUDA_PIECE(name, kind) HOST_##kind(sl_cuda_##name, name)
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#define SL_CUDA_STAGE(name, kind) HOST_##kind(sl_cuda_own, name)
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
