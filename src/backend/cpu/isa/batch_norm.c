/* Batch norm (Ioffe and Szegedy 2015) over the rows of x[rows, channels]. */
#include "backend/cpu/isa/moments.h"

#include <math.h>

/* Workspace: sums[parts][2][C], then factor, offset and a third row of C. */
static int64_t parts_of(int64_t rows, int64_t channels) {
    return ceil_div(rows, rows_in_part(channels));
}
SL_INLINE range part_rows(int64_t rows, int64_t channels, int64_t part) {
    return (range){part * rows_in_part(channels), min_of(rows, (part + 1) * rows_in_part(channels))};
}

/* ---- forward ---- */

size_t SL_ISA(batch_norm_bytes)(const sl_cpu_batch_norm *b) {
    return (size_t)((parts_of(b->rows, b->channels) * 2 + 3) * b->channels) * sizeof(float);
}

static float *forward_row_at(const sl_cpu_batch_norm *b, int64_t row) {
    return (float *)b->workspace + (parts_of(b->rows, b->channels) * 2 + row) * b->channels;
}

static void forward_sums(void *context, int64_t part, int worker) {
    (void)worker;
    const sl_cpu_batch_norm *b = context;
    range rows = part_rows(b->rows, b->channels, part);
    float *sums = (float *)b->workspace + part * 2 * b->channels;
    const float *shift = forward_row_at(b, 2);
    int64_t at = rows.begin * b->channels, count = rows.end - rows.begin;
    if (b->dtype == SL_BF16)
        column_moments(true, b->x, at, count, b->channels, shift, sums, sums + b->channels);
    else
        column_moments(false, b->x, at, count, b->channels, shift, sums, sums + b->channels);
}

static void batch_statistics(const sl_cpu_batch_norm *b) {
    int64_t c = b->channels, parts = parts_of(b->rows, c);
    float *shift = forward_row_at(b, 2);
    const float *sums = b->workspace;
    sl_convert(b->dtype, b->x, SL_F32, shift, (size_t)c);
    sl_parallel_for(parts, forward_sums, (void *)(uintptr_t)b);
    for (int64_t i = 0; i < c; i++) {
        double sum = 0, square = 0;
        for (int64_t part = 0; part < parts; part++) {
            sum += (double)sums[part * 2 * c + i];
            square += (double)sums[part * 2 * c + c + i];
        }
        moments m = moments_of((double)b->rows, (double)shift[i], sum, square);
        double deviation = fmax(m.deviation, 0);
        b->mean[i] = (float)m.mean;
        b->rstd[i] = (float)(1 / sqrt(deviation / m.count + (double)b->epsilon));
        double unbiased = deviation / fmax(m.count - 1, 1), move = (double)b->momentum;
        if (b->unbiased) b->unbiased[i] = (float)unbiased;
        if (!b->running_mean) continue;
        b->running_mean[i] = (float)((1 - move) * (double)b->running_mean[i] + move * m.mean);
        b->running_variance[i] = (float)((1 - move) * (double)b->running_variance[i] + move * unbiased);
    }
}

static void forward_write(void *context, int64_t part, int worker) {
    (void)worker;
    const sl_cpu_batch_norm *b = context;
    range rows = part_rows(b->rows, b->channels, part);
    const float *factor = forward_row_at(b, 0), *offset = forward_row_at(b, 1);
    bool bf16 = b->dtype == SL_BF16;
    for (int64_t row = rows.begin; row < rows.end; row++)
        for (int64_t i = 0; i < b->channels; i += VL) {
            int64_t n = min_of(VL, b->channels - i), at = row * b->channels + i;
            vf y = vf_fma(vf_get_n(bf16, b->x, at, n), vf_load_n(factor + i, n), vf_load_n(offset + i, n));
            vf_put_n(bf16, b->y, at, y, n);
        }
}

