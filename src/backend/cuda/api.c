#include "backend/cuda/api.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_CUDART(name) .name = name,
#define ENTRY_CUBLASLT(name)
#define ENTRY_CUDNN(name)

sl_cuda_api_table sl_cuda_api = {
#define SL_CUDA_CALL(library, result, name, arguments) ENTRY_##library(name)
#include "backend/cuda/api.def"
#undef SL_CUDA_CALL
};

typedef enum library { CUDART, CUBLASLT, CUDNN, LIBRARY_COUNT } library;

static const char *const file_of[LIBRARY_COUNT] = {NULL, "libcublasLt.so.13", "libcudnn.so.9"};
static const char *const package_of[LIBRARY_COUNT] = {NULL, "cuBLAS 13", "cuDNN 9"};

/* The loader looks in the module's run path, then where the system says. Never closed: the libraries keep
 * threads and memory of their own to the end of the process. */
static sl_status open_library(library which, void **handles) {
    if (handles[which]) return SL_OK;
    handles[which] = dlopen(file_of[which], RTLD_NOW | RTLD_LOCAL);
    if (!handles[which])
        return sl_fail(SL_NOT_FOUND, "%s is not to be had: %s", package_of[which], dlerror());
    return SL_OK;
}

static sl_status find(library which, void **handles, const char *name, void *out) {
    SL_TRY(open_library(which, handles));
    void *function = dlsym(handles[which], name);
    if (!function)
        return sl_fail(SL_NOT_FOUND, "%s has no function %s: another version of %s is needed", file_of[which],
                       name, package_of[which]);
    memcpy(out, &function, sizeof function);
    return SL_OK;
}

/* Missing functions of one library. */
static sl_status load(library wanted) {
    static void *handles[LIBRARY_COUNT];
    const char *own = getenv("SL_CUDA_OWN");
    if (own && strcmp(own, "1") == 0)
        return sl_fail(SL_NOT_FOUND, "%s is not wanted (SL_CUDA_OWN=1)", package_of[wanted]);
#define SL_CUDA_CALL(of, result, name, arguments)                                                            \
    if (of == wanted && !sl_cuda_api.name) SL_TRY(find(of, handles, #name, (void *)&sl_cuda_api.name));
#include "backend/cuda/api.def"
#undef SL_CUDA_CALL
    return SL_OK;
}

sl_status sl_cuda_api_load_blas(void) {
    return load(CUBLASLT);
}

sl_status sl_cuda_api_load_dnn(void) {
    return load(CUDNN);
}

sl_status sl_cuda_check(cudaError_t error, const char *what) {
    if (error == cudaSuccess) return SL_OK;
    sl_cuda_api.cudaGetLastError(); /* else the next call reports this one */
    return sl_fail(error == cudaErrorMemoryAllocation ? SL_MEMORY : SL_IO, "%s: %s (CUDA error %d)", what,
                   sl_cuda_api.cudaGetErrorString(error), (int)error);
}

sl_status sl_cuda_check_blas(cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS) return SL_OK;
    return sl_fail(status == CUBLAS_STATUS_NOT_SUPPORTED ? SL_UNSUPPORTED : SL_IO, "%s: %s (cuBLASLt %d)",
                   what, sl_cuda_api.cublasLtGetStatusString(status), (int)status);
}

/* Statuses of one kind share their thousands: 3000 to 3999 are "not supported". */
static bool is_unsupported(cudnnStatus_t status) {
    return (int)status / 1000 == (int)CUDNN_STATUS_NOT_SUPPORTED / 1000;
}

sl_status sl_cuda_check_dnn(cudnnStatus_t status, const char *what) {
    if (status == CUDNN_STATUS_SUCCESS) return SL_OK;
    char reason[256] = "";
    sl_cuda_api.cudnnGetLastErrorString(reason, sizeof reason);
    return sl_fail(is_unsupported(status) ? SL_UNSUPPORTED : SL_IO, "%s: %s (cuDNN %d) %s", what,
                   sl_cuda_api.cudnnGetErrorString(status), (int)status, reason);
}
