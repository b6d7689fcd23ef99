#include "kernel_test.h"

static double activation(sl_cpu_activation kind, double x) {
    switch (kind) {
    case SL_ACT_SILU:
        return x / (1 + exp(-x));
    case SL_ACT_GELU:
        return x / 2 * erfc(-x / sqrt(2));
    case SL_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case SL_ACT_GELU_TANH:
        return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case SL_ACT_TANH:
        return tanh(x);
    case SL_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case SL_ACT_RELU:
        return x > 0 ? x : 0;
    default:
        return x;
    }
}

static double slope(sl_cpu_activation kind, double x) {
    double step = 1e-4;
    /* functions of the activation's value */
    if (kind == SL_ACT_RELU) return x > 0;
    if (kind == SL_ACT_TANH) return 1 - x * x;
    if (kind == SL_ACT_SIGMOID) return x * (1 - x);
    return (8 * (activation(kind, x + step) - activation(kind, x - step)) - activation(kind, x + 2 * step) +
            activation(kind, x - 2 * step)) /
           (12 * step);
}

typedef struct activate_case {
    sl_cpu_activate call;
    array x, grad, y;
} activate_case;

static void run_activate(const sl_cpu_kernels *kernels, void *context) {
    kernels->activate(&((activate_case *)context)->call);
}

static void check_activate(const sl_cpu_kernels *kernels, void *context) {
    activate_case *c = context;
    char what[80];
    snprintf(what, sizeof what, "activation %d at %s", c->call.activation, kernels->name);
    expect_near(what, c->y.dtype, c->y.data, c->y.values, (int64_t)c->y.count, 1e-5);
}

static void test_activations(void **state) {
    (void)state;
    for (int kind = 0; kind < SL_ACT_COUNT; kind++)
        for (int variant = 0; variant < 4; variant++) {
            sl_dtype dtype = variant & 1 ? SL_BF16 : SL_F32;
            int64_t count = 1 + sl_random_below(&noise, 40000);
            activate_case c = {.x = array_random(dtype, count, 0, 4),
                               .grad = array_random(dtype, count, 0, 1)};
            c.y = array_new(dtype, count);
            c.call = (sl_cpu_activate){
                count, dtype, (sl_cpu_activation)kind, c.x.data, variant & 2 ? c.grad.data : NULL, c.y.data};
            for (int64_t i = 0; i < count; i++)
                c.y.values[i] = variant & 2 ? c.grad.values[i] * slope((sl_cpu_activation)kind, c.x.values[i])
                                            : activation((sl_cpu_activation)kind, c.x.values[i]);
            output outputs[] = {{c.y.data, (size_t)count * sl_dtype_bytes(dtype)}};
            at_every_level(false, run_activate, check_activate, &c, outputs, 1);
            buffers_free();
        }
}

/* Far out: no NaN from large numbers, and NaN itself is not lost. */
static void test_extremes(void **state) {
    (void)state;
    static const float x[] = {-1e4f, -200, -90, -14, 14, 90, 200, 1e4f, NAN};
    float y[9];
    for (int kind = 0; kind < SL_ACT_COUNT; kind++)
        for (unsigned level = SL_ISA_AVX2; level <= SL_ISA_AVX512_BF16; level *= 2) {
            if (!(sl_isa_available() & level)) continue;
            sl_cpu_activate call = {9, SL_F32, (sl_cpu_activation)kind, x, NULL, y};
            sl_cpu_kernels_for(level)->activate(&call);
            for (int i = 0; i < 8; i++)
                if (!(fabs((double)y[i] - activation((sl_cpu_activation)kind, (double)x[i])) <=
                      1e-6 * fabs((double)x[i])))
                    fail_msg("activation %d of %g is %g", kind, (double)x[i], (double)y[i]);
            if (!isnan(y[8])) fail_msg("activation %d of NaN is %g", kind, (double)y[8]);
        }
}

typedef struct rows_case {
    int64_t rows, width;
    sl_dtype dtype;
    array x, grad, y, grad_x, p;
    bool geglu;
} rows_case;

