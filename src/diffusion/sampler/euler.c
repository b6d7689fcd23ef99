/* Euler's method in noise levels (Karras et al. 2022, algorithm 2 without churn), and its ancestral form,
 * which steps below the next level and adds fresh noise up to it. Samples are x = image + sigma * noise. */
#include "diffusion/sampler/internal.h"

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

/* x = x + change dx/dsigma, the derivative as the output gives it. */
static void follow(sl_prediction_type prediction, double sigma, double change, double *x) {
    x[SL_TERM_SAMPLE] = 1;
    switch (prediction) {
    case SL_PREDICTION_SAMPLE:
        x[SL_TERM_SAMPLE] += change / sigma;
        x[SL_TERM_OUTPUT] = -change / sigma;
        break;
    case SL_PREDICTION_V:
        x[SL_TERM_SAMPLE] += change * sigma / (sigma * sigma + 1);
        x[SL_TERM_OUTPUT] = change / sqrt(sigma * sigma + 1);
        break;
    default:
        x[SL_TERM_OUTPUT] = change;
    }
}

static void weigh(const sl_sampling *s, int call, sl_sampling_weights *out) {
    double sigma = s->sigmas[call];
    follow(s->settings.prediction, sigma, s->sigmas[call + 1] - sigma, out->of[SL_SUM_SAMPLE]);
}

static void weigh_ancestral(const sl_sampling *s, int call, sl_sampling_weights *out) {
    double from = s->sigmas[call], to = s->sigmas[call + 1];
    double up = sqrt(to * to * (from * from - to * to) / (from * from)), down = sqrt(to * to - up * up);
    follow(s->settings.prediction, from, down - from, out->of[SL_SUM_SAMPLE]);
    out->of[SL_SUM_SAMPLE][SL_TERM_NOISE] = up;
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
    .weigh = weigh,
};

const sl_sampler sl_sampler_euler_a = {
    .name = "euler_a",
    .class_name = "EulerAncestralDiscreteScheduler",
    .spacing = SL_SPACING_LINSPACE,
    .uses_sigmas = true,
    .scales_input = true,
    .wants_noise = always,
    .plan = plan,
    .weigh = weigh_ancestral,
};
