/* Bytes that the module's own kernels move in a pass of SD 1.5's denoiser at 512 px in bf16, and the time of
 * that at a device's memory bandwidth: what measured times are compared with. Prints the table of
 * docs/cuda.md.
 *
 *   cuda-traffic [GB/s]   (4800: an H200) */
#include "graph/plan_internal.h"
#include "loop/bench/bench_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Operands that are read twice: statistics first, results then. */
typedef struct twice {
    sl_op op;
    int operands[2]; /* -1: none */
} twice;

static const twice read_twice[] = {
    {SL_OP_GROUP_NORM, {0, -1}},    {SL_OP_GROUP_NORM_BWD, {0, 5}}, {SL_OP_BATCH_NORM, {0, -1}},
    {SL_OP_BATCH_NORM_BWD, {0, 4}}, {SL_OP_LAYER_NORM_BWD, {0, 4}},
};

/* By cuBLASLt and cuDNN where they are there; and what runs nothing. */
static bool is_own(sl_op op) {
    return op > SL_OP_ATTENTION_BWD && op != SL_OP_RESHAPE;
}

static double bytes_of(const sl_operand *operand) {
    return (double)sl_operand_count(operand) * (double)sl_dtype_bytes(operand->dtype);
}

static double traffic_of(const sl_call *call) {
    double bytes = 0;
    for (int i = 0; i < call->in_count; i++)
        if (sl_call_has(call, i)) bytes += bytes_of(&call->in[i]);
    for (int i = 0; i < call->out_count; i++)
        if (sl_call_wants(call, i)) bytes += bytes_of(&call->out[i]);
    for (size_t k = 0; k < sizeof read_twice / sizeof read_twice[0]; k++)
        for (int i = 0; i < 2; i++)
            if (read_twice[k].op == call->op && read_twice[k].operands[i] >= 0)
                bytes += bytes_of(&call->in[read_twice[k].operands[i]]);
    return bytes;
}

typedef struct traffic {
    int calls;
    double bytes, largest;
} traffic;

static sl_status add_graph(const sl_bench_case *kind, traffic *of) {
    sl_bench *b;
    SL_TRY(sl_alloc(&b, 1, sizeof *b));
    b->kind = kind;
    b->dtype = SL_BF16;
    sl_status status = sl_bench_build(b);
    if (status == SL_OK) status = sl_plan_new(b->graph, NULL, &b->plan);
    for (int32_t i = 0; status == SL_OK && i < b->plan->node_count; i++) {
        const sl_call *call = &b->plan->nodes[i].call;
        double bytes = is_own(call->op) ? traffic_of(call) : 0;
        traffic *t = &of[call->op];
        t->calls += bytes > 0;
        t->bytes += bytes;
        if (bytes > t->largest) t->largest = bytes;
    }
    sl_bench_close(b);
    return status;
}

static void show(const char *title, const traffic small[SL_OP_COUNT], const traffic large[SL_OP_COUNT],
                 double bytes_per_us) {
    printf("| %s | calls | MB a call, batch 2 | us | largest | batch 16 | us | largest |\n", title);
    printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (int op = 0; op < SL_OP_COUNT; op++) {
        const traffic *s = &small[op], *l = &large[op];
        if (s->calls == 0) continue;
        double mean = s->bytes / s->calls, mean_large = l->bytes / l->calls;
        printf("| `%s` | %d | %.2f | %.1f | %.1f | %.2f | %.1f | %.1f |\n", sl_op_name((sl_op)op), s->calls,
               mean / 1e6, mean / bytes_per_us, s->largest / bytes_per_us, mean_large / 1e6,
               mean_large / bytes_per_us, l->largest / bytes_per_us);
    }
}

static sl_status measure(bool train, const char *title, double bytes_per_us) {
    traffic of[2][SL_OP_COUNT];
    const sl_bench_case *c = sl_bench_cases;
    memset(of, 0, sizeof of);
    while (strcmp(c->name, "unet-sd15-512-b2") != 0) c++;
    for (int i = 0; i < 2; i++) {
        sl_bench_case kind = *c;
        kind.train = train;
        kind.batch = i ? 16 : 2;
        SL_TRY(add_graph(&kind, of[i]));
    }
    show(title, of[0], of[1], bytes_per_us);
    return SL_OK;
}

int main(int count, char **arguments) {
    double bytes_per_us = (count > 1 ? strtod(arguments[1], NULL) : 4800) * 1e3;
    sl_status status = measure(false, "denoising", bytes_per_us);
    if (status == SL_OK) status = measure(true, "training, all weights", bytes_per_us);
    if (status != SL_OK) fprintf(stderr, "%s\n", sl_error_message());
    return status == SL_OK ? 0 : 1;
}
