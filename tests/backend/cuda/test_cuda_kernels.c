/* Every row of the CUDA module's kernels.def against its op's reference, with the libraries computing in host
 * memory: whether the kernels ask the libraries for the right thing. */
#include "../../op/cases.h"
#include "test.h"

#include "host_libraries.h"
#include "host_pieces.h"
#include "fake_runtime.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/module_status.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { WANTED = 16, ATTEMPTS = 2000 };

void sl_cuda_status_use(const sl_device_host *host) {
    (void)host;
}

void sl_cuda_note(const char *format, ...) {
    (void)format;
}

const sl_device_module_table *sl_device_module(const sl_device_host *host);

static const sl_device_module_table *module;
static void *device;

static int begin(void **state) {
    static const sl_device_host host = {.abi = SL_DEVICE_ABI};
    (void)state;
    fake_runtime_use();
    host_libraries_use();
    module = sl_device_module(&host);
    return module->open(0, &device) == SL_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    module->close(device);
    return fake.alive == 0 && host_libraries_alive() == 0 ? 0 : -1;
}

static bool only_tiny;

/* Operands one to three elements beyond an aligned address, on either side of guards. */
static bool start_off;

enum { OFF_MOST = 3, GUARD = 64 };

static void *shifted(const sl_operand *operand, int elements, unsigned char **block) {
    size_t bytes = (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
    size_t start = GUARD + (size_t)elements * sl_dtype_bytes(operand->dtype);
    assert_ok(sl_alloc(block, bytes + 2 * GUARD + OFF_MOST * sizeof(double), 1));
    memset(*block, 0xa5, start);
    memset(*block + start + bytes, 0xa5, GUARD);
    return memcpy(*block + start, operand->data, bytes);
}

/* Runs it on such copies, and puts the results in their place. */
static void run_shifted(const sl_kernel *kernel, sl_call *call, sl_random *random) {
    unsigned char *blocks[SL_INPUTS_MAX + SL_OUTPUTS_MAX] = {NULL};
    sl_call moved = *call;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i))
            moved.in[i].data = shifted(&call->in[i], 1 + (int)sl_random_below(random, OFF_MOST), &blocks[i]);
    for (int i = 0; i < call->out_count; i++)
        if (sl_call_wants(call, i))
            moved.out[i].data = shifted(&call->out[i], (int)sl_random_below(random, OFF_MOST + 1),
                                        &blocks[SL_INPUTS_MAX + i]);
    assert_ok(kernel->code->run(&moved));
    for (int i = 0; i < call->out_count; i++) {
        if (!sl_call_wants(call, i)) continue;
        const sl_operand *out = &moved.out[i];
        size_t bytes = (size_t)sl_operand_count(out) * sl_dtype_bytes(out->dtype);
        memcpy(call->out[i].data, out->data, bytes);
        for (int k = 1; k <= GUARD; k++) {
            assert_int_equal(((unsigned char *)out->data)[-k], 0xa5);
            assert_int_equal(((unsigned char *)out->data)[bytes + (size_t)k - 1], 0xa5);
        }
    }
    for (int i = 0; i < SL_INPUTS_MAX + SL_OUTPUTS_MAX; i++) sl_free(blocks[i]);
}

static void compare(const sl_kernel *kernel, const sl_operand *out, const double *expected, int index) {
    double error = op_case_error(out, expected);
    if (error > (double)kernel->tolerance)
        fail_msg("%s: result %d is off by %.3g of its rms, allowed %.3g", kernel->name, index, error,
                 (double)kernel->tolerance);
}

static bool try_case(const sl_kernel *kernel, int attempt, sl_random *random) {
    static const sl_dtype dtypes[][2] = {{SL_F32, SL_F32},  {SL_BF16, SL_F32}, {SL_BF16, SL_BF16},
                                         {SL_F32, SL_BF16}, {SL_F16, SL_F32},  {SL_F16, SL_F16},
                                         {SL_F32, SL_F16}};
    const sl_dtype *pair = dtypes[sl_random_below(random, 7)];
    op_case c;
    op_case_make(&c, kernel->op,
                 only_tiny     ? SIZES_TINY
                 : attempt % 2 ? SIZES_EVEN
                               : SIZES_ODD,
                 pair[0], pair[1], random);
    c.call.device = device;
    bool optional = !sl_op_describe(kernel->op)->reads_outputs || kernel->op == SL_OP_SGD;
    for (int i = 1; optional && i < c.call.out_count; i++)
        if (sl_random_below(random, 4) == 0) c.call.out[i].flags = SL_OPERAND_ABSENT;
    if (!sl_kernel_fits(kernel, &c.call, ~0u)) return false;
    double *expected[SL_OUTPUTS_MAX] = {NULL};
    op_case_allocate(&c, random);
    op_case_reference(&c, expected);
    sl_call call = op_kernel_open(kernel, &c);
    if (start_off)
        run_shifted(kernel, &call, random);
    else
        assert_ok(kernel->code->run(&call));
    op_kernel_close(kernel, &call);
    if (!op_case_guards_hold(&c)) fail_msg("%s wrote outside its results", kernel->name);
    for (int i = 0; i < c.call.out_count; i++) {
        if (sl_call_wants(&c.call, i)) compare(kernel, &c.call.out[i], expected[i], i);
        sl_free(expected[i]);
    }
    op_case_free(&c);
    return true;
}

