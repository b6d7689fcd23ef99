/* Updates of weights, moving averages, sums of squares. */
#include "backend/cpu/isa/isa.h"

enum { TASK_ELEMENTS = 16384 };

SL_INLINE range task_range(int64_t count, int64_t task) {
    return (range){task * TASK_ELEMENTS, min_of(count, (task + 1) * TASK_ELEMENTS)};
}

static void adamw_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_adamw *a = context;
    range r = task_range(a->count, task);
    const vf beta1 = vf_set1(a->beta1), beta2 = vf_set1(a->beta2), new1 = vf_set1(1 - a->beta1);
    const vf new2 = vf_set1(1 - a->beta2), keep = vf_set1(1 - a->rate * a->decay),
             epsilon = vf_set1(a->epsilon);
    const vf step = vf_set1(a->rate / a->correction1), root = vf_sqrt(vf_set1(a->correction2));
    for (int64_t i = r.begin; i < r.end; i += VL) {
        int64_t n = min_of(VL, r.end - i);
        vf grad = vf_load_n(a->grad + i, n) * vf_set1(a->grad_scale);
        vf m = vf_fma(beta1, vf_load_n(a->m + i, n), new1 * grad);
        vf v = vf_fma(beta2, vf_load_n(a->v + i, n), new2 * grad * grad);
        vf spread = vf_sqrt(v) / root + epsilon;
        vf weight = vf_load_n(a->weights + i, n) * keep - step * m / spread;
        vf_store_n(a->m + i, m, n);
        vf_store_n(a->v + i, v, n);
        vf_store_n(a->weights + i, weight, n);
    }
}

void SL_ISA(adamw)(const sl_cpu_adamw *a) {
    sl_parallel_for(ceil_div(a->count, TASK_ELEMENTS), adamw_task, (void *)(uintptr_t)a);
}

static void sgd_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_sgd *s = context;
    range r = task_range(s->count, task);
    const vf decay = vf_set1(s->decay), momentum = vf_set1(s->momentum), rate = vf_set1(s->rate);
    for (int64_t i = r.begin; i < r.end; i += VL) {
        int64_t n = min_of(VL, r.end - i);
        vf weight = vf_load_n(s->weights + i, n);
        vf step = vf_fma(decay, weight, vf_load_n(s->grad + i, n) * vf_set1(s->grad_scale));
        if (s->velocity) {
            vf velocity = vf_fma(momentum, vf_load_n(s->velocity + i, n), step);
            vf_store_n(s->velocity + i, velocity, n);
            step = s->nesterov ? vf_fma(momentum, velocity, step) : velocity;
        }
        vf_store_n(s->weights + i, vf_fnma(rate, step, weight), n);
    }
}

void SL_ISA(sgd)(const sl_cpu_sgd *s) {
    sl_parallel_for(ceil_div(s->count, TASK_ELEMENTS), sgd_task, (void *)(uintptr_t)s);
}

static void ema_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_ema *e = context;
    range r = task_range(e->count, task);
    const vf part = vf_set1(1 - e->keep);
    for (int64_t i = r.begin; i < r.end; i += VL) {
        int64_t n = min_of(VL, r.end - i);
        vf average = vf_load_n(e->average + i, n);
        vf_store_n(e->average + i, vf_fma(part, vf_load_n(e->weights + i, n) - average, average), n);
    }
}

void SL_ISA(ema)(const sl_cpu_ema *e) {
    sl_parallel_for(ceil_div(e->count, TASK_ELEMENTS), ema_task, (void *)(uintptr_t)e);
}

/* Four sums in turn over the elements of a task: four in flight, and the same order at every CPU level. */
static void squares_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_sum_squares *s = context;
    range r = task_range(s->count, task);
    double sum[4] = {0};
    int64_t i = r.begin;
    for (; i + 4 <= r.end; i += 4)
        for (int lane = 0; lane < 4; lane++) sum[lane] += (double)s->x[i + lane] * (double)s->x[i + lane];
    for (; i < r.end; i++) sum[0] += (double)s->x[i] * (double)s->x[i];
    ((double *)s->workspace)[task] = sum[0] + sum[1] + (sum[2] + sum[3]);
}

size_t SL_ISA(sum_squares_bytes)(const sl_cpu_sum_squares *s) {
    return (size_t)ceil_div(s->count, TASK_ELEMENTS) * sizeof(double);
}

void SL_ISA(sum_squares)(const sl_cpu_sum_squares *s) {
    int64_t tasks = ceil_div(s->count, TASK_ELEMENTS);
    sl_parallel_for(tasks, squares_task, (void *)(uintptr_t)s);
    double sum = 0;
    for (int64_t i = 0; i < tasks; i++) sum += ((const double *)s->workspace)[i];
    *s->sum = sum;
}
