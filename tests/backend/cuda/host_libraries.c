#include "host_libraries.h"

#include "host_pieces.h"

#include "backend/cuda/api.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE = 100 }; /* what every plan asks for, and writes over */

bool host_has_no_mixed_gradient, host_has_no_bias, host_has_no_attention, host_has_no_engine;
static int alive, plans;

int host_libraries_alive(void) {
    return alive;
}

int host_plans_made(void) {
    return plans;
}

static void *make(size_t bytes) {
    alive++;
    return calloc(1, bytes);
}

static void destroy(void *thing) {
    alive--;
    free(thing);
}

static double read_at(sl_dtype dtype, const void *data, int64_t i) {
    if (dtype == SL_F32) return (double)((const float *)data)[i];
    uint16_t bits = ((const uint16_t *)data)[i];
    return (double)(dtype == SL_F16 ? sl_f16_to_f32(bits) : sl_bf16_to_f32(bits));
}

static void write_at(sl_dtype dtype, void *data, int64_t i, double value) {
    if (dtype == SL_F32)
        ((float *)data)[i] = (float)value;
    else
        ((uint16_t *)data)[i] = dtype == SL_F16 ? sl_f32_to_f16((float)value) : sl_f32_to_bf16((float)value);
}

/* ---- cuBLASLt ---- */

static sl_dtype type_of(cudaDataType type) {
    return type == CUDA_R_16BF ? SL_BF16 : type == CUDA_R_16F ? SL_F16 : SL_F32;
}

typedef struct description {
    cublasOperation_t a, b;
    cublasLtEpilogue_t epilogue;
    cudaDataType bias_type;
    const void *bias;
} description;

typedef struct layout {
    cudaDataType type;
    int64_t rows, columns, stride, batch;
    int32_t count;
} layout;

static cublasStatus_t host_cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute,
                                                    cudaDataType_t scale) {
    description *d = make(sizeof *d);
    d->a = d->b = CUBLAS_OP_N;
    *out = (cublasLtMatmulDesc_t)d;
    return compute == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS
                                                                : CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t host_cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    destroy(d);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t host_cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t of,
                                                          cublasLtMatmulDescAttributes_t attribute,
                                                          const void *value, size_t bytes) {
    description *d = (description *)of;
    void *to = attribute == CUBLASLT_MATMUL_DESC_TRANSA           ? (void *)&d->a
               : attribute == CUBLASLT_MATMUL_DESC_TRANSB         ? (void *)&d->b
               : attribute == CUBLASLT_MATMUL_DESC_EPILOGUE       ? (void *)&d->epilogue
               : attribute == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE ? (void *)&d->bias_type
               : attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER   ? (void *)&d->bias
                                                                  : NULL;
    if (!to) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t host_cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type,
                                                      uint64_t rows, uint64_t columns, int64_t stride) {
    layout *l = make(sizeof *l);
    *l = (layout){type, (int64_t)rows, (int64_t)columns, stride, 0, 1};
    *out = (cublasLtMatrixLayout_t)l;
    return stride >= (int64_t)rows ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

static cublasStatus_t host_cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    destroy(l);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t host_cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t of,
                                                            cublasLtMatrixLayoutAttribute_t attribute,
                                                            const void *value, size_t bytes) {
    layout *l = (layout *)of;
    if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        memcpy(&l->count, value, bytes);
    else if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
        memcpy(&l->batch, value, bytes);
    else
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t host_cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
    *out = make(1);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t host_cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    destroy(preference);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t
host_cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                          cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                          size_t bytes) {
    (void)preference, (void)attribute, (void)value, (void)bytes;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t
host_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                    cublasLtMatrixLayout_t out, cublasLtMatmulPreference_t preference,
                                    int wanted, cublasLtMatmulHeuristicResult_t *results, int *found) {
    (void)handle, (void)d, (void)a, (void)b, (void)c, (void)out, (void)preference, (void)wanted;
    results[0].workspaceSize = WORKSPACE;
    *found = host_has_no_engine ? 0 : 1;
    return CUBLAS_STATUS_SUCCESS;
}

static double element(const layout *l, cublasOperation_t operation, const void *data, int64_t batch,
                      int64_t row, int64_t column) {
    int64_t at = operation == CUBLAS_OP_N ? row + column * l->stride : column + row * l->stride;
    return read_at(type_of(l->type), data, batch * l->batch + at);
}

