#include "diffusion/sampler/internal.h"

#include "tensor/combine.h"

#include <math.h>
#include <string.h>

double sl_alpha_bar_at(const sl_sampling *sampling, int t) {
    if (t >= 0) return (double)sampling->schedule.alpha_bar[t];
    return sampling->settings.set_alpha_to_one ? 1 : (double)sampling->schedule.alpha_bar[0];
}

sl_status sl_sampling_check_timesteps(const sl_sampling *sampling) {
    int last = sampling->schedule.train_steps - 1;
    for (int i = 0; i < sampling->calls; i++)
        if (!(sampling->timesteps[i] >= 0 && sampling->timesteps[i] <= last))
            return sl_fail(
                SL_INVALID, "%d steps with steps_offset %lld reach timestep %g, the schedule has 0 to %d",
                sampling->steps, (long long)sampling->settings.steps_offset, sampling->timesteps[i], last);
    return SL_OK;
}

/* Where there is no signal the noise says nothing of the image, which would be a quotient by 0: Lin et al.
 * 2023, section 3.2, take v-prediction for such schedules. */
static sl_status check_signal(const sl_sampling *sampling) {
    if (sampling->settings.prediction != SL_PREDICTION_EPSILON) return SL_OK;
    for (int i = 0; i < sampling->calls; i++)
        if (!(sampling->schedule.alpha_bar[(int)sampling->timesteps[i]] > 0))
            return sl_fail(SL_UNSUPPORTED,
                           "\"rescale_betas_zero_snr\" leaves no signal at timestep %g, where "
                           "\"prediction_type\" \"epsilon\" says nothing of the image",
                           sampling->timesteps[i]);
    return SL_OK;
}

static sl_status check(const sl_sampler_settings *settings, int steps) {
    if (steps < 1 || steps > SL_LIMIT_SAMPLING_STEPS || steps > settings->schedule.train_steps)
        return sl_fail(SL_INVALID, "%d sampling steps, expected 1 to %lld", steps,
                       (long long)settings->schedule.train_steps);
    if (settings->karras && !settings->sampler->takes_karras)
        return sl_fail(SL_UNSUPPORTED, "sampler '%s' has no Karras noise levels", settings->sampler->name);
    return settings->sampler->check ? settings->sampler->check(settings) : SL_OK;
}

static sl_status allocate(sl_sampling *sampling) {
    const sl_sampler *sampler = sampling->settings.sampler;
    size_t room = (size_t)sampling->steps + 2;
    SL_TRY(sl_alloc(&sampling->timesteps, room, sizeof *sampling->timesteps));
    if (sampler->uses_sigmas) SL_TRY(sl_alloc(&sampling->sigmas, room, sizeof *sampling->sigmas));
    for (int i = 0; i < sampler->slots; i++)
        SL_TRY(sl_alloc(&sampling->slot[i], sampling->count, sizeof(float)));
    return sl_alloc(&sampling->next, sampling->count, sizeof(float));
}

sl_status sl_sampling_new(const sl_sampler_settings *settings, int steps, size_t count, sl_sampling **out) {
    SL_TRY(check(settings, steps));
    sl_sampling *sampling;
    SL_TRY(sl_alloc(&sampling, 1, sizeof *sampling));
    *sampling = (sl_sampling){.settings = *settings, .steps = steps, .count = count, .initial_scale = 1};
    sl_status status = sl_noise_schedule_new(&settings->schedule, &sampling->schedule);
    /* A noise level must be finite: diffusers gives a vanished signal this much. */
    if (!status && settings->schedule.zero_terminal_snr && settings->sampler->uses_sigmas)
        sampling->schedule.alpha_bar[sampling->schedule.train_steps - 1] = 0x1p-24f;
    if (!status) status = allocate(sampling);
    if (!status) status = settings->sampler->plan(sampling);
    if (!status) status = sl_sampling_check_timesteps(sampling);
    if (!status) status = check_signal(sampling);
    if (status) {
        sl_sampling_free(sampling);
        return sl_context(status, "sampler '%s'", settings->sampler->name);
    }
    *out = sampling;
    return SL_OK;
}