static void run_rows(const sl_cpu_kernels *kernels, void *context) {
    rows_case *c = context;
    if (c->geglu) {
        kernels->geglu(&(sl_cpu_geglu){c->rows, c->width, c->dtype, c->x.data, NULL, c->y.data});
        kernels->geglu(&(sl_cpu_geglu){c->rows, c->width, c->dtype, c->x.data, c->grad.data, c->grad_x.data});
        return;
    }
    kernels->softmax(&(sl_cpu_softmax){c->rows, c->width, c->dtype, c->x.data, NULL, c->y.data});
    kernels->softmax(&(sl_cpu_softmax){c->rows, c->width, c->dtype, c->p.data, c->grad.data, c->grad_x.data});
}

static void check_rows(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    rows_case *c = context;
    expect_near("y", c->dtype, c->y.data, c->y.values, (int64_t)c->y.count, 1e-5);
    expect_near("grad_x", c->dtype, c->grad_x.data, c->grad_x.values, (int64_t)c->grad_x.count, 2e-5);
}

static void softmax_reference(rows_case *c) {
    for (int64_t row = 0; row < c->rows; row++) {
        const double *x = c->x.values + row * c->width, *p = c->p.values + row * c->width;
        const double *grad = c->grad.values + row * c->width;
        double highest = -INFINITY, sum = 0, mean = 0;
        for (int64_t i = 0; i < c->width; i++) highest = fmax(highest, x[i]);
        for (int64_t i = 0; i < c->width; i++) sum += exp(x[i] - highest), mean += p[i] * grad[i];
        for (int64_t i = 0; i < c->width; i++) {
            c->y.values[row * c->width + i] = exp(x[i] - highest) / sum;
            c->grad_x.values[row * c->width + i] = p[i] * (grad[i] - mean);
        }
    }
}

static void geglu_reference(rows_case *c) {
    for (int64_t row = 0; row < c->rows; row++)
        for (int64_t i = 0; i < c->width; i++) {
            int64_t at = row * 2 * c->width + i;
            double value = c->x.values[at], gate = c->x.values[at + c->width],
                   grad = c->grad.values[row * c->width + i];
            c->y.values[row * c->width + i] = value * activation(SL_ACT_GELU, gate);
            c->grad_x.values[at] = grad * activation(SL_ACT_GELU, gate);
            c->grad_x.values[at + c->width] = grad * value * slope(SL_ACT_GELU, gate);
        }
}

static void test_rows(void **state) {
    (void)state;
    for (int i = 0; i < 24; i++) {
        rows_case c = {.rows = 1 + sl_random_below(&noise, 200),
                       .width = 1 + sl_random_below(&noise, 200),
                       .geglu = i & 1};
        c.dtype = i & 2 ? SL_BF16 : SL_F32;
        int64_t count = c.rows * c.width, wide = c.geglu ? 2 * count : count;
        c.x = array_random(c.dtype, wide, 0, 3), c.grad = array_random(c.dtype, count, 0, 1);
        c.p = array_random(c.dtype, count, 0.2, 0.1);
        c.y = array_new(c.dtype, count), c.grad_x = array_new(c.dtype, wide);
        if (c.geglu)
            geglu_reference(&c);
        else
            softmax_reference(&c);
        output outputs[] = {{c.y.data, (size_t)count * sl_dtype_bytes(c.dtype)},
                            {c.grad_x.data, (size_t)wide * sl_dtype_bytes(c.dtype)}};
        at_every_level(false, run_rows, check_rows, &c, outputs, 2);
        buffers_free();
    }
}

typedef struct update_case {
    int64_t count;
    array weights, grad, m, v;
    float *w[4], *first[3], *second[2];
    double sum;
    uint16_t *half;
} update_case;

