/* LINEAR with its gradients, and MATMUL, by cuBLASLt or plain products of our own. Products are taken in the
 * dtype of in[0]; a weight of another is converted first (packed), a bias too. */
#include "backend/cuda/lib/lib.h"
#include "backend/cuda/lib/product.h"
#include "backend/kernel.h"

static sl_cuda_product_shape plain(int64_t m, int64_t n, int64_t k, sl_dtype in, sl_dtype out) {
    return (sl_cuda_product_shape){.m = m,
                                   .n = n,
                                   .k = k,
                                   .batches = 1,
                                   .in = in,
                                   .out = out,
                                   .row_d = n,
                                   .alignment = SL_CUDA_OPERAND_ALIGNMENT};
}

static sl_cuda_product_shape linear_shape(const sl_call *call) {
    const sl_operand *in = call->in;
    int64_t rows = sl_operand_rows(&in[0]), first = sl_operand_columns(&in[0]);
    sl_dtype dtype = in[0].dtype;
    sl_cuda_product_shape s;
    if (call->op == SL_OP_LINEAR) { /* x [R,I] times w [O,I] transposed */
        s = plain(rows, in[1].shape.dim[0], first, dtype, dtype);
        s.transpose_b = true, s.row_a = first, s.row_b = first;
        s.bias = sl_call_has(call, 2);
    } else if (call->op == SL_OP_LINEAR_BWD_DATA) { /* dy [R,O] times w [O,I] */
        s = plain(rows, in[1].shape.dim[1], first, dtype, dtype);
        s.row_a = first, s.row_b = s.n;
    } else { /* dy [R,O] transposed times x [R,I] */
        s = plain(sl_operand_columns(&in[1]), first, rows, dtype, SL_F32);
        s.transpose_a = true, s.row_a = s.m, s.row_b = first;
    }
    return s;
}

static sl_cuda_product_shape matmul_shape(const sl_call *call) {
    const sl_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    int last = a->rank - 1;
    bool transpose_a = call->attrs->transpose_a, transpose_b = call->attrs->transpose_b;
    int64_t m = y->dim[last - 1], n = y->dim[last], k = a->dim[transpose_a ? last - 1 : last];
    sl_cuda_product_shape s = plain(m, n, k, call->in[0].dtype, call->in[0].dtype);
    for (int i = 0; i < last - 1; i++) s.batches *= a->dim[i];
    s.transpose_a = transpose_a, s.transpose_b = transpose_b;
    s.row_a = a->dim[last], s.row_b = b->dim[last];
    s.batch_a = m * k, s.batch_b = k * n, s.batch_d = m * n;
    int64_t bytes = (int64_t)sl_dtype_bytes(s.in), steps[] = {s.batch_a, s.batch_b, s.batch_d};
    for (int i = 0; i < 3 && s.batches > 1; i++) {
        int alignment = sl_cuda_alignment(steps[i] * bytes);
        if (alignment < s.alignment) s.alignment = alignment;
    }
    return s;
}

static bool is_there(const sl_operand *operand) {
    return sl_operand_count(operand) > 0;
}

static bool accepts(const sl_call *call) {
    if (!sl_cuda_can_multiply(call->in[0].dtype) || !sl_cuda_can_multiply(call->in[1].dtype)) return false;
    if (!is_there(&call->in[0]) || !is_there(&call->in[1])) return false;
    if (call->op == SL_OP_MATMUL && call->in[1].dtype != call->in[0].dtype) return false;
    return !sl_call_has(call, 2) || sl_cuda_can_multiply(call->in[2].dtype);
}

static sl_status prepare_either(const sl_call *call, bool by_own_kernel, void **out_state) {
    sl_cuda_product_shape shape = call->op == SL_OP_MATMUL ? matmul_shape(call) : linear_shape(call);
    sl_cuda_product *product;
    shape.plain = by_own_kernel;
    SL_TRY(sl_cuda_product_new(sl_cuda_context_of(call), &shape, &product));
    *out_state = product;
    return SL_OK;
}

static sl_status prepare(const sl_call *call, void **out_state) {
    return prepare_either(call, false, out_state);
}

static sl_status prepare_plain(const sl_call *call, void **out_state) {
    return prepare_either(call, true, out_state);
}

static void release(void *state) {
    sl_cuda_product_free(state);
}

static size_t packed(const sl_call *call) {
    if (call->in[1].dtype == call->in[0].dtype) return 0;
    return (size_t)sl_operand_count(&call->in[1]) * sl_dtype_bytes(call->in[0].dtype);
}

