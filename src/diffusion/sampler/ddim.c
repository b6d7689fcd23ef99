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

/* From signal share a to b, which is reached by the predicted noise and by fresh noise. */
typedef struct step {
    double a, b, direction, deviation;
} step;

static step step_of(const sl_sampling *s, int call) {
    int t = (int)s->timesteps[call], next = t - s->schedule.train_steps / s->steps;
    double a = sl_alpha_bar_at(s, t), b = sl_alpha_bar_at(s, next);
    double deviation = s->settings.eta > 0 ? s->settings.eta * sqrt((1 - b) / (1 - a) * (1 - a / b)) : 0;
    /* without any signal all noise is fresh, but for a rounding */
    return (step){a, b, sqrt(fmax(0, 1 - b - deviation * deviation)), deviation};
}

static double widening(const sl_sampling *s, int call, double variance) {
    step at = step_of(s, call);
    if (!(at.deviation > 0)) return 1;
    double open = variance * (1 - at.a) / (at.a * variance + 1 - at.a); /* variance left of the image */
    double share = sqrt(at.b) - at.direction * sqrt(at.a / (1 - at.a)); /* of the prediction in the outcome */
    return sqrt(1 + share * share * open / (at.deviation * at.deviation));
}

static void weigh(const sl_sampling *s, int call, sl_sampling_weights *out) {
    step at = step_of(s, call);
    double signal = sqrt(at.b);
    double *clean = out->of[SL_SUM_PREDICTION], *x = out->of[SL_SUM_SAMPLE];
    pair image, noise;
    predict(s->settings.prediction, at.a, &image, &noise);
    x[SL_TERM_SAMPLE] = at.direction * noise.sample;
    x[SL_TERM_OUTPUT] = at.direction * noise.output;
    if (s->settings.clip_sample) {
        clean[SL_TERM_SAMPLE] = image.sample;
        clean[SL_TERM_OUTPUT] = image.output;
        x[SL_TERM_PREDICTION] = signal;
    } else {
        x[SL_TERM_SAMPLE] += signal * image.sample;
        x[SL_TERM_OUTPUT] += signal * image.output;
    }
    x[SL_TERM_NOISE] = at.deviation;
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
    .widening = widening,
};
