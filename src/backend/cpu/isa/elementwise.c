/* Activations, GEGLU, softmax over rows, casts. */
#include "backend/cpu/isa/isa.h"

#include <math.h>

enum { TASK_ELEMENTS = 16384 }; /* of a flat array; a multiple of VL */

/* ---- activations ---- */

SL_INLINE void activate_range(const bool bf16, const sl_cpu_activation kind, const sl_cpu_activate *a,
                              range r) {
    for (int64_t i = r.begin; i < r.end; i += VL) {
        int64_t n = min_of(VL, r.end - i);
        bool whole = n == VL;
        vf x = whole ? vf_get(bf16, a->x, i) : vf_get_n(bf16, a->x, i, n), y;
        if (a->grad_y) {
            vf grad = whole ? vf_get(bf16, a->grad_y, i) : vf_get_n(bf16, a->grad_y, i, n);
            y = grad * v_activation_slope(kind, x);
        } else {
            y = v_activation(kind, x);
        }
        if (whole)
            vf_put(bf16, a->y, i, y);
        else
            vf_put_n(bf16, a->y, i, y, n);
    }
}

static void activate_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_activate *a = context;
    range r = {task * TASK_ELEMENTS, min_of(a->count, (task + 1) * TASK_ELEMENTS)};
    switch (a->activation) {
#define ACTIVATE(kind)                                                                                       \
    case kind:                                                                                               \
        if (a->dtype == SL_BF16)                                                                             \
            activate_range(true, kind, a, r);                                                                \
        else                                                                                                 \
            activate_range(false, kind, a, r);                                                               \
        break;
        ACTIVATE(SL_ACT_SILU)
        ACTIVATE(SL_ACT_GELU)
        ACTIVATE(SL_ACT_QUICK_GELU)
        ACTIVATE(SL_ACT_GELU_TANH)
        ACTIVATE(SL_ACT_TANH)
        ACTIVATE(SL_ACT_SIGMOID)
        ACTIVATE(SL_ACT_RELU)
    default:
        ACTIVATE(SL_ACT_NONE)
#undef ACTIVATE
    }
}

void SL_ISA(activate)(const sl_cpu_activate *a) {
    sl_parallel_for(ceil_div(a->count, TASK_ELEMENTS), activate_task, (void *)(uintptr_t)a);
}

/* ---- work over rows ---- */

typedef struct row_job {
    const void *arguments;
    int64_t rows, rows_per_task;
} row_job;

static void for_rows(const void *arguments, int64_t rows, int64_t width, sl_task_fn run) {
    row_job job = {arguments, rows, max_of(1, TASK_ELEMENTS / max_of(1, width))};
    sl_parallel_for(ceil_div(rows, job.rows_per_task), run, &job);
}

SL_INLINE range rows_of(const row_job *job, int64_t task) {
    return (range){task * job->rows_per_task, min_of(job->rows, (task + 1) * job->rows_per_task)};
}

/* ---- GEGLU ---- */

/* value * gelu(gate); backward: d value = grad gelu(gate), d gate = grad value gelu'(gate) */
SL_INLINE void geglu_row(const bool bf16, const sl_cpu_geglu *g, int64_t row) {
    int64_t value_at = row * 2 * g->width, gate_at = value_at + g->width, out_at = row * g->width;
    for (int64_t i = 0; i < g->width; i += VL) {
        int64_t n = min_of(VL, g->width - i);
        vf value = vf_get_n(bf16, g->x, value_at + i, n), gate = vf_get_n(bf16, g->x, gate_at + i, n);
        if (!g->grad_y) {
            vf_put_n(bf16, g->y, out_at + i, value * v_gelu(gate), n);
            continue;
        }
        vf grad = vf_get_n(bf16, g->grad_y, out_at + i, n);
        normal p = v_normal(gate);
        vf_put_n(bf16, g->y, value_at + i, grad * gate * p.distribution, n);
        vf_put_n(bf16, g->y, gate_at + i, grad * value * vf_fma(gate, p.density, p.distribution), n);
    }
}

