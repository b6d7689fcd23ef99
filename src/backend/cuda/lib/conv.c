/* CONV2D and its gradients by cuDNN, or where it is not there as plain products of patches. Activations are
 * NHWC as they lie; weights are brought from [O,C,kh,kw] to [O,kh,kw,C], the layout of cuDNN's fast engines
 * beside NHWC (packed, once where frozen), gradients of weights back. Padding that differs between opposite
 * sides, which few engines take, is done in memory. */
#include "backend/cuda/lib/dnn.h"
#include "backend/cuda/lib/lib.h"
#include "backend/kernel.h"

#include "base/memory.h"

enum { X = 1, W, Y, SUM, BIAS };

typedef struct geometry {
    int64_t n, h, w, c, oh, ow, o, kh, kw;
    int64_t pad[2];             /* on both sides: down, across */
    bool padded;                /* x is copied into one with its padding, in memory */
    int64_t padded_h, padded_w; /* as cuDNN sees x */
    sl_dtype dtype;
} geometry;

typedef struct conv {
    sl_cuda_dnn *graph; /* NULL: by the module's own product */
    sl_dtype gradient;  /* what cuDNN writes the weights' gradient in */
    bool biased;        /* the graph adds the bias */
} conv;

static const sl_shape *x_of(const sl_call *call) {
    return call->op == SL_OP_CONV2D_BWD_DATA ? &call->out[0].shape : &call->in[0].shape;
}

static const sl_shape *w_of(const sl_call *call) {
    return call->op == SL_OP_CONV2D_BWD_WEIGHT ? &call->out[0].shape : &call->in[1].shape;
}

static const sl_shape *y_of(const sl_call *call) {
    if (call->op == SL_OP_CONV2D) return &call->out[0].shape;
    return call->op == SL_OP_CONV2D_BWD_DATA ? &call->in[0].shape : &call->in[1].shape;
}

static geometry geometry_of(const sl_call *call) {
    const int64_t *x = x_of(call)->dim, *w = w_of(call)->dim, *y = y_of(call)->dim;
    const int32_t *pad = call->attrs->pad;
    geometry g = {.n = x[0],
                  .h = x[1],
                  .w = x[2],
                  .c = x[3],
                  .oh = y[1],
                  .ow = y[2],
                  .o = w[0],
                  .kh = w[2],
                  .kw = w[3]};
    g.padded = pad[0] != pad[1] || pad[2] != pad[3];
    g.pad[0] = g.padded ? 0 : pad[0], g.pad[1] = g.padded ? 0 : pad[2];
    g.padded_h = g.h + (g.padded ? pad[0] + pad[1] : 0), g.padded_w = g.w + (g.padded ? pad[2] + pad[3] : 0);
    g.dtype = call->in[0].dtype;
    return g;
}

static bool accepts(const sl_call *call) {
    for (int i = 0; i < 2; i++)
        if (!sl_cuda_can_multiply(call->in[i].dtype) || sl_operand_count(&call->in[i]) == 0) return false;
    if (call->op == SL_OP_CONV2D_BWD_WEIGHT) return call->in[1].dtype == call->in[0].dtype;
    return !sl_call_has(call, 2) || sl_cuda_can_multiply(call->in[2].dtype);
}

/* ---- descriptors ---- */

/* [N,H,W,C] in memory, its dimensions named in cuDNN's order N, C, H, W. */
static sl_cuda_dnn_tensor_shape channels_last(sl_dtype dtype, int64_t n, int64_t h, int64_t w, int64_t c) {
    return (sl_cuda_dnn_tensor_shape){
        .dtype = dtype, .dim = {n, c, h, w}, .stride = {h * w * c, 1, w * c, c}};
}

static sl_status describe_convolution(const sl_call *call, const geometry *g, sl_cuda_dnn *graph,
                                      cudnnBackendDescriptor_t *out) {
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t spatial = 2, dilation[] = {1, 1}, stride[] = {call->attrs->stride[0], call->attrs->stride[1]};
    cudnnBackendDescriptor_t c;
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, &c));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, g->pad));
    SL_TRY(sl_cuda_dnn_set(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, g->pad));
    SL_TRY(sl_cuda_dnn_finalize(c, "describing a convolution"));
    *out = c;
    return SL_OK;
}

