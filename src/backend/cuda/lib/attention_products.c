/* ATTENTION and its gradient from matrix products and a softmax: for what fused kernels do not take (fp32,
 * wide or odd heads, causal). Heads are worked through in groups, so that the scores of one group fit in
 * bounded memory. The formulas are those of op/attention.c. */
#include "backend/cuda/lib/lib.h"
#include "backend/cuda/lib/product.h"
#include "backend/kernel.h"

#include "base/memory.h"

#include <math.h>

enum { SCORES_MAX = 128 << 20 }; /* bytes of one group's scores, where a head allows it */

typedef struct sizes {
    int64_t images, queries, keys, width, heads, head_dim, group;
    float scale;
    bool causal;
    sl_dtype dtype;
} sizes;

typedef struct attention {
    sl_cuda_product *scores;  /* [L,D] times [M,D]': q k' and do v' */
    sl_cuda_product *rows;    /* [L,M] times [M,D]: p v and ds k */
    sl_cuda_product *columns; /* [L,M]' times [L,D]: p' do and ds' q; gradients alone */
    size_t workspace_bytes;
} attention;

static sizes sizes_of(const sl_call *call) {
    const sl_shape *q = &call->in[0].shape;
    sizes s = {q->dim[0],
               q->dim[1],
               call->in[1].shape.dim[1],
               q->dim[2],
               call->attrs->heads,
               q->dim[2] / call->attrs->heads,
               call->attrs->heads,
               0,
               call->attrs->causal != 0,
               call->in[0].dtype};
    s.scale = (float)(1 / sqrt((double)s.head_dim));
    while (s.group > 1 && (s.heads % s.group || s.group * s.queries * s.keys * 4 > SCORES_MAX)) s.group--;
    return s;
}

static bool accepts(const sl_call *call) {
    int tensors = call->op == SL_OP_ATTENTION ? 3 : 6;
    sl_dtype dtype = call->in[0].dtype;
    for (int i = 0; i < tensors; i++)
        if (call->in[i].dtype != (i == 4 ? SL_F32 : dtype) || sl_operand_count(&call->in[i]) == 0)
            return false;
    return sl_cuda_can_multiply(dtype);
}

/* Head h of an operand starts h*D elements in: that far addresses may be off. */
static int alignment_of(const sizes *s) {
    int64_t bytes = (int64_t)sl_dtype_bytes(s->dtype);
    int head = sl_cuda_alignment(s->head_dim * bytes),
        scores = sl_cuda_alignment(s->queries * s->keys * bytes);
    return head < scores ? head : scores;
}

static sl_status prepare_products(const sl_call *call, const sizes *s, bool plain, attention *a) {
    const sl_cuda_context *context = sl_cuda_context_of(call);
    int64_t L = s->queries, M = s->keys, D = s->head_dim, E = s->width;
    sl_cuda_product_shape shape = {
        .batches = s->group, .in = s->dtype, .alignment = alignment_of(s), .plain = plain};
    shape.m = L, shape.n = M, shape.k = D, shape.transpose_b = true, shape.out = SL_F32;
    shape.row_a = E, shape.row_b = E, shape.row_d = M, shape.batch_a = D, shape.batch_b = D,
    shape.batch_d = L * M;
    SL_TRY(sl_cuda_product_new(context, &shape, &a->scores));
    shape.n = D, shape.k = M, shape.transpose_b = false, shape.out = s->dtype;
    shape.row_a = M, shape.row_d = E, shape.batch_a = L * M, shape.batch_d = D;
    SL_TRY(sl_cuda_product_new(context, &shape, &a->rows));
    if (call->op == SL_OP_ATTENTION) return SL_OK;
    shape.m = M, shape.k = L, shape.transpose_a = true;
    return sl_cuda_product_new(context, &shape, &a->columns);
}

static void release(void *state) {
    attention *a = state;
    sl_cuda_product_free(a->scores);
    sl_cuda_product_free(a->rows);
    sl_cuda_product_free(a->columns);
    sl_free(a);
}

