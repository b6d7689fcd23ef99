/* PNDM in its linear multistep form (PLMS), the default of Stable Diffusion 1.x: Liu et al. 2022, formula 9,
 * with Adams-Bashforth combinations of up to four outputs. The second timestep is visited twice: its first
 * output is averaged with the first one, and the step repeated from the sample before it. */
#include "diffusion/sampler_internal.h"

#include <math.h>
#include <string.h>

static sl_status check(const sl_sampler_settings *settings) {
    if (settings->prediction == SL_PREDICTION_SAMPLE)
        return sl_fail(SL_UNSUPPORTED, "prediction type \"sample\" is not defined for pndm");
    return SL_OK;
}

static sl_status plan(sl_sampling *s) {
    int count = s->steps;
    sl_spacing_timesteps(&s->settings, count, false, s->timesteps);
    if (count > 1) {
        memmove(s->timesteps + 2, s->timesteps + 1, (size_t)(count - 1) * sizeof *s->timesteps);
        count++;
    }
    s->calls = count;
    /* The second call leads from t + ratio to t, so that timestep must exist too. */
    int64_t reached = count > 1 ? (int64_t)s->timesteps[1] + s->settings.schedule.train_steps / s->steps : 0;
    if (reached >= s->settings.schedule.train_steps)
        return sl_fail(SL_INVALID,
                       "%d steps with steps_offset %lld reach timestep %lld, the schedule has 0 to %lld",
                       s->steps, (long long)s->settings.steps_offset, (long long)reached,
                       (long long)s->settings.schedule.train_steps - 1);
    return SL_OK;
}

/* The combination of the stored outputs for this call, into combined[]; history[0] is the newest. */
static void combine(const sl_sampling *s, int call, const float *output, float *combined) {
    static const double weights[4][4] = {{1, 0, 0, 0},
                                         {3. / 2, -1. / 2, 0, 0},
                                         {23. / 12, -16. / 12, 5. / 12, 0},
                                         {55. / 24, -59. / 24, 37. / 24, -9. / 24}};
    if (call == 1) {
        for (size_t i = 0; i < s->count; i++) combined[i] = (output[i] + s->history[0][i]) / 2;
        return;
    }
    int order = call == 0 ? 0 : call - 1 < 3 ? call - 1 : 3;
    const double *w = weights[order];
    for (size_t i = 0; i < s->count; i++) {
        double sum = 0;
        for (int k = 0; k <= order; k++) sum += w[k] * (double)s->history[k][i];
        combined[i] = (float)sum;
    }
}

static void step(sl_sampling *s, int call, const float *output, const float *noise, float *sample) {
    (void)noise;
    int ratio = s->schedule.train_steps / s->steps, t = (int)s->timesteps[call], next = t - ratio;
    float *combined = s->kept + s->count;
    if (call == 1) {
        next = t;
        t += ratio;
        combine(s, call, output, combined);
        memcpy(sample, s->kept, s->count * sizeof *sample);
    } else {
        memcpy(sl_sampling_push(s), output, s->count * sizeof *output);
        combine(s, call, output, combined);
        if (call == 0) memcpy(s->kept, sample, s->count * sizeof *sample);
    }
    double a = sl_alpha_bar_at(s, t), b = sl_alpha_bar_at(s, next);
    double keep = sqrt(b / a), change = (b - a) / (a * sqrt(1 - b) + sqrt(a * (1 - a) * b));
    bool velocity = s->settings.prediction == SL_PREDICTION_V;
    for (size_t i = 0; i < s->count; i++) {
        double x = (double)sample[i], e = (double)combined[i];
        if (velocity) e = sqrt(a) * e + sqrt(1 - a) * x;
        sample[i] = (float)(keep * x - change * e);
    }
}

const sl_sampler sl_sampler_pndm = {
    .name = "pndm",
    .class_name = "PNDMScheduler",
    .spacing = SL_SPACING_LEADING,
    .history_count = 4,
    .kept_count = 2, /* the sample before the first step, and the combination */
    .check = check,
    .plan = plan,
    .step = step,
};
