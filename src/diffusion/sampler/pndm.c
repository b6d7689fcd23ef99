/* PNDM in its linear multistep form (PLMS), the default of Stable Diffusion 1.x: Liu et al. 2022, formula 9,
 * with Adams-Bashforth combinations of up to four outputs. The second timestep is visited twice: its first
 * output is averaged with the first one, and the step repeated from the sample before it. */
#include "diffusion/sampler/internal.h"

#include <math.h>
#include <string.h>

static sl_status check(const sl_sampler_settings *settings) {
    if (settings->prediction == SL_PREDICTION_SAMPLE)
        return sl_fail(SL_UNSUPPORTED, "prediction type \"sample\" is not defined for pndm");
    if (settings->schedule.zero_terminal_snr)
        return sl_fail(SL_UNSUPPORTED, "a schedule that ends without signal is not defined for pndm");
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

/* Slots hold the outputs before this one, the newest first; the second call's is not kept. Until the second
 * step is made the sample before the first lies behind the only one. */
enum { FIRST_SAMPLE = SL_TERM_SLOT + 1 };

static void combine(int call, double *sum) {
    static const double weights[4][4] = {{1, 0, 0, 0},
                                         {3. / 2, -1. / 2, 0, 0},
                                         {23. / 12, -16. / 12, 5. / 12, 0},
                                         {55. / 24, -59. / 24, 37. / 24, -9. / 24}};
    if (call == 1) {
        sum[SL_TERM_OUTPUT] = sum[SL_TERM_SLOT] = 0.5;
        return;
    }
    int order = call == 0 ? 0 : call - 1 < 3 ? call - 1 : 3;
    sum[SL_TERM_OUTPUT] = weights[order][0];
    for (int k = 1; k <= order; k++) sum[SL_TERM_SLOT + k - 1] = weights[order][k];
}

static void fill_slots(int call, double (*slot)[SL_TERMS]) {
    int filled = call < 2 ? 2 : call < SL_SAMPLING_SLOTS ? call : SL_SAMPLING_SLOTS; /* after this call */
    for (int i = 0; i < filled; i++) {
        if (call == 1)
            slot[i][SL_TERM_SLOT + i] = 1;
        else
            slot[i][i > 0 ? SL_TERM_SLOT + i - 1 : SL_TERM_OUTPUT] = 1;
    }
    if (call > 0) return;
    slot[1][SL_TERM_SLOT] = 0;
    slot[1][SL_TERM_SAMPLE] = 1;
}

static void weigh(const sl_sampling *s, int call, sl_sampling_weights *out) {
    int ratio = s->schedule.train_steps / s->steps, t = (int)s->timesteps[call], next = t - ratio;
    if (call == 1) {
        next = t;
        t += ratio;
    }
    double a = sl_alpha_bar_at(s, t), b = sl_alpha_bar_at(s, next);
    double keep = sqrt(b / a), change = (b - a) / (a * sqrt(1 - b) + sqrt(a * (1 - a) * b));
    double *x = out->of[SL_SUM_SAMPLE];
    int from = call == 1 ? FIRST_SAMPLE : SL_TERM_SAMPLE;
    bool velocity = s->settings.prediction == SL_PREDICTION_V;
    combine(call, out->of[SL_SUM_PREDICTION]);
    x[from] = velocity ? keep - change * sqrt(1 - a) : keep;
    x[SL_TERM_PREDICTION] = velocity ? -change * sqrt(a) : -change;
    fill_slots(call, &out->of[SL_SUM_SLOT]);
}

const sl_sampler sl_sampler_pndm = {
    .name = "pndm",
    .class_name = "PNDMScheduler",
    .spacing = SL_SPACING_LEADING,
    .slots = SL_SAMPLING_SLOTS,
    .rounds = true,
    .check = check,
    .plan = plan,
    .weigh = weigh,
};