static sl_status prepare_either(const sl_call *call, bool plain, void **out_state) {
    sizes s = sizes_of(call);
    attention *a;
    SL_TRY(sl_alloc(&a, 1, sizeof *a));
    sl_status status = prepare_products(call, &s, plain, a);
    if (status != SL_OK) {
        release(a);
        return status;
    }
    const sl_cuda_product *all[] = {a->scores, a->rows, a->columns};
    for (int i = 0; i < 3; i++) {
        size_t bytes = all[i] ? sl_cuda_product_workspace(all[i]) : 0;
        if (bytes > a->workspace_bytes) a->workspace_bytes = bytes;
    }
    *out_state = a;
    return SL_OK;
}

static sl_status prepare(const sl_call *call, void **out_state) {
    return prepare_either(call, false, out_state);
}

static sl_status prepare_plain(const sl_call *call, void **out_state) {
    return prepare_either(call, true, out_state);
}

/* One group's scores, and their probabilities where these have another dtype. */
static size_t score_bytes(const sizes *s) {
    return sl_cuda_aligned((size_t)(s->group * s->queries * s->keys) * sizeof(float));
}

static size_t narrow_bytes(const sizes *s) {
    return s->dtype == SL_F32 ? 0 : sl_cuda_aligned((size_t)(s->group * s->queries * s->keys) * 2);
}

static size_t delta_bytes(const sizes *s) {
    return sl_cuda_aligned((size_t)(s->images * s->heads * s->queries) * sizeof(float));
}

static size_t scratch(const sl_call *call) {
    sizes s = sizes_of(call);
    const attention *a = call->state;
    size_t one = score_bytes(&s) + narrow_bytes(&s), workspace = sl_cuda_aligned(a->workspace_bytes);
    return call->op == SL_OP_ATTENTION ? workspace + one : workspace + 2 * one + delta_bytes(&s);
}

/* The part of an operand [N,tokens,E] that a group of heads of one image starts at. */
static char *part(const sizes *s, const void *data, int64_t tokens, int64_t image, int64_t head) {
    int64_t at = image * tokens * s->width + head * s->head_dim;
    return (char *)(uintptr_t)data + at * (int64_t)sl_dtype_bytes(s->dtype);
}

static sl_status multiply(const sl_call *call, sl_cuda_product *product, float alpha, const void *a,
                          const void *b, void *d, void *workspace) {
    sl_cuda_product_data data = {.alpha = alpha, .a = a, .b = b, .d = d, .workspace = workspace};
    return sl_cuda_product_run(sl_cuda_context_of(call), product, &data);
}

static sl_status attend(const sl_call *call, const sizes *s, int64_t image, int64_t head) {
    const attention *a = call->state;
    char *room = call->scratch;
    void *workspace = sl_cuda_take(&room, a->workspace_bytes), *scores = sl_cuda_take(&room, score_bytes(s));
    void *p = s->dtype == SL_F32 ? scores : sl_cuda_take(&room, narrow_bytes(s));
    float *lse = sl_cuda_wanted(call, 1);
    if (lse) lse += (image * s->heads + head) * s->queries;
    SL_TRY(multiply(call, a->scores, s->scale, part(s, call->in[0].data, s->queries, image, head),
                    part(s, call->in[1].data, s->keys, image, head), scores, workspace));
    sl_cuda_probabilities softmax = {
        s->group * s->queries, s->queries, s->keys, s->causal, s->dtype, scores, p, lse};
    SL_TRY(sl_cuda_check(sl_cuda_api.sl_cuda_run_probabilities(&softmax, sl_cuda_stream(call)), "softmax"));
    return multiply(call, a->rows, 1, p, part(s, call->in[2].data, s->keys, image, head),
                    part(s, call->out[0].data, s->queries, image, head), workspace);
}

static sl_status run(const sl_call *call) {
    sizes s = sizes_of(call);
    for (int64_t image = 0; image < s.images; image++)
        for (int64_t head = 0; head < s.heads; head += s.group) SL_TRY(attend(call, &s, image, head));
    return SL_OK;
}

/* ---- gradient ---- */