static cublasStatus_t host_cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t of, const void *alpha,
                                          const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                                          cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                                          cublasLtMatrixLayout_t c_layout, void *out,
                                          cublasLtMatrixLayout_t out_layout,
                                          const cublasLtMatmulAlgo_t *algorithm, void *workspace,
                                          size_t workspace_bytes, cudaStream_t stream) {
    (void)handle, (void)c, (void)c_layout, (void)algorithm, (void)stream;
    const description *d = (const description *)of;
    const layout *la = (const layout *)a_layout, *lb = (const layout *)b_layout,
                 *ld = (const layout *)out_layout;
    int64_t depth = d->a == CUBLAS_OP_N ? la->columns : la->rows;
    bool fits = (d->a == CUBLAS_OP_N ? la->rows : la->columns) == ld->rows &&
                (d->b == CUBLAS_OP_N ? lb->columns : lb->rows) == ld->columns &&
                (d->b == CUBLAS_OP_N ? lb->rows : lb->columns) == depth && la->count == ld->count &&
                lb->count == ld->count && la->type == lb->type;
    float zero;
    memcpy(&zero, beta, sizeof zero);
    if (!fits || zero != 0 || workspace_bytes != WORKSPACE) return CUBLAS_STATUS_INVALID_VALUE;
    memset(workspace, 0x7f, workspace_bytes);
    for (int64_t n = 0; n < ld->count; n++)
        for (int64_t column = 0; column < ld->columns; column++)
            for (int64_t row = 0; row < ld->rows; row++) {
                double sum = 0;
                for (int64_t k = 0; k < depth; k++)
                    sum += element(la, d->a, a, n, row, k) * element(lb, d->b, b, n, k, column);
                sum *= (double)*(const float *)alpha;
                if (d->epilogue == CUBLASLT_EPILOGUE_BIAS)
                    sum += read_at(type_of(d->bias_type), d->bias, row);
                write_at(type_of(ld->type), out, n * ld->batch + row + column * ld->stride, sum);
            }
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- cuDNN: descriptors keep what they are given; a convolution is read out of them when it runs ---- */

enum { ATTRIBUTES_MAX = 12, VALUES_BYTES = 128 };

typedef struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    char values[VALUES_BYTES];
} attribute;

typedef struct thing {
    cudnnBackendDescriptorType_t type;
    attribute attributes[ATTRIBUTES_MAX];
    int count;
    bool finalized;
    struct thing *of; /* heuristic's graph, in a configuration */
} thing;

static size_t bytes_of_type(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_BOOLEAN:
        return 1;
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_POINTWISE_MODE:
    case CUDNN_TYPE_FLOAT:
        return 4;
    default:
        return 8;
    }
}

static const void *values_of(const thing *t, cudnnBackendAttributeName_t name) {
    for (int i = 0; i < t->count; i++)
        if (t->attributes[i].name == name) return t->attributes[i].values;
    return NULL;
}

static thing *thing_of(const thing *t, cudnnBackendAttributeName_t name) {
    const void *values = values_of(t, name);
    thing *out = NULL;
    if (values) memcpy(&out, values, sizeof out);
    return out;
}

static cudnnStatus_t host_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                       cudnnBackendDescriptor_t *out) {
    thing *t = make(sizeof *t);
    t->type = type;
    plans += type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR;
    *out = (cudnnBackendDescriptor_t)t;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t host_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t t) {
    destroy(t);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t host_cudnnBackendSetAttribute(cudnnBackendDescriptor_t of,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type, int64_t count,
                                                   const void *values) {
    thing *t = (thing *)of;
    size_t bytes = (size_t)count * bytes_of_type(type);
    if (t->finalized || t->count == ATTRIBUTES_MAX || bytes > VALUES_BYTES) return CUDNN_STATUS_BAD_PARAM;
    attribute *a = &t->attributes[t->count++];
    *a = (attribute){.name = name, .type = type, .count = count};
    memcpy(a->values, values, bytes);
    return CUDNN_STATUS_SUCCESS;
}

/* Everything that is given must be finalized itself. */
static cudnnStatus_t host_cudnnBackendFinalize(cudnnBackendDescriptor_t of) {
    thing *t = (thing *)of;
    for (int i = 0; i < t->count; i++)
        if (t->attributes[i].type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
            !thing_of(t, t->attributes[i].name)->finalized)
            return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    t->finalized = true;
    return CUDNN_STATUS_SUCCESS;
}

/* The operation of a heuristic or plan. */
static thing *operation_of(const thing *graph) {
    return thing_of(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
}

/* The second operation, which adds a bias, or NULL. */
static thing *bias_of(const thing *graph) {
    thing *both[2] = {NULL, NULL};
    for (int i = 0; i < graph->count; i++)
        if (graph->attributes[i].name == CUDNN_ATTR_OPERATIONGRAPH_OPS)
            memcpy(both, graph->attributes[i].values, (size_t)graph->attributes[i].count * sizeof both[0]);
    return both[1];
}

static sl_dtype dtype_of(const thing *tensor) {
    cudnnDataType_t type;
    memcpy(&type, values_of(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE), sizeof type);
    return type == CUDNN_DATA_BFLOAT16 ? SL_BF16 : type == CUDNN_DATA_HALF ? SL_F16 : SL_F32;
}

static bool is_mixed_gradient(const thing *operation) {
    thing *x = thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X);
    return x && dtype_of(x) != dtype_of(thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW));
}

