/* The functions of the CUDA libraries, in one table: the module calls sl_cuda_api.cudaMalloc(...), and tests
 * put functions of their own there. The runtime is linked into the module; cuBLASLt and cuDNN, which are
 * large, are opened when a device is, so that asking for devices needs neither. */
#ifndef SL_BACKEND_CUDA_API_H
#define SL_BACKEND_CUDA_API_H

#include "backend/cuda/lib/pieces.h"
#include "backend/cuda/own/own.h"
#include "base/status.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

typedef struct sl_cuda_api_table {
#define SL_CUDA_CALL(library, result, name, arguments) result(*name) arguments;
#include "backend/cuda/api.def"
#undef SL_CUDA_CALL
} sl_cuda_api_table;

#ifdef __cplusplus
extern "C" {
#endif

extern sl_cuda_api_table sl_cuda_api;

/* Opens the library, once; entries that are set already stay. SL_NOT_FOUND names the library or the function
 * that is missing and the loader's reason; with SL_CUDA_OWN=1 in the environment no library is found. */
sl_status sl_cuda_api_load_blas(void);
sl_status sl_cuda_api_load_dnn(void);

/* SL_OK, or a failure with "WHAT: the library's text". Out of memory is SL_MEMORY, all else SL_IO; a cuDNN
 * call that is not supported is SL_UNSUPPORTED. */
sl_status sl_cuda_check(cudaError_t error, const char *what);
sl_status sl_cuda_check_blas(cublasStatus_t status, const char *what);
sl_status sl_cuda_check_dnn(cudnnStatus_t status, const char *what);

#ifdef __cplusplus
}
#endif

#endif