static void try_kernel(const sl_kernel *kernel, uint32_t index) {
    sl_random random = sl_random_stream(7, SL_STREAM_TEST, index);
    int done = 0;
    for (int attempt = 0; attempt < ATTEMPTS && done < WANTED; attempt++)
        done += try_case(kernel, attempt, &random);
    if (done < WANTED) fail_msg("%s took only %d of %d random cases", kernel->name, done, ATTEMPTS);
}

static void test_kernels(void **state) {
    (void)state;
    assert_true(module->kernel_count >= 118);
    for (int i = 0; i < module->kernel_count; i++) try_kernel(&module->kernels[i], (uint32_t)i);
}

/* What a block's threads share comes out as what one does alone. */
static void test_teams(void **state) {
    (void)state;
    for (host_team_size = 3; host_team_size < 6; host_team_size += 2)
        for (int i = 0; i < module->kernel_count; i++) {
            if (module->kernels[i].isa & (SL_CUDA_BLAS | SL_CUDA_DNN)) continue;
            only_tiny = module->kernels[i].code->prepare; /* products meet often: threads are slow at that */
            try_kernel(&module->kernels[i], 300u + (uint32_t)i);
        }
    host_team_size = 1;
    only_tiny = false;
}

/* As for arrays whose positions need 64 bits. */
static void test_wide(void **state) {
    (void)state;
    host_is_wide = true;
    for (int i = 0; i < module->kernel_count; i++)
        if (!(module->kernels[i].isa & (SL_CUDA_BLAS | SL_CUDA_DNN)))
            try_kernel(&module->kernels[i], 400u + (uint32_t)i);
    host_is_wide = false;
}

/* Arrays that start at any element: nothing is read or written eight at a time there, which would end this
 * program. */
static void test_unaligned(void **state) {
    (void)state;
    start_off = true;
    for (int i = 0; i < module->kernel_count; i++)
        if (!module->kernels[i].code->prepare) try_kernel(&module->kernels[i], 500u + (uint32_t)i);
    start_off = false;
}

/* As with the real library: gradients of weights in the images' dtype alone. */
static void test_rounded_gradients(void **state) {
    (void)state;
    host_has_no_mixed_gradient = true;
    for (int i = 0; i < module->kernel_count; i++)
        if (module->kernels[i].op == SL_OP_CONV2D_BWD_WEIGHT)
            try_kernel(&module->kernels[i], 100u + (uint32_t)i);
    host_has_no_mixed_gradient = false;
}

/* Where no engine adds biases they are added in memory. */
static void test_bias_without_engine(void **state) {
    (void)state;
    host_has_no_bias = true;
    for (int i = 0; i < module->kernel_count; i++)
        if (module->kernels[i].op == SL_OP_CONV2D) try_kernel(&module->kernels[i], 600u + (uint32_t)i);
    host_has_no_bias = false;
}

/* Fused attention that no engine takes goes by products. */
static void test_attention_without_engine(void **state) {
    (void)state;
    host_has_no_attention = true;
    for (int i = 0; i < module->kernel_count; i++) {
        sl_op op = module->kernels[i].op;
        if (op == SL_OP_ATTENTION || op == SL_OP_ATTENTION_BWD)
            try_kernel(&module->kernels[i], 200u + (uint32_t)i);
    }
    host_has_no_attention = false;
}

static void *prepared(const sl_kernel *kernel, sl_call *call) {
    void *state = NULL;
    assert_ok(kernel->code->prepare(call, &state));
    return state;
}

