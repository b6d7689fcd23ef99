/* The module's context: what its files, and kernels by call->device, know of an opened device. */
#ifndef SL_BACKEND_CUDA_CUDA_H
#define SL_BACKEND_CUDA_CUDA_H

#include "backend/call.h"
#include "backend/cuda/api.h"

/* What kernels may ask for: sl_device_info.capabilities, the mask of kernels.def. */
enum {
    SL_CUDA_BF16 = 1,   /* bf16 products: compute capability 8.0 and later */
    SL_CUDA_HOPPER = 2, /* 9.0 and later */
    SL_CUDA_BLAS = 4,   /* cuBLASLt is there */
    SL_CUDA_DNN = 8,    /* cuDNN is there */
};

enum { SL_CUDA_STAGING_SLOTS = 4, SL_CUDA_STAGING_BYTES = 4 << 20 };

/* Pinned host memory that uploads go through, one slot after the other. */
typedef struct sl_cuda_staging {
    char *memory;                              /* SLOTS times BYTES */
    cudaEvent_t copied[SL_CUDA_STAGING_SLOTS]; /* the slot's last copy is done */
    bool used[SL_CUDA_STAGING_SLOTS];
    int next;
} sl_cuda_staging;

typedef struct sl_cuda_context {
    int index;
    unsigned capabilities;
    bool tf32; /* products of F32 may round their inputs to TF32: SL_CUDA_TF32=1 */
    bool recording;
    cudaStream_t stream;
    cublasLtHandle_t blas; /* NULL where the library is not there */
    cudnnHandle_t dnn;
    sl_cuda_staging staging;
    uint32_t *failure;        /* host's view of the failure word */
    uint32_t *failure_device; /* the device's: kernels write 1 + op where an operand's values are bad */
    cudaEvent_t marks[2];
    int mark_count;
    struct sl_cuda_dnn *shared; /* plans of cuDNN in use, found again by shape: lib/dnn.h */
} sl_cuda_context;

/* The context of a call; NULL where calls are only described (no device). */
static inline sl_cuda_context *sl_cuda_context_of(const sl_call *call) {
    return (sl_cuda_context *)call->device;
}

/* The stream that a kernel's run() and pack() put their work into; its device becomes the thread's. */
static inline cudaStream_t sl_cuda_stream(const sl_call *call) {
    const sl_cuda_context *context = sl_cuda_context_of(call);
    sl_cuda_api.cudaSetDevice(context->index);
    return context->stream;
}

/* Where a kernel of the call's op writes 1 + call->op when it meets a value it cannot use (an id outside the
 * table): the next download or synchronize fails with it. A device address. */
static inline uint32_t *sl_cuda_failure_word(const sl_call *call) {
    return sl_cuda_context_of(call)->failure_device;
}

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the table's functions (backend/device.h says what each does) ---- */

sl_status sl_cuda_allocate(void *device, size_t bytes, void **out);
void sl_cuda_release(void *device, void *memory);
sl_status sl_cuda_upload(void *device, void *to, const void *from, size_t bytes);
sl_status sl_cuda_download(void *device, void *to, const void *from, size_t bytes);
sl_status sl_cuda_copy(void *device, void *to, const void *from, size_t bytes);
sl_status sl_cuda_fill(void *device, void *to, int byte, size_t bytes);
sl_status sl_cuda_synchronize(void *device);

sl_status sl_cuda_record_begin(void *device);
sl_status sl_cuda_record_end(void *device, void **out_recording);
sl_status sl_cuda_launch(void *device, void *recording);
void sl_cuda_recording_free(void *device, void *recording);
sl_status sl_cuda_mark_s(void *device, double *out_s);

#ifdef __cplusplus
}
#endif

#endif