static sl_status pack(const sl_call *call) {
    const sl_operand *w = &call->in[1];
    return sl_cuda_convert_array(call, w->dtype, w->data, call->in[0].dtype, call->packed,
                                 sl_operand_count(w));
}

static size_t bias_bytes(const sl_call *call) {
    if (!sl_call_has(call, 2) || call->in[2].dtype == call->in[0].dtype) return 0;
    return sl_cuda_aligned((size_t)sl_operand_count(&call->in[2]) * sl_dtype_bytes(call->in[0].dtype));
}

static size_t scratch(const sl_call *call) {
    return bias_bytes(call) + sl_cuda_product_workspace(call->state);
}

/* The bias in the products' dtype, converted into scratch memory where it has another. */
static sl_status bias_of(const sl_call *call, char **room, const void **out) {
    *out = sl_call_has(call, 2) ? call->in[2].data : NULL;
    if (!bias_bytes(call)) return SL_OK;
    void *converted = sl_cuda_take(room, bias_bytes(call));
    const sl_operand *bias = &call->in[2];
    *out = converted;
    return sl_cuda_convert_array(call, bias->dtype, bias->data, call->in[0].dtype, converted,
                                 sl_operand_count(bias));
}

static sl_status run(const sl_call *call) {
    char *room = call->scratch;
    sl_cuda_product_data data = {.alpha = 1,
                                 .a = call->in[0].data,
                                 .b = packed(call) ? call->packed : call->in[1].data,
                                 .d = call->out[0].data};
    SL_TRY(bias_of(call, &room, &data.bias));
    data.workspace = room;
    return sl_cuda_product_run(sl_cuda_context_of(call), call->state, &data);
}

/* ---- gradients of weights: the product's workspace and the sums' memory are the same ---- */

/* dy in the dtype of x, where it has another: packed() says how much that is, but it is no weight. */
static size_t converted_bytes(const sl_call *call) {
    return sl_cuda_aligned(packed(call));
}

static size_t gradient_scratch(const sl_call *call) {
    size_t product = sl_cuda_product_workspace(call->state), sums = 0;
    if (sl_call_wants(call, 1))
        sums = sl_cuda_sum_columns_bytes(sl_operand_rows(&call->in[1]), sl_operand_columns(&call->in[1]));
    return converted_bytes(call) + (product > sums ? product : sums);
}

static sl_status gradient_run(const sl_call *call) {
    const sl_operand *x = &call->in[0], *dy = &call->in[1];
    char *room = call->scratch;
    sl_cuda_product_data data = {.alpha = 1, .a = dy->data, .b = x->data, .d = call->out[0].data};
    float *bias = sl_cuda_wanted(call, 1);
    if (converted_bytes(call)) {
        void *converted = sl_cuda_take(&room, converted_bytes(call));
        SL_TRY(sl_cuda_convert_array(call, dy->dtype, dy->data, x->dtype, converted, sl_operand_count(dy)));
        data.a = converted;
    }
    data.workspace = room;
    SL_TRY(sl_cuda_product_run(sl_cuda_context_of(call), call->state, &data));
    return bias ? sl_cuda_sum_columns(call, dy, bias, room) : SL_OK;
}

static const char converted[] = "[O,I]";

#define PRODUCT(of_prepare)                                                                                  \
    {                                                                                                        \
        .accepts = accepts, .scratch = scratch, .packed = packed, .pack = pack, .form = converted,           \
        .prepare = of_prepare, .release = release, .run = run                                                \
    }
#define GRADIENT(of_prepare)                                                                                 \
    {                                                                                                        \
        .accepts = accepts, .scratch = gradient_scratch, .prepare = of_prepare, .release = release,          \
        .run = gradient_run                                                                                  \
    }

/* One code for all rows of kernels.def: those with bf16 ask for a device that multiplies it. */
#define ROWS(name, code)                                                                                     \
    const sl_kernel_code sl_kernel_cublas_##name = code(prepare),                                            \
                         sl_kernel_cublas_##name##_bf16 = code(prepare),                                     \
                         sl_kernel_cublas_##name##_f16 = code(prepare);                                      \
    const sl_kernel_code sl_kernel_plain_##name = code(prepare_plain),                                       \
                         sl_kernel_plain_##name##_bf16 = code(prepare_plain),                                \
                         sl_kernel_plain_##name##_f16 = code(prepare_plain)
ROWS(linear, PRODUCT);
ROWS(linear_bwd_data, PRODUCT);
ROWS(linear_bwd_weight, GRADIENT);
ROWS(matmul, PRODUCT);
