/* Time of every row of kernels.def on random calls of a fair size: `bench_op_kernels [part of a name]`. */
#include "test.h"

#include "cases.h"

#include "backend/kernel.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"

#include <string.h>

enum { CASES = 3, ATTEMPTS = 500 };
static const double least_seconds = 0.02;

/* The quickest of the runs: others share the machine. */
static double seconds_of(const sl_kernel *kernel, sl_call *call) {
    double best = 1e9, end = sl_clock_s() + least_seconds;
    for (int run = 0; run < 3 || sl_clock_s() < end; run++) {
        double start = sl_clock_s();
        assert_ok(kernel->code->run(call));
        double passed = sl_clock_s() - start;
        if (passed < best) best = passed;
    }
    return best;
}

static bool time_case(const sl_kernel *kernel, sl_random *random) {
    op_case c;
    sl_shape_text text;
    sl_dtype dtype = sl_random_below(random, 2) ? SL_BF16 : SL_F32;
    op_case_make(&c, kernel->op, SIZES_LARGE, dtype, SL_F32, random);
    if (!sl_kernel_fits(kernel, &c.call, sl_isa_available())) return false;
    op_case_allocate(&c, random);
    sl_call call = op_kernel_open(kernel, &c);
    double seconds = seconds_of(kernel, &call), bytes = 0;
    for (int i = 0; i < call.in_count; i++)
        if (sl_call_has(&call, i))
            bytes += (double)sl_operand_count(&call.in[i]) * (double)sl_dtype_bytes(call.in[i].dtype);
    for (int i = 0; i < call.out_count; i++)
        bytes += (double)sl_operand_count(&call.out[i]) * (double)sl_dtype_bytes(call.out[i].dtype);
    printf("%-36s %-5s %-24s %10.1f us %8.1f GFLOP/s %7.1f GB/s\n", kernel->name,
           sl_dtype_name(call.out[0].dtype), sl_shape_format(&call.out[0].shape, &text), seconds * 1e6,
           sl_op_flops(&call) / seconds / 1e9, bytes / seconds / 1e9);
    op_kernel_close(kernel, &call);
    op_case_free(&c);
    return true;
}

int main(int argc, char **argv) {
    int count;
    const sl_kernel *kernels = sl_kernels(&count);
    for (int k = 0; k < count; k++) {
        sl_random random = sl_random_stream(6, SL_STREAM_TEST, 0);
        if ((kernels[k].isa & sl_isa_available()) != kernels[k].isa) continue;
        if (argc > 1 && !strstr(kernels[k].name, argv[1])) continue;
        for (int i = 0, ran = 0; i < ATTEMPTS && ran < CASES; i++) ran += time_case(&kernels[k], &random);
    }
    return 0;
}
