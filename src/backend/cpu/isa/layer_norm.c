/* Layer norm (Ba et al. 2016) over the rows of x[rows, width]. */
#include "backend/cpu/isa/moments.h"

#include <math.h>

typedef struct norm_job {
    const void *arguments;
    int64_t rows, rows_per_task, width;
    float *partial; /* backward: [tasks][2][width] */
} norm_job;

static norm_job job_of(const void *arguments, int64_t rows, int64_t width) {
    return (norm_job){arguments, rows, rows_in_part(width), width, NULL};
}

SL_INLINE range rows_of(const norm_job *job, int64_t task) {
    return (range){task * job->rows_per_task, min_of(job->rows, (task + 1) * job->rows_per_task)};
}

SL_INLINE void forward_row(const bool bf16, const sl_cpu_layer_norm *l, int64_t row) {
    int64_t at = row * l->width;
    vf sum = vf_zero(), square = vf_zero();
    for (int64_t i = 0; i < l->width; i += VL)
        sum = sum + vf_get_n(bf16, l->x, at + i, min_of(VL, l->width - i));
    float mean = vf_sum(sum) / (float)l->width;
    for (int64_t i = 0; i < l->width; i += VL) {
        int64_t n = min_of(VL, l->width - i);
        vf d = vf_select(vm_first(n), vf_get_n(bf16, l->x, at + i, n) - vf_set1(mean), vf_zero());
        square = vf_fma(d, d, square);
    }
    float rstd = 1 / sqrtf(vf_sum(square) / (float)l->width + l->epsilon);
    for (int64_t i = 0; i < l->width; i += VL) {
        int64_t n = min_of(VL, l->width - i);
        vf y = (vf_get_n(bf16, l->x, at + i, n) - vf_set1(mean)) * vf_set1(rstd);
        if (l->gamma) y = vf_fma(y, vf_load_n(l->gamma + i, n), vf_load_n(l->beta + i, n));
        vf_put_n(bf16, l->y, at + i, y, n);
    }
    l->mean[row] = mean;
    l->rstd[row] = rstd;
}

static void forward_task(void *context, int64_t task, int worker) {
    (void)worker;
    const norm_job *job = context;
    const sl_cpu_layer_norm *l = job->arguments;
    range rows = rows_of(job, task);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        if (l->dtype == SL_BF16)
            forward_row(true, l, row);
        else
            forward_row(false, l, row);
    }
}

void SL_ISA(layer_norm)(const sl_cpu_layer_norm *l) {
    norm_job job = job_of(l, l->rows, l->width);
    sl_parallel_for(ceil_div(l->rows, job.rows_per_task), forward_task, &job);
}

/* h = (x - mean) rstd, e = grad_y gamma: grad_x = rstd (e - mean(e) - h mean(e h)) */
SL_INLINE void backward_row(const bool bf16, const sl_cpu_layer_norm_grad *l, int64_t row, float *sums) {
    int64_t at = row * l->width, width = l->width;
    const vf mean = vf_set1(l->mean[row]), rstd = vf_set1(l->rstd[row]);
    vf sum_e = vf_zero(), sum_eh = vf_zero();
    for (int64_t i = 0; i < width; i += VL) {
        int64_t n = min_of(VL, width - i);
        vf h = (vf_get_n(bf16, l->x, at + i, n) - mean) * rstd, grad = vf_get_n(bf16, l->grad_y, at + i, n),
           e = grad;
        if (l->gamma) e = e * vf_load_n(l->gamma + i, n);
        sum_e = sum_e + e;
        sum_eh = vf_fma(e, h, sum_eh);
        if (!l->grad_gamma) continue;
        vf_store_n(sums + i, vf_load_n(sums + i, n) + grad, n);
        vf_store_n(sums + width + i, vf_fma(grad, h, vf_load_n(sums + width + i, n)), n);
    }
    if (!l->grad_x) return;
    const vf mean_e = vf_set1(vf_sum(sum_e) / (float)width), mean_eh = vf_set1(vf_sum(sum_eh) / (float)width);
    for (int64_t i = 0; i < width; i += VL) {
        int64_t n = min_of(VL, width - i);
        vf h = (vf_get_n(bf16, l->x, at + i, n) - mean) * rstd, e = vf_get_n(bf16, l->grad_y, at + i, n);
        if (l->gamma) e = e * vf_load_n(l->gamma + i, n);
        vf_put_n(bf16, l->grad_x, at + i, rstd * (e - vf_fma(h, mean_eh, mean_e)), n);
    }
}

static void backward_task(void *context, int64_t task, int worker) {
    (void)worker;
    const norm_job *job = context;
    const sl_cpu_layer_norm_grad *l = job->arguments;
    range rows = rows_of(job, task);
    float *sums = job->partial + task * 2 * job->width;
    memset(sums, 0, (size_t)(2 * job->width) * sizeof(float));
    for (int64_t row = rows.begin; row < rows.end; row++) {
        if (l->dtype == SL_BF16)
            backward_row(true, l, row, sums);
        else
            backward_row(false, l, row, sums);
    }
}

size_t SL_ISA(layer_norm_grad_bytes)(const sl_cpu_layer_norm_grad *l) {
    return (size_t)(ceil_div(l->rows, rows_in_part(l->width)) * 2 * l->width) * sizeof(float);
}

void SL_ISA(layer_norm_grad)(const sl_cpu_layer_norm_grad *l) {
    norm_job job = job_of(l, l->rows, l->width);
    int64_t tasks = ceil_div(l->rows, job.rows_per_task);
    job.partial = l->workspace;
    sl_parallel_for(tasks, backward_task, &job);
    if (!l->grad_gamma) return;
    for (int64_t i = 0; i < l->width; i++) {
        double beta = 0, gamma = 0;
        for (int64_t task = 0; task < tasks; task++) {
            beta += (double)job.partial[task * 2 * l->width + i];
            gamma += (double)job.partial[(task * 2 + 1) * l->width + i];
        }
        l->grad_beta[i] = (float)beta;
        l->grad_gamma[i] = (float)gamma;
    }
}
