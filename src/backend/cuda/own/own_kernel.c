/* One code for all own kernels: the stages of the call's operation, one after the other. */
#include "backend/cuda/own/own_kernel.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/own/own.h"

enum { STAGES_MAX = 6 };

typedef enum stage {
    STAGE_END,
#define SL_CUDA_STAGE(name, kind) STAGE_##name,
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
} stage;

#define STAGES(...) STAGES_(__VA_ARGS__, END, END, END, END, END)
#define STAGES_(a, b, c, d, e, f, ...)                                                                       \
    { STAGE_##a, STAGE_##b, STAGE_##c, STAGE_##d, STAGE_##e, STAGE_##f }

static const stage stages_of[SL_OP_COUNT][STAGES_MAX] = {
#define SL_CUDA_OWN(op, name, dtypes, tolerance, ...) [SL_OP_##op] = STAGES(__VA_ARGS__),
#include "backend/cuda/own/kernels.def"
#undef SL_CUDA_OWN
};

static cudaError_t launch(stage which, const sl_cuda_own *own, cudaStream_t stream) {
    switch (which) {
#define SL_CUDA_STAGE(name, kind)                                                                            \
    case STAGE_##name:                                                                                       \
        return sl_cuda_api.sl_cuda_stage_##name(own, stream);
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
    default:
        return cudaSuccess;
    }
}

static sl_status run(const sl_call *call) {
    sl_cuda_own own;
    sl_cuda_own_fit(call, &own);
    own.scratch = call->scratch;
    own.failure = sl_cuda_failure_word(call);
    for (int i = 0; i < STAGES_MAX && stages_of[call->op][i]; i++)
        SL_TRY(
            sl_cuda_check(launch(stages_of[call->op][i], &own, sl_cuda_stream(call)), sl_op_name(call->op)));
    return SL_OK;
}

const sl_kernel_code sl_cuda_own_code = {.scratch = sl_cuda_own_scratch, .run = run};
