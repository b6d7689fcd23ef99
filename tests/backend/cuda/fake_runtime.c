#include "fake_runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fake_runtime fake;

enum { QUEUE = 256 };
static struct copy {
    void *to;
    const void *from;
    size_t bytes;
} queue[QUEUE];
static int queued;

static void finish(void) {
    for (int i = 0; i < queued; i++) memcpy(queue[i].to, queue[i].from, queue[i].bytes);
    queued = 0;
}

/* Writes the call down; whether it shall fail. */
static bool call(const char *name, const char *format, ...) {
    size_t at = strlen(fake.log);
    va_list arguments;
    at += (size_t)snprintf(fake.log + at, sizeof fake.log - at, "%s", name);
    va_start(arguments, format);
    if (at < sizeof fake.log) vsnprintf(fake.log + at, sizeof fake.log - at, format, arguments);
    va_end(arguments);
    at = strlen(fake.log);
    snprintf(fake.log + at, sizeof fake.log - at, "\n");
    if (++fake.calls == fake.fail_at) return true;
    return fake.fails && strcmp(fake.fails, name) == 0 && fake.fails_after-- <= 0;
}

static cudaError_t error(void) {
    return fake.fails_error ? (cudaError_t)fake.fails_error : cudaErrorUnknown;
}

#define CALL(...)                                                                                            \
    if (call(__func__ + sizeof("fake_") - 1, __VA_ARGS__)) return error()

static cudaError_t fake_cudaDriverGetVersion(int *version) {
    *version = fake.driver;
    return cudaSuccess;
}

static cudaError_t fake_cudaRuntimeGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

static cudaError_t fake_cudaGetDeviceCount(int *count) {
    *count = fake.device_count;
    return fake.count_error;
}

static cudaError_t fake_cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
    CALL(" %d", device);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "Fake %d", device);
    properties->major = 8;
    properties->minor = 6;
    return cudaSuccess;
}

static cudaError_t fake_cudaSetDevice(int device) {
    return device < fake.device_count ? cudaSuccess : cudaErrorInvalidDevice;
}

static cudaError_t fake_cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    *free_bytes = (size_t)100 << 20;
    *total_bytes = (size_t)1000 << 20;
    return cudaSuccess;
}

static const char *fake_cudaGetErrorString(cudaError_t code) {
    return code == cudaErrorStreamCaptureInvalidated ? "capture was broken off" : "failure on purpose";
}

static cudaError_t fake_cudaGetLastError(void) {
    return cudaSuccess;
}

static void *made(void) {
    fake.alive++;
    return malloc(1);
}

static void destroyed(void *thing) {
    fake.alive--;
    free(thing);
}

static cudaError_t fake_cudaMalloc(void **memory, size_t bytes) {
    CALL(" %zu", bytes);
    fake.alive++;
    *memory = malloc(bytes);
    return cudaSuccess;
}

static cudaError_t fake_cudaFree(void *memory) {
    CALL("");
    destroyed(memory);
    return cudaSuccess;
}

static cudaError_t fake_cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
    CALL(" %zu %u", bytes, flags);
    fake.alive++;
    *memory = malloc(bytes);
    return cudaSuccess;
}

static cudaError_t fake_cudaFreeHost(void *memory) {
    CALL("");
    destroyed(memory);
    return cudaSuccess;
}

static cudaError_t fake_cudaHostGetDevicePointer(void **device, void *host, unsigned flags) {
    CALL(" %u", flags);
    *device = host;
    return cudaSuccess;
}

static cudaError_t fake_cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                                        cudaStream_t stream) {
    (void)stream;
    CALL(" %zu %d", bytes, (int)kind);
    if (queued == QUEUE) finish();
    queue[queued++] = (struct copy){to, from, bytes};
    return cudaSuccess;
}

static cudaError_t fake_cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream) {
    (void)stream;
    CALL(" %d %zu", byte, bytes);
    finish();
    memset(to, byte, bytes);
    return cudaSuccess;
}

static cudaError_t fake_cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    CALL(" %u", flags);
    *stream = made();
    return cudaSuccess;
}

static cudaError_t fake_cudaStreamDestroy(cudaStream_t stream) {
    CALL("");
    destroyed(stream);
    return cudaSuccess;
}

static cudaError_t fake_cudaStreamSynchronize(cudaStream_t stream) {
    (void)stream;
    CALL("");
    finish();
    return cudaSuccess;
}

static cudaError_t fake_cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    CALL(" %u", flags);
    *event = made();
    return cudaSuccess;
}

static cudaError_t fake_cudaEventDestroy(cudaEvent_t event) {
    CALL("");
    destroyed(event);
    return cudaSuccess;
}

