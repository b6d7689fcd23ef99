/* Recordings (CUDA graphs, made by stream capture) and time marks. */
#include "backend/cuda/cuda.h"

/* Relaxed: libraries may load code or allocate on the first run of a plan, which a capture only has to leave
 * out; anything that would wait for the captured stream still breaks it off. */
sl_status sl_cuda_record_begin(void *device) {
    sl_cuda_context *context = device;
    if (context->recording) return sl_fail(SL_INVALID, "work is being recorded already");
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaStreamBeginCapture(context->stream, cudaStreamCaptureModeRelaxed),
                         "recording"));
    context->recording = true;
    return SL_OK;
}

sl_status sl_cuda_record_end(void *device, void **out_recording) {
    sl_cuda_context *context = device;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    if (!context->recording) return sl_fail(SL_INVALID, "no work is being recorded");
    context->recording = false;
    sl_status status =
        sl_cuda_check(sl_cuda_api.cudaStreamEndCapture(context->stream, &graph), "ending a recording");
    if (status == SL_OK)
        status = sl_cuda_check(sl_cuda_api.cudaGraphInstantiate(&executable, graph, 0), "making a recording");
    if (graph) sl_cuda_api.cudaGraphDestroy(graph);
    if (status == SL_OK) *out_recording = executable;
    return status;
}

sl_status sl_cuda_launch(void *device, void *recording) {
    const sl_cuda_context *context = device;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    return sl_cuda_check(sl_cuda_api.cudaGraphLaunch(recording, context->stream), "running a recording");
}

void sl_cuda_recording_free(void *device, void *recording) {
    const sl_cuda_context *context = device;
    if (!recording) return;
    sl_cuda_api.cudaSetDevice(context->index);
    sl_cuda_api.cudaStreamSynchronize(context->stream);
    sl_cuda_api.cudaGraphExecDestroy(recording);
}

/* The first mark has none before it: zero seconds. */
sl_status sl_cuda_mark_s(void *device, double *out_s) {
    sl_cuda_context *context = device;
    cudaEvent_t now = context->marks[context->mark_count % 2],
                before = context->marks[1 - context->mark_count % 2];
    float ms = 0;
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaEventRecord(now, context->stream), "time mark"));
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaEventSynchronize(now), "work on the device"));
    if (context->mark_count)
        SL_TRY(sl_cuda_check(sl_cuda_api.cudaEventElapsedTime(&ms, before, now), "time between marks"));
    context->mark_count = context->mark_count == 1 ? 2 : 1;
    *out_s = (double)ms / 1000;
    return SL_OK;
}
