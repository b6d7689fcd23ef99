/* For tests of CPU kernels: buffers with guarded edges, and each kernel at every level of this machine, with
 * one, two and three threads, whose results must be the same bits. */
#ifndef SL_TESTS_BACKEND_KERNEL_TEST_H
#define SL_TESTS_BACKEND_KERNEL_TEST_H

#include "test.h"

#include "backend/cpu/kernels.h"
#include "backend/isa.h"
#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTES = 256, GUARD_BYTE = 0xa5, BUFFERS_MAX = 64 };

typedef struct buffer {
    unsigned char *block;
    size_t bytes;
} buffer;
static buffer buffers[BUFFERS_MAX];
static int buffer_count;

static inline void *buffer_new(size_t bytes) {
    assert_true(buffer_count < BUFFERS_MAX);
    buffer *b = &buffers[buffer_count++];
    b->bytes = bytes;
    b->block = NULL;
    assert_ok(sl_alloc(&b->block, bytes + 2 * GUARD_BYTES, 1));
    memset(b->block, GUARD_BYTE, bytes + 2 * GUARD_BYTES);
    return b->block + GUARD_BYTES;
}

static inline void buffers_check(void) {
    for (int i = 0; i < buffer_count; i++)
        for (size_t k = 0; k < GUARD_BYTES; k++) {
            assert_int_equal(buffers[i].block[k], GUARD_BYTE);
            assert_int_equal(buffers[i].block[GUARD_BYTES + buffers[i].bytes + k], GUARD_BYTE);
        }
}

static inline void buffers_free(void) {
    for (int i = 0; i < buffer_count; i++) sl_free(buffers[i].block);
    buffer_count = 0;
}

static sl_random noise;

/* An activation of the dtype with normal numbers about `mean`, and the same values as double. */
typedef struct array {
    void *data;
    double *values;
    size_t count;
    sl_dtype dtype;
} array;

static inline array array_new(sl_dtype dtype, int64_t count) {
    array a = {buffer_new((size_t)count * sl_dtype_bytes(dtype)), NULL, (size_t)count, dtype};
    a.values = buffer_new((size_t)count * sizeof(double));
    return a;
}

static inline array array_random(sl_dtype dtype, int64_t count, double mean, double spread) {
    array a = array_new(dtype, count);
    for (size_t i = 0; i < a.count; i++) {
        float value = (float)(mean + spread * sl_random_normal(&noise));
        sl_convert(SL_F32, &value, dtype, (char *)a.data + i * sl_dtype_bytes(dtype), 1);
    }
    sl_convert(dtype, a.data, SL_F64, a.values, a.count);
    return a;
}

/* Each difference from the reference within `tolerance` of the reference's root mean square, and for bf16
 * results one rounding more. */
static inline void expect_near(const char *what, sl_dtype dtype, const void *result, const double *reference,
                               int64_t count, double tolerance) {
    double *values = buffer_new((size_t)count * sizeof(double)), square = 0;
    sl_convert(dtype, result, SL_F64, values, (size_t)count);
    for (int64_t i = 0; i < count; i++) square += reference[i] * reference[i];
    double rms = sqrt(square / (double)count), rounding = dtype == SL_BF16 ? 0x1p-8 : 0;
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(values[i] - reference[i]);
        double allowed = tolerance * (rms > 0 ? rms : 1) + rounding * fabs(reference[i]);
        if (!(error <= allowed))
            fail_msg("%s: %g at %lld, expected %g: error %g, allowed %g", what, values[i], (long long)i,
                     reference[i], error, allowed);
    }
}

/* Runs `run` at each level of this machine with 1, 2 and 3 threads; each output's bytes must not depend on
 * the threads. check (may be NULL) sees the outputs after each level. */
typedef struct output {
    void *data;
    size_t bytes;
} output;
typedef void (*kernel_run)(const sl_cpu_kernels *kernels, void *context);

static bool tiles_left_out; /* the level of tiles is */

static inline void at_every_level(bool needs_bf16, kernel_run run, kernel_run check, void *context,
                                  const output *outputs, int output_count) {
    static const unsigned levels[] = {SL_ISA_AVX2, SL_ISA_AVX512, SL_ISA_AVX512_BF16, SL_ISA_AMX};
    int mark = buffer_count, ran = 0;
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        if (!(sl_isa_available() & levels[level])) continue;
        const sl_cpu_kernels *kernels = sl_cpu_kernels_for(levels[level]);
        if (tiles_left_out && kernels->bf16_only) continue;
        if (needs_bf16 ? !kernels->bf16 : kernels->bf16_only) continue;
        unsigned char *first[8] = {NULL};
        for (int threads = 1; threads <= 3; threads++) {
            assert_ok(sl_threads_set(threads));
            for (int i = 0; i < output_count; i++) memset(outputs[i].data, 0xff, outputs[i].bytes);
            run(kernels, context);
            buffers_check();
            for (int i = 0; i < output_count; i++) {
                if (threads == 1) first[i] = buffer_new(outputs[i].bytes);
                if (threads == 1)
                    memcpy(first[i], outputs[i].data, outputs[i].bytes);
                else if (memcmp(first[i], outputs[i].data, outputs[i].bytes) != 0)
                    fail_msg("output %d differs between 1 and %d threads at %s", i, threads, kernels->name);
            }
        }
        if (check) check(kernels, context);
        for (int i = mark; i < buffer_count; i++) sl_free(buffers[i].block);
        buffer_count = mark;
        ran++;
    }
    assert_ok(sl_threads_set(0));
    if (!ran) print_message("no level of this CPU has %s\n", needs_bf16 ? "bf16" : "kernels");
}

/* Tolerances of sums of some hundred products, by storage. */
static inline double tolerance_of(sl_dtype dtype) {
    return dtype == SL_BF16 ? 1e-3 : 2e-5;
}

#endif
