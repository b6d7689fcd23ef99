/* Where the time of a bench goes, and how much of the machine it uses. */
#include "base/clock.h"
#include "loop/bench/bench_case.h"
#include "nn/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2048, WIDTH = 1024, PEAK_RUNS = 12 };

typedef struct kernel_total {
    const char *op, *kernel;
    double seconds, gflop, done_gflop;
    int64_t runs;
} kernel_total;

static int slowest_first(const void *a, const void *b) {
    double x = ((const kernel_total *)a)->seconds, y = ((const kernel_total *)b)->seconds;
    return (x < y) - (x > y);
}

static sl_status run_layer(sl_program *program, sl_params *params, sl_dtype dtype, double *out) {
    program->nn.dtype = dtype;
    sl_value x = sl_input(program->graph, "x", SL_F32, SL_SHAPE(ROWS, WIDTH));
    sl_output(program->graph, "y",
              sl_nn_linear(&program->nn, "layer", sl_cast(program->graph, x, dtype), WIDTH, false));
    SL_TRY(sl_graph_status(program->graph));
    SL_TRY(sl_params_initialise(params, 0));
    SL_TRY(sl_program_finish(program, &(sl_plan_options){.profile = true}));
    *out = 0;
    for (int i = 0; i < PEAK_RUNS; i++) {
        sl_plan_profile_reset(program->plan);
        SL_TRY(sl_program_run(program));
        for (int k = 0; k < sl_plan_node_count(program->plan); k++) {
            sl_node_profile node = sl_plan_node(program->plan, k);
            if (strcmp(node.op, "linear") == 0) *out = fmax(*out, node.flops / node.seconds / 1e9);
        }
    }
    return SL_OK;
}

/* What our own matrix product reaches at its best here, of one layer whose operands fit the caches. */
static sl_status product_peak(sl_dtype dtype, double *out_gflops) {
    sl_params *params;
    sl_program program;
    SL_TRY(sl_params_new(&params));
    sl_status status = sl_program_begin(&program, params);
    if (status == SL_OK) status = run_layer(&program, params, dtype, out_gflops);
    sl_program_end(&program);
    sl_params_free(params);
    return status;
}

/* Sums by operation and kernel, slowest first; returns how many. */
static int add_up(const sl_bench *b, int most, kernel_total *total) {
    int count = 0;
    for (int i = 0; i < sl_plan_node_count(b->plan); i++) {
        sl_node_profile node = sl_plan_node(b->plan, i);
        int k = 0;
        while (k < count && (strcmp(total[k].op, node.op) != 0 || strcmp(total[k].kernel, node.kernel) != 0))
            k++;
        if (k == most) continue;
        if (k == count) total[count++] = (kernel_total){.op = node.op, .kernel = node.kernel};
        total[k].seconds += node.seconds;
        total[k].gflop += node.flops * (double)node.runs / 1e9;
        total[k].done_gflop += node.done_flops * (double)node.runs / 1e9;
        total[k].runs += node.runs;
    }
    qsort(total, (size_t)count, sizeof total[0], slowest_first);
    return count;
}

sl_status sl_bench_profile(const sl_bench *b, sl_text *out) {
    enum { MOST = 256 };
    kernel_total total[MOST], all = {.seconds = 1e-12};
    double peak;
    int count = add_up(b, MOST, total);
    SL_TRY(product_peak(b->dtype, &peak));
    for (int i = 0; i < count; i++) {
        all.seconds += total[i].seconds;
        all.done_gflop += total[i].done_gflop;
    }
    sl_text_printf(out, "%-24s %-32s %9s %6s %9s %8s %8s\n", "operation", "kernel", "seconds", "share",
                   "GFLOP/s", "of peak", "calls");
    for (int i = 0; i < count; i++) {
        double seconds = total[i].seconds + 1e-12;
        sl_text_printf(out, "%-24s %-32s %9.4f %5.1f%% %9.1f %7.0f%% %8lld\n", total[i].op, total[i].kernel,
                       total[i].seconds, 100 * seconds / all.seconds, total[i].gflop / seconds,
                       100 * total[i].done_gflop / seconds / peak, (long long)total[i].runs);
    }
    sl_text_printf(
        out,
        "all: %.0f %% of the peak, %.0f GFLOP/s, which a layer of %d x %d x %d reaches at its best; of "
        "the arithmetic really\ndone: Winograd's counts as a quarter of the direct one, its transforms "
        "as none\n",
        100 * all.done_gflop / all.seconds / peak, peak, ROWS, WIDTH, WIDTH);
    return sl_text_status(out);
}