/* Layers of one shape share a plan, others have their own; the last user takes it along. */
static void test_shared_plans(void **state) {
    (void)state;
    const sl_kernel *kernel = module->kernels;
    while (kernel->op != SL_OP_CONV2D) kernel++;
    sl_random random = sl_random_stream(9, SL_STREAM_TEST, 0);
    op_case c, other;
    op_case_make(&c, SL_OP_CONV2D, SIZES_EVEN, SL_F32, SL_F32, &random);
    op_case_make(&other, SL_OP_CONV2D, SIZES_EVEN, SL_F32, SL_F32, &random);
    c.call.device = other.call.device = device;
    c.call.attrs = &c.attrs, other.call.attrs = &other.attrs;
    int before = host_plans_made();
    void *a = prepared(kernel, &c.call), *b = prepared(kernel, &c.call);
    assert_int_equal(host_plans_made(), before + 1);
    void *d = prepared(kernel, &other.call);
    assert_int_equal(host_plans_made(), before + 2);
    kernel->code->release(a);
    void *again = prepared(kernel, &c.call);
    assert_int_equal(host_plans_made(), before + 2);
    kernel->code->release(b), kernel->code->release(d), kernel->code->release(again);
    assert_int_equal(host_libraries_alive(), 0);
    kernel->code->release(prepared(kernel, &c.call));
    assert_int_equal(host_plans_made(), before + 3);
    assert_null(((const sl_cuda_context *)device)->shared);
}

static void test_no_engine(void **state) {
    (void)state;
    host_has_no_engine = true;
    for (int i = 0; i < module->kernel_count; i++) {
        const sl_kernel *kernel = &module->kernels[i];
        sl_random random = sl_random_stream(8, SL_STREAM_TEST, (uint32_t)i);
        op_case c;
        if (!(kernel->isa & (SL_CUDA_BLAS | SL_CUDA_DNN))) continue; /* it needs no library */
        op_case_make(&c, kernel->op, SIZES_EVEN, SL_F32, SL_F32, &random);
        c.call.device = device;
        void *prepared = NULL;
        assert_int_equal(kernel->code->prepare(&c.call, &prepared), SL_UNSUPPORTED);
        assert_null(prepared);
    }
    assert_int_equal(host_libraries_alive(), 0);
    host_has_no_engine = false;
}

static void cast(sl_dtype from, void *x, sl_dtype to, void *y, int64_t count) {
    const sl_kernel *kernel = module->kernels;
    sl_attrs attrs = {.dtype = to};
    while (kernel->op != SL_OP_CAST) kernel++;
    sl_call call = {.op = SL_OP_CAST,
                    .attrs = &attrs,
                    .in_count = 1,
                    .out_count = 1,
                    .in = {{.dtype = from, .shape = SL_SHAPE(count), .data = x}},
                    .out = {{.dtype = to, .shape = SL_SHAPE(count), .data = y}},
                    .device = device};
    assert_ok(kernel->code->run(&call));
}

/* Every fp16 number, and floats at and beside each rounding boundary: the bits of the program's conversions,
 * eight at a time and, from an odd address, one at a time. */
static void test_f16(void **state) {
    (void)state;
    enum { HALVES = 1 << 16 };
    uint16_t *half, *back;
    float *value, *near;
    assert_ok(sl_alloc(&half, HALVES, sizeof *half));
    assert_ok(sl_alloc(&back, 3 * HALVES, sizeof *back));
    assert_ok(sl_alloc(&value, HALVES, sizeof *value));
    assert_ok(sl_alloc(&near, 3 * HALVES, sizeof *near));
    for (uint32_t i = 0; i < HALVES; i++) {
        half[i] = (uint16_t)i;
        float here = sl_f16_to_f32(half[i]), next = sl_f16_to_f32((uint16_t)(i + 1));
        /* beyond the largest comes infinity, for which 65536 stands */
        float middle = here / 2 + (isinf(next) ? copysignf(65536, next) : next) / 2;
        near[3 * i] = middle;
        near[3 * i + 1] = nextafterf(middle, -INFINITY), near[3 * i + 2] = nextafterf(middle, INFINITY);
    }
    for (int odd = 0; odd < 2; odd++) {
        cast(SL_F16, half + odd, SL_F32, value + odd, HALVES - odd);
        cast(SL_F32, near + odd, SL_F16, back + odd, 3 * HALVES - odd);
        for (int i = odd; i < HALVES; i++) {
            float expected = sl_f16_to_f32(half[i]);
            assert_true(isnan(expected) ? isnan(value[i])
                                        : value[i] == expected && signbit(value[i]) == signbit(expected));
        }
        for (int i = odd; i < 3 * HALVES; i++)
            if (!isnan(near[i])) assert_int_equal(back[i], sl_f32_to_f16(near[i]));
    }
    sl_free(half), sl_free(back), sl_free(value), sl_free(near);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels),
                                       cmocka_unit_test(test_teams),
                                       cmocka_unit_test(test_wide),
                                       cmocka_unit_test(test_unaligned),
                                       cmocka_unit_test(test_rounded_gradients),
                                       cmocka_unit_test(test_bias_without_engine),
                                       cmocka_unit_test(test_attention_without_engine),
                                       cmocka_unit_test(test_shared_plans),
                                       cmocka_unit_test(test_no_engine),
                                       cmocka_unit_test(test_f16)};
    return cmocka_run_group_tests(tests, begin, end) ? 1 : 0;
}