/* The names of one pass's attributes. */
typedef struct pass {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t alpha, beta, convolution, x, w, y;
} pass;

static const pass *pass_of(const sl_call *call) {
#define PASS(kind, prefix, in, weight, out)                                                                  \
    {                                                                                                        \
        CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                             \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA,                                               \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA,                                                \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC,                                           \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##in,                                                \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##weight,                                            \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##out                                                \
    }
    static const pass forward = PASS(FORWARD, FORWARD, X, W, Y);
    static const pass data = PASS(BACKWARD_DATA, BWD_DATA, DX, W, DY);
    static const pass weight = PASS(BACKWARD_FILTER, BWD_FILTER, X, DW, DY);
#undef PASS
    if (call->op == SL_OP_CONV2D) return &forward;
    return call->op == SL_OP_CONV2D_BWD_DATA ? &data : &weight;
}

/* With a bias to come y stays between the operations, in F32. */
static sl_status describe(const sl_call *call, const geometry *g, sl_dtype weight, bool biased,
                          sl_cuda_dnn *graph, cudnnBackendDescriptor_t *out,
                          cudnnBackendDescriptor_t *out_y) {
    const pass *p = pass_of(call);
    float one = 1, zero = 0;
    cudnnBackendDescriptor_t convolution, tensor, operation;
    sl_cuda_dnn_tensor_shape shapes[] = {channels_last(g->dtype, g->n, g->padded_h, g->padded_w, g->c),
                                         channels_last(weight, g->o, g->kh, g->kw, g->c),
                                         channels_last(g->dtype, g->n, g->oh, g->ow, g->o)};
    cudnnBackendAttributeName_t names[] = {p->x, p->w, p->y};
    if (biased) shapes[2].dtype = SL_F32, shapes[2].is_virtual = true;
    SL_TRY(describe_convolution(call, g, graph, &convolution));
    SL_TRY(sl_cuda_dnn_make(graph, p->operation, &operation));
    for (int i = 0; i < 3; i++) {
        SL_TRY(sl_cuda_dnn_tensor(graph, biased && i == 2 ? SUM : X + i, &shapes[i], &tensor));
        SL_TRY(sl_cuda_dnn_set(operation, names[i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &tensor));
    }
    SL_TRY(sl_cuda_dnn_set(operation, p->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution));
    SL_TRY(sl_cuda_dnn_set(operation, p->alpha, CUDNN_TYPE_FLOAT, 1, &one));
    SL_TRY(sl_cuda_dnn_set(operation, p->beta, CUDNN_TYPE_FLOAT, 1, &zero));
    SL_TRY(sl_cuda_dnn_finalize(operation, "describing a convolution's operation"));
    *out = operation;
    *out_y = tensor;
    return SL_OK;
}

static sl_status describe_bias(const sl_call *call, const geometry *g, cudnnBackendDescriptor_t sum,
                               sl_cuda_dnn *graph, cudnnBackendDescriptor_t *out) {
    cudnnPointwiseMode_t add = CUDNN_POINTWISE_ADD;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t kind, operation, bias, y;
    sl_cuda_dnn_tensor_shape bias_shape = channels_last(call->in[2].dtype, 1, 1, 1, g->o);
    sl_cuda_dnn_tensor_shape y_shape = channels_last(g->dtype, g->n, g->oh, g->ow, g->o);
    SL_TRY(sl_cuda_dnn_tensor(graph, BIAS, &bias_shape, &bias));
    SL_TRY(sl_cuda_dnn_tensor(graph, Y, &y_shape, &y));
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, &kind));
    SL_TRY(sl_cuda_dnn_set(kind, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &add));
    SL_TRY(sl_cuda_dnn_set(kind, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    SL_TRY(sl_cuda_dnn_finalize(kind, "describing an addition"));
    SL_TRY(sl_cuda_dnn_make(graph, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, &operation));
    cudnnBackendAttributeName_t names[] = {
        CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
        CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_ATTR_OPERATION_POINTWISE_YDESC};
    cudnnBackendDescriptor_t parts[] = {kind, sum, bias, y};
    for (int i = 0; i < 4; i++)
        SL_TRY(sl_cuda_dnn_set(operation, names[i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[i]));
    SL_TRY(sl_cuda_dnn_finalize(operation, "describing a bias"));
    *out = operation;
    return SL_OK;
}

/* One operation, or two. */
static sl_status describe_all(const sl_call *call, sl_dtype weight, bool biased, sl_cuda_dnn *graph) {
    geometry g = geometry_of(call);
    cudnnBackendDescriptor_t operations[2], y;
    SL_TRY(describe(call, &g, weight, biased, graph, &operations[0], &y));
    if (biased) SL_TRY(describe_bias(call, &g, y, graph, &operations[1]));
    return sl_cuda_dnn_finish(sl_cuda_context_of(call), graph, biased ? 2 : 1, operations, g.dtype);
}

static sl_status make_graph(const sl_call *call, sl_dtype weight, bool biased, sl_cuda_dnn **out) {
    int variant = 2 * (int)weight + biased;
    sl_cuda_dnn *graph = sl_cuda_dnn_find(call, variant);
    if (graph) {
        *out = graph;
        return SL_OK;
    }
    SL_TRY(sl_cuda_dnn_new(&graph));
    sl_status status = describe_all(call, weight, biased, graph);
    if (status != SL_OK) {
        sl_cuda_dnn_free(graph);
        return status;
    }
    sl_cuda_dnn_share(call, variant, graph);
    *out = graph;
    return SL_OK;
}

static void release(void *state) {
    conv *c = state;
    sl_cuda_dnn_free(c->graph);
    sl_free(c);
}

/* A bias is added by the same plan where an engine does both; else in memory. Gradients of weights are F32;
 * where no engine writes that from 16 bits, they are rounded to these once. */
static sl_status prepare(const sl_call *call, void **out_state) {
    bool gradient = call->op == SL_OP_CONV2D_BWD_WEIGHT;
    conv *c;
    SL_TRY(sl_alloc(&c, 1, sizeof *c));
    c->gradient = gradient ? SL_F32 : call->in[0].dtype;
    c->biased = call->op == SL_OP_CONV2D && sl_call_has(call, 2) &&
                make_graph(call, c->gradient, true, &c->graph) == SL_OK;
    sl_status status = c->biased ? SL_OK : make_graph(call, c->gradient, false, &c->graph);
    if (status == SL_UNSUPPORTED && gradient && call->in[0].dtype != SL_F32) {
        c->gradient = call->in[0].dtype;
        status = make_graph(call, c->gradient, false, &c->graph);
    }
    if (status != SL_OK) {
        sl_free(c);
        return status;
    }
    *out_state = c;
    return SL_OK;
}

static sl_status prepare_plain(const sl_call *call, void **out_state) {
    conv *c;
    SL_TRY(sl_alloc(&c, 1, sizeof *c));
    c->gradient = call->op == SL_OP_CONV2D_BWD_WEIGHT ? SL_F32 : call->in[0].dtype;
    *out_state = c;
    return SL_OK;
}

/* ---- memory ---- */

static size_t workspace_bytes(const conv *c) {
    return c->graph ? sl_cuda_aligned(sl_cuda_dnn_workspace(c->graph)) : 0;
}

static bool weights_lie_right(const sl_call *call) {
    const sl_shape *w = w_of(call);
    const conv *c = call->state;
    sl_dtype here = call->op == SL_OP_CONV2D_BWD_WEIGHT ? SL_F32 : call->in[1].dtype;
    sl_dtype there = call->op == SL_OP_CONV2D_BWD_WEIGHT ? c->gradient : call->in[0].dtype;
    return here == there && (w->dim[2] * w->dim[3] == 1 || w->dim[1] == 1);
}

static size_t weight_bytes(const sl_call *call, sl_dtype dtype) {
    return weights_lie_right(call) ? 0 : (size_t)sl_shape_count(w_of(call)) * sl_dtype_bytes(dtype);
}

static size_t packed(const sl_call *call) {
    return weight_bytes(call, call->in[0].dtype);
}

static sl_cuda_repack repack_of(const sl_call *call) {
    const int64_t *w = w_of(call)->dim;
    return (sl_cuda_repack){.out_c = w[0], .in_c = w[1], .taps = w[2] * w[3]};
}

static sl_status pack(const sl_call *call) {
    sl_cuda_repack repack = repack_of(call);
    repack.from_dtype = call->in[1].dtype, repack.to_dtype = call->in[0].dtype;
    repack.from = call->in[1].data, repack.to = call->packed;
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_repack(&repack, sl_cuda_stream(call)), "packing weights");
}

static size_t padded_bytes(const geometry *g) {
    if (!g->padded) return 0;
    return sl_cuda_aligned((size_t)(g->n * g->padded_h * g->padded_w * g->c) * sl_dtype_bytes(g->dtype));
}

static size_t scratch(const sl_call *call) {
    geometry g = geometry_of(call);
    const conv *c = call->state;
    return padded_bytes(&g) + workspace_bytes(c);
}

/* ---- running ---- */

static sl_status pad(const sl_call *call, const geometry *g, const void *from, void *to) {
    sl_cuda_window window = {
        g->n,     g->h, g->w, g->padded_h, g->padded_w, g->c, -call->attrs->pad[0], -call->attrs->pad[2],
        g->dtype, from, to};
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_window(&window, sl_cuda_stream(call)), "padding");
}

