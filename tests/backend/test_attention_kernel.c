#include "kernel_test.h"

typedef struct attention_case {
    sl_cpu_attention_shape shape;
    sl_dtype dtype;
    array q, k, v, grad_out, out, grad_q, grad_k, grad_v;
    float *lse;
    double *lse_expected;
    bool backward;
} attention_case;

/* softmax(scale q k^T) v and its gradients, one query at a time */
static void reference(attention_case *c) {
    const sl_cpu_attention_shape *s = &c->shape;
    int64_t width = s->heads * s->head_dim;
    double *p = buffer_new((size_t)s->kv_tokens * sizeof(double)),
           *dp = buffer_new((size_t)s->kv_tokens * sizeof(double));
    memset(c->grad_q.values, 0, c->grad_q.count * sizeof(double));
    memset(c->grad_k.values, 0, c->grad_k.count * sizeof(double));
    memset(c->grad_v.values, 0, c->grad_v.count * sizeof(double));
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t h = 0; h < s->heads; h++)
            for (int64_t i = 0; i < s->q_tokens; i++) {
                int64_t qi = (n * s->q_tokens + i) * width + h * s->head_dim, seen = s->kv_tokens;
                if (s->causal && i + 1 < seen) seen = i + 1;
                double highest = -INFINITY, sum = 0, mean = 0;
                for (int64_t j = 0; j < seen; j++) {
                    int64_t kj = (n * s->kv_tokens + j) * width + h * s->head_dim;
                    p[j] = 0;
                    for (int64_t d = 0; d < s->head_dim; d++)
                        p[j] += c->q.values[qi + d] * c->k.values[kj + d];
                    p[j] *= (double)s->scale;
                    if (p[j] > highest) highest = p[j];
                }
                for (int64_t j = 0; j < seen; j++) sum += p[j] = exp(p[j] - highest);
                c->lse_expected[(n * s->heads + h) * s->q_tokens + i] = highest + log(sum);
                for (int64_t d = 0; d < s->head_dim; d++) c->out.values[qi + d] = 0;
                for (int64_t j = 0; j < seen; j++) {
                    int64_t kj = (n * s->kv_tokens + j) * width + h * s->head_dim;
                    p[j] /= sum;
                    dp[j] = 0;
                    for (int64_t d = 0; d < s->head_dim; d++) {
                        c->out.values[qi + d] += p[j] * c->v.values[kj + d];
                        c->grad_v.values[kj + d] += p[j] * c->grad_out.values[qi + d];
                        dp[j] += c->grad_out.values[qi + d] * c->v.values[kj + d];
                    }
                    mean += p[j] * dp[j];
                }
                for (int64_t j = 0; j < seen; j++) {
                    int64_t kj = (n * s->kv_tokens + j) * width + h * s->head_dim;
                    double slope = p[j] * (dp[j] - mean) * (double)s->scale;
                    for (int64_t d = 0; d < s->head_dim; d++) {
                        c->grad_q.values[qi + d] += slope * c->k.values[kj + d];
                        c->grad_k.values[kj + d] += slope * c->q.values[qi + d];
                    }
                }
            }
}

static void run(const sl_cpu_kernels *kernels, void *context) {
    attention_case *c = context;
    int mark = buffer_count;
    sl_cpu_attention forward = {&c->shape, c->dtype,    c->q.data, c->k.data,
                                c->v.data, c->out.data, c->lse,    NULL};
    forward.workspace = buffer_new(kernels->attention_bytes(&forward));
    kernels->attention(&forward);
    if (c->backward) {
        sl_cpu_attention_grad grad = {&c->shape,      c->dtype,       c->q.data,        c->k.data,
                                      c->v.data,      c->out.data,    c->grad_out.data, c->lse,
                                      c->grad_q.data, c->grad_k.data, c->grad_v.data,   NULL};
        grad.workspace = buffer_new(kernels->attention_grad_bytes(&grad));
        kernels->attention_grad(&grad);
    }
    buffers_check();
    for (int i = mark; i < buffer_count; i++) sl_free(buffers[i].block);
    buffer_count = mark;
}