static bool is_attention(const thing *operation) {
    return operation->type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR ||
           operation->type == CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR;
}

static cudnnStatus_t host_cudnnBackendGetAttribute(cudnnBackendDescriptor_t const of,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type, int64_t wanted,
                                                   int64_t *found, void *values) {
    thing *t = (thing *)of;
    (void)type, (void)wanted;
    *found = 0;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
        thing *graph = thing_of(t, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
        thing *operation = operation_of(graph);
        if (host_has_no_engine || (host_has_no_mixed_gradient && is_mixed_gradient(operation)) ||
            (host_has_no_bias && bias_of(graph)) || (host_has_no_attention && is_attention(operation)))
            return CUDNN_STATUS_SUCCESS;
        thing *config = *(thing **)values;
        config->of = graph, config->finalized = true;
        *found = 1;
    } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
        *(int64_t *)values = WORKSPACE;
        *found = 1;
    }
    return CUDNN_STATUS_SUCCESS;
}

typedef struct tensor {
    sl_dtype dtype;
    int64_t dim[4], stride[4];
    void *data;
} tensor;

static tensor tensor_of(const thing *descriptor, const thing *variant) {
    const attribute *uids = NULL, *pointers = NULL;
    tensor t = {.dtype = dtype_of(descriptor)};
    memcpy(t.dim, values_of(descriptor, CUDNN_ATTR_TENSOR_DIMENSIONS), sizeof t.dim);
    memcpy(t.stride, values_of(descriptor, CUDNN_ATTR_TENSOR_STRIDES), sizeof t.stride);
    for (int i = 0; i < variant->count; i++) {
        if (variant->attributes[i].name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) uids = &variant->attributes[i];
        if (variant->attributes[i].name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)
            pointers = &variant->attributes[i];
    }
    const void *own = values_of(descriptor, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    for (int64_t i = 0; i < uids->count; i++)
        if (memcmp(uids->values + i * 8, own, 8) == 0) memcpy(&t.data, pointers->values + i * 8, 8);
    return t;
}

static int64_t offset(const tensor *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    return a * t->stride[0] + b * t->stride[1] + c * t->stride[2] + d * t->stride[3];
}

typedef struct passes {
    tensor x, w, y;
    int64_t pad[2], stride[2];
    tensor *target;
    double *sums; /* of the target, by offset */
} passes;

static void add_product(passes *p, const int64_t y[4], int64_t c, int64_t kh, int64_t kw) {
    int64_t h = y[2] * p->stride[0] - p->pad[0] + kh, w = y[3] * p->stride[1] - p->pad[1] + kw;
    if (h < 0 || h >= p->x.dim[2] || w < 0 || w >= p->x.dim[3]) return;
    int64_t at_x = offset(&p->x, y[0], c, h, w), at_w = offset(&p->w, y[1], c, kh, kw);
    int64_t at_y = offset(&p->y, y[0], y[1], y[2], y[3]);
    if (p->target == &p->y)
        p->sums[at_y] += read_at(p->x.dtype, p->x.data, at_x) * read_at(p->w.dtype, p->w.data, at_w);
    else if (p->target == &p->x)
        p->sums[at_x] += read_at(p->y.dtype, p->y.data, at_y) * read_at(p->w.dtype, p->w.data, at_w);
    else
        p->sums[at_w] += read_at(p->y.dtype, p->y.data, at_y) * read_at(p->x.dtype, p->x.data, at_x);
}

static void convolve(passes *p) {
    const int64_t *dim = p->target->dim;
    int64_t count = dim[0] * dim[1] * dim[2] * dim[3], y[4];
    p->sums = calloc((size_t)count, sizeof *p->sums);
    for (y[0] = 0; y[0] < p->y.dim[0]; y[0]++)
        for (y[1] = 0; y[1] < p->y.dim[1]; y[1]++)
            for (y[2] = 0; y[2] < p->y.dim[2]; y[2]++)
                for (y[3] = 0; y[3] < p->y.dim[3]; y[3]++)
                    for (int64_t c = 0; c < p->x.dim[1]; c++)
                        for (int64_t tap = 0; tap < p->w.dim[2] * p->w.dim[3]; tap++)
                            add_product(p, y, c, tap / p->w.dim[3], tap % p->w.dim[3]);
    for (int64_t i = 0; i < count; i++) write_at(p->target->dtype, p->target->data, i, p->sums[i]);
    free(p->sums);
}

/* The convolution's result, which lies between the operations, is rounded when the bias is there. */
static void convolve_biased(passes *p, const thing *bias, const thing *variant) {
    tensor b = tensor_of(thing_of(bias, CUDNN_ATTR_OPERATION_POINTWISE_BDESC), variant);
    tensor y = tensor_of(thing_of(bias, CUDNN_ATTR_OPERATION_POINTWISE_YDESC), variant);
    int64_t count = y.dim[0] * y.dim[1] * y.dim[2] * y.dim[3];
    p->y.data = calloc((size_t)count, sizeof(float));
    convolve(p);
    for (int64_t i = 0; i < count; i++)
        write_at(y.dtype, y.data, i,
                 read_at(SL_F32, p->y.data, i) + read_at(b.dtype, b.data, i % y.dim[1] * b.stride[1]));
    free(p->y.data);
}

/* ---- attention: dimensions are image, head, token, feature ---- */

typedef struct attention {
    tensor q, k, v, o, stats, scale, dy, dq, dk, dv;
} attention;

static double get(const tensor *t, int64_t n, int64_t h, int64_t token, int64_t d) {
    return read_at(t->dtype, t->data, offset(t, n, h, token, d));
}

static double dot(const tensor *a, int64_t i, const tensor *b, int64_t j, int64_t n, int64_t h) {
    double sum = 0;
    for (int64_t d = 0; d < a->dim[3]; d++) sum += get(a, n, h, i, d) * get(b, n, h, j, d);
    return sum;
}

static void add_to(const tensor *t, int64_t n, int64_t h, int64_t token, int64_t d, double value) {
    int64_t at = offset(t, n, h, token, d);
    write_at(t->dtype, t->data, at, read_at(t->dtype, t->data, at) + value);
}

/* One query: o, and its statistics where they are wanted. */
static void attend(const attention *a, int64_t n, int64_t h, int64_t i) {
    double scale = read_at(SL_F32, a->scale.data, 0), highest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < a->k.dim[2]; j++) highest = fmax(highest, scale * dot(&a->q, i, &a->k, j, n, h));
    for (int64_t j = 0; j < a->k.dim[2]; j++) sum += exp(scale * dot(&a->q, i, &a->k, j, n, h) - highest);
    for (int64_t d = 0; d < a->v.dim[3]; d++) {
        double o = 0;
        for (int64_t j = 0; j < a->k.dim[2]; j++)
            o += exp(scale * dot(&a->q, i, &a->k, j, n, h) - highest) / sum * get(&a->v, n, h, j, d);
        write_at(a->o.dtype, a->o.data, offset(&a->o, n, h, i, d), o);
    }
    if (a->stats.data) write_at(SL_F32, a->stats.data, offset(&a->stats, n, h, i, 0), highest + log(sum));
}

