/* DDIM: Song et al. 2021, formula 12; eta scales the noise that is added back. */
#include "diffusion/sampler_internal.h"

#include <math.h>

static sl_status plan(sl_sampling *s) {
    sl_spacing_timesteps(&s->settings, s->steps, false, s->timesteps);
    s->calls = s->steps;
    return SL_OK;
}

static bool wants_noise(const sl_sampler_settings *settings) {
    return settings->eta > 0;
}

/* The predicted image and noise from one output value. */
static void predict(sl_prediction_type prediction, double a, double x, double output, double *out_image,
                    double *out_noise) {
    switch (prediction) {
    case SL_PREDICTION_SAMPLE:
        *out_image = output;
        *out_noise = (x - sqrt(a) * output) / sqrt(1 - a);
        break;
    case SL_PREDICTION_V:
        *out_image = sqrt(a) * x - sqrt(1 - a) * output;
        *out_noise = sqrt(a) * output + sqrt(1 - a) * x;
        break;
    default:
        *out_image = (x - sqrt(1 - a) * output) / sqrt(a);
        *out_noise = output;
    }
}

static void step(sl_sampling *s, int call, const float *output, const float *noise, float *sample) {
    int t = (int)s->timesteps[call], next = t - s->schedule.train_steps / s->steps;
    double a = sl_alpha_bar_at(s, t), b = sl_alpha_bar_at(s, next), range = s->settings.clip_range;
    double deviation = s->settings.eta > 0 ? s->settings.eta * sqrt((1 - b) / (1 - a) * (1 - a / b)) : 0;
    double direction = sqrt(1 - b - deviation * deviation);
    for (size_t i = 0; i < s->count; i++) {
        double image, error;
        predict(s->settings.prediction, a, (double)sample[i], (double)output[i], &image, &error);
        if (s->settings.clip_sample) image = image < -range ? -range : image > range ? range : image;
        double x = sqrt(b) * image + direction * error;
        if (deviation > 0) x += deviation * (double)noise[i];
        sample[i] = (float)x;
    }
}

const sl_sampler sl_sampler_ddim = {
    .name = "ddim",
    .class_name = "DDIMScheduler",
    .spacing = SL_SPACING_LEADING,
    .wants_noise = wants_noise,
    .plan = plan,
    .step = step,
};
