/* Times CPU kernels on shapes of the models: bench-kernels [FILTER] [--level avx2] [--threads N] [--repeats
 * N]. One line each: name, dtype, level, threads, best milliseconds, GFLOP/s. With one thread the clock
 * counts the process's own CPU time, so that other programs disturb it little. */
#include "backend/cpu/kernels.h"
#include "backend/isa.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    const char *filter;
    const sl_cpu_kernels *kernels;
    int threads, repeats;
} options = {"", NULL, 1, 5};

static double now_s(void) {
    struct timespec t;
    clock_gettime(options.threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *blocks[64];
static int block_count;

static void *memory(size_t bytes) {
    void *block = NULL;
    if (sl_alloc(&block, bytes + 1, 1) != SL_OK) exit(1);
    blocks[block_count++] = block;
    return block;
}

static void *activation(sl_dtype dtype, int64_t count) {
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, (uint32_t)block_count);
    float *floats = memory((size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++) floats[i] = (float)sl_random_range(&random, -1, 1);
    if (dtype == SL_F32) return floats;
    void *out = memory((size_t)count * 2);
    sl_convert(SL_F32, floats, dtype, out, (size_t)count);
    return out;
}

typedef void (*timed)(void *context);

static void measure(const char *name, sl_dtype dtype, double flops, timed run, void *context) {
    double best = 1e30;
    run(context);
    for (int i = 0; i < options.repeats; i++) {
        double start = now_s();
        run(context);
        double took = now_s() - start;
        if (took < best) best = took;
    }
    printf("%-44s %-4s %-10s %d %10.3f ms %8.1f GFLOP/s\n", name, sl_dtype_name(dtype), options.kernels->name,
           options.threads, best * 1e3, flops * 1e-9 / best);
    fflush(stdout);
}

static void free_blocks(void) {
    while (block_count) sl_free(blocks[--block_count]);
}

static void run_conv(void *context) {
    options.kernels->conv(context);
}
static void run_pack(void *context) {
    options.kernels->conv_pack(context);
}
static void run_winograd(void *context) {
    options.kernels->winograd(context);
}
static void run_winograd_pack(void *context) {
    options.kernels->winograd_pack(context);
}
static void run_winograd_grad(void *context) {
    options.kernels->winograd_grad(context);
}
static void run_conv_grad(void *context) {
    options.kernels->conv_grad(context);
}

static void bench_conv(const char *name, sl_cpu_conv_shape s, sl_dtype dtype) {
    char text[80];
    double flops =
        2.0 * (double)(s.batch * s.out_h * s.out_w) * (double)(s.out_c * s.in_c * s.kernel_h * s.kernel_w);
    void *x = activation(dtype, s.batch * s.in_h * s.in_w * s.in_c),
         *y = activation(dtype, s.batch * s.out_h * s.out_w * s.out_c);
    float *weights = activation(SL_F32, s.out_c * s.in_c * s.kernel_h * s.kernel_w);
    for (int pass = 0; pass < 2; pass++) {
        sl_cpu_conv_pack pack = {.shape = &s,
                                 .pass = (sl_cpu_conv_pass)pass,
                                 .dtype = dtype,
                                 .weights_dtype = SL_F32,
                                 .weights = weights};
        pack.packed = memory(options.kernels->conv_packed_bytes(&pack));
        sl_cpu_conv conv = {
            .shape = &s, .pass = (sl_cpu_conv_pass)pass, .dtype = dtype, .packed = pack.packed};
        conv.input = pass ? y : x, conv.output = pass ? x : y;
        conv.workspace = memory(options.kernels->conv_bytes(&conv));
        snprintf(text, sizeof text, "%s %s", name, pass ? "bwd_data pack" : "pack");
        measure(text, dtype, 0, run_pack, &pack);
        snprintf(text, sizeof text, "%s %s", name, pass ? "bwd_data" : "fwd");
        measure(text, dtype, flops, run_conv, &conv);
    }
    bool winograd = s.kernel_h == 3 && s.stride == 1 && s.in_c >= 16 && s.out_c >= 16;
    for (int pass = 0; winograd && pass < 2; pass++) {
        sl_cpu_conv_pack pack = {.shape = &s,
                                 .pass = (sl_cpu_conv_pass)pass,
                                 .dtype = dtype,
                                 .weights_dtype = SL_F32,
                                 .weights = weights};
        pack.packed = memory(options.kernels->winograd_packed_bytes(&pack));
        sl_cpu_conv conv = {
            .shape = &s, .pass = (sl_cpu_conv_pass)pass, .dtype = dtype, .packed = pack.packed};
        conv.input = pass ? y : x, conv.output = pass ? x : y;
        conv.worker_stride = (options.kernels->winograd_worker_bytes(&conv) + 63) / 64 * 64;
        conv.worker_workspace = memory((size_t)options.threads * conv.worker_stride);
        snprintf(text, sizeof text, "%s winograd %s", name, pass ? "bwd_data pack" : "pack");
        measure(text, dtype, 0, run_winograd_pack, &pack);
        snprintf(text, sizeof text, "%s winograd %s", name, pass ? "bwd_data" : "fwd");
        measure(text, dtype, flops, run_winograd, &conv);
    }
    sl_cpu_conv_grad grad = {
        .shape = &s, .dtype = dtype, .input = x, .grad_output = y, .grad_weights = weights};
    grad.workspace = memory(options.kernels->conv_grad_bytes(&grad));
    grad.worker_stride = (options.kernels->conv_grad_worker_bytes(&grad) + 63) / 64 * 64;
    grad.worker_workspace = memory((size_t)options.threads * grad.worker_stride);
    snprintf(text, sizeof text, "%s bwd_weight", name);
    measure(text, dtype, flops, run_conv_grad, &grad);
    if (winograd) {
        grad.workspace = memory(options.kernels->winograd_grad_bytes(&grad));
        grad.worker_stride = (options.kernels->winograd_grad_worker_bytes(&grad) + 63) / 64 * 64;
        grad.worker_workspace = memory((size_t)options.threads * grad.worker_stride);
        snprintf(text, sizeof text, "%s winograd bwd_weight", name);
        measure(text, dtype, flops, run_winograd_grad, &grad);
    }
    free_blocks();
}

static void run_attention(void *context) {
    options.kernels->attention(context);
}
static void run_attention_grad(void *context) {
    options.kernels->attention_grad(context);
}

static void bench_attention(const char *name, sl_cpu_attention_shape s, sl_dtype dtype) {
    char text[80];
    int64_t q_count = s.batch * s.q_tokens * s.heads * s.head_dim,
            kv_count = s.batch * s.kv_tokens * s.heads * s.head_dim;
    double flops = 4.0 * (double)(s.batch * s.heads * s.q_tokens) * (double)(s.kv_tokens * s.head_dim);
    s.scale = 0.2f;
    void *q = activation(dtype, q_count), *k = activation(dtype, kv_count), *v = activation(dtype, kv_count);
    void *out = activation(dtype, q_count), *grad_out = activation(dtype, q_count);
    float *lse = memory((size_t)(s.batch * s.heads * s.q_tokens) * sizeof(float));
    sl_cpu_attention a = {&s, dtype, q, k, v, out, lse, NULL};
    a.workspace = memory(options.kernels->attention_bytes(&a));
    snprintf(text, sizeof text, "%s fwd", name);
    measure(text, dtype, flops, run_attention, &a);
    sl_cpu_attention_grad g = {&s,
                               dtype,
                               q,
                               k,
                               v,
                               out,
                               grad_out,
                               lse,
                               activation(dtype, q_count),
                               activation(dtype, kv_count),
                               activation(dtype, kv_count),
                               NULL};
    g.workspace = memory(options.kernels->attention_grad_bytes(&g));
    snprintf(text, sizeof text, "%s bwd", name);
    measure(text, dtype, 2.5 * flops, run_attention_grad, &g);
    free_blocks();
}

static void run_group(void *context) {
    options.kernels->group_norm(context);
}
static void run_group_grad(void *context) {
    options.kernels->group_norm_grad(context);
}

static void bench_group_norm(const char *name, int64_t batch, int64_t pixels, int64_t channels,
                             sl_dtype dtype) {
    char text[80];
    int64_t count = batch * pixels * channels;
    float *parameters = activation(SL_F32, 4 * channels + 64 * batch);
    float *statistics = parameters + 4 * channels;
    sl_cpu_group_norm g = {batch,
                           pixels,
                           channels,
                           32,
                           dtype,
                           1e-5f,
                           true,
                           activation(dtype, count),
                           parameters,
                           parameters + channels,
                           activation(dtype, count),
                           statistics,
                           statistics + 32 * batch,
                           NULL};
    g.workspace = memory(options.kernels->group_norm_bytes(&g));
    snprintf(text, sizeof text, "%s fwd", name);
    measure(text, dtype, (double)count * 10, run_group, &g);
    sl_cpu_group_norm_grad b = {batch,
                                pixels,
                                channels,
                                32,
                                dtype,
                                true,
                                g.x,
                                activation(dtype, count),
                                g.gamma,
                                g.beta,
                                g.mean,
                                g.rstd,
                                g.y,
                                parameters + 2 * channels,
                                parameters + 3 * channels,
                                NULL};
    b.workspace = memory(options.kernels->group_norm_grad_bytes(&b));
    snprintf(text, sizeof text, "%s bwd", name);
    measure(text, dtype, (double)count * 20, run_group_grad, &b);
    free_blocks();
}

static bool chosen(const char *name) {
    return strstr(name, options.filter) != NULL;
}

static void bench_convs(sl_dtype dtype) {
    static const struct {
        int64_t batch, in, out, side, kernel, stride;
    } shapes[] = {{2, 320, 320, 64, 3, 1},  {2, 640, 640, 32, 3, 1},  {2, 1280, 1280, 16, 3, 1},
                  {2, 1280, 1280, 8, 3, 1}, {2, 960, 320, 64, 3, 1},  {2, 320, 320, 64, 3, 2},
                  {2, 4, 320, 64, 3, 1},    {2, 320, 4, 64, 3, 1},    {2, 960, 320, 64, 1, 1},
                  {16, 64, 64, 32, 3, 1},   {16, 128, 128, 16, 3, 1}, {16, 192, 192, 8, 3, 1},
                  {16, 256, 256, 8, 3, 1},  {1, 64, 64, 32, 3, 1},    {1, 256, 256, 8, 3, 1},
                  {16, 64, 64, 56, 3, 1},   {16, 4, 64, 32, 3, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        int64_t side = shapes[i].side, pad = shapes[i].kernel / 2,
                out = (side + 2 * pad - shapes[i].kernel) / shapes[i].stride + 1;
        sl_cpu_conv_shape s = {shapes[i].batch,
                               side,
                               side,
                               shapes[i].in,
                               out,
                               out,
                               shapes[i].out,
                               shapes[i].kernel,
                               shapes[i].kernel,
                               shapes[i].stride,
                               1,
                               pad,
                               pad};
        char name[80];
        snprintf(name, sizeof name, "conv %lldx%lld@%lld>%lld k%lld s%lld", (long long)s.batch,
                 (long long)s.in_c, (long long)side, (long long)s.out_c, (long long)s.kernel_h,
                 (long long)s.stride);
        if (chosen(name)) bench_conv(name, s, dtype);
    }
    static const int64_t linears[][3] = {
        {8192, 320, 320}, {8192, 320, 2560}, {2048, 640, 640},  {512, 1280, 1280}, {512, 1280, 10240},
        {154, 768, 1280}, {16384, 64, 64},   {16384, 64, 512},  {4096, 128, 128},  {1024, 256, 256},
        {1232, 256, 128}, {16, 256, 1024},   {128, 1280, 10240}};
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        char name[80];
        snprintf(name, sizeof name, "linear %lldx%lld>%lld", (long long)linears[i][0],
                 (long long)linears[i][1], (long long)linears[i][2]);
        if (chosen(name))
            bench_conv(name, sl_cpu_linear_shape(linears[i][0], linears[i][1], linears[i][2]), dtype);
    }
}

static void bench_attentions(sl_dtype dtype) {
    static const int64_t shapes[][5] = {
        {2, 8, 4096, 4096, 40}, {2, 8, 1024, 1024, 80}, {2, 8, 256, 256, 160},   {2, 8, 64, 64, 160},
        {2, 8, 4096, 77, 40},   {2, 8, 1024, 77, 80},   {16, 2, 1024, 1024, 32}, {16, 4, 256, 256, 32},
        {16, 8, 64, 64, 32},    {16, 2, 1024, 77, 32},  {16, 8, 64, 77, 32},     {1, 1, 4096, 4096, 512}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t *d = shapes[i];
        char name[80];
        snprintf(name, sizeof name, "attention %lldx%lld %lldx%lld d%lld", (long long)d[0], (long long)d[1],
                 (long long)d[2], (long long)d[3], (long long)d[4]);
        sl_cpu_attention_shape s = {d[0], d[1], d[2], d[3], d[4], 0, 0, 0, 0, false, 1};
        if (chosen(name)) bench_attention(name, s, dtype);
    }
}

static void bench_others(sl_dtype dtype) {
    static const int64_t norms[][3] = {
        {2, 4096, 320}, {2, 1024, 640}, {16, 1024, 64}, {16, 64, 256}, {1, 65536, 256}};
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        char name[80];
        snprintf(name, sizeof name, "group_norm %lldx%lldx%lld", (long long)norms[i][0],
                 (long long)norms[i][1], (long long)norms[i][2]);
        if (chosen(name)) bench_group_norm(name, norms[i][0], norms[i][1], norms[i][2], dtype);
    }
}

int main(int argc, char **argv) {
    unsigned isa = sl_isa_available();
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--level") == 0 && more) {
            if (sl_isa_parse(argv[++i], &isa) != SL_OK) return 2;
            isa &= sl_isa_available();
        } else if (strcmp(argv[i], "--threads") == 0 && more) {
            options.threads = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--repeats") == 0 && more) {
            options.repeats = atoi(argv[++i]);
        } else {
            options.filter = argv[i];
        }
    }
    options.kernels = sl_cpu_kernels_for(isa);
    if (!options.kernels || sl_threads_set(options.threads) != SL_OK) return 2;
    for (int i = options.kernels->bf16_only ? 1 : 0; i < (options.kernels->bf16 ? 2 : 1); i++) {
        sl_dtype dtype = i ? SL_BF16 : SL_F32;
        bench_convs(dtype);
        bench_attentions(dtype);
        bench_others(dtype);
    }
    return 0;
}
