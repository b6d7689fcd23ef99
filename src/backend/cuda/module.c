/* The module's table: devices, kernels, and the functions of memory.c and record.c. */
#include "backend/device.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/own/own_kernel.h"
#include "backend/cuda/module_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SL_KERNEL(op, name, capabilities, dtypes, tolerance) extern const sl_kernel_code sl_kernel_##name;
#include "backend/cuda/kernels.def"
#undef SL_KERNEL

/* The last row, without code, ends the table. */
static const sl_kernel kernels[] = {
#define SL_KERNEL(op, name, capabilities, dtypes, tolerance)                                                 \
    {SL_OP_##op, #name, (capabilities), (dtypes), (tolerance), &sl_kernel_##name},
#include "backend/cuda/kernels.def"
#undef SL_KERNEL
#define SL_CUDA_OWN(op, name, dtypes, tolerance, ...)                                                        \
    {SL_OP_##op, "own_" #name, 0, (dtypes), (tolerance), &sl_cuda_own_code},
#include "backend/cuda/own/kernels.def"
#undef SL_CUDA_OWN
    {SL_OP_COUNT, NULL, 0, 0, 0, NULL},
};

/* ---- devices ---- */

/* Why there is none, in words; the runtime's own are "driver insufficient" for a missing driver too. */
static sl_status no_device(cudaError_t error) {
    int driver = 0, runtime = 0;
    sl_cuda_api.cudaGetLastError();
    sl_cuda_api.cudaDriverGetVersion(&driver);
    sl_cuda_api.cudaRuntimeGetVersion(&runtime);
    if (driver == 0) return sl_fail(SL_NOT_FOUND, "there is no NVIDIA driver here (libcuda.so.1)");
    if (error == cudaErrorInsufficientDriver)
        return sl_fail(SL_UNSUPPORTED,
                       "the NVIDIA driver is too old: it knows CUDA %d.%d, the module needs %d.%d",
                       driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (error == cudaErrorNoDevice || error == cudaSuccess)
        return sl_fail(SL_NOT_FOUND, "the NVIDIA driver is there, but no device");
    return sl_cuda_check(error, "asking for devices");
}

/* With none the thread's message says why, though that is no failure. */
static sl_status count(int *out) {
    int found = 0;
    cudaError_t error = sl_cuda_api.cudaGetDeviceCount(&found);
    if (error != cudaSuccess || found == 0) {
        no_device(error);
        found = 0;
    }
    *out = found;
    return SL_OK;
}

static sl_status check_index(int index) {
    int found = 0;
    cudaError_t error = sl_cuda_api.cudaGetDeviceCount(&found);
    if (error != cudaSuccess || found == 0) return no_device(error);
    if (index < 0 || index >= found)
        return sl_fail(SL_NOT_FOUND, "no CUDA device %d: there %s %d", index, found == 1 ? "is" : "are",
                       found);
    return sl_cuda_check(sl_cuda_api.cudaSetDevice(index), "choosing the device");
}

static unsigned capabilities_of(const struct cudaDeviceProp *properties) {
    unsigned capabilities = 0;
    if (properties->major >= 8) capabilities |= SL_CUDA_BF16;
    if (properties->major >= 9) capabilities |= SL_CUDA_HOPPER;
    if (sl_cuda_api_load_blas() == SL_OK) capabilities |= SL_CUDA_BLAS;
    if (sl_cuda_api_load_dnn() == SL_OK) capabilities |= SL_CUDA_DNN;
    return capabilities;
}

static void add_detail(sl_device_info *info, const char *more) {
    size_t length = strlen(info->detail);
    snprintf(info->detail + length, sizeof info->detail - length, "%s", more);
}

static sl_status describe(int index, sl_device_info *out) {
    struct cudaDeviceProp properties;
    int driver = 0;
    sl_device_info info = {0};
    SL_TRY(check_index(index));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaGetDeviceProperties(&properties, index), "describing the device"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaDriverGetVersion(&driver), "asking for the driver"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaMemGetInfo(&info.free_bytes, &info.total_bytes),
                         "asking for the device's memory"));
    snprintf(info.name, sizeof info.name, "%s", properties.name);
    snprintf(info.detail, sizeof info.detail, "compute capability %d.%d, driver %d.%d", properties.major,
             properties.minor, driver / 1000, driver % 1000 / 10);
    info.capabilities = capabilities_of(&properties);
    if (!(info.capabilities & SL_CUDA_BLAS)) add_detail(&info, ", without cuBLASLt");
    if (!(info.capabilities & SL_CUDA_DNN)) add_detail(&info, ", without cuDNN");
    *out = info;
    return SL_OK;
}

/* ---- opening ---- */

static void close_device(void *device) {
    sl_cuda_context *context = device;
    if (!context) return;
    sl_cuda_api.cudaSetDevice(context->index);
    if (context->stream) sl_cuda_api.cudaStreamSynchronize(context->stream);
    if (context->dnn) sl_cuda_api.cudnnDestroy(context->dnn);
    if (context->blas) sl_cuda_api.cublasLtDestroy(context->blas);
    for (int i = 0; i < SL_CUDA_STAGING_SLOTS; i++)
        if (context->staging.copied[i]) sl_cuda_api.cudaEventDestroy(context->staging.copied[i]);
    for (int i = 0; i < 2; i++)
        if (context->marks[i]) sl_cuda_api.cudaEventDestroy(context->marks[i]);
    if (context->staging.memory) sl_cuda_api.cudaFreeHost(context->staging.memory);
    if (context->failure) sl_cuda_api.cudaFreeHost(context->failure);
    if (context->stream) sl_cuda_api.cudaStreamDestroy(context->stream);
    free(context);
}

static sl_status open_memory(sl_cuda_context *context) {
    void *memory = NULL;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaHostAlloc(&memory,
                                                   (size_t)SL_CUDA_STAGING_SLOTS * SL_CUDA_STAGING_BYTES,
                                                   cudaHostAllocDefault),
                         "pinned memory for uploads"));
    context->staging.memory = memory;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaHostAlloc(&memory, sizeof *context->failure, cudaHostAllocMapped),
                         "pinned memory for the failure word"));
    context->failure = memory;
    *context->failure = 0;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaHostGetDevicePointer(&memory, context->failure, 0),
                         "the device's view of the failure word"));
    context->failure_device = memory;
    return SL_OK;
}

