#include "kernel_test.h"

typedef struct conv_case {
    sl_cpu_conv_shape shape;
    sl_dtype dtype;
    array x, w, bias, residual, y, grad_y, grad_x;
    float *grad_w, *sums;
    double *grad_w_expected, *sums_expected;
    sl_cpu_activation activation;
    bool half;  /* the weights are F16's */
    bool plain; /* nothing is done with sums but adding the bias */
} conv_case;

static double act(sl_cpu_activation kind, double x) {
    return kind == SL_ACT_SILU ? x / (1 + exp(-x)) : kind == SL_ACT_GELU ? x * 0.5 * erfc(-x / sqrt(2)) : x;
}

static void reference(conv_case *c) {
    const sl_cpu_conv_shape *s = &c->shape;
    memset(c->grad_x.values, 0, c->grad_x.count * sizeof(double));
    memset(c->grad_w_expected, 0, c->w.count * sizeof(double));
    memset(c->sums_expected, 0, (size_t)s->out_c * sizeof(double));
    for (int64_t n = 0; n < s->batch; n++)
        for (int64_t oy = 0; oy < s->out_h; oy++)
            for (int64_t ox = 0; ox < s->out_w; ox++)
                for (int64_t oc = 0; oc < s->out_c; oc++) {
                    int64_t at = ((n * s->out_h + oy) * s->out_w + ox) * s->out_c + oc;
                    double sum = c->bias.values[oc], grad = c->grad_y.values[at];
                    c->sums_expected[oc] += grad;
                    for (int64_t ky = 0; ky < s->kernel_h; ky++)
                        for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                            int64_t iy = oy * s->stride + ky * s->dilation - s->pad_top;
                            int64_t ix = ox * s->stride + kx * s->dilation - s->pad_left;
                            if (iy < 0 || iy >= s->in_h || ix < 0 || ix >= s->in_w) continue;
                            for (int64_t ic = 0; ic < s->in_c; ic++) {
                                int64_t xi = ((n * s->in_h + iy) * s->in_w + ix) * s->in_c + ic;
                                int64_t wi = ((oc * s->in_c + ic) * s->kernel_h + ky) * s->kernel_w + kx;
                                sum += c->x.values[xi] * c->w.values[wi];
                                c->grad_x.values[xi] += grad * c->w.values[wi];
                                c->grad_w_expected[wi] += grad * c->x.values[xi];
                            }
                        }
                    c->y.values[at] = act(c->activation, sum) + (c->plain ? 0 : c->residual.values[at]);
                }
}

static bool fits_winograd(const conv_case *c) {
    const sl_cpu_conv_shape *s = &c->shape;
    bool odd = s->in_c % 2 || s->out_c % 2;
    return (c->dtype == SL_BF16 || c->w.dtype == SL_F32) && !(c->dtype == SL_BF16 && odd) &&
           s->kernel_h == 3 && s->kernel_w == 3 && s->stride == 1 && s->dilation == 1 && s->pad_top <= 2 &&
           s->pad_left <= 2 && c->activation <= SL_ACT_SILU;
}

static void add_end(const conv_case *c, sl_cpu_conv *conv) {
    conv->bias = c->bias.data, conv->activation = c->activation;
    if (!c->plain) conv->residual = c->residual.data;
}

/* Into the same results */
static void run_winograd(const sl_cpu_kernels *kernels, conv_case *c, sl_cpu_conv_pass pass) {
    sl_cpu_conv_pack pack = {.shape = &c->shape,
                             .pass = pass,
                             .dtype = c->dtype,
                             .weights_dtype = c->w.dtype,
                             .weights = c->w.data};
    pack.packed = buffer_new(kernels->winograd_packed_bytes(&pack));
    kernels->winograd_pack(&pack);
    bool forward = pass == SL_CPU_FORWARD;
    sl_cpu_conv conv = {.shape = &c->shape, .pass = pass, .dtype = c->dtype, .packed = pack.packed};
    conv.input = forward ? c->x.data : c->grad_y.data, conv.output = forward ? c->y.data : c->grad_x.data;
    if (forward) add_end(c, &conv);
    conv.worker_stride = (kernels->winograd_worker_bytes(&conv) + 63) / 64 * 64;
    conv.worker_workspace = buffer_new((size_t)sl_threads_count() * conv.worker_stride);
    kernels->winograd(&conv);
}