static cudaError_t fake_cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    (void)event, (void)stream;
    CALL("");
    return cudaSuccess;
}

static cudaError_t fake_cudaEventSynchronize(cudaEvent_t event) {
    (void)event;
    CALL("");
    finish();
    return cudaSuccess;
}

static cudaError_t fake_cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) {
    CALL(" %d", start != end);
    *ms = 250;
    return cudaSuccess;
}

static cudaError_t fake_cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    (void)stream;
    CALL(" %d", (int)mode);
    fake.capturing = true;
    return cudaSuccess;
}

static cudaError_t fake_cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    (void)stream;
    fake.capturing = false;
    *graph = NULL;
    CALL("");
    *graph = made();
    return cudaSuccess;
}

static cudaError_t fake_cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph,
                                             unsigned long long flags) {
    CALL(" %d %llu", graph != NULL, flags);
    *executable = made();
    return cudaSuccess;
}

static cudaError_t fake_cudaGraphDestroy(cudaGraph_t graph) {
    CALL("");
    destroyed(graph);
    return cudaSuccess;
}

static cudaError_t fake_cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    (void)stream;
    CALL(" %d", executable != NULL);
    return cudaSuccess;
}

static cudaError_t fake_cudaGraphExecDestroy(cudaGraphExec_t executable) {
    CALL("");
    destroyed(executable);
    return cudaSuccess;
}

/* ---- libraries: handles alone ---- */

static cublasStatus_t fake_cublasLtCreate(cublasLtHandle_t *handle) {
    if (call("cublasLtCreate", "")) return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = made();
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t fake_cublasLtDestroy(cublasLtHandle_t handle) {
    call("cublasLtDestroy", "");
    destroyed(handle);
    return CUBLAS_STATUS_SUCCESS;
}

static const char *fake_cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_NOT_INITIALIZED ? "not initialised" : "failure on purpose";
}

static cudnnStatus_t fake_cudnnCreate(cudnnHandle_t *handle) {
    if (call("cudnnCreate", "")) return CUDNN_STATUS_NOT_INITIALIZED;
    *handle = made();
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t fake_cudnnDestroy(cudnnHandle_t handle) {
    call("cudnnDestroy", "");
    destroyed(handle);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t fake_cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    (void)handle;
    if (call("cudnnSetStream", " %d", stream != NULL)) return CUDNN_STATUS_BAD_PARAM;
    return CUDNN_STATUS_SUCCESS;
}

static const char *fake_cudnnGetErrorString(cudnnStatus_t status) {
    (void)status;
    return "failure on purpose";
}

static void fake_cudnnGetLastErrorString(char *message, size_t bytes) {
    snprintf(message, bytes, "(of the fake runtime)");
}

void fake_runtime_forget_log(void) {
    fake.log[0] = '\0';
}

#define FAKE(name) sl_cuda_api.name = fake_##name

void fake_runtime_use(void) {
    fake = (fake_runtime){.device_count = 1, .driver = 13000};
    queued = 0;
    FAKE(cudaDriverGetVersion), FAKE(cudaRuntimeGetVersion), FAKE(cudaGetDeviceCount);
    FAKE(cudaGetDeviceProperties), FAKE(cudaSetDevice), FAKE(cudaMemGetInfo), FAKE(cudaGetErrorString);
    FAKE(cudaGetLastError), FAKE(cudaMalloc), FAKE(cudaFree), FAKE(cudaHostAlloc), FAKE(cudaFreeHost);
    FAKE(cudaHostGetDevicePointer), FAKE(cudaMemcpyAsync), FAKE(cudaMemsetAsync);
    FAKE(cudaStreamCreateWithFlags), FAKE(cudaStreamDestroy), FAKE(cudaStreamSynchronize);
    FAKE(cudaEventCreateWithFlags), FAKE(cudaEventDestroy), FAKE(cudaEventRecord), FAKE(cudaEventSynchronize);
    FAKE(cudaEventElapsedTime), FAKE(cudaStreamBeginCapture), FAKE(cudaStreamEndCapture);
    FAKE(cudaGraphInstantiate), FAKE(cudaGraphDestroy), FAKE(cudaGraphLaunch), FAKE(cudaGraphExecDestroy);
    FAKE(cublasLtCreate), FAKE(cublasLtDestroy), FAKE(cublasLtGetStatusString);
    FAKE(cudnnCreate), FAKE(cudnnDestroy), FAKE(cudnnSetStream), FAKE(cudnnGetErrorString);
    FAKE(cudnnGetLastErrorString);
}