/* Each update starts from the same weights. */
static void run_updates(const sl_cpu_kernels *kernels, void *context) {
    update_case *c = context;
    size_t bytes = (size_t)c->count * sizeof(float);
    for (int i = 0; i < 4; i++) memcpy(c->w[i], c->weights.data, bytes);
    for (int i = 0; i < 3; i++) memcpy(c->first[i], c->m.data, bytes);
    memcpy(c->second[0], c->v.data, bytes);
    kernels->adamw(&(sl_cpu_adamw){c->count, c->w[0], c->first[0], c->second[0], c->grad.data, 0.5f, 1e-2f,
                                   0.9f, 0.999f, 1e-8f, 0.1f, 0.271f, 0.002997001f});
    kernels->sgd(&(sl_cpu_sgd){c->count, c->w[1], c->first[1], c->grad.data, 0.5f, 1e-2f, 0.9f, 0.1f, false});
    kernels->sgd(&(sl_cpu_sgd){c->count, c->w[2], c->first[2], c->grad.data, 1, 1e-2f, 0.9f, 0, true});
    kernels->ema(&(sl_cpu_ema){c->count, c->w[3], c->grad.data, 0.99f});
    int mark = buffer_count;
    sl_cpu_sum_squares squares = {c->count, c->grad.data, &c->sum, NULL};
    squares.workspace = buffer_new(kernels->sum_squares_bytes(&squares));
    kernels->sum_squares(&squares);
    while (buffer_count > mark) sl_free(buffers[--buffer_count].block);
    kernels->cast(&(sl_cpu_cast){c->count, SL_F32, SL_BF16, c->grad.data, c->half});
    kernels->cast(&(sl_cpu_cast){c->count, SL_BF16, SL_F32, c->half, c->second[1]});
}

static void check_updates(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    update_case *c = context;
    double *w[4], sum = 0;
    for (int i = 0; i < 4; i++) w[i] = buffer_new((size_t)c->count * sizeof(double));
    for (int64_t i = 0; i < c->count; i++) {
        double g = c->grad.values[i] / 2, x = c->weights.values[i];
        double m = 0.9 * c->m.values[i] + 0.1 * g, v = 0.999 * c->v.values[i] + 0.001 * g * g;
        w[0][i] = x * (1 - 1e-2 * 0.1) - 1e-2 * (m / 0.271) / (sqrt(v / 0.002997001) + 1e-8);
        w[1][i] = x - 1e-2 * (0.9 * c->m.values[i] + g + 0.1 * x);
        w[2][i] = x - 1e-2 * (2 * g + 0.9 * (0.9 * c->m.values[i] + 2 * g));
        w[3][i] = x + 0.01 * (2 * g - x);
        sum += 4 * g * g;
        assert_int_equal(c->half[i], sl_f32_to_bf16((float)(2 * g)));
        assert_true(c->second[1][i] == sl_bf16_to_f32(c->half[i]));
    }
    static const char *const names[] = {"AdamW", "SGD", "SGD with Nesterov's momentum", "moving average"};
    for (int i = 0; i < 4; i++) expect_near(names[i], SL_F32, c->w[i], w[i], c->count, 1e-6);
    assert_true(fabs(c->sum - sum) <= 1e-12 * sum);
}

static void test_updates(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 7, 16, 1000, 16384, 50001};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int64_t count = counts[i];
        size_t bytes = (size_t)count * sizeof(float);
        update_case c = {.count = count};
        c.weights = array_random(SL_F32, count, 0, 1), c.grad = array_random(SL_F32, count, 0, 1);
        c.m = array_random(SL_F32, count, 0, 0.1), c.v = array_random(SL_F32, count, 1, 0.1);
        for (int k = 0; k < 4; k++) c.w[k] = buffer_new(bytes);
        for (int k = 0; k < 3; k++) c.first[k] = buffer_new(bytes);
        for (int k = 0; k < 2; k++) c.second[k] = buffer_new(bytes);
        c.half = buffer_new((size_t)count * 2);
        output outputs[] = {
            {c.w[0], bytes}, {c.w[1], bytes}, {c.w[2], bytes}, {c.w[3], bytes}, {&c.sum, sizeof c.sum}};
        at_every_level(false, run_updates, check_updates, &c, outputs, 5);
        buffers_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_activations), cmocka_unit_test(test_extremes),
                                       cmocka_unit_test(test_rows), cmocka_unit_test(test_updates)};
    noise = sl_random_stream(4, SL_STREAM_TEST, 0);
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