static void run_pass(const sl_cpu_kernels *kernels, conv_case *c, sl_cpu_conv_pass pass) {
    sl_cpu_conv_pack pack = {.shape = &c->shape,
                             .pass = pass,
                             .dtype = c->dtype,
                             .weights_dtype = c->w.dtype,
                             .weights = c->w.data};
    pack.packed = buffer_new(kernels->conv_packed_bytes(&pack));
    kernels->conv_pack(&pack);
    bool forward = pass == SL_CPU_FORWARD;
    sl_cpu_conv conv = {&c->shape,   pass,
                        c->dtype,    forward ? c->x.data : c->grad_y.data,
                        pack.packed, .output = forward ? c->y.data : c->grad_x.data};
    if (forward) add_end(c, &conv);
    conv.workspace = buffer_new(kernels->conv_bytes(&conv));
    kernels->conv(&conv);
}

/* Both passes, direct or by Winograd, from one copy of the weights. */
static void run_shared(const sl_cpu_kernels *kernels, conv_case *c, bool winograd) {
    sl_cpu_conv_pack pack = {.shape = &c->shape,
                             .dtype = c->dtype,
                             .weights_dtype = c->w.dtype,
                             .weights = c->w.data,
                             .half = c->half};
    pack.packed = buffer_new(kernels->conv_packed_bytes(&pack));
    kernels->conv_pack(&pack);
    for (int pass = SL_CPU_FORWARD; pass <= SL_CPU_BACKWARD_DATA; pass++) {
        bool forward = pass == SL_CPU_FORWARD;
        sl_cpu_conv conv = {
            .shape = &c->shape, .pass = (sl_cpu_conv_pass)pass, .dtype = c->dtype, .packed = pack.packed};
        conv.input = forward ? c->x.data : c->grad_y.data, conv.output = forward ? c->y.data : c->grad_x.data;
        conv.half = c->half, conv.forward_form = true;
        if (forward) add_end(c, &conv);
        if (!winograd) {
            conv.workspace = buffer_new(kernels->conv_bytes(&conv));
            kernels->conv(&conv);
            continue;
        }
        conv.worker_stride = (kernels->winograd_worker_bytes(&conv) + 63) / 64 * 64;
        conv.worker_workspace = buffer_new((size_t)sl_threads_count() * conv.worker_stride);
        kernels->winograd(&conv);
    }
}

typedef void (*run_one)(const sl_cpu_kernels *kernels, conv_case *c, sl_cpu_conv_pass pass);

/* One copy of the weights gives the bits that a copy for each pass gives. */
static void share(const sl_cpu_kernels *kernels, conv_case *c, run_one apart, bool winograd) {
    int mark = buffer_count;
    void *kept[2];
    const array *results[2] = {&c->y, &c->grad_x};
    apart(kernels, c, SL_CPU_FORWARD);
    apart(kernels, c, SL_CPU_BACKWARD_DATA);
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        bytes[i] = results[i]->count * sl_dtype_bytes(c->dtype);
        kept[i] = buffer_new(bytes[i]);
        memcpy(kept[i], results[i]->data, bytes[i]);
    }
    run_shared(kernels, c, winograd);
    buffers_check();
    for (int i = 0; i < 2; i++)
        if (memcmp(kept[i], results[i]->data, bytes[i]) != 0)
            fail_msg("%s: other bits of %s from shared weights%s", kernels->name, i ? "grad_x" : "y",
                     winograd ? " by Winograd" : "");
    while (buffer_count > mark) sl_free(buffers[--buffer_count].block);
}

static void run_direct_shared(const sl_cpu_kernels *kernels, void *context) {
    share(kernels, context, run_pass, false);
}

static void run_winograd_shared(const sl_cpu_kernels *kernels, void *context) {
    share(kernels, context, run_winograd, true);
}

static void check_shared(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    const conv_case *c = context;
    expect_near("y of shared weights", c->dtype, c->y.data, c->y.values, (int64_t)c->y.count, 3e-5);
    expect_near("grad_x of shared weights", c->dtype, c->grad_x.data, c->grad_x.values,
                (int64_t)c->grad_x.count, 1e-4);
}

static sl_cpu_conv_grad grad_of(conv_case *c) {
    return (sl_cpu_conv_grad){.shape = &c->shape,
                              .dtype = c->dtype,
                              .input = c->x.data,
                              .grad_output = c->grad_y.data,
                              .grad_weights = c->grad_w};
}

