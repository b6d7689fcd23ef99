/* Memory of the device, and copies to, from and within it. */
#include "backend/cuda/cuda.h"

#include <string.h>

static double mib(size_t bytes) {
    return (double)bytes / (1 << 20);
}

static sl_status no_memory(size_t bytes) {
    size_t free_bytes = 0, total_bytes = 0;
    sl_cuda_api.cudaGetLastError();
    sl_cuda_api.cudaMemGetInfo(&free_bytes, &total_bytes);
    return sl_fail(SL_MEMORY, "the device has no room for %.1f MiB: %.1f of its %.1f MiB are free",
                   mib(bytes), mib(free_bytes), mib(total_bytes));
}

sl_status sl_cuda_allocate(void *device, size_t bytes, void **out) {
    const sl_cuda_context *context = device;
    void *memory = NULL;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    cudaError_t error = sl_cuda_api.cudaMalloc(&memory, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) return no_memory(bytes);
    SL_TRY(sl_cuda_check(error, "allocating device memory"));
    *out = memory;
    return SL_OK;
}

void sl_cuda_release(void *device, void *memory) {
    const sl_cuda_context *context = device;
    if (!memory) return;
    sl_cuda_api.cudaSetDevice(context->index);
    sl_cuda_api.cudaStreamSynchronize(context->stream);
    sl_cuda_api.cudaFree(memory);
}

/* What is recorded would read the staging memory, or wait, at every launch. */
static sl_status not_while_recording(const sl_cuda_context *context, const char *what) {
    if (!context->recording) return SL_OK;
    return sl_fail(SL_INVALID, "%s while work is being recorded", what);
}

static sl_status upload_part(sl_cuda_context *context, char *to, const char *from, size_t bytes) {
    sl_cuda_staging *staging = &context->staging;
    int slot = staging->next;
    char *memory = staging->memory + (size_t)slot * SL_CUDA_STAGING_BYTES;
    if (staging->used[slot])
        SL_TRY(
            sl_cuda_check(sl_cuda_api.cudaEventSynchronize(staging->copied[slot]), "waiting for an upload"));
    memcpy(memory, from, bytes);
    SL_TRY(sl_cuda_check(
        sl_cuda_api.cudaMemcpyAsync(to, memory, bytes, cudaMemcpyHostToDevice, context->stream), "upload"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaEventRecord(staging->copied[slot], context->stream),
                         "marking an upload"));
    staging->used[slot] = true;
    staging->next = (slot + 1) % SL_CUDA_STAGING_SLOTS;
    return SL_OK;
}

sl_status sl_cuda_upload(void *device, void *to, const void *from, size_t bytes) {
    sl_cuda_context *context = device;
    SL_TRY(not_while_recording(context, "upload"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    for (size_t at = 0; at < bytes; at += SL_CUDA_STAGING_BYTES) {
        size_t part = bytes - at < SL_CUDA_STAGING_BYTES ? bytes - at : SL_CUDA_STAGING_BYTES;
        SL_TRY(upload_part(context, (char *)to + at, (const char *)from + at, part));
    }
    return SL_OK;
}

/* A word that kernels set is reported once. */
static sl_status check_failure_word(sl_cuda_context *context) {
    uint32_t word = *context->failure;
    *context->failure = 0;
    if (word == 0) return SL_OK;
    return sl_fail(SL_INVALID, "%s on the device: a value is outside its range",
                   sl_op_name((sl_op)(word - 1)));
}

sl_status sl_cuda_synchronize(void *device) {
    sl_cuda_context *context = device;
    SL_TRY(not_while_recording(context, "waiting"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaStreamSynchronize(context->stream), "work on the device"));
    return check_failure_word(context);
}

sl_status sl_cuda_download(void *device, void *to, const void *from, size_t bytes) {
    sl_cuda_context *context = device;
    SL_TRY(not_while_recording(context, "download"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    SL_TRY(sl_cuda_check(
        sl_cuda_api.cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, context->stream), "download"));
    return sl_cuda_synchronize(device);
}

sl_status sl_cuda_copy(void *device, void *to, const void *from, size_t bytes) {
    const sl_cuda_context *context = device;
    return sl_cuda_check(
        sl_cuda_api.cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, context->stream),
        "copy within the device");
}

sl_status sl_cuda_fill(void *device, void *to, int byte, size_t bytes) {
    const sl_cuda_context *context = device;
    return sl_cuda_check(sl_cuda_api.cudaMemsetAsync(to, byte, bytes, context->stream), "fill");
}