void sl_sampling_free(sl_sampling *sampling) {
    if (!sampling) return;
    sl_noise_schedule_free(&sampling->schedule);
    sl_free(sampling->timesteps);
    sl_free(sampling->sigmas);
    for (int i = 0; i < SL_SAMPLING_SLOTS; i++) sl_free(sampling->slot[i]);
    sl_free(sampling->next);
    sl_free(sampling);
}

int sl_sampling_calls(const sl_sampling *sampling) {
    return sampling->calls;
}

double sl_sampling_timestep(const sl_sampling *sampling, int call) {
    return sampling->timesteps[call];
}

const double *sl_sampling_sigmas(const sl_sampling *sampling, int *out_count) {
    if (out_count) *out_count = sampling->sigmas ? sampling->calls + 1 : 0;
    return sampling->sigmas;
}

double sl_sampling_initial_scale(const sl_sampling *sampling) {
    return sampling->initial_scale;
}

bool sl_sampling_wants_noise(const sl_sampling *sampling) {
    return sl_sampling_form_of(&sampling->settings).wants_noise;
}

sl_sampling_form sl_sampling_form_of(const sl_sampler_settings *settings) {
    const sl_sampler *sampler = settings->sampler;
    return (sl_sampling_form){.slots = sampler->slots,
                              .wants_noise = sampler->wants_noise && sampler->wants_noise(settings),
                              .rounds = sampler->rounds,
                              .clip_range =
                                  sampler->clips && settings->clip_sample ? settings->clip_range : 0};
}

/* ---- a step ---- */

void sl_sampling_weigh(const sl_sampling *sampling, int call, sl_sampling_weights *out) {
    const sl_sampler *sampler = sampling->settings.sampler;
    double scale = 1;
    if (sampler->scales_input) {
        float sigma = (float)sampling->sigmas[call];
        scale = 1 / (double)sqrtf(sigma * sigma + 1);
    }
    *out = (sl_sampling_weights){0};
    out->of[SL_SUM_INPUT][SL_TERM_SAMPLE] = scale;
    sampler->weigh(sampling, call, out);
}

bool sl_sampler_widens(const sl_sampler_settings *settings) {
    return settings->sampler->widening && sl_sampling_form_of(settings).wants_noise;
}

double sl_sampling_widening(const sl_sampling *sampling, int call, double variance) {
    const sl_sampler_settings *settings = &sampling->settings;
    return sl_sampler_widens(settings) ? settings->sampler->widening(sampling, call, variance) : 1;
}

static void form_sum(const sl_sampling *sampling, const sl_sampling_weights *weights, int sum,
                     const float *const *terms, float *out) {
    sl_sampling_form form = sl_sampling_form_of(&sampling->settings);
    sl_combination combination = {.terms = SL_TERM_PREDICTION,
                                  .weight = weights->of[sum],
                                  .prediction = weights->of[SL_SUM_PREDICTION],
                                  .clip = form.clip_range,
                                  .rounded = form.rounds};
    sl_combine_arrays(&combination, terms, out, sampling->count);
}

void sl_sampling_input(const sl_sampling *sampling, int call, const float *sample, float *input) {
    const float *terms[SL_TERM_PREDICTION] = {sample};
    sl_sampling_weights weights;
    sl_sampling_weigh(sampling, call, &weights);
    form_sum(sampling, &weights, SL_SUM_INPUT, terms, input);
}

void sl_sampling_step(sl_sampling *sampling, int call, const float *output, const float *noise,
                      float *sample) {
    const float *terms[SL_TERM_PREDICTION] = {sample, output, noise};
    sl_sampling_weights weights;
    sl_sampling_weigh(sampling, call, &weights);
    for (int i = 0; i < SL_SAMPLING_SLOTS; i++) terms[SL_TERM_SLOT + i] = sampling->slot[i];
    form_sum(sampling, &weights, SL_SUM_SAMPLE, terms, sampling->next);
    for (int i = sampling->settings.sampler->slots - 1; i >= 0; i--)
        form_sum(sampling, &weights, SL_SUM_SLOT + i, terms, sampling->slot[i]);
    memcpy(sample, sampling->next, sampling->count * sizeof *sample);
}