static void run(const sl_cpu_kernels *kernels, void *context) {
    conv_case *c = context;
    int mark = buffer_count;
    run_pass(kernels, c, SL_CPU_FORWARD);
    run_pass(kernels, c, SL_CPU_BACKWARD_DATA);
    sl_cpu_conv_grad grad = grad_of(c);
    grad.workspace = buffer_new(kernels->conv_grad_bytes(&grad));
    grad.worker_stride = (kernels->conv_grad_worker_bytes(&grad) + 63) / 64 * 64;
    grad.worker_workspace = buffer_new((size_t)sl_threads_count() * grad.worker_stride);
    kernels->conv_grad(&grad);
    int64_t rows = c->shape.batch * c->shape.out_h * c->shape.out_w;
    sl_cpu_column_sum sum = {rows, c->shape.out_c, 0, c->dtype, c->grad_y.data, c->sums, NULL};
    sum.workspace = buffer_new(kernels->column_sum_bytes(&sum));
    kernels->column_sum(&sum);
    buffers_check();
    for (int i = mark; i < buffer_count; i++) sl_free(buffers[i].block);
    buffer_count = mark;
}

static void run_fast(const sl_cpu_kernels *kernels, void *context) {
    int mark = buffer_count;
    run_winograd(kernels, context, SL_CPU_FORWARD);
    run_winograd(kernels, context, SL_CPU_BACKWARD_DATA);
    sl_cpu_conv_grad grad = grad_of(context);
    grad.workspace = buffer_new(kernels->winograd_grad_bytes(&grad));
    grad.worker_stride = (kernels->winograd_grad_worker_bytes(&grad) + 63) / 64 * 64;
    grad.worker_workspace = buffer_new((size_t)sl_threads_count() * grad.worker_stride);
    kernels->winograd_grad(&grad);
    buffers_check();
    while (buffer_count > mark) sl_free(buffers[--buffer_count].block);
}

static void check_fast(const sl_cpu_kernels *kernels, void *context) {
    (void)kernels;
    conv_case *c = context;
    expect_near("y by Winograd", c->dtype, c->y.data, c->y.values, (int64_t)c->y.count, 3e-5);
    expect_near("grad_x by Winograd", c->dtype, c->grad_x.data, c->grad_x.values, (int64_t)c->grad_x.count,
                1e-4);
    expect_near("grad_w by Winograd", SL_F32, c->grad_w, c->grad_w_expected, (int64_t)c->w.count, 5e-5);
}

static void check(const sl_cpu_kernels *kernels, void *context) {
    conv_case *c = context;
    const sl_cpu_conv_shape *s = &c->shape;
    char what[200];
#define NAME(text)                                                                                           \
    (snprintf(what, sizeof what,                                                                             \
              text " at %s of %lldx%lldx%lldx%lld > %lld, %lldx%lld stride %lld pad %lld", kernels->name,    \
              (long long)s->batch, (long long)s->in_h, (long long)s->in_w, (long long)s->in_c,               \
              (long long)s->out_c, (long long)s->kernel_h, (long long)s->kernel_w, (long long)s->stride,     \
              (long long)s->pad_top),                                                                        \
     what)
    expect_near(NAME("y"), c->dtype, c->y.data, c->y.values, (int64_t)c->y.count, tolerance_of(c->dtype));
    expect_near(NAME("grad_x"), c->dtype, c->grad_x.data, c->grad_x.values, (int64_t)c->grad_x.count,
                tolerance_of(c->dtype));
    expect_near(NAME("grad_w"), SL_F32, c->grad_w, c->grad_w_expected, (int64_t)c->w.count, 5e-5);
    expect_near(NAME("column sums"), SL_F32, c->sums, c->sums_expected, s->out_c, 2e-5);
}

