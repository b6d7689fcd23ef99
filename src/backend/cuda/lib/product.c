#include "backend/cuda/lib/product.h"

#include "base/memory.h"

enum { WORKSPACE_MAX = 32 << 20 };

struct sl_cuda_product {
    sl_cuda_product_shape shape;
    cublasLtMatmulDesc_t description;
    cublasLtMatrixLayout_t a, b, d; /* as cuBLASLt sees them: a is our b */
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace_bytes;
    bool chosen, bias;
};

static cudaDataType type_of(sl_dtype dtype) {
    return dtype == SL_BF16 ? CUDA_R_16BF : dtype == SL_F16 ? CUDA_R_16F : CUDA_R_32F;
}

static sl_status set(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t attribute,
                     const void *value, size_t bytes) {
    return sl_cuda_check_blas(
        sl_cuda_api.cublasLtMatmulDescSetAttribute(description, attribute, value, bytes),
        "describing a product");
}

static sl_status describe(const sl_cuda_context *context, const sl_cuda_product_shape *s,
                          sl_cuda_product *p) {
    bool tf32 = context && context->tf32 && s->in == SL_F32;
    cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    cublasOperation_t of_a = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t of_b = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtMatmulDescCreate(&p->description, compute, CUDA_R_32F),
                              "describing a product"));
    SL_TRY(set(p->description, CUBLASLT_MATMUL_DESC_TRANSA, &of_a, sizeof of_a));
    SL_TRY(set(p->description, CUBLASLT_MATMUL_DESC_TRANSB, &of_b, sizeof of_b));
    if (!s->bias) return SL_OK;
    cudaDataType type = type_of(s->out);
    SL_TRY(set(p->description, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    return set(p->description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type);
}

/* A stored matrix of rows x columns: columns x rows to cuBLASLt. */
static sl_status lay_out(sl_dtype dtype, int64_t rows, int64_t columns, int64_t row, int64_t batches,
                         int64_t batch, cublasLtMatrixLayout_t *out) {
    static const char what[] = "describing a matrix";
    int32_t count = (int32_t)batches;
    SL_TRY(sl_cuda_check_blas(
        sl_cuda_api.cublasLtMatrixLayoutCreate(out, type_of(dtype), (uint64_t)columns, (uint64_t)rows, row),
        what));
    if (batches == 1) return SL_OK;
    SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtMatrixLayoutSetAttribute(
                                  *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
                              what));
    return sl_cuda_check_blas(sl_cuda_api.cublasLtMatrixLayoutSetAttribute(
                                  *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch, sizeof batch),
                              what);
}

static sl_status lay_out_all(const sl_cuda_product_shape *s, sl_cuda_product *p) {
    int64_t a_rows = s->transpose_a ? s->k : s->m, a_columns = s->transpose_a ? s->m : s->k;
    int64_t b_rows = s->transpose_b ? s->n : s->k, b_columns = s->transpose_b ? s->k : s->n;
    SL_TRY(lay_out(s->in, b_rows, b_columns, s->row_b, s->batches, s->batch_b, &p->a));
    SL_TRY(lay_out(s->in, a_rows, a_columns, s->row_a, s->batches, s->batch_a, &p->b));
    return lay_out(s->out, s->m, s->n, s->row_d, s->batches, s->batch_d, &p->d);
}

static sl_status prefer(const sl_cuda_product_shape *s, cublasLtMatmulPreference_t preference) {
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    static const char what[] = "preferences of a product";
    uint64_t most = WORKSPACE_MAX;
    /* parts of sums are kept in fp32 and added up in order */
    uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = (uint32_t)s->alignment;
    SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtMatmulPreferenceSetAttribute(
                                  preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most),
                              what));
    SL_TRY(sl_cuda_check_blas(
        sl_cuda_api.cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions),
        what));
    for (int i = 0; i < 4; i++)
        SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtMatmulPreferenceSetAttribute(
                                      preference, alignments[i], &alignment, sizeof alignment),
                                  what));
    return SL_OK;
}