static sl_status open_stream(sl_cuda_context *context) {
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking),
                         "making a stream"));
    for (int i = 0; i < SL_CUDA_STAGING_SLOTS; i++)
        SL_TRY(sl_cuda_check(
            sl_cuda_api.cudaEventCreateWithFlags(&context->staging.copied[i], cudaEventDisableTiming),
            "making an event"));
    for (int i = 0; i < 2; i++)
        SL_TRY(sl_cuda_check(sl_cuda_api.cudaEventCreateWithFlags(&context->marks[i], cudaEventDefault),
                             "making an event"));
    return SL_OK;
}

/* A library that is not there is no failure: the module's own kernels stand in for it. */
static sl_status open_libraries(sl_cuda_context *context) {
    bool blas = context->capabilities & SL_CUDA_BLAS, dnn = context->capabilities & SL_CUDA_DNN;
    if (!blas || !dnn)
        sl_cuda_note("%s%s%s not used here: plain kernels of our own take the place, many times slower",
                     blas ? "" : "cuBLAS 13 (libcublasLt.so.13)", blas || dnn ? "" : " and ",
                     dnn    ? " is"
                     : blas ? "cuDNN 9 (libcudnn.so.9) is"
                            : "cuDNN 9 (libcudnn.so.9) are");
    if (blas) SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtCreate(&context->blas), "starting cuBLASLt"));
    if (!dnn) return SL_OK;
    SL_TRY(sl_cuda_check_dnn(sl_cuda_api.cudnnCreate(&context->dnn), "starting cuDNN"));
    return sl_cuda_check_dnn(sl_cuda_api.cudnnSetStream(context->dnn, context->stream), "cuDNN's stream");
}

static sl_status open_parts(sl_cuda_context *context) {
    struct cudaDeviceProp properties;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaGetDeviceProperties(&properties, context->index),
                         "describing the device"));
    context->capabilities = capabilities_of(&properties);
    SL_TRY(open_stream(context));
    SL_TRY(open_memory(context));
    return open_libraries(context);
}

static sl_status open_device(int index, void **out_device) {
    SL_TRY(check_index(index));
    sl_cuda_context *context = calloc(1, sizeof *context);
    if (!context) return sl_fail(SL_MEMORY, "no memory for a device's context");
    const char *tf32 = getenv("SL_CUDA_TF32");
    context->index = index;
    context->tf32 = tf32 && strcmp(tf32, "1") == 0;
    sl_status status = sl_context(open_parts(context), "opening CUDA device %d", index);
    if (status != SL_OK) {
        close_device(context);
        return status;
    }
    *out_device = context;
    return SL_OK;
}

static const sl_device_module_table table = {
    .abi = SL_DEVICE_ABI,
    .name = "cuda",
    .kernels = kernels,
    .kernel_count = (int)(sizeof kernels / sizeof kernels[0]) - 1,
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .allocate = sl_cuda_allocate,
    .release = sl_cuda_release,
    .upload = sl_cuda_upload,
    .download = sl_cuda_download,
    .copy = sl_cuda_copy,
    .fill = sl_cuda_fill,
    .synchronize = sl_cuda_synchronize,
    .record_begin = sl_cuda_record_begin,
    .record_end = sl_cuda_record_end,
    .launch = sl_cuda_launch,
    .recording_free = sl_cuda_recording_free,
    .mark_s = sl_cuda_mark_s,
};

__attribute__((visibility("default"))) const sl_device_module_table *
sl_device_module(const sl_device_host *host);

const sl_device_module_table *sl_device_module(const sl_device_host *host) {
    if (!host || host->abi != SL_DEVICE_ABI) return NULL;
    sl_cuda_status_use(host);
    return &table;
}