static void geglu_task(void *context, int64_t task, int worker) {
    (void)worker;
    const row_job *job = context;
    const sl_cpu_geglu *g = job->arguments;
    range rows = rows_of(job, task);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        if (g->dtype == SL_BF16)
            geglu_row(true, g, row);
        else
            geglu_row(false, g, row);
    }
}

void SL_ISA(geglu)(const sl_cpu_geglu *g) {
    for_rows(g, g->rows, g->width * 2, geglu_task);
}

/* ---- softmax ---- */

SL_INLINE void softmax_row(const bool bf16, const sl_cpu_softmax *s, int64_t at) {
    vf highest = vf_set1(-INFINITY), sum = vf_zero();
    for (int64_t i = 0; i < s->width; i += VL) {
        int64_t n = min_of(VL, s->width - i);
        vf x = vf_select(vm_first(n), vf_get_n(bf16, s->x, at + i, n), vf_set1(-INFINITY));
        highest = vf_max(highest, x);
    }
    vf shift = vf_set1(vf_highest(highest));
    for (int64_t i = 0; i < s->width; i += VL) {
        int64_t n = min_of(VL, s->width - i);
        vf weight = v_exp(vf_get_n(bf16, s->x, at + i, n) - shift);
        sum = sum + vf_select(vm_first(n), weight, vf_zero());
    }
    vf factor = vf_set1(1 / vf_sum(sum));
    for (int64_t i = 0; i < s->width; i += VL) {
        int64_t n = min_of(VL, s->width - i);
        vf_put_n(bf16, s->y, at + i, v_exp(vf_get_n(bf16, s->x, at + i, n) - shift) * factor, n);
    }
}

/* grad_x = p (grad_y - sum of grad_y p) */
SL_INLINE void softmax_grad_row(const bool bf16, const sl_cpu_softmax *s, int64_t at) {
    vf sum = vf_zero();
    for (int64_t i = 0; i < s->width; i += VL) {
        int64_t n = min_of(VL, s->width - i);
        sum = vf_fma(vf_get_n(bf16, s->x, at + i, n), vf_get_n(bf16, s->grad_y, at + i, n), sum);
    }
    vf mean = vf_set1(vf_sum(sum));
    for (int64_t i = 0; i < s->width; i += VL) {
        int64_t n = min_of(VL, s->width - i);
        vf grad = vf_get_n(bf16, s->grad_y, at + i, n) - mean;
        vf_put_n(bf16, s->y, at + i, vf_get_n(bf16, s->x, at + i, n) * grad, n);
    }
}

static void softmax_task(void *context, int64_t task, int worker) {
    (void)worker;
    const row_job *job = context;
    const sl_cpu_softmax *s = job->arguments;
    bool bf16 = s->dtype == SL_BF16;
    range rows = rows_of(job, task);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        if (s->grad_y)
            softmax_grad_row(bf16, s, row * s->width);
        else
            softmax_row(bf16, s, row * s->width);
    }
}

void SL_ISA(softmax)(const sl_cpu_softmax *s) {
    for_rows(s, s->rows, s->width, softmax_task);
}

/* ---- casts ---- */

static void cast_task(void *context, int64_t task, int worker) {
    (void)worker;
    const sl_cpu_cast *c = context;
    range r = {task * TASK_ELEMENTS, min_of(c->count, (task + 1) * TASK_ELEMENTS)};
    bool from = c->from == SL_BF16, to = c->to == SL_BF16;
    for (int64_t i = r.begin; i < r.end; i += VL) {
        int64_t n = min_of(VL, r.end - i);
        vf_put_n(to, c->y, i, vf_get_n(from, c->x, i, n), n);
    }
}

void SL_ISA(cast)(const sl_cpu_cast *c) {
    sl_parallel_for(ceil_div(c->count, TASK_ELEMENTS), cast_task, (void *)(uintptr_t)c);
}
