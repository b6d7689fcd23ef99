/* DDIM: Song et al. 2021, formula 12; eta scales the noise that is added back. */
#include "diffusion/sampler/internal.h"

#include <math.h>

static sl_status plan(sl_sampling *s) {
    sl_spacing_timesteps(&s->settings, s->steps, false, s->timesteps);
    s->calls = s->steps;
    return SL_OK;
}

static bool wants_noise(const sl_sampler_settings *settings) {
    return settings->eta > 0;
}

/* A sum of the sample and the output. */
typedef struct pair {
    double sample, output;
} pair;

/* The predicted image and noise at signal share a. */
static void predict(sl_prediction_type prediction, double a, pair *image, pair *noise) {
    double signal = sqrt(a), rest = sqrt(1 - a);
    switch (prediction) {
    case SL_PREDICTION_SAMPLE:
        *image = (pair){0, 1};
        *noise = (pair){1 / rest, -signal / rest};
        break;
    case SL_PREDICTION_V:
        *image = (pair){signal, -rest};
        *noise = (pair){rest, signal};
        break;
    default:
        *image = (pair){1 / signal, -rest / signal};
        *noise = (pair){0, 1};
    }
}

static void weigh(const sl_sampling *s, int call, sl_sampling_weights *out) {
    int t = (int)s->timesteps[call], next = t - s->schedule.train_steps / s->steps;
    double a = sl_alpha_bar_at(s, t), b = sl_alpha_bar_at(s, next);
    double deviation = s->settings.eta > 0 ? s->settings.eta * sqrt((1 - b) / (1 - a) * (1 - a / b)) : 0;
    double direction = sqrt(1 - b - deviation * deviation), signal = sqrt(b);
    double *clean = out->of[SL_SUM_PREDICTION], *x = out->of[SL_SUM_SAMPLE];
    pair image, noise;
    predict(s->settings.prediction, a, &image, &noise);
    x[SL_TERM_SAMPLE] = direction * noise.sample;
    x[SL_TERM_OUTPUT] = direction * noise.output;
    if (s->settings.clip_sample) {
        clean[SL_TERM_SAMPLE] = image.sample;
        clean[SL_TERM_OUTPUT] = image.output;
        x[SL_TERM_PREDICTION] = signal;
    } else {
        x[SL_TERM_SAMPLE] += signal * image.sample;
        x[SL_TERM_OUTPUT] += signal * image.output;
    }
    x[SL_TERM_NOISE] = deviation;
}

const sl_sampler sl_sampler_ddim = {
    .name = "ddim",
    .class_name = "DDIMScheduler",
    .spacing = SL_SPACING_LEADING,
    .clips = true,
    .takes_eta = true,
    .wants_noise = wants_noise,
    .plan = plan,
    .weigh = weigh,
};
