#include "kernel_test.h"

/* x[batch, pixels, channels]; a layer norm has one pixel, a batch norm one image. */
typedef struct norm_case {
    int64_t batch, pixels, channels, groups;
    sl_dtype dtype;
    bool silu, training;
    double epsilon;
    array x, grad_y, gamma, beta, y, grad_x, running_mean, running_variance;
    float *mean, *rstd, *grad_gamma, *grad_beta, *moved_mean, *moved_variance;
    double *mean_expected, *rstd_expected, *grad_gamma_expected, *grad_beta_expected;
} norm_case;

/* Statistics over each set of elements (image, group); silu and affine per channel. */
static void reference(norm_case *c, bool own_statistics) {
    int64_t size = c->channels / c->groups, count = size * c->pixels;
    memset(c->grad_gamma_expected, 0, (size_t)c->channels * sizeof(double));
    memset(c->grad_beta_expected, 0, (size_t)c->channels * sizeof(double));
    double *d = buffer_new((size_t)count * sizeof(double)), *h = buffer_new((size_t)count * sizeof(double));
    for (int64_t n = 0; n < c->batch; n++)
        for (int64_t g = 0; g < c->groups; g++) {
            double mean = 0, variance = 0, mean_d = 0, mean_dh = 0;
#define EACH                                                                                                 \
    for (int64_t p = 0, k = 0; p < c->pixels; p++)                                                           \
        for (int64_t channel = g * size, at = (n * c->pixels + p) * c->channels + channel;                   \
             channel < (g + 1) * size; channel++, at++, k++)
            EACH(void) k, mean += c->x.values[at] / (double)count;
            EACH(void) k, variance += pow(c->x.values[at] - mean, 2) / (double)count;
            if (!own_statistics) mean = c->running_mean.values[g], variance = c->running_variance.values[g];
            double rstd = 1 / sqrt(variance + c->epsilon);
            c->mean_expected[n * c->groups + g] = mean;
            c->rstd_expected[n * c->groups + g] = rstd;
            EACH {
                h[k] = (c->x.values[at] - mean) * rstd;
                double z = h[k] * c->gamma.values[channel] + c->beta.values[channel], s = 1 / (1 + exp(-z));
                c->y.values[at] = c->silu ? z * s : z;
                double grad = c->grad_y.values[at] * (c->silu ? s * (1 + z * (1 - s)) : 1);
                c->grad_beta_expected[channel] += grad;
                c->grad_gamma_expected[channel] += grad * h[k];
                d[k] = grad * c->gamma.values[channel];
                mean_d += d[k] / (double)count, mean_dh += d[k] * h[k] / (double)count;
            }
            if (!own_statistics) mean_d = mean_dh = 0;
            EACH c->grad_x.values[at] = rstd * (d[k] - mean_d - h[k] * mean_dh);
#undef EACH
        }
}

static norm_case case_new(int64_t batch, int64_t pixels, int64_t channels, int64_t groups, sl_dtype dtype,
                          double offset) {
    norm_case c = {batch, pixels, channels, groups, dtype, .epsilon = 1e-5, .training = true};
    int64_t count = batch * pixels * channels, sets = batch * groups;
    c.x = array_random(dtype, count, offset, 2), c.grad_y = array_random(dtype, count, 0, 1);
    c.gamma = array_random(SL_F32, channels, 1, 0.3), c.beta = array_random(SL_F32, channels, 0, 0.3);
    c.y = array_new(dtype, count), c.grad_x = array_new(dtype, count);
    c.mean = buffer_new((size_t)sets * sizeof(float)), c.rstd = buffer_new((size_t)sets * sizeof(float));
    c.mean_expected = buffer_new((size_t)sets * sizeof(double)),
    c.rstd_expected = buffer_new((size_t)sets * sizeof(double));
    c.grad_gamma = buffer_new((size_t)channels * sizeof(float)),
    c.grad_beta = buffer_new((size_t)channels * sizeof(float));
    c.grad_gamma_expected = buffer_new((size_t)channels * sizeof(double));
    c.grad_beta_expected = buffer_new((size_t)channels * sizeof(double));
    return c;
}

