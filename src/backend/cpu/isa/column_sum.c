/* sums[width] = sums over the rows of x[rows, width], in parts of fixed size added in order. */
#include "backend/cpu/isa/isa.h"

enum { PART_ROWS = 1024 };

static void sum_part(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_column_sum *s = context;
    bool bf16 = s->dtype == SL_BF16;
    int64_t stride = s->stride ? s->stride : s->width, begin = task * PART_ROWS,
            end = min_of(s->rows, begin + PART_ROWS);
    float *sums = (float *)s->workspace + task * s->width;
    memset(sums, 0, (size_t)s->width * sizeof(float));
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < s->width; i += VL) {
            int64_t n = min_of(VL, s->width - i);
            vf_store_n(sums + i, vf_load_n(sums + i, n) + vf_get_n(bf16, s->x, row * stride + i, n), n);
        }
}

size_t SL_ISA(column_sum_bytes)(const sl_cpu_column_sum *s) {
    return (size_t)(ceil_div(s->rows, PART_ROWS) * s->width) * sizeof(float);
}

void SL_ISA(column_sum)(const sl_cpu_column_sum *s) {
    int64_t parts = ceil_div(s->rows, PART_ROWS);
    sl_parallel_for(parts, sum_part, (void *)(uintptr_t)s);
    const float *partial = s->workspace;
    for (int64_t i = 0; i < s->width; i++) {
        float sum = 0;
        for (int64_t part = 0; part < parts; part++) sum += partial[part * s->width + i];
        s->sums[i] = sum;
    }
}