void SL_ISA(batch_norm)(const sl_cpu_batch_norm *b) {
    int64_t c = b->channels;
    float *factor = forward_row_at(b, 0), *offset = forward_row_at(b, 1);
    if (b->training) batch_statistics(b);
    for (int64_t i = 0; i < c; i++) {
        if (!b->training) {
            b->mean[i] = b->running_mean[i];
            b->rstd[i] = (float)(1 / sqrt((double)b->running_variance[i] + (double)b->epsilon));
        }
        factor[i] = b->rstd[i] * (b->gamma ? b->gamma[i] : 1);
        offset[i] = (b->beta ? b->beta[i] : 0) - b->mean[i] * factor[i];
    }
    sl_parallel_for(parts_of(b->rows, c), forward_write, (void *)(uintptr_t)b);
}

/* ---- backward ----
 * h = (x - mean) rstd: grad_beta = sum grad_y, grad_gamma = sum grad_y h,
 * grad_x = gamma rstd (grad_y - (grad_beta + h grad_gamma) / rows), without the second part where the
 * statistics were not the batch's own. */

size_t SL_ISA(batch_norm_grad_bytes)(const sl_cpu_batch_norm_grad *b) {
    return (size_t)((parts_of(b->rows, b->channels) + 1) * 2 * b->channels) * sizeof(float);
}

static void backward_sums(void *context, int64_t part, int worker) {
    (void)worker;
    const sl_cpu_batch_norm_grad *b = context;
    range rows = part_rows(b->rows, b->channels, part);
    int64_t c = b->channels;
    float *sums = (float *)b->workspace + part * 2 * c;
    bool bf16 = b->dtype == SL_BF16;
    for (int64_t i = 0; i < c; i += VL) {
        int64_t n = min_of(VL, c - i);
        vf sum = vf_zero(), sum_h = vf_zero(), mean = vf_load_n(b->mean + i, n),
           rstd = vf_load_n(b->rstd + i, n);
        for (int64_t row = rows.begin; row < rows.end; row++) {
            vf grad = vf_get_n(bf16, b->grad_y, row * c + i, n);
            sum = sum + grad;
            sum_h = vf_fma(grad, (vf_get_n(bf16, b->x, row * c + i, n) - mean) * rstd, sum_h);
        }
        vf_store_n(sums + i, sum, n);
        vf_store_n(sums + c + i, sum_h, n);
    }
}

static void backward_write(void *context, int64_t part, int worker) {
    (void)worker;
    const sl_cpu_batch_norm_grad *b = context;
    range rows = part_rows(b->rows, b->channels, part);
    int64_t c = b->channels;
    const float *total = (const float *)b->workspace + parts_of(b->rows, c) * 2 * c;
    bool bf16 = b->dtype == SL_BF16;
    const vf share = vf_set1(b->training ? 1 / (float)b->rows : 0);
    for (int64_t row = rows.begin; row < rows.end; row++)
        for (int64_t i = 0; i < c; i += VL) {
            int64_t n = min_of(VL, c - i);
            vf rstd = vf_load_n(b->rstd + i, n), factor = rstd;
            if (b->gamma) factor = factor * vf_load_n(b->gamma + i, n);
            vf h = (vf_get_n(bf16, b->x, row * c + i, n) - vf_load_n(b->mean + i, n)) * rstd;
            vf common = vf_fma(h, vf_load_n(total + c + i, n), vf_load_n(total + i, n)) * share;
            vf_put_n(bf16, b->grad_x, row * c + i,
                     factor * (vf_get_n(bf16, b->grad_y, row * c + i, n) - common), n);
        }
}

void SL_ISA(batch_norm_grad)(const sl_cpu_batch_norm_grad *b) {
    int64_t c = b->channels, parts = parts_of(b->rows, c);
    const float *sums = b->workspace;
    float *total = (float *)b->workspace + parts * 2 * c;
    sl_parallel_for(parts, backward_sums, (void *)(uintptr_t)b);
    for (int64_t i = 0; i < 2 * c; i++) {
        double sum = 0;
        for (int64_t part = 0; part < parts; part++) sum += (double)sums[part * 2 * c + i];
        total[i] = (float)sum;
    }
    if (b->grad_gamma) {
        memcpy(b->grad_beta, total, (size_t)c * sizeof(float));
        memcpy(b->grad_gamma, total + c, (size_t)c * sizeof(float));
    }
    if (b->grad_x) sl_parallel_for(parts, backward_write, (void *)(uintptr_t)b);
}