/* The gradients, kept in fp32 until all queries are through. */
static void attend_bwd(const attention *a, int64_t n, int64_t h, int64_t i) {
    double scale = read_at(SL_F32, a->scale.data, 0), delta = dot(&a->dy, i, &a->o, i, n, h);
    for (int64_t j = 0; j < a->k.dim[2]; j++) {
        double p = exp(scale * dot(&a->q, i, &a->k, j, n, h) - get(&a->stats, n, h, i, 0));
        double ds = p * (dot(&a->dy, i, &a->v, j, n, h) - delta) * scale;
        for (int64_t d = 0; d < a->q.dim[3]; d++) {
            add_to(&a->dq, n, h, i, d, ds * get(&a->k, n, h, j, d));
            add_to(&a->dk, n, h, j, d, ds * get(&a->q, n, h, i, d));
            add_to(&a->dv, n, h, j, d, p * get(&a->dy, n, h, i, d));
        }
    }
}

static int64_t count_of(const tensor *t) {
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

static void *widen(tensor *t) {
    void *narrow = t->data;
    t->data = calloc((size_t)count_of(t), sizeof(float));
    t->dtype = SL_F32;
    return narrow;
}

static void narrow_into(const tensor *t, sl_dtype dtype, void *narrow) {
    for (int64_t i = 0; i < count_of(t); i++) write_at(dtype, narrow, i, read_at(SL_F32, t->data, i));
    free(t->data);
}

static void for_queries(const attention *a, void (*of)(const attention *, int64_t, int64_t, int64_t)) {
    for (int64_t n = 0; n < a->q.dim[0]; n++)
        for (int64_t h = 0; h < a->q.dim[1]; h++)
            for (int64_t i = 0; i < a->q.dim[2]; i++) of(a, n, h, i);
}

#define TENSOR(name) tensor_of(thing_of(operation, CUDNN_ATTR_OPERATION_SDPA_##name), variant)

static void run_attention(const thing *operation, const thing *variant) {
    attention a = {.q = TENSOR(FWD_QDESC),
                   .k = TENSOR(FWD_KDESC),
                   .v = TENSOR(FWD_VDESC),
                   .o = TENSOR(FWD_ODESC),
                   .scale = TENSOR(FWD_SCALEDESC)};
    if (thing_of(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC)) a.stats = TENSOR(FWD_STATSDESC);
    for_queries(&a, attend);
}

static void run_attention_bwd(const thing *operation, const thing *variant) {
    attention a = {TENSOR(BWD_QDESC),     TENSOR(BWD_KDESC),     TENSOR(BWD_VDESC),   TENSOR(BWD_ODESC),
                   TENSOR(BWD_STATSDESC), TENSOR(BWD_SCALEDESC), TENSOR(BWD_DODDESC), TENSOR(BWD_DQDESC),
                   TENSOR(BWD_DKDESC),    TENSOR(BWD_DVDESC)};
    tensor *gradients[] = {&a.dq, &a.dk, &a.dv};
    void *narrow[3];
    for (int i = 0; i < 3; i++) narrow[i] = widen(gradients[i]);
    for_queries(&a, attend_bwd);
    for (int i = 0; i < 3; i++) narrow_into(gradients[i], a.q.dtype, narrow[i]);
}

static cudnnStatus_t host_cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t of,
                                              cudnnBackendDescriptor_t with) {
    const thing *plan = (const thing *)of, *variant = (const thing *)with;
    const thing *graph = thing_of(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->of;
    const thing *operation = operation_of(graph);
    void *workspace;
    passes p = {0};
    (void)handle;
    memcpy(&workspace, values_of(variant, CUDNN_ATTR_VARIANT_PACK_WORKSPACE), sizeof workspace);
    memset(workspace, 0x7f, WORKSPACE);
#define READ(prefix, in, weight, out)                                                                        \
    p.x = tensor_of(thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##in), variant);         \
    p.w = tensor_of(thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##weight), variant);     \
    p.y = tensor_of(thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##out), variant);        \
    const thing *shape = thing_of(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC);         \
    memcpy(p.pad, values_of(shape, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), sizeof p.pad);                      \
    memcpy(p.stride, values_of(shape, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), sizeof p.stride)
    if (is_attention(operation)) {
        bool forward = operation->type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR;
        (forward ? run_attention : run_attention_bwd)(operation, variant);
        return CUDNN_STATUS_SUCCESS;
    }
    if (operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
        READ(FORWARD, X, W, Y);
        p.target = &p.y;
    } else if (operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
        READ(BWD_DATA, DX, W, DY);
        p.target = &p.x;
    } else if (operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR) {
        READ(BWD_FILTER, X, DW, DY);
        p.target = &p.w;
    } else {
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
    if (bias_of(graph))
        convolve_biased(&p, bias_of(graph), variant);
    else
        convolve(&p);
    return CUDNN_STATUS_SUCCESS;
}

static size_t host_cudnnGetVersion(void) {
    return 92801;
}

#define HOST(name) sl_cuda_api.name = host_##name

void host_libraries_use(void) {
    host_has_no_bias = host_has_no_mixed_gradient = host_has_no_attention = host_has_no_engine = false;
    HOST(cublasLtMatmulDescCreate), HOST(cublasLtMatmulDescDestroy), HOST(cublasLtMatmulDescSetAttribute);
    HOST(cublasLtMatrixLayoutCreate), HOST(cublasLtMatrixLayoutDestroy),
        HOST(cublasLtMatrixLayoutSetAttribute);
    HOST(cublasLtMatmulPreferenceCreate), HOST(cublasLtMatmulPreferenceDestroy);
    HOST(cublasLtMatmulPreferenceSetAttribute), HOST(cublasLtMatmulAlgoGetHeuristic), HOST(cublasLtMatmul);
    HOST(cudnnBackendCreateDescriptor), HOST(cudnnBackendDestroyDescriptor), HOST(cudnnBackendSetAttribute);
    HOST(cudnnBackendFinalize), HOST(cudnnBackendGetAttribute), HOST(cudnnBackendExecute);
    HOST(cudnnGetVersion);
    host_pieces_use();
}
