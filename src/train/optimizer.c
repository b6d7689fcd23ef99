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

void sl_optimizer_coefficients(const sl_optimizer *o, int64_t step, double rate, double gradient_scale,
                               bool decays, float out[8]) {
    double decay = decays ? o->weight_decay : 0;
    if (o->kind == SL_OPTIMIZER_SGD) {
        const double sgd[] = {gradient_scale, decay, o->momentum, rate};
        for (int i = 0; i < 4; i++) out[i] = (float)sgd[i];
        return;
    }
    double correction1 = 1 - pow(o->beta1, (double)step), correction2 = 1 - pow(o->beta2, (double)step);
    const double adamw[] = {gradient_scale,     1 - o->beta1,          o->beta2,   1 - o->beta2,
                            rate / correction1, 1 / sqrt(correction2), o->epsilon, 1 - rate * decay};
    for (int i = 0; i < 8; i++) out[i] = (float)adamw[i];
}

typedef struct step_work {
    float decayed[8], undecayed[8];
} step_work;

static void adamw(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    const step_work *work = context;
    const float *c = slot->decay ? work->decayed : work->undecayed;
    float scale = c[0], share1 = c[1], beta2 = c[2], share2 = c[3], rate = c[4], root_correction = c[5],
          epsilon = c[6], keep = c[7];
    float *x = slot->value, *m = slot->moment1, *v = slot->moment2;
    const float *gradient = slot->gradient;
    for (int64_t i = begin; i < end; i++) {
        float g = gradient[i] * scale;
        m[i] += share1 * (g - m[i]);
        v[i] = beta2 * v[i] + share2 * g * g;
        x[i] = x[i] * keep - rate * (m[i] / (sqrtf(v[i]) * root_correction + epsilon));
    }
}

static void sgd(void *context, const sl_slot *slot, int64_t begin, int64_t end) {
    const step_work *work = context;
    const float *c = slot->decay ? work->decayed : work->undecayed;
    float scale = c[0], decay = c[1], momentum = c[2], rate = c[3];
    float *x = slot->value, *m = slot->moment1;
    const float *gradient = slot->gradient;
    for (int64_t i = begin; i < end; i++) {
        float g = gradient[i] * scale + decay * x[i];
        if (m) g = m[i] = momentum * m[i] + g;
        x[i] -= rate * g;
    }
}

void sl_optimizer_step(const sl_optimizer *optimizer, sl_slot_set *set, int64_t step, double rate,
                       double gradient_scale) {
    step_work work;
    sl_optimizer_coefficients(optimizer, step, rate, gradient_scale, true, work.decayed);
    sl_optimizer_coefficients(optimizer, step, rate, gradient_scale, false, work.undecayed);
    sl_slot_for_each(set, optimizer->kind == SL_OPTIMIZER_SGD ? sgd : adamw, &work);
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
