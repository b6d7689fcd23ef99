/* Stable Diffusion 1.5 fits small cards by plan: a device on which nothing can run, whose kernels ask for the
 * memory that the CUDA module's do. The module's own figures are checked where it is built
 * (tests/backend/cuda). */
#include "test.h"

#include "backend/device.h"
#include "loop/bench/bench_memory.h"

#include <string.h>

/* ---- kernels that only have sizes ---- */

enum { LIBRARY_BYTES = 32 << 20, SCORES_MAX = 128 << 20 };

static size_t library(const sl_call *call) {
    (void)call;
    return LIBRARY_BYTES;
}

/* A weight in the activations' type; a convolution's also in another order. */
static size_t packed(const sl_call *call) {
    const sl_shape *w = &call->in[1].shape;
    bool moved = w->rank == 4 && w->dim[2] * w->dim[3] > 1;
    if (!moved && call->in[1].dtype == call->in[0].dtype) return 0;
    return (size_t)sl_operand_count(&call->in[1]) * sl_dtype_bytes(call->in[0].dtype);
}

/* Scores of a group of heads in fp32, and their probabilities in the type of the activations. */
static size_t scores(const sl_call *call) {
    int64_t heads = call->attrs->heads, group = heads;
    int64_t one = call->in[0].shape.dim[1] * call->in[1].shape.dim[1];
    while (group > 1 && (heads % group || group * one * 4 > SCORES_MAX)) group--;
    size_t narrow = call->in[0].dtype == SL_F32 ? 0 : 2, all = (size_t)(group * one) * (4 + narrow);
    return LIBRARY_BYTES + (call->op == SL_OP_ATTENTION ? all : 2 * all);
}

static sl_status not_run(const sl_call *call) {
    fail_msg("%s was run", sl_op_name(call->op));
    return SL_INTERNAL;
}

static const sl_kernel_code plain = {.run = not_run}, product = {.scratch = library, .run = not_run},
                            weighted = {.scratch = library,
                                        .packed = packed,
                                        .pack = not_run,
                                        .form = "packed",
                                        .run = not_run},
                            attention = {.scratch = scores, .run = not_run};

static const sl_kernel_code *code_of(sl_op op) {
    switch (op) {
    case SL_OP_CONV2D:
    case SL_OP_CONV2D_BWD_DATA:
    case SL_OP_LINEAR:
    case SL_OP_LINEAR_BWD_DATA:
        return &weighted;
    case SL_OP_CONV2D_BWD_WEIGHT:
    case SL_OP_LINEAR_BWD_WEIGHT:
    case SL_OP_MATMUL:
        return &product;
    case SL_OP_ATTENTION:
    case SL_OP_ATTENTION_BWD:
        return &attention;
    default:
        return &plain;
    }
}

/* ---- the card ---- */

static sl_kernel rows[SL_OP_COUNT];

static sl_status count(int *out) {
    *out = 1;
    return SL_OK;
}

static sl_status describe(int index, sl_device_info *out) {
    (void)index;
    *out = (sl_device_info){.name = "card"};
    return SL_OK;
}

static sl_status open_card(int index, void **out) {
    (void)index;
    *out = NULL;
    return SL_OK;
}

static void close_card(void *device) {
    (void)device;
}

static sl_status allocate(void *device, size_t bytes, void **out) {
    (void)device, (void)out;
    fail_msg("%zu bytes were taken", bytes);
    return SL_MEMORY;
}

static void release(void *device, void *memory) {
    (void)device;
    assert_null(memory);
}

static sl_device_module_table card = {.abi = SL_DEVICE_ABI,
                                      .name = "card",
                                      .kernels = rows,
                                      .kernel_count = SL_OP_COUNT,
                                      .count = count,
                                      .describe = describe,
                                      .open = open_card,
                                      .close = close_card,
                                      .allocate = allocate,
                                      .release = release};

static void plan(sl_dtype dtype, sl_bench_memory *out) {
    sl_text text = SL_TEXT_INIT;
    for (int op = 0; op < SL_OP_COUNT; op++)
        rows[op] = (sl_kernel){
            .op = (sl_op)op, .name = "planned", .dtypes = SL_TAKES_ALL, .code = code_of((sl_op)op)};
    assert_ok(sl_device_use_table(&card));
    assert_ok(sl_bench_memory_plan(dtype, 0, &text, out));
    assert_ok(sl_device_use_table(NULL));
    print_message("%s", sl_text_get(&text));
    sl_text_free(&text);
}

static void sd15_fits_small_cards_in_16_bits(void **state) {
    (void)state;
    static const sl_dtype dtypes[] = {SL_F16, SL_BF16};
    for (int i = 0; i < 2; i++) {
        sl_bench_memory memory;
        plan(dtypes[i], &memory);
        assert_true(memory.generation_gb > 2.0 && memory.generation_gb <= 3.0);
        assert_true(memory.training_gb > 1.8 && memory.training_gb <= 6.0);
    }
}

/* In fp32 the weights alone are more than the smaller card has. */
static void fp32_takes_more(void **state) {
    (void)state;
    sl_bench_memory memory;
    plan(SL_F32, &memory);
    assert_true(memory.generation_gb > 4.0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sd15_fits_small_cards_in_16_bits),
    cmocka_unit_test(fp32_takes_more),
};
TEST_MAIN(tests)
