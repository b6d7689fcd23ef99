/* ATTENTION and its gradient by cuDNN's fused nodes, in 16 bits, where its version has them and an engine
 * takes the shape; what it refuses goes the way of attention_products.c. Heads are strides: nothing is moved.
 * The node's statistics are natural logarithms of the sums, as the op's lse. */
#include "backend/cuda/lib/dnn.h"
#include "backend/cuda/lib/lib.h"
#include "backend/kernel.h"

#include "base/memory.h"

#include <math.h>

enum { FORWARD_SINCE = 91300, BACKWARD_SINCE = 91700, HEAD_MAX = 128 };

/* Unique ids of the tensors. */
enum { Q = 1, K, V, O, STATS, SCALE, DY, DQ, DK, DV };

typedef struct attention {
    sl_cuda_dnn *graph; /* NULL: by products, with their state */
    void *products;
    float scale;
} attention;

extern const sl_kernel_code sl_kernel_cublas_attention_bf16, sl_kernel_cublas_attention_bwd_bf16;

static const sl_kernel_code *products_of(const sl_call *call) {
    return call->op == SL_OP_ATTENTION ? &sl_kernel_cublas_attention_bf16
                                       : &sl_kernel_cublas_attention_bwd_bf16;
}

static bool accepts(const sl_call *call) {
    int64_t head_dim = call->in[0].shape.dim[2] / call->attrs->heads;
    size_t since = call->op == SL_OP_ATTENTION ? FORWARD_SINCE : BACKWARD_SINCE;
    if (call->in[0].dtype == SL_F32 || call->attrs->causal || head_dim % 8 || head_dim > HEAD_MAX)
        return false;
    return products_of(call)->accepts(call) && sl_cuda_api_load_dnn() == SL_OK &&
           sl_cuda_api.cudnnGetVersion() >= since;
}

/* ---- descriptors ---- */

/* An operand [N,tokens,E], its dimensions named in cuDNN's order N, head, token, feature. */
static sl_cuda_dnn_tensor_shape by_heads(const sl_call *call, const sl_operand *x) {
    int64_t heads = call->attrs->heads, tokens = x->shape.dim[1], width = x->shape.dim[2],
            dim = width / heads;
    return (sl_cuda_dnn_tensor_shape){.dtype = x->dtype,
                                      .dim = {x->shape.dim[0], heads, tokens, dim},
                                      .stride = {tokens * width, dim, width, 1}};
}

typedef struct part {
    int64_t uid;
    cudnnBackendAttributeName_t name;
    const sl_operand *operand; /* NULL: statistics or scale */
} part;

static sl_cuda_dnn_tensor_shape shape_of(const sl_call *call, const part *p) {
    int64_t heads = call->attrs->heads, images = call->in[0].shape.dim[0], tokens = call->in[0].shape.dim[1];
    if (p->operand) return by_heads(call, p->operand);
    if (p->uid == SCALE)
        return (sl_cuda_dnn_tensor_shape){
            .dtype = SL_F32, .dim = {1, 1, 1, 1}, .stride = {1, 1, 1, 1}, .by_value = true};
    return (sl_cuda_dnn_tensor_shape){
        .dtype = SL_F32, .dim = {images, heads, tokens, 1}, .stride = {heads * tokens, tokens, 1, 1}};
}

static sl_status describe(const sl_call *call, sl_cuda_dnn *graph, cudnnBackendDescriptorType_t type,
                          const part *parts, int count, cudnnBackendDescriptor_t *out) {
    cudnnBackendDescriptor_t operation, tensor;
    SL_TRY(sl_cuda_dnn_make(graph, type, &operation));
    for (int i = 0; i < count; i++) {
        sl_cuda_dnn_tensor_shape shape = shape_of(call, &parts[i]);
        SL_TRY(sl_cuda_dnn_tensor(graph, parts[i].uid, &shape, &tensor));
        SL_TRY(sl_cuda_dnn_set(operation, parts[i].name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &tensor));
    }
    SL_TRY(sl_cuda_dnn_finalize(operation, "describing an attention"));
    *out = operation;
    return SL_OK;
}