static sl_status crop(const sl_call *call, const geometry *g, const void *from, void *to) {
    sl_cuda_window window = {g->n, g->padded_h,         g->padded_w,         g->h,     g->w,
                             g->c, call->attrs->pad[0], call->attrs->pad[2], g->dtype, from,
                             to};
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_window(&window, sl_cuda_stream(call)), "cropping");
}

/* A product over patches of the image: weights are [O, taps, C]. */
static sl_status multiply(const sl_call *call, void *x, void *w, void *y) {
    geometry g = geometry_of(call);
    int64_t taps = g.kh * g.kw, pixels = g.n * g.oh * g.ow;
    sl_cuda_multiply p = {.batches = 1, .in = g.dtype, .out = g.dtype, .alpha = 1};
    p.image = (sl_cuda_patches){.h = g.padded_h,
                                .w = g.padded_w,
                                .c = g.c,
                                .oh = g.oh,
                                .ow = g.ow,
                                .o = g.o,
                                .kh = g.kh,
                                .kw = g.kw,
                                .stride = {call->attrs->stride[0], call->attrs->stride[1]},
                                .pad = {g.pad[0], g.pad[1]}};
    if (call->op == SL_OP_CONV2D) {
        p.m = pixels, p.n = g.o, p.k = taps * g.c;
        p.a = x, p.a_from = SL_CUDA_PATCHES, p.b = w, p.b_row = 1, p.b_column = p.k, p.d = y, p.d_row = g.o;
    } else if (call->op == SL_OP_CONV2D_BWD_DATA) {
        p.m = g.n * g.padded_h * g.padded_w, p.n = g.c, p.k = taps * g.o;
        p.a = y, p.a_from = SL_CUDA_SPREAD, p.b = w, p.b_from = SL_CUDA_TURNED, p.d = x, p.d_row = g.c;
    } else {
        p.m = g.o, p.n = taps * g.c, p.k = pixels, p.out = SL_F32;
        p.a = y, p.a_row = 1, p.a_column = g.o, p.b = x, p.b_from = SL_CUDA_PATCHES, p.d = w, p.d_row = p.n;
    }
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_multiply(&p, sl_cuda_stream(call)), "convolution");
}

