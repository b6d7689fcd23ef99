/* Computations by cuDNN's backend API: tensors and an operation make a graph; with a device an engine is
 * chosen and a plan made.
 *
 *     sl_cuda_dnn_new(&graph)
 *     sl_cuda_dnn_tensor(graph, 1, ...), sl_cuda_dnn_make(graph, kind, &operation), sl_cuda_dnn_set(...)
 *     sl_cuda_dnn_finish(context, graph, dtype)   without a context: the descriptors alone are checked
 *     sl_cuda_dnn_run(context, graph, uids, addresses, count, workspace)
 *     sl_cuda_dnn_free(graph) */
#ifndef SL_BACKEND_CUDA_LIB_DNN_H
#define SL_BACKEND_CUDA_LIB_DNN_H

#include "backend/cuda/cuda.h"

typedef struct sl_cuda_dnn sl_cuda_dnn;

sl_status sl_cuda_dnn_new(sl_cuda_dnn **out);
void sl_cuda_dnn_free(sl_cuda_dnn *graph); /* NULL is fine; a shared one goes with its last user */

/* Plans cost from milliseconds to a second (some engines are compiled when asked for), and a model repeats
 * its layers: calls of equal op, attributes, shapes, types and `variant` share one. find: the finished graph
 * of an earlier call in use, or NULL. share: a finished graph, to be found from now on. Both do nothing
 * without a device. */
sl_cuda_dnn *sl_cuda_dnn_find(const sl_call *call, int variant);
void sl_cuda_dnn_share(const sl_call *call, int variant, sl_cuda_dnn *graph);

/* A descriptor that lives as long as the graph. */
sl_status sl_cuda_dnn_make(sl_cuda_dnn *graph, cudnnBackendDescriptorType_t type,
                           cudnnBackendDescriptor_t *out);
sl_status sl_cuda_dnn_set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count, const void *values);
sl_status sl_cuda_dnn_finalize(cudnnBackendDescriptor_t descriptor, const char *what);

/* A tensor of four dimensions; strides in elements. by_value: a scalar in host memory; is_virtual: between
 * two operations, never in memory. */
typedef struct sl_cuda_dnn_tensor_shape {
    sl_dtype dtype;
    int64_t dim[4], stride[4];
    bool by_value, is_virtual;
} sl_cuda_dnn_tensor_shape;
sl_status sl_cuda_dnn_tensor(sl_cuda_dnn *graph, int64_t uid, const sl_cuda_dnn_tensor_shape *shape,
                             cudnnBackendDescriptor_t *out);

/* Finalizes the graph of finalized operations. With a context the first engine of the heuristics is taken
 * that gives the same bits every time and, for F32 without TF32, does not round its inputs. SL_UNSUPPORTED:
 * there is none; of several operations in one, none but the slow ones of last resort. */
sl_status sl_cuda_dnn_finish(const sl_cuda_context *context, sl_cuda_dnn *graph, int count,
                             const cudnnBackendDescriptor_t *operations, sl_dtype dtype);
size_t sl_cuda_dnn_workspace(const sl_cuda_dnn *graph);
sl_status sl_cuda_dnn_run(const sl_cuda_context *context, const sl_cuda_dnn *graph, int count,
                          const int64_t *uids, void *const *addresses, void *workspace);

#endif
