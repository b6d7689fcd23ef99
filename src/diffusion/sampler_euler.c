/* Euler's method in noise levels (Karras et al. 2022, algorithm 2 without churn), and its ancestral form,
 * which steps below the next level and adds fresh noise up to it. Samples are x = image + sigma * noise. */
#include "diffusion/sampler_internal.h"

#include <math.h>

static sl_status plan(sl_sampling *s) {
    const sl_sampler_settings *settings = &s->settings;
    int n = s->steps;
    sl_spacing_timesteps(settings, n, true, s->timesteps);
    for (int i = 0; i < n; i++) s->sigmas[i] = sl_sigma_at(&s->schedule, s->timesteps[i]);
    if (settings->karras) {
        sl_karras_sigmas(s->sigmas[0], s->sigmas[n - 1], n, s->sigmas);
        for (int i = 0; i < n; i++)
            s->timesteps[i] = (double)(float)sl_sigma_timestep(&s->schedule, s->sigmas[i]);
    }
    s->sigmas[n] = settings->last_sigma_is_min ? (double)sl_noise_schedule_sigma(&s->schedule, 0) : 0;
    double highest = 0;
    for (int i = 0; i <= n; i++) {
        s->sigmas[i] = (double)(float)s->sigmas[i];
        if (s->sigmas[i] > highest) highest = s->sigmas[i];
    }
    s->initial_scale = settings->spacing == SL_SPACING_LEADING ? sqrt(highest * highest + 1) : highest;
    s->calls = n;
    return SL_OK;
}

/* The derivative dx/dsigma at one element. */
static double slope(sl_prediction_type prediction, double sigma, double x, double output) {
    switch (prediction) {
    case SL_PREDICTION_SAMPLE:
        return (x - output) / sigma;
    case SL_PREDICTION_V:
        return (x - (x / (sigma * sigma + 1) - output * sigma / sqrt(sigma * sigma + 1))) / sigma;
    default:
        return output;
    }
}

static void step(sl_sampling *s, int call, const float *output, const float *noise, float *sample) {
    (void)noise;
    double sigma = s->sigmas[call], change = s->sigmas[call + 1] - sigma;
    for (size_t i = 0; i < s->count; i++) {
        double x = (double)sample[i];
        sample[i] = (float)(x + slope(s->settings.prediction, sigma, x, (double)output[i]) * change);
    }
}

static void step_ancestral(sl_sampling *s, int call, const float *output, const float *noise, float *sample) {
    double from = s->sigmas[call], to = s->sigmas[call + 1];
    double up = sqrt(to * to * (from * from - to * to) / (from * from)), down = sqrt(to * to - up * up);
    for (size_t i = 0; i < s->count; i++) {
        double x = (double)sample[i];
        x += slope(s->settings.prediction, from, x, (double)output[i]) * (down - from);
        sample[i] = (float)(x + up * (double)noise[i]);
    }
}

static bool always(const sl_sampler_settings *settings) {
    (void)settings;
    return true;
}

const sl_sampler sl_sampler_euler = {
    .name = "euler",
    .class_name = "EulerDiscreteScheduler",
    .spacing = SL_SPACING_LINSPACE,
    .takes_karras = true,
    .uses_sigmas = true,
    .scales_input = true,
    .plan = plan,
    .step = step,
};

const sl_sampler sl_sampler_euler_a = {
    .name = "euler_a",
    .class_name = "EulerAncestralDiscreteScheduler",
    .spacing = SL_SPACING_LINSPACE,
    .uses_sigmas = true,
    .scales_input = true,
    .wants_noise = always,
    .plan = plan,
    .step = step_ancestral,
};