static sl_status convolve(const sl_call *call, void *x, void *w, void *y, void *workspace) {
    static const int64_t uids[] = {X, W, Y, BIAS};
    const conv *c = call->state;
    if (!c->graph) return multiply(call, x, w, y);
    void *addresses[] = {x, w, y, c->biased ? call->in[2].data : NULL};
    return sl_cuda_dnn_run(sl_cuda_context_of(call), c->graph, c->biased ? 4 : 3, uids, addresses, workspace);
}

static sl_status run(const sl_call *call) {
    geometry g = geometry_of(call);
    char *room = call->scratch;
    void *x = call->in[0].data, *w = packed(call) ? call->packed : call->in[1].data;
    if (g.padded) {
        x = sl_cuda_take(&room, padded_bytes(&g));
        SL_TRY(pad(call, &g, call->in[0].data, x));
    }
    SL_TRY(convolve(call, x, w, call->out[0].data, room));
    if (!sl_call_has(call, 2) || ((const conv *)call->state)->biased) return SL_OK;
    return sl_cuda_add_bias(call, &call->out[0], &call->in[2]);
}

static sl_status data_run(const sl_call *call) {
    geometry g = geometry_of(call);
    char *room = call->scratch;
    void *x = g.padded ? sl_cuda_take(&room, padded_bytes(&g)) : call->out[0].data;
    SL_TRY(convolve(call, x, packed(call) ? call->packed : call->in[1].data, call->in[0].data, room));
    return g.padded ? crop(call, &g, x, call->out[0].data) : SL_OK;
}