static void check(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    attention_case *c = context;
    double tolerance = c->dtype == SL_BF16 ? 3e-2 : 3e-5;
    expect_near("out", c->dtype, c->out.data, c->out.values, (int64_t)c->out.count, tolerance);
    expect_near("lse", SL_F32, c->lse, c->lse_expected, c->shape.batch * c->shape.heads * c->shape.q_tokens,
                c->dtype == SL_BF16 ? 1e-3 : 1e-6);
    if (!c->backward) return;
    /* the slopes are differences of larger numbers: in bf16 the rounded output enters through D */
    tolerance = c->dtype == SL_BF16 ? 6e-2 : 1e-4;
    expect_near("grad_q", c->dtype, c->grad_q.data, c->grad_q.values, (int64_t)c->grad_q.count, tolerance);
    expect_near("grad_k", c->dtype, c->grad_k.data, c->grad_k.values, (int64_t)c->grad_k.count, tolerance);
    expect_near("grad_v", c->dtype, c->grad_v.data, c->grad_v.values, (int64_t)c->grad_v.count, tolerance);
}

static void try_shape(int64_t batch, int64_t heads, int64_t q, int64_t kv, int64_t dim, bool causal,
                      sl_dtype dtype) {
    attention_case c = {.dtype = dtype, .backward = true};
    c.shape = (sl_cpu_attention_shape){batch, heads, q, kv, dim, 0, 0, 0, 0, causal, 1 / sqrtf((float)dim)};
    int64_t q_count = batch * q * heads * dim, kv_count = batch * kv * heads * dim;
    c.q = array_random(dtype, q_count, 0, 1), c.k = array_random(dtype, kv_count, 0, 1);
    c.v = array_random(dtype, kv_count, 0, 1), c.grad_out = array_random(dtype, q_count, 0, 1);
    c.out = array_new(dtype, q_count), c.grad_q = array_new(dtype, q_count);
    c.grad_k = array_new(dtype, kv_count), c.grad_v = array_new(dtype, kv_count);
    c.lse = buffer_new((size_t)(batch * heads * q) * sizeof(float));
    c.lse_expected = buffer_new((size_t)(batch * heads * q) * sizeof(double));
    reference(&c);
    output outputs[] = {{c.out.data, c.out.count * sl_dtype_bytes(dtype)},
                        {c.lse, (size_t)(batch * heads * q) * sizeof(float)},
                        {c.grad_q.data, c.grad_q.count * sl_dtype_bytes(dtype)},
                        {c.grad_k.data, c.grad_k.count * sl_dtype_bytes(dtype)},
                        {c.grad_v.data, c.grad_v.count * sl_dtype_bytes(dtype)}};
    at_every_level(dtype == SL_BF16, run, check, &c, outputs, 5);
    buffers_free();
}

static void test_shapes_of_models(void **state) {
    (void)state;
    static const int64_t dims[] = {32, 40, 64, 80, 160};
    for (size_t i = 0; i < 5; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            sl_dtype dtype = bf16 ? SL_BF16 : SL_F32;
            try_shape(1, 2, 64, 64, dims[i], false, dtype);
            try_shape(2, 1, 100, 77, dims[i], false, dtype);
            try_shape(1, 2, 77, 77, dims[i], true, dtype);
        }
    try_shape(1, 2, 300, 400, 40, false, SL_F32);
    try_shape(1, 1, 300, 300, 32, true, SL_F32);
    try_shape(1, 1, 300, 300, 32, true, SL_BF16);
}

static void test_random_shapes(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        bool bf16 = sl_random_below(&noise, 2), causal = sl_random_below(&noise, 3) == 0;
        int64_t q = 1 + sl_random_below(&noise, 150),
                kv = causal ? q : 1 + (int64_t)sl_random_below(&noise, 290);
        int64_t dim = 1 + sl_random_below(&noise, i % 8 == 0 ? 255 : 70);
        if (bf16) dim += dim % 2;
        try_shape(1 + sl_random_below(&noise, 2), 1 + sl_random_below(&noise, 3), q, kv, dim, causal,
                  bf16 ? SL_BF16 : SL_F32);
    }
}

static void check_far(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    const attention_case *c = context;
    expect_near("grad_v", c->dtype, c->grad_v.data, c->grad_v.values, (int64_t)c->grad_v.count,
                c->dtype == SL_BF16 ? 6e-2 : 1e-3);
    for (size_t i = 0; i < c->grad_q.count; i++) {
        float value;
        size_t bytes = sl_dtype_bytes(c->dtype);
        sl_convert(c->dtype, (const char *)c->grad_q.data + i * bytes, SL_F32, &value, 1);
        assert_true(isfinite(value));
    }
}

