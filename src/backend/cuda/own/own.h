/* The module's own kernels. An operation is one stage or a few, launched one after the other; a stage works
 * through items, each for a thread, a warp or a block (launch.h). Bodies are in the common subset of C and
 * CUDA C++ (bodies_*.h): own.cu compiles them for devices, tests for the host. */
#ifndef SL_BACKEND_CUDA_OWN_OWN_H
#define SL_BACKEND_CUDA_OWN_OWN_H

#include "backend/call.h"
#include "backend/cuda/tiling.h"

#include <cuda_runtime_api.h>

/* How SUM goes about it, by the axes that are summed. */
typedef enum sl_cuda_sum {
    SL_CUDA_SUM_ROWS,    /* [kept, summed] */
    SL_CUDA_SUM_COLUMNS, /* [kept, summed, kept] */
    SL_CUDA_SUM_ALL,
    SL_CUDA_SUM_OTHER,
} sl_cuda_sum;

/* A call by value, as kernels take it, with what the host has found out about it (sl_cuda_own_fit). Addresses
 * are the device's. Axes that lie alike in all operands are joined: [N,H,W,C] + [N,1,1,C] is [N,HW,C] +
 * [N,1,C], pieces of an axis are [outer, axis times inner]. */
typedef struct sl_cuda_own {
    sl_op op;
    sl_attrs attrs;
    int in_count, out_count;
    sl_operand in[SL_INPUTS_MAX], out[SL_OUTPUTS_MAX];
    float *scratch;
    uint32_t *failure; /* gets 1 + op where an operand's values are bad (cuda.h) */

    int64_t extent;           /* elements of the largest operand */
    int64_t count;            /* of in[0], or of out[0] where there is none */
    int32_t step;             /* elements that are taken at once: 8, or 1 where memory does not allow it */
    sl_cuda_sum sum;          /* SUM */
    int64_t groups, in_group; /* norms: groups of an image, channels of a group */
    sl_cuda_tiling tiling;    /* norms, and sums of columns */
    int64_t from_step[SL_RANK_MAX],
        to_step[SL_RANK_MAX]; /* TRANSPOSE and SUM: of in[0]'s axes, here and in out[0] */
} sl_cuda_own;

/* What the host finds out. Addresses may be NULL as yet: then step is that of aligned ones. */
void sl_cuda_own_fit(const sl_call *call, sl_cuda_own *out);

/* Bytes of scratch memory. */
size_t sl_cuda_own_scratch(const sl_call *call);

/* Positions of calls up to here fit 32-bit numbers, with room for a step beyond. */
enum { SL_CUDA_NARROW_MOST = 1 << 30 };

/* Parts of a sum over a whole array: by its size alone. */
enum { SL_CUDA_OWN_PARTS = 1024 };

#ifdef __cplusplus
extern "C" {
#endif
#define SL_CUDA_STAGE(name, kind)                                                                            \
    cudaError_t sl_cuda_stage_##name(const sl_cuda_own *call, cudaStream_t stream);
#include "backend/cuda/own/stages.def"
#undef SL_CUDA_STAGE
#ifdef __cplusplus
}
#endif

#endif