static void try_case(sl_cpu_conv_shape s, sl_dtype dtype, sl_dtype weights, sl_cpu_activation activation,
                     bool plain) {
    conv_case c = {.shape = s, .dtype = dtype, .activation = activation, .plain = plain};
    int64_t out = s.batch * s.out_h * s.out_w * s.out_c, in = s.batch * s.in_h * s.in_w * s.in_c;
    int64_t count = s.out_c * s.in_c * s.kernel_h * s.kernel_w;
    c.x = array_random(dtype, in, 0, 1);
    c.w = array_random(weights, count, 0, 1 / sqrt((double)(s.in_c * s.kernel_h * s.kernel_w)));
    c.half = dtype == SL_F32 && weights == SL_F32 && sl_random_below(&noise, 2);
    for (size_t i = 0; c.half && i < c.w.count; i++)
        c.w.values[i] = (double)(((float *)c.w.data)[i] = sl_f16_to_f32(sl_f32_to_f16((float)c.w.values[i])));
    if (dtype == SL_BF16) /* what the kernel works with */
        for (size_t i = 0; i < c.w.count; i++)
            c.w.values[i] = (double)sl_bf16_to_f32(sl_f32_to_bf16((float)c.w.values[i]));
    c.bias = array_random(SL_F32, s.out_c, 0, 1);
    c.residual = array_random(dtype, out, 0, 1), c.grad_y = array_random(dtype, out, 0, 1);
    c.y = array_new(dtype, out), c.grad_x = array_new(dtype, in);
    c.grad_w = buffer_new((size_t)count * sizeof(float)),
    c.grad_w_expected = buffer_new((size_t)count * sizeof(double));
    c.sums = buffer_new((size_t)s.out_c * sizeof(float)),
    c.sums_expected = buffer_new((size_t)s.out_c * sizeof(double));
    reference(&c);
    output outputs[] = {{c.y.data, c.y.count * sl_dtype_bytes(dtype)},
                        {c.grad_x.data, c.grad_x.count * sl_dtype_bytes(dtype)},
                        {c.grad_w, (size_t)count * sizeof(float)},
                        {c.sums, (size_t)s.out_c * sizeof(float)}};
    at_every_level(dtype == SL_BF16, run, check, &c, outputs, 4);
    if (fits_winograd(&c)) {
        at_every_level(dtype == SL_BF16, run_fast, check_fast, &c, outputs, 3);
        tiles_left_out = dtype == SL_BF16; /* whose weights lie otherwise, and whose list has no such row */
        at_every_level(dtype == SL_BF16, run_winograd_shared, check_shared, &c, outputs, 2);
        tiles_left_out = false;
    }
    if (dtype == SL_F32 && weights == SL_F32)
        at_every_level(false, run_direct_shared, check_shared, &c, outputs, 2);
    buffers_free();
}

static void try_shape(sl_cpu_conv_shape s, sl_dtype dtype, sl_dtype weights, sl_cpu_activation activation) {
    try_case(s, dtype, weights, activation, false);
}

static sl_cpu_conv_shape square(int64_t batch, int64_t in_c, int64_t out_c, int64_t side, int64_t kernel,
                                int64_t stride, int64_t pad) {
    int64_t out = (side + 2 * pad - kernel) / stride + 1;
    return (sl_cpu_conv_shape){batch, side, side, in_c, out, out, out_c, kernel, kernel, stride, 1, pad, pad};
}

static void test_shapes_of_models(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        sl_dtype dtype = i ? SL_BF16 : SL_F32;
        try_shape(square(2, 64, 64, 16, 3, 1, 1), dtype, SL_F32, SL_ACT_NONE);
        try_shape(square(1, 40, 72, 32, 3, 1, 1), dtype, dtype, SL_ACT_SILU);
        try_shape(square(2, 64, 96, 16, 3, 2, 1), dtype, SL_F32, SL_ACT_NONE);
        try_shape(square(2, 64, 128, 8, 1, 2, 0), dtype, SL_F32, SL_ACT_NONE);
        try_shape(square(1, 4, 32, 32, 3, 1, 1), dtype, SL_F16, SL_ACT_NONE);
        try_shape(square(1, 32, 4, 32, 3, 1, 1), dtype, SL_F32, SL_ACT_NONE);
        try_shape(square(16, 32, 32, 8, 1, 1, 0), dtype, SL_F32, SL_ACT_GELU);
        try_shape(sl_cpu_linear_shape(77, 64, 256), dtype, SL_F32, SL_ACT_NONE);
        try_shape(sl_cpu_linear_shape(1200, 96, 40), dtype, SL_F32, SL_ACT_NONE);
        try_shape(sl_cpu_linear_shape(3, 1300, 70), dtype, SL_F32, SL_ACT_NONE);
    }
    try_shape(square(1, 3, 64, 37, 7, 2, 3), SL_F32, SL_F32, SL_ACT_NONE);
    try_shape(square(1, 3, 48, 48, 16, 16, 0), SL_F32, SL_F32, SL_ACT_NONE);
    /* padded below and right alone */
    try_shape((sl_cpu_conv_shape){1, 16, 16, 8, 8, 8, 24, 3, 3, 2, 1, 0, 0}, SL_F32, SL_F32, SL_ACT_NONE);
}