static sl_status attend_bwd(const sl_call *call, const sizes *s, const float *delta, char *room,
                            int64_t image, int64_t head) {
    const attention *a = call->state;
    const sl_operand *in = call->in;
    void *workspace = sl_cuda_take(&room, a->workspace_bytes);
    void *scores = sl_cuda_take(&room, score_bytes(s)), *dp = sl_cuda_take(&room, score_bytes(s));
    void *p = s->dtype == SL_F32 ? scores : sl_cuda_take(&room, narrow_bytes(s));
    void *ds = s->dtype == SL_F32 ? dp : sl_cuda_take(&room, narrow_bytes(s));
    const char *q = part(s, in[0].data, s->queries, image, head),
               *k = part(s, in[1].data, s->keys, image, head);
    const char *v = part(s, in[2].data, s->keys, image, head),
               *dy = part(s, in[5].data, s->queries, image, head);
    int64_t row = (image * s->heads + head) * s->queries;
    SL_TRY(multiply(call, a->scores, s->scale, q, k, scores, workspace));
    SL_TRY(multiply(call, a->scores, 1, dy, v, dp, workspace));
    sl_cuda_score_gradient gradient = {
        s->group * s->queries,           s->queries,  s->keys, s->causal, s->scale, s->dtype, scores, dp,
        (const float *)in[4].data + row, delta + row, p,       ds};
    SL_TRY(sl_cuda_check(sl_cuda_api.sl_cuda_run_score_gradient(&gradient, sl_cuda_stream(call)),
                         "gradient of scores"));
    if (sl_cuda_wanted(call, 0))
        SL_TRY(multiply(call, a->rows, 1, ds, k, part(s, call->out[0].data, s->queries, image, head),
                        workspace));
    if (sl_cuda_wanted(call, 1))
        SL_TRY(multiply(call, a->columns, 1, ds, q, part(s, call->out[1].data, s->keys, image, head),
                        workspace));
    if (sl_cuda_wanted(call, 2))
        SL_TRY(multiply(call, a->columns, 1, p, dy, part(s, call->out[2].data, s->keys, image, head),
                        workspace));
    return SL_OK;
}

static sl_status run_bwd(const sl_call *call) {
    sizes s = sizes_of(call);
    char *room = call->scratch;
    float *delta = sl_cuda_take(&room, delta_bytes(&s));
    sl_cuda_row_products products = {s.images, s.queries,        s.heads,          s.head_dim,
                                     s.dtype,  call->in[3].data, call->in[5].data, delta};
    SL_TRY(sl_cuda_check(sl_cuda_api.sl_cuda_run_row_products(&products, sl_cuda_stream(call)),
                         "products of rows"));
    for (int64_t image = 0; image < s.images; image++)
        for (int64_t head = 0; head < s.heads; head += s.group)
            SL_TRY(attend_bwd(call, &s, delta, room, image, head));
    return SL_OK;
}

#define ATTENTION(of_prepare, of_run)                                                                        \
    { .accepts = accepts, .scratch = scratch, .prepare = of_prepare, .release = release, .run = of_run }

const sl_kernel_code sl_kernel_cublas_attention = ATTENTION(prepare, run),
                     sl_kernel_cublas_attention_bf16 = ATTENTION(prepare, run),
                     sl_kernel_cublas_attention_f16 = ATTENTION(prepare, run);
const sl_kernel_code sl_kernel_cublas_attention_bwd = ATTENTION(prepare, run_bwd),
                     sl_kernel_cublas_attention_bwd_bf16 = ATTENTION(prepare, run_bwd),
                     sl_kernel_cublas_attention_bwd_f16 = ATTENTION(prepare, run_bwd);
const sl_kernel_code sl_kernel_plain_attention = ATTENTION(prepare_plain, run),
                     sl_kernel_plain_attention_bf16 = ATTENTION(prepare_plain, run),
                     sl_kernel_plain_attention_f16 = ATTENTION(prepare_plain, run);
const sl_kernel_code sl_kernel_plain_attention_bwd = ATTENTION(prepare_plain, run_bwd),
                     sl_kernel_plain_attention_bwd_bf16 = ATTENTION(prepare_plain, run_bwd),
                     sl_kernel_plain_attention_bwd_f16 = ATTENTION(prepare_plain, run_bwd);
