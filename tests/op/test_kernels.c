/* Every row of kernels.def against its op's reference: random shapes and dtypes, guarded edges, results
 * written over an input where the op allows that, and the same bits for any number of threads. */
#include "test.h"

#include "cases.h"

#include "backend/kernel.h"
#include "base/memory.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum { WANTED = 14, ATTEMPTS = 3000 };

static size_t bytes_of(const sl_operand *operand) {
    return (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
}

static void run_kernel(const sl_kernel *kernel, op_case *c) {
    sl_call call = op_kernel_open(kernel, c);
    assert_ok(kernel->code->run(&call));
    op_kernel_close(kernel, &call);
}

static void describe_case(const op_case *c, char *out, size_t room) {
    size_t at = 0;
    for (int i = 0; i < c->call.in_count; i++) {
        sl_shape_text text;
        at += (size_t)snprintf(out + at, room - at, " %s%s", sl_dtype_name(c->call.in[i].dtype),
                               sl_shape_format(&c->call.in[i].shape, &text));
    }
    snprintf(out + at, room - at, " stride %d pad %d %d %d %d", c->attrs.stride[0], c->attrs.pad[0],
             c->attrs.pad[1], c->attrs.pad[2], c->attrs.pad[3]);
}

/* Largest error as a fraction of the rms; a floor keeps rounding of an all but zero result from counting.
 * fmax(0, NaN) is 0, so NaN is looked for by itself. */
static void compare(const sl_kernel *kernel, const op_case *c, const sl_operand *out, const double *expected,
                    int index) {
    double squares = 0, worst = 0, value;
    int64_t count = sl_operand_count(out), worst_at = 0;
    for (int64_t i = 0; i < count; i++) {
        sl_convert(out->dtype, (const char *)out->data + (size_t)i * sl_dtype_bytes(out->dtype), SL_F64,
                   &value, 1);
        double error = fabs(value - expected[i]);
        if (out->dtype == SL_BF16) error = fmax(0, error - fabs(expected[i]) * 0x1p-8); /* its rounding */
        squares += expected[i] * expected[i];
        if (isnan(value) != isnan(expected[i])) error = INFINITY;
        if (!(error > worst)) continue;
        worst = error;
        worst_at = i;
    }
    double rms = sqrt(squares / (double)count), floor = 1e-2;
    double tolerance = (double)kernel->tolerance;
    if (out->dtype == SL_BF16 && tolerance < 0x1p-6)
        tolerance = 0x1p-6; /* its last bit, at 2 to 4 times the rms */
    if (worst <= tolerance * fmax(rms, floor)) return;
    char text[1024];
    describe_case(c, text, sizeof text);
    fail_msg("%s: result %d, element %lld is off by %.3g, rms %.3g, allowed %.3g of it; case:%s",
             kernel->name, index, (long long)worst_at, worst, rms, tolerance, text);
}

static void check_threads(const sl_kernel *kernel, op_case *c) {
    void *first[SL_OUTPUTS_MAX] = {NULL};
    for (int i = 0; i < c->call.out_count; i++) {
        if (!sl_call_wants(&c->call, i)) continue;
        assert_ok(sl_alloc(&first[i], bytes_of(&c->call.out[i]), 1));
        memcpy(first[i], c->call.out[i].data, bytes_of(&c->call.out[i]));
    }
    for (int threads = 2; threads <= 4; threads++) {
        assert_ok(sl_threads_set(threads));
        op_case_reset_outputs(c);
        run_kernel(kernel, c);
        for (int i = 0; i < c->call.out_count; i++)
            if (first[i] && memcmp(first[i], c->call.out[i].data, bytes_of(&c->call.out[i])) != 0)
                fail_msg("%s: other bits with %d threads than with 1", kernel->name, threads);
    }
    assert_ok(sl_threads_set(1));
    for (int i = 0; i < c->call.out_count; i++) sl_free(first[i]);
}

/* Each input that the op lets be overwritten, in turn. */
static void check_in_place(const sl_kernel *kernel, op_case *c, const double *expected) {
    unsigned allowed = sl_op_describe(kernel->op)->in_place;
    for (int i = 0; i < c->call.in_count; i++) {
        sl_operand *in = &c->call.in[i], *out = &c->call.out[0];
        if (!(allowed >> i & 1) || in->dtype != out->dtype || !sl_shape_equal(&in->shape, &out->shape))
            continue;
        void *kept, *in_data = in->data;
        assert_ok(sl_alloc(&kept, bytes_of(in), 1));
        memcpy(kept, in->data, bytes_of(in));
        op_case_reset_outputs(c);
        memcpy(out->data, kept, bytes_of(in));
        in->data = out->data;
        run_kernel(kernel, c);
        in->data = in_data;
        compare(kernel, c, out, expected, 0);
        assert_memory_equal(kept, in_data, bytes_of(in));
        sl_free(kept);
    }
}

static bool try_case(const sl_kernel *kernel, unsigned isa, int attempt, sl_random *random) {
    static const sl_dtype dtypes[][2] = {
        {SL_F32, SL_F32}, {SL_BF16, SL_F32}, {SL_BF16, SL_BF16}, {SL_F32, SL_BF16}};
    op_case c;
    const sl_dtype *pair = dtypes[sl_random_below(random, 4)];
    op_case_make(&c, kernel->op, attempt % 2 ? SIZES_EVEN : SIZES_ODD, pair[0], pair[1], random);
    for (int i = 1; i < c.call.out_count; i++)
        if (sl_random_below(random, 4) == 0) c.call.out[i].flags = SL_OPERAND_ABSENT;
    if (!sl_kernel_fits(kernel, &c.call, isa)) return false;
    double *expected[SL_OUTPUTS_MAX] = {NULL};
    op_case_allocate(&c, random);
    op_case_reference(&c, expected);
    run_kernel(kernel, &c);
    if (!op_case_guards_hold(&c)) fail_msg("%s wrote outside its results", kernel->name);
    for (int i = 0; i < c.call.out_count; i++)
        if (sl_call_wants(&c.call, i)) compare(kernel, &c, &c.call.out[i], expected[i], i);
    check_threads(kernel, &c);
    check_in_place(kernel, &c, expected[0]);
    for (int i = 0; i < c.call.out_count; i++) sl_free(expected[i]);
    op_case_free(&c);
    return true;
}

/* Each kernel's calls are its own, whatever rows stand before it. */
static uint32_t number_of(const char *name) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

static void kernels_match_references(void **state) {
    (void)state;
    int count, skipped = 0;
    unsigned isa = sl_isa_available();
    const sl_kernel *kernels = sl_kernels(&count);
    assert_ok(sl_threads_set(1));
    for (int k = 0; k < count; k++) {
        sl_random random = sl_random_stream(3, SL_STREAM_TEST, number_of(kernels[k].name));
        int ran = 0;
        if ((kernels[k].isa & isa) != kernels[k].isa) {
            print_message("not on this CPU: %s\n", kernels[k].name);
            skipped++;
            continue;
        }
        for (int i = 0; i < ATTEMPTS && ran < WANTED; i++) ran += try_case(&kernels[k], isa, i, &random);
        if (ran < WANTED / 2) fail_msg("%s took only %d of %d random calls", kernels[k].name, ran, ATTEMPTS);
    }
    print_message("%d kernels compared, %d not runnable here\n", count - skipped, skipped);
}

/* ---- infinities and NaN ---- */

/* In one of three places. */
static void make_special(sl_operand *in, sl_random *random) {
    static const double values[] = {NAN, INFINITY, -INFINITY};
    for (int64_t i = 0; i < sl_operand_count(in); i++)
        if (sl_random_below(random, 3) == 0)
            sl_convert(SL_F64, &values[sl_random_below(random, 3)], in->dtype,
                       (char *)in->data + (size_t)i * sl_dtype_bytes(in->dtype), 1);
}

/* NaN, an infinity of either sign, or a number. */
static int class_of(double value) {
    return isnan(value) ? 2 : isinf(value) ? (value > 0 ? 1 : -1) : 0;
}

static void compare_classes(const sl_kernel *kernel, const op_case *c, const double *expected) {
    const sl_operand *out = &c->call.out[0];
    double value;
    for (int64_t i = 0; i < sl_operand_count(out); i++) {
        sl_convert(out->dtype, (const char *)out->data + (size_t)i * sl_dtype_bytes(out->dtype), SL_F64,
                   &value, 1);
        if (class_of(value) != class_of(expected[i]))
            fail_msg("%s: element %lld is %g, expected %g", kernel->name, (long long)i, value, expected[i]);
    }
}

static bool try_special(const sl_kernel *kernel, int inputs, sl_random *random) {
    op_case c;
    double *expected[SL_OUTPUTS_MAX] = {NULL};
    op_case_make(&c, kernel->op, SIZES_ODD, sl_random_below(random, 2) ? SL_BF16 : SL_F32, SL_F32, random);
    if (!sl_kernel_fits(kernel, &c.call, sl_isa_available())) return false;
    op_case_allocate(&c, random);
    for (int i = 0; i < inputs; i++) make_special(&c.call.in[i], random);
    op_case_reference(&c, expected);
    run_kernel(kernel, &c);
    compare_classes(kernel, &c, expected[0]);
    sl_free(expected[0]);
    op_case_free(&c);
    return true;
}

/* What has no share in a result is left out, not multiplied by 0: special values come through by the same
 * rule in kernels and references. */
static void special_values_follow_the_references(void **state) {
    (void)state;
    static const struct {
        sl_op op;
        int inputs; /* that hold them */
    } ruled[] = {{SL_OP_RELU_BWD, 2},    {SL_OP_CLAMP_BWD, 2},   {SL_OP_ABS_BWD, 2},
                 {SL_OP_RING_GATHER, 1}, {SL_OP_RING_SPREAD, 1}, {SL_OP_RELU, 1}};
    int count;
    const sl_kernel *kernels = sl_kernels(&count);
    for (int k = 0; k < count; k++)
        for (size_t r = 0; r < sizeof ruled / sizeof *ruled; r++) {
            sl_random random = sl_random_stream(8, SL_STREAM_TEST, number_of(kernels[k].name));
            if (kernels[k].op != ruled[r].op || (kernels[k].isa & sl_isa_available()) != kernels[k].isa)
                continue;
            int ran = 0;
            for (int i = 0; i < ATTEMPTS && ran < WANTED; i++)
                ran += try_special(&kernels[k], ruled[r].inputs, &random);
            assert_int_equal(ran, WANTED);
        }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(kernels_match_references),
    cmocka_unit_test(special_values_follow_the_references),
};
TEST_MAIN(tests)