/* Sums that are formed in the output: in one pass over the depth or several, and where vectors are cut. */
static void test_plain_linear_layers(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{13, 768, 192}, {5, 1300, 64}, {7, 513, 24}, {200, 40, 600},
                                        {3, 96, 1040},  {1, 7, 8},     {31, 64, 70}, {6, 1100, 33}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        try_case(sl_cpu_linear_shape(shapes[i][0], shapes[i][1], shapes[i][2]), SL_F32, SL_F32, SL_ACT_NONE,
                 true);
    try_case(square(2, 24, 32, 9, 1, 1, 0), SL_F32, SL_F32, SL_ACT_NONE, true);
    try_case(square(1, 40, 48, 8, 3, 1, 1), SL_F32, SL_F32, SL_ACT_NONE, true);
}

/* bf16 with odd channels, and what leaves most of a tile empty. */
static void test_odd_channels(void **state) {
    (void)state;
    try_shape(square(1, 3, 64, 37, 7, 2, 3), SL_BF16, SL_F32, SL_ACT_NONE);
    try_shape(square(2, 33, 31, 9, 3, 1, 1), SL_BF16, SL_F32, SL_ACT_SILU);
    try_shape(square(3, 1, 1, 1, 1, 1, 0), SL_BF16, SL_F32, SL_ACT_NONE);
    try_shape(square(1, 17, 5, 6, 1, 2, 0), SL_BF16, SL_BF16, SL_ACT_NONE);
    try_shape((sl_cpu_conv_shape){1, 16, 16, 9, 8, 8, 25, 3, 3, 2, 1, 0, 0}, SL_BF16, SL_F32, SL_ACT_NONE);
    try_shape(sl_cpu_linear_shape(1, 63, 1), SL_BF16, SL_F32, SL_ACT_NONE);
    try_shape(sl_cpu_linear_shape(65, 64, 33), SL_BF16, SL_F16, SL_ACT_NONE);
    try_shape(square(1, 3, 48, 48, 16, 16, 0), SL_BF16, SL_BF16, SL_ACT_NONE);
}

static void test_winograd_shapes(void **state) {
    (void)state;
    for (int i = 0; i < 30; i++) {
        sl_cpu_conv_shape s = {.batch = 1 + sl_random_below(&noise, 3),
                               .kernel_h = 3,
                               .kernel_w = 3,
                               .stride = 1,
                               .dilation = 1};
        s.pad_top = sl_random_below(&noise, 3), s.pad_left = sl_random_below(&noise, 3);
        s.in_h = 3 + sl_random_below(&noise, 20), s.in_w = 3 + sl_random_below(&noise, 20);
        s.out_h = s.in_h + 2 * s.pad_top - 2, s.out_w = s.in_w + 2 * s.pad_left - 2;
        s.in_c = 1 + sl_random_below(&noise, i % 10 ? 50 : 600), s.out_c = 1 + sl_random_below(&noise, 100);
        try_shape(s, SL_F32, SL_F32, i & 1 ? SL_ACT_SILU : SL_ACT_NONE);
        s.in_c += s.in_c % 2, s.out_c += s.out_c % 2;
        try_shape(s, SL_BF16, SL_BF16, i & 1 ? SL_ACT_SILU : SL_ACT_NONE);
    }
}

static void test_random_shapes(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        bool bf16 = sl_random_below(&noise, 2);
        sl_cpu_conv_shape s = {.batch = 1 + sl_random_below(&noise, 3)};
        s.kernel_h = 1 + sl_random_below(&noise, 4), s.kernel_w = 1 + sl_random_below(&noise, 4);
        s.stride = 1 + sl_random_below(&noise, 3), s.dilation = 1 + sl_random_below(&noise, 2);
        s.pad_top = sl_random_below(&noise, 3), s.pad_left = sl_random_below(&noise, 3);
        s.in_h = 1 + sl_random_below(&noise, 20), s.in_w = 1 + sl_random_below(&noise, 20);
        s.out_h = 1 + sl_random_below(&noise, 20), s.out_w = 1 + sl_random_below(&noise, 20);
        s.in_c = 1 + sl_random_below(&noise, 50), s.out_c = 1 + sl_random_below(&noise, 70);
        try_shape(s, bf16 ? SL_BF16 : SL_F32, SL_F32, SL_ACT_NONE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_of_models), cmocka_unit_test(test_plain_linear_layers),
        cmocka_unit_test(test_odd_channels), cmocka_unit_test(test_winograd_shapes),
        cmocka_unit_test(test_random_shapes)};
    noise = sl_random_stream(2, SL_STREAM_TEST, 0);
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
