/* Every row of the module's kernels on a real device, against its op's reference on the host. Skipped,
 * visibly, where there is no device. Under compute-sanitizer the same program looks for stray accesses. */
#include "../../op/cases.h"
#include "test.h"

#include "backend/cuda/cuda.h"
#include "backend/device.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WANTED = 12, ATTEMPTS = 2000 };

static const sl_device *device;

static size_t bytes_of(const sl_operand *operand) {
    return (size_t)sl_operand_count(operand) * sl_dtype_bytes(operand->dtype);
}

/* The module is beside the program, not beside this test. */
static int begin(void **state) {
    (void)state;
    if (setenv("SL_DEVICE_FOLDER", MODULE_FOLDER, 0) != 0) return -1;
    assert_ok(sl_device_use("cuda"));
    if (sl_device_current(&device) != SL_OK) device = NULL;
    return 0;
}

static int end(void **state) {
    (void)state;
    return sl_device_use("cpu") == SL_OK ? 0 : -1;
}

static void *allocated(size_t bytes) {
    void *memory = NULL;
    if (bytes) {
        assert_ok(device->module->allocate(device->context, bytes, &memory));
        assert_ok(device->module->fill(device->context, memory, 0xff, bytes));
    }
    return memory;
}

static void released(void *memory) {
    device->module->release(device->context, memory);
}

static void *copied(const sl_operand *operand) {
    void *memory = allocated(bytes_of(operand));
    if (memory) assert_ok(device->module->upload(device->context, memory, operand->data, bytes_of(operand)));
    return memory;
}

/* Runs the call there; the results come back into the case's outputs. */
static void run_there(const sl_kernel *kernel, const op_case *c) {
    const sl_kernel_code *code = kernel->code;
    sl_call call = c->call;
    for (int i = 0; i < call.in_count; i++)
        if (sl_call_has(&call, i)) call.in[i].data = copied(&call.in[i]);
    for (int i = 0; i < call.out_count; i++)
        if (sl_call_wants(&call, i)) call.out[i].data = copied(&call.out[i]);
    if (code->prepare) assert_ok(code->prepare(&call, &call.state));
    call.scratch = allocated(code->scratch ? code->scratch(&call) : 0);
    call.packed = allocated(code->packed ? code->packed(&call) : 0);
    if (call.packed) assert_ok(code->pack(&call));
    assert_ok(code->run(&call));
    for (int i = 0; i < call.out_count; i++)
        if (sl_call_wants(&call, i))
            assert_ok(device->module->download(device->context, c->call.out[i].data, call.out[i].data,
                                               bytes_of(&call.out[i])));
    if (code->release && call.state) code->release(call.state);
    for (int i = 0; i < call.in_count; i++)
        if (sl_call_has(&call, i)) released(call.in[i].data);
    for (int i = 0; i < call.out_count; i++)
        if (sl_call_wants(&call, i)) released(call.out[i].data);
    released(call.scratch);
    released(call.packed);
}

static bool try_case(const sl_kernel *kernel, int attempt, sl_random *random) {
    static const sl_dtype dtypes[][2] = {
        {SL_F32, SL_F32}, {SL_BF16, SL_F32}, {SL_BF16, SL_BF16}, {SL_F16, SL_F32}, {SL_F16, SL_F16}};
    const sl_dtype *pair = dtypes[sl_random_below(random, 5)];
    double *expected[SL_OUTPUTS_MAX] = {NULL};
    op_case c;
    op_case_make(&c, kernel->op, attempt % 2 ? SIZES_EVEN : SIZES_ODD, pair[0], pair[1], random);
    c.call.device = device->context;
    if (!sl_kernel_fits(kernel, &c.call, device->info.capabilities)) return false;
    op_case_allocate(&c, random);
    op_case_reference(&c, expected);
    run_there(kernel, &c);
    for (int i = 0; i < c.call.out_count; i++) {
        if (!sl_call_wants(&c.call, i)) continue;
        double error = op_case_error(&c.call.out[i], expected[i]);
        /* products of a device add up in another order than the tolerances of one thread's kernels know */
        if (error > 2 * (double)kernel->tolerance)
            fail_msg("%s: result %d is off by %.3g of its rms, allowed %.3g", kernel->name, i, error,
                     2 * (double)kernel->tolerance);
        sl_free(expected[i]);
    }
    op_case_free(&c);
    return true;
}

static void kernels_give_what_the_references_give(void **state) {
    (void)state;
    if (!device) skip_because("no CUDA device here: %s", sl_error_message());
    for (int k = 0; k < device->module->kernel_count; k++) {
        const sl_kernel *kernel = &device->module->kernels[k];
        if ((kernel->isa & device->info.capabilities) != kernel->isa) continue;
        sl_random random = sl_random_stream(7, SL_STREAM_TEST, (uint32_t)k);
        int done = 0;
        for (int attempt = 0; attempt < ATTEMPTS && done < WANTED; attempt++)
            done += try_case(kernel, attempt, &random);
        if (done < WANTED) fail_msg("%s took only %d of %d random cases", kernel->name, done, ATTEMPTS);
        print_message("%s: %d cases\n", kernel->name, done);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_give_what_the_references_give)};
    return cmocka_run_group_tests(tests, begin, end) ? 1 : 0;
}