static sl_status describe_call(const sl_call *call, sl_cuda_dnn *graph, cudnnBackendDescriptor_t *out) {
    const sl_operand *in = call->in;
#define PART(uid, name, operand)                                                                             \
    { uid, CUDNN_ATTR_OPERATION_SDPA_##name, operand }
    if (call->op == SL_OP_ATTENTION) {
        /* statistics last: left out where nobody wants them */
        const part parts[] = {PART(Q, FWD_QDESC, &in[0]),       PART(K, FWD_KDESC, &in[1]),
                              PART(V, FWD_VDESC, &in[2]),       PART(O, FWD_ODESC, &in[0]),
                              PART(SCALE, FWD_SCALEDESC, NULL), PART(STATS, FWD_STATSDESC, NULL)};
        return describe(call, graph, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, parts,
                        sl_call_wants(call, 1) ? 6 : 5, out);
    }
    const part parts[] = {PART(Q, BWD_QDESC, &in[0]),       PART(K, BWD_KDESC, &in[1]),
                          PART(V, BWD_VDESC, &in[2]),       PART(O, BWD_ODESC, &in[3]),
                          PART(SCALE, BWD_SCALEDESC, NULL), PART(STATS, BWD_STATSDESC, NULL),
                          PART(DY, BWD_DODDESC, &in[5]),    PART(DQ, BWD_DQDESC, &in[0]),
                          PART(DK, BWD_DKDESC, &in[1]),     PART(DV, BWD_DVDESC, &in[2])};
#undef PART
    return describe(call, graph, CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR, parts, 10, out);
}

static sl_status make_graph(const sl_call *call, sl_cuda_dnn **out) {
    cudnnBackendDescriptor_t operation;
    sl_cuda_dnn *graph = sl_cuda_dnn_find(call, 0);
    if (graph) {
        *out = graph;
        return SL_OK;
    }
    SL_TRY(sl_cuda_dnn_new(&graph));
    sl_status status = describe_call(call, graph, &operation);
    if (status == SL_OK)
        status = sl_cuda_dnn_finish(sl_cuda_context_of(call), graph, 1, &operation, call->in[0].dtype);
    if (status != SL_OK) {
        sl_cuda_dnn_free(graph);
        return status;
    }
    sl_cuda_dnn_share(call, 0, graph);
    *out = graph;
    return SL_OK;
}

/* ---- states ---- */

static void release(void *state) {
    attention *a = state;
    sl_cuda_dnn_free(a->graph);
    if (a->products) sl_kernel_cublas_attention_bf16.release(a->products);
    sl_free(a);
}

/* Any refusal means products: also those that cuDNN words as a bad parameter. */
static sl_status prepare(const sl_call *call, void **out_state) {
    int64_t head_dim = call->in[0].shape.dim[2] / call->attrs->heads;
    attention *a;
    SL_TRY(sl_alloc(&a, 1, sizeof *a));
    a->scale = (float)(1 / sqrt((double)head_dim));
    sl_status status = make_graph(call, &a->graph);
    if (status != SL_OK) status = products_of(call)->prepare(call, &a->products);
    if (status != SL_OK) {
        sl_free(a);
        return status;
    }
    *out_state = a;
    return SL_OK;
}

static sl_call with_products(const sl_call *call) {
    const attention *a = call->state;
    sl_call other = *call;
    other.state = a->products;
    return other;
}

/* Gradients that nobody wants are written all the same. */
static size_t unwanted_bytes(const sl_call *call, int i) {
    if (call->op == SL_OP_ATTENTION || sl_call_wants(call, i)) return 0;
    return sl_cuda_aligned((size_t)sl_operand_count(&call->in[i]) * sizeof(uint16_t));
}

static size_t scratch(const sl_call *call) {
    const attention *a = call->state;
    if (!a->graph) {
        sl_call other = with_products(call);
        return products_of(call)->scratch(&other);
    }
    size_t bytes = sl_cuda_aligned(sl_cuda_dnn_workspace(a->graph));
    for (int i = 0; i < 3; i++) bytes += unwanted_bytes(call, i);
    return bytes;
}

/* ---- running ---- */

static sl_status run(const sl_call *call) {
    attention *a = call->state;
    if (!a->graph) {
        sl_call other = with_products(call);
        return products_of(call)->run(&other);
    }
    static const int64_t uids[] = {Q, K, V, O, SCALE, STATS};
    void *addresses[] = {call->in[0].data,  call->in[1].data, call->in[2].data,
                         call->out[0].data, &a->scale,        sl_cuda_wanted(call, 1)};
    return sl_cuda_dnn_run(sl_cuda_context_of(call), a->graph, sl_call_wants(call, 1) ? 6 : 5, uids,
                           addresses, call->scratch);
}

static sl_status run_bwd(const sl_call *call) {
    attention *a = call->state;
    if (!a->graph) {
        sl_call other = with_products(call);
        return products_of(call)->run(&other);
    }
    static const int64_t uids[] = {Q, K, V, O, SCALE, STATS, DY, DQ, DK, DV};
    const sl_operand *in = call->in;
    char *room = call->scratch;
    void *gradients[3];
    for (int i = 0; i < 3; i++)
        gradients[i] =
            sl_call_wants(call, i) ? call->out[i].data : sl_cuda_take(&room, unwanted_bytes(call, i));
    void *addresses[] = {in[0].data, in[1].data, in[2].data,   in[3].data,   &a->scale,
                         in[4].data, in[5].data, gradients[0], gradients[1], gradients[2]};
    return sl_cuda_dnn_run(sl_cuda_context_of(call), a->graph, 10, uids, addresses, room);
}

#define FUSED(of_run)                                                                                        \
    { .accepts = accepts, .scratch = scratch, .prepare = prepare, .release = release, .run = of_run }

const sl_kernel_code sl_kernel_cudnn_attention_bf16 = FUSED(run), sl_kernel_cudnn_attention_f16 = FUSED(run);
const sl_kernel_code sl_kernel_cudnn_attention_bwd_bf16 = FUSED(run_bwd),
                     sl_kernel_cudnn_attention_bwd_f16 = FUSED(run_bwd);
