/* The module's own kernels. An operation is one stage or a few, launched one after the other; a stage works
 * through items: a thread for each (ELEMENT), or a block whose threads share it (TEAM). Bodies are in the
 * common subset of C and CUDA C++ (bodies_*.h): own.cu compiles them for devices, tests for the host. */
#ifndef SL_BACKEND_CUDA_OWN_OWN_H
#define SL_BACKEND_CUDA_OWN_OWN_H

#include "backend/call.h"

#include <cuda_runtime_api.h>

/* A call by value, as kernels take it. Addresses are the device's. */
typedef struct sl_cuda_own {
    sl_op op;
    sl_attrs attrs;
    int in_count, out_count;
    sl_operand in[SL_INPUTS_MAX], out[SL_OUTPUTS_MAX];
    float *scratch;    /* sl_cuda_own_scratch_floats */
    uint32_t *failure; /* gets 1 + op where an operand's values are bad (cuda.h) */
} sl_cuda_own;

/* Partial sums of columns and of arrays: their number goes by shape alone. */
enum { SL_CUDA_OWN_SLICES = 128, SL_CUDA_OWN_SLICE_ROWS = 32, SL_CUDA_OWN_PARTS = 256 };

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