static size_t weight_scratch(const sl_call *call) {
    geometry g = geometry_of(call);
    const conv *c = call->state;
    size_t sums = sl_call_wants(call, 1) ? sl_cuda_sum_columns_bytes(g.n * g.oh * g.ow, g.o) : 0;
    size_t workspace = workspace_bytes(c);
    return padded_bytes(&g) + sl_cuda_aligned(weight_bytes(call, c->gradient)) +
           (sums > workspace ? sums : workspace);
}

static sl_status weight_run(const sl_call *call) {
    geometry g = geometry_of(call);
    const conv *c = call->state;
    char *room = call->scratch;
    size_t bytes = weight_bytes(call, c->gradient);
    void *x = call->in[0].data, *w = bytes ? sl_cuda_take(&room, bytes) : call->out[0].data;
    float *bias = sl_cuda_wanted(call, 1);
    if (g.padded) {
        x = sl_cuda_take(&room, padded_bytes(&g));
        SL_TRY(pad(call, &g, call->in[0].data, x));
    }
    SL_TRY(convolve(call, x, w, call->in[1].data, room));
    if (bytes) {
        sl_cuda_repack repack = repack_of(call);
        repack.back = true, repack.from_dtype = c->gradient, repack.to_dtype = SL_F32;
        repack.from = w, repack.to = call->out[0].data;
        SL_TRY(sl_cuda_check(sl_cuda_api.sl_cuda_run_repack(&repack, sl_cuda_stream(call)),
                             "unpacking a gradient"));
    }
    return bias ? sl_cuda_sum_columns(call, &call->in[1], bias, room) : SL_OK;
}

static const char taps_before_channels[] = "[O,taps,I]";

#define CONV(of_prepare, of_run)                                                                             \
    {                                                                                                        \
        .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack,                              \
        .form = taps_before_channels, .prepare = of_prepare, .release = release, .run = of_run               \
    }
#define GRADIENT(of_prepare)                                                                                 \
    {                                                                                                        \
        .accepts = accepts, .scratch = weight_scratch, .prepare = of_prepare, .release = release,            \
        .run = weight_run                                                                                    \
    }

#define ROWS(name, code)                                                                                     \
    const sl_kernel_code sl_kernel_cudnn_##name = code(prepare),                                             \
                         sl_kernel_cudnn_##name##_bf16 = code(prepare),                                      \
                         sl_kernel_cudnn_##name##_f16 = code(prepare);                                       \
    const sl_kernel_code sl_kernel_plain_##name = code(prepare_plain),                                       \
                         sl_kernel_plain_##name##_bf16 = code(prepare_plain),                                \
                         sl_kernel_plain_##name##_f16 = code(prepare_plain)
#define FORWARD(of_prepare) CONV(of_prepare, run)
#define DATA(of_prepare)    CONV(of_prepare, data_run)
ROWS(conv2d, FORWARD);
ROWS(conv2d_bwd_data, DATA);
ROWS(conv2d_bwd_weight, GRADIENT);
