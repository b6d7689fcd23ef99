/* sums[width] = sums over the rows of x[rows, width], in parts of fixed size added in order. */
#include "backend/cpu/isa/isa.h"

enum { PART_ROWS = 256, ROWS_AT_ONCE = 4 };

SL_INLINE void add_rows(const sl_cpu_column_sum *s, const bool bf16, int64_t row, const int64_t rows,
                        int64_t i, float *sums) {
    const int64_t stride = s->stride ? s->stride : s->width, lanes = min_of(VL, s->width - i);
    vf sum = vf_load_n(sums, lanes);
#pragma GCC unroll 4
    for (int64_t r = 0; r < rows; r++) sum = sum + vf_get_n(bf16, s->x, (row + r) * stride + i, lanes);
    vf_store_n(sums, sum, lanes);
}

static void sum_part(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_column_sum *s = context;
    bool bf16 = s->dtype == SL_BF16;
    int64_t begin = task * PART_ROWS, end = min_of(s->rows, begin + PART_ROWS);
    float *sums = (float *)s->workspace + task * s->width;
    memset(sums, 0, (size_t)s->width * sizeof(float));
    int64_t row = begin;
    for (; row + ROWS_AT_ONCE <= end; row += ROWS_AT_ONCE)
        for (int64_t i = 0; i < s->width; i += VL) add_rows(s, bf16, row, ROWS_AT_ONCE, i, sums + i);
    for (; row < end; row++)
        for (int64_t i = 0; i < s->width; i += VL) add_rows(s, bf16, row, 1, i, sums + i);
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