static void check(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    norm_case *c = context;
    int64_t sets = c->batch * c->groups;
    double tolerance = c->dtype == SL_BF16 ? 1e-3 : 2e-5;
    expect_near("y", c->dtype, c->y.data, c->y.values, (int64_t)c->y.count, tolerance);
    expect_near("mean", SL_F32, c->mean, c->mean_expected, sets, 1e-5);
    expect_near("rstd", SL_F32, c->rstd, c->rstd_expected, sets, 1e-5);
    expect_near("grad_x", c->dtype, c->grad_x.data, c->grad_x.values, (int64_t)c->grad_x.count, tolerance);
    expect_near("grad_gamma", SL_F32, c->grad_gamma, c->grad_gamma_expected, c->channels, 5e-5);
    expect_near("grad_beta", SL_F32, c->grad_beta, c->grad_beta_expected, c->channels, 5e-5);
}

static void try_case(norm_case *c, kernel_run run) {
    int64_t sets = c->batch * c->groups;
    size_t bytes = c->x.count * sl_dtype_bytes(c->dtype), channels = (size_t)c->channels * sizeof(float);
    output outputs[] = {{c->y.data, bytes},
                        {c->mean, (size_t)sets * sizeof(float)},
                        {c->rstd, (size_t)sets * sizeof(float)},
                        {c->grad_x.data, bytes},
                        {c->grad_gamma, channels},
                        {c->grad_beta, channels}};
    at_every_level(false, run, check, c, outputs, 6);
    buffers_free();
}

/* Frees what the call took */
#define WITH_WORKSPACE(call, bytes, run)                                                                     \
    do {                                                                                                     \
        int mark_ = buffer_count;                                                                            \
        (call).workspace = buffer_new(bytes);                                                                \
        run;                                                                                                 \
        buffers_check();                                                                                     \
        while (buffer_count > mark_) sl_free(buffers[--buffer_count].block);                                 \
    } while (0)

static void run_group(const sl_cpu_kernels *kernels, void *context) {
    norm_case *c = context;
    sl_cpu_group_norm f = {c->batch,          c->pixels, c->channels, c->groups,     c->dtype,
                           (float)c->epsilon, c->silu,   c->x.data,   c->gamma.data, c->beta.data,
                           c->y.data,         c->mean,   c->rstd,     NULL};
    WITH_WORKSPACE(f, kernels->group_norm_bytes(&f), kernels->group_norm(&f));
    sl_cpu_group_norm_grad b = {c->batch,       c->pixels,     c->channels,  c->groups,
                                c->dtype,       c->silu,       c->x.data,    c->grad_y.data,
                                c->gamma.data,  c->beta.data,  c->mean,      c->rstd,
                                c->grad_x.data, c->grad_gamma, c->grad_beta, NULL};
    WITH_WORKSPACE(b, kernels->group_norm_grad_bytes(&b), kernels->group_norm_grad(&b));
}

static void test_group_norm(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {{2, 1024, 64, 32}, {16, 64, 128, 32}, {1, 4096, 40, 8}, {3, 1, 30, 5},
                                        {1, 7, 96, 32},    {17, 100, 33, 11}, {1, 300, 320, 32}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            norm_case c = case_new(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3],
                                   variant & 1 ? SL_BF16 : SL_F32, variant ? 3 : 300); /* a mean far from 0 */
            c.silu = variant & 2;
            if (c.pixels == 1) c.epsilon = 0.1;
            reference(&c, true);
            if (variant == 0) { /* x - 300 itself has lost 7 bits */
                int64_t sets = c.batch * c.groups;
                output outputs[] = {{c.mean, (size_t)sets * sizeof(float)},
                                    {c.rstd, (size_t)sets * sizeof(float)}};
                at_every_level(false, run_group, NULL, &c, outputs, 2);
                expect_near("mean", SL_F32, c.mean, c.mean_expected, sets, 1e-6);
                expect_near("rstd", SL_F32, c.rstd, c.rstd_expected, sets, 1e-4);
                buffers_free();
            } else {
                try_case(&c, run_group);
            }
        }
}

