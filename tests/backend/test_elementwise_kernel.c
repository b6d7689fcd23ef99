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

typedef struct cast_case {
    int64_t count;
    array x;
    uint16_t *half;
    float *back;
} cast_case;

static void run_casts(const sl_cpu_kernels *kernels, void *context) {
    cast_case *c = context;
    kernels->cast(&(sl_cpu_cast){c->count, SL_F32, SL_BF16, c->x.data, c->half});
    kernels->cast(&(sl_cpu_cast){c->count, SL_BF16, SL_F32, c->half, c->back});
}

static void check_casts(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    cast_case *c = context;
    for (int64_t i = 0; i < c->count; i++) {
        assert_int_equal(c->half[i], sl_f32_to_bf16((float)c->x.values[i]));
        assert_true(c->back[i] == sl_bf16_to_f32(c->half[i]));
    }
}

static void test_casts(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 7, 16, 1000, 16384, 50001};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t count = (size_t)counts[i];
        cast_case c = {counts[i], array_random(SL_F32, counts[i], 0, 1), buffer_new(count * 2),
                       buffer_new(count * sizeof(float))};
        output outputs[] = {{c.half, count * 2}, {c.back, count * sizeof(float)}};
        at_every_level(false, run_casts, check_casts, &c, outputs, 2);
        buffers_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_activations), cmocka_unit_test(test_extremes),
                                       cmocka_unit_test(test_rows), cmocka_unit_test(test_casts)};
    noise = sl_random_stream(4, SL_STREAM_TEST, 0);
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