/* The heuristic's first. */
static sl_status choose(const sl_cuda_context *context, const sl_cuda_product_shape *s, sl_cuda_product *p) {
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result = {0};
    int found = 0;
    SL_TRY(sl_cuda_check_blas(sl_cuda_api.cublasLtMatmulPreferenceCreate(&preference),
                              "preferences of a product"));
    sl_status status = prefer(s, preference);
    if (status == SL_OK)
        status = sl_cuda_check_blas(
            sl_cuda_api.cublasLtMatmulAlgoGetHeuristic(context->blas, p->description, p->a, p->b, p->d, p->d,
                                                       preference, 1, &result, &found),
            "choosing an algorithm");
    sl_cuda_api.cublasLtMatmulPreferenceDestroy(preference);
    SL_TRY(status);
    if (found == 0) return sl_fail(SL_UNSUPPORTED, "cuBLASLt has no algorithm");
    p->algorithm = result.algo;
    p->workspace_bytes = result.workspaceSize;
    p->chosen = true;
    return SL_OK;
}

sl_status sl_cuda_product_new(const sl_cuda_context *context, const sl_cuda_product_shape *shape,
                              sl_cuda_product **out) {
    sl_cuda_product *p;
    if (!shape->plain) SL_TRY(sl_cuda_api_load_blas()); /* done already where a device is open */
    SL_TRY(sl_alloc(&p, 1, sizeof *p));
    p->shape = *shape;
    p->bias = shape->bias;
    if (shape->plain) {
        *out = p;
        return SL_OK;
    }
    sl_status status = describe(context, shape, p);
    if (status == SL_OK) status = lay_out_all(shape, p);
    if (status == SL_OK && context) status = choose(context, shape, p);
    if (status != SL_OK) {
        sl_cuda_product_free(p);
        return sl_context(status, "product of %lldx%lld and %lldx%lld, %lld times", (long long)shape->m,
                          (long long)shape->k, (long long)shape->k, (long long)shape->n,
                          (long long)shape->batches);
    }
    *out = p;
    return SL_OK;
}

void sl_cuda_product_free(sl_cuda_product *p) {
    if (!p) return;
    cublasLtMatrixLayout_t layouts[] = {p->a, p->b, p->d};
    for (int i = 0; i < 3; i++)
        if (layouts[i]) sl_cuda_api.cublasLtMatrixLayoutDestroy(layouts[i]);
    if (p->description) sl_cuda_api.cublasLtMatmulDescDestroy(p->description);
    sl_free(p);
}

size_t sl_cuda_product_workspace(const sl_cuda_product *p) {
    return p->workspace_bytes;
}

static sl_status run_plain(const sl_cuda_context *context, const sl_cuda_product_shape *s,
                           const sl_cuda_product_data *data) {
    sl_cuda_multiply multiply = {.m = s->m,
                                 .n = s->n,
                                 .k = s->k,
                                 .batches = s->batches,
                                 .a_row = s->transpose_a ? 1 : s->row_a,
                                 .a_column = s->transpose_a ? s->row_a : 1,
                                 .b_row = s->transpose_b ? 1 : s->row_b,
                                 .b_column = s->transpose_b ? s->row_b : 1,
                                 .d_row = s->row_d,
                                 .a_batch = s->batch_a,
                                 .b_batch = s->batch_b,
                                 .d_batch = s->batch_d,
                                 .in = s->in,
                                 .out = s->out,
                                 .alpha = data->alpha,
                                 .a = data->a,
                                 .b = data->b,
                                 .bias = s->bias ? data->bias : NULL,
                                 .d = data->d};
    return sl_cuda_check(sl_cuda_api.sl_cuda_run_multiply(&multiply, context->stream), "matrix product");
}

sl_status sl_cuda_product_run(const sl_cuda_context *context, sl_cuda_product *p,
                              const sl_cuda_product_data *data) {
    const float beta = 0;
    if (!p->chosen && !p->shape.plain)
        return sl_fail(SL_INTERNAL, "a product that was only described is run");
    SL_TRY(sl_cuda_check(sl_cuda_api.cudaSetDevice(context->index), "choosing the device"));
    if (p->shape.plain) return run_plain(context, &p->shape, data);
    if (p->bias)
        SL_TRY(set(p->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &data->bias, sizeof data->bias));
    return sl_cuda_check_blas(sl_cuda_api.cublasLtMatmul(context->blas, p->description, &data->alpha, data->b,
                                                         p->a, data->a, p->b, &beta, data->d, p->d, data->d,
                                                         p->d, &p->algorithm, data->workspace,
                                                         p->workspace_bytes, context->stream),
                              "matrix product");
}
