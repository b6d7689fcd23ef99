#include "train/optimizer.h"

#include <math.h>
#include <string.h>

sl_optimizer sl_optimizer_adamw(void) {
    return (sl_optimizer){
        .kind = SL_OPTIMIZER_ADAMW, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

sl_optimizer sl_optimizer_sgd(double momentum) {
    return (sl_optimizer){.kind = SL_OPTIMIZER_SGD, .momentum = momentum};
}

int sl_optimizer_moments(const sl_optimizer *optimizer) {
    if (optimizer->kind == SL_OPTIMIZER_ADAMW) return 2;
    return optimizer->momentum != 0 ? 1 : 0;
}

typedef struct step_work {
    float keep, beta2, share1, share2 /* 1 - beta, rounded once */, scale, epsilon, rate, root_correction,
        decay, momentum;
} step_work;

static void adamw(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    const step_work *w = context;
    float keep = slot->decay ? w->keep : 1;
    float *x = slot->value, *m = slot->moment1, *v = slot->moment2;
    const float *gradient = slot->gradient;
    for (int64_t i = begin; i < end; i++) {
        float g = gradient[i] * w->scale;
        m[i] += w->share1 * (g - m[i]);
        v[i] = w->beta2 * v[i] + w->share2 * g * g;
        x[i] = x[i] * keep - w->rate * (m[i] / (sqrtf(v[i]) * w->root_correction + w->epsilon));
    }
}

static void sgd(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    const step_work *w = context;
    float decay = slot->decay ? w->decay : 0;
    float *x = slot->value, *m = slot->moment1;
    const float *gradient = slot->gradient;
    for (int64_t i = begin; i < end; i++) {
        float g = gradient[i] * w->scale + decay * x[i];
        if (m) g = m[i] = w->momentum * m[i] + g;
        x[i] -= w->rate * g;
    }
}

void sl_optimizer_step(const sl_optimizer *optimizer, sl_slot_set *set, int64_t step, double rate,
                       double gradient_scale) {
    step_work work = {.scale = (float)gradient_scale};
    if (optimizer->kind == SL_OPTIMIZER_SGD) {
        work.rate = (float)rate;
        work.decay = (float)optimizer->weight_decay;
        work.momentum = (float)optimizer->momentum;
        sl_slot_for_each(set, sgd, &work);
        return;
    }
    double correction1 = 1 - pow(optimizer->beta1, (double)step),
           correction2 = 1 - pow(optimizer->beta2, (double)step);
    work.keep = (float)(1 - rate * optimizer->weight_decay);
    work.share1 = (float)(1 - optimizer->beta1);
    work.share2 = (float)(1 - optimizer->beta2);
    work.beta2 = (float)optimizer->beta2;
    work.epsilon = (float)optimizer->epsilon;
    work.rate = (float)(rate / correction1);
    work.root_correction = (float)(1 / sqrt(correction2));
    sl_slot_for_each(set, adamw, &work);
}

double sl_clip_factor(double norm, double limit) {
    if (limit <= 0) return 1;
    double factor = limit / (norm + 1e-6);
    return factor < 1 ? factor : 1;
}

double sl_schedule_rate(const sl_schedule *schedule, int64_t step) {
    if (step < schedule->warmup) return schedule->rate * (double)(step + 1) / (double)schedule->warmup;
    if (schedule->kind == SL_SCHEDULE_CONSTANT) return schedule->rate;
    double length = (double)(schedule->total - schedule->warmup);
    double part = length > 0 ? (double)(step - schedule->warmup) / length : 1;
    if (part > 1) part = 1;
    double fall =
        schedule->kind == SL_SCHEDULE_LINEAR ? 1 - part : 0.5 * (1 + cos(3.14159265358979323846 * part));
    return schedule->rate * (schedule->floor + (1 - schedule->floor) * fall);
}

static const char *const schedule_names[] = {"constant", "linear", "cosine"};

sl_status sl_schedule_kind_parse(const char *name, sl_schedule_kind *out) {
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, schedule_names[i]) != 0) continue;
        *out = (sl_schedule_kind)i;
        return SL_OK;
    }
    return sl_fail(SL_INVALID, "schedule '%s', expected constant, linear or cosine", name);
}

const char *sl_schedule_kind_name(sl_schedule_kind kind) {
    return schedule_names[kind];
}