/* All scores of a row far below or above 0: what a block is filled up with has scores of 0 */
static void test_scores_far_from_zero(void **state) {
    (void)state;
    enum { DIM = 16, KEYS = 77, BOTH_SIGNS_AND_TYPES = 4 };
    for (int i = 0; i < BOTH_SIGNS_AND_TYPES; i++) {
        sl_dtype dtype = i / 2 ? SL_F32 : SL_BF16;
        attention_case c = {.dtype = dtype, .backward = true};
        c.shape = (sl_cpu_attention_shape){1, 1, 3, KEYS, DIM, 0, 0, 0, 0, false, 0.25f};
        c.q = array_random(dtype, 3 * DIM, 8, 0), c.k = array_random(dtype, KEYS * DIM, i % 2 ? 8 : -8, 0);
        c.v = array_random(dtype, KEYS * DIM, 0, 1), c.grad_out = array_random(dtype, 3 * DIM, 0, 1);
        c.out = array_new(dtype, 3 * DIM), c.grad_q = array_new(dtype, 3 * DIM);
        c.grad_k = array_new(dtype, KEYS * DIM), c.grad_v = array_new(dtype, KEYS * DIM);
        c.lse = buffer_new(3 * sizeof(float)), c.lse_expected = buffer_new(3 * sizeof(double));
        reference(&c);
        output outputs[] = {{c.grad_q.data, 3 * DIM * sl_dtype_bytes(dtype)},
                            {c.grad_v.data, KEYS * DIM * sl_dtype_bytes(dtype)}};
        at_every_level(dtype == SL_BF16, run, check_far, &c, outputs, 2);
        buffers_free();
    }
}

static void check_out(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    const attention_case *c = context;
    expect_near("out", c->dtype, c->out.data, c->out.values, (int64_t)c->out.count, 1e-3);
}

/* Scores far above what exp can hold */
static void test_large_scores(void **state) {
    (void)state;
    attention_case c = {.dtype = SL_F32};
    c.shape = (sl_cpu_attention_shape){1, 1, 20, 200, 16, 0, 0, 0, 0, false, 1};
    c.q = array_random(SL_F32, 20 * 16, 0, 30), c.k = array_random(SL_F32, 200 * 16, 0, 30);
    c.v = array_random(SL_F32, 200 * 16, 0, 1), c.grad_out = array_random(SL_F32, 20 * 16, 0, 1);
    c.out = array_new(SL_F32, 20 * 16), c.grad_q = array_new(SL_F32, 20 * 16);
    c.grad_k = array_new(SL_F32, 200 * 16), c.grad_v = array_new(SL_F32, 200 * 16);
    c.lse = buffer_new(20 * sizeof(float)), c.lse_expected = buffer_new(20 * sizeof(double));
    reference(&c);
    output outputs[] = {{c.out.data, 20 * 16 * sizeof(float)}};
    at_every_level(false, run, check_out, &c, outputs, 1);
    buffers_free();
}

static void check_not_numbers(const sl_cpu_kernels *kernels, void *context) {
    const attention_case *c = context;
    for (size_t i = 0; i < c->out.count; i++)
        if (!isnan(((const float *)c->out.data)[i]))
            fail_msg("element %zu at %s is %g", i, kernels->name, (double)((const float *)c->out.data)[i]);
}

/* A key that is no number, with the bits that plans fill unwritten memory with, is in every output. */
static void test_nan_is_not_lost(void **state) {
    (void)state;
    enum { DIM = 16, QUERIES = 5, KEYS = 200 };
    static const int64_t places[] = {0, 100, KEYS - 1};
    const uint32_t poison = 0xffffffff;
    for (int i = 0; i < 3; i++) {
        attention_case c = {.dtype = SL_F32};
        c.shape = (sl_cpu_attention_shape){1, 1, QUERIES, KEYS, DIM, 0, 0, 0, 0, false, 0.25f};
        c.q = array_random(SL_F32, QUERIES * DIM, 0, 1), c.k = array_random(SL_F32, KEYS * DIM, 0, 1);
        c.v = array_random(SL_F32, KEYS * DIM, 0, 1), c.out = array_new(SL_F32, QUERIES * DIM);
        c.lse = buffer_new(QUERIES * sizeof(float));
        memcpy((float *)c.k.data + places[i] * DIM + 3, &poison, sizeof poison);
        output outputs[] = {{c.lse, QUERIES * sizeof(float)}};
        at_every_level(false, run, check_not_numbers, &c, outputs, 1);
        buffers_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_of_models), cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_scores_far_from_zero), cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_nan_is_not_lost)};
    noise = sl_random_stream(1, SL_STREAM_TEST, 0);
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