static void run_layer(const sl_cpu_kernels *kernels, void *context) {
    norm_case *c = context;
    sl_cpu_layer_norm f = {c->batch,      c->channels,  c->dtype,  (float)c->epsilon, c->x.data,
                           c->gamma.data, c->beta.data, c->y.data, c->mean,           c->rstd};
    kernels->layer_norm(&f);
    sl_cpu_layer_norm_grad b = {c->batch,       c->channels,   c->dtype,     c->x.data,
                                c->grad_y.data, c->gamma.data, c->mean,      c->rstd,
                                c->grad_x.data, c->grad_gamma, c->grad_beta, NULL};
    WITH_WORKSPACE(b, kernels->layer_norm_grad_bytes(&b), kernels->layer_norm_grad(&b));
}

static void test_layer_norm(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 768}, {77, 768}, {300, 64}, {5, 33}, {1000, 7}, {9, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            norm_case c = case_new(shapes[i][0], 1, shapes[i][1], 1, bf16 ? SL_BF16 : SL_F32, 2);
            reference(&c, true);
            try_case(&c, run_layer);
        }
}

static void run_batch(const sl_cpu_kernels *kernels, void *context) {
    norm_case *c = context;
    size_t channels = (size_t)c->channels * sizeof(float);
    memcpy(c->moved_mean, c->running_mean.data, channels);
    memcpy(c->moved_variance, c->running_variance.data, channels);
    sl_cpu_batch_norm f = {c->pixels,     c->channels,       c->dtype,  (float)c->epsilon,
                           0.25f,         c->training,       c->x.data, c->gamma.data,
                           c->beta.data,  c->y.data,         c->mean,   c->rstd,
                           c->moved_mean, c->moved_variance, NULL,      NULL};
    WITH_WORKSPACE(f, kernels->batch_norm_bytes(&f), kernels->batch_norm(&f));
    sl_cpu_batch_norm_grad b = {c->pixels,      c->channels,   c->dtype, c->training, c->x.data,
                                c->grad_y.data, c->gamma.data, c->mean,  c->rstd,     c->grad_x.data,
                                c->grad_gamma,  c->grad_beta,  NULL};
    WITH_WORKSPACE(b, kernels->batch_norm_grad_bytes(&b), kernels->batch_norm_grad(&b));
}

static void test_batch_norm(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{16 * 49, 64}, {5000, 33}, {7, 512}, {20000, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            int64_t rows = shapes[i][0], channels = shapes[i][1];
            norm_case c = case_new(1, rows, channels, channels, variant & 1 ? SL_BF16 : SL_F32, 2);
            c.training = variant & 2;
            c.running_mean = array_random(SL_F32, channels, 2, 0.2);
            c.running_variance = array_random(SL_F32, channels, 4, 0.2);
            c.moved_mean = buffer_new((size_t)channels * sizeof(float));
            c.moved_variance = buffer_new((size_t)channels * sizeof(float));
            reference(&c, c.training);
            double *mean = c.running_mean.values, *variance = c.running_variance.values;
            for (int64_t k = 0; c.training && k < channels; k++) {
                double own = 1 / (c.rstd_expected[k] * c.rstd_expected[k]) - c.epsilon;
                mean[k] = 0.75 * mean[k] + 0.25 * c.mean_expected[k];
                variance[k] = 0.75 * variance[k] + 0.25 * own * (double)rows / (double)(rows - 1);
            }
            output outputs[] = {{c.moved_mean, (size_t)channels * sizeof(float)},
                                {c.moved_variance, (size_t)channels * sizeof(float)}};
            at_every_level(false, run_batch, NULL, &c, outputs, 2);
            expect_near("running mean", SL_F32, c.moved_mean, mean, channels, 1e-6);
            expect_near("running variance", SL_F32, c.moved_variance, variance, channels, 1e-5);
            try_case(&c, run_batch);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_group_norm), cmocka_unit_test(test_layer_norm),
                                       cmocka_unit_test(test_batch_norm)};
    noise = sl_random_stream(3, SL_STREAM_TEST, 0);
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
