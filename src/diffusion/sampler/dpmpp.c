/* DPM-Solver++ of first and second order, multistep (Lu et al. 2022b, algorithm 2), in its deterministic and
 * its stochastic form. With sigma' the noise level, alpha = 1/sqrt(sigma'^2 + 1), sigma = sigma' alpha and
 * lambda = ln alpha - ln sigma = -ln sigma'. The first step, and the last one to noise level 0, are of first
 * order. */
#include "diffusion/sampler/internal.h"

#include <math.h>

static sl_status check(const sl_sampler_settings *settings) {
    if (settings->solver_order < 1 || settings->solver_order > 2)
        return sl_fail(SL_UNSUPPORTED, "solver_order %lld, orders 1 and 2 are here",
                       (long long)settings->solver_order);
    return SL_OK;
}

static sl_status plan(sl_sampling *s) {
    const sl_sampler_settings *settings = &s->settings;
    int n = s->steps, last = s->schedule.train_steps - 1;
    /* diffusers spaces one more step than asked for and drops the last, except for "trailing". */
    int spaced = settings->spacing == SL_SPACING_TRAILING ? n : n + 1;
    sl_spacing_timesteps(settings, spaced, false, s->timesteps);
    if (settings->karras) {
        sl_karras_sigmas((double)sl_noise_schedule_sigma(&s->schedule, last),
                         (double)sl_noise_schedule_sigma(&s->schedule, 0), n, s->sigmas);
        for (int i = 0; i < n; i++) {
            double t = sl_sigma_timestep(&s->schedule, s->sigmas[i]);
            s->timesteps[i] = settings->schedule.betas == SL_BETAS_SQUARED_COSINE ? floor(t) : nearbyint(t);
        }
    } else {
        for (int i = 0; i < n; i++) s->sigmas[i] = sl_sigma_at(&s->schedule, s->timesteps[i]);
    }
    s->sigmas[n] = settings->last_sigma_is_min ? (double)sl_noise_schedule_sigma(&s->schedule, 0) : 0;
    for (int i = 0; i <= n; i++) s->sigmas[i] = (double)(float)s->sigmas[i];
    s->calls = n;
    return SL_OK;
}

/* The output as a prediction of the clean image. */
static void predict_image(const sl_sampling *s, double level, double *image) {
    double alpha = 1 / sqrt(level * level + 1), sigma = level * alpha;
    switch (s->settings.prediction) {
    case SL_PREDICTION_SAMPLE:
        image[SL_TERM_OUTPUT] = 1;
        break;
    case SL_PREDICTION_V:
        image[SL_TERM_SAMPLE] = alpha;
        image[SL_TERM_OUTPUT] = -sigma;
        break;
    default:
        image[SL_TERM_SAMPLE] = 1 / alpha;
        image[SL_TERM_OUTPUT] = -sigma / alpha;
    }
}

static bool first_order(const sl_sampling *s, int call) {
    const sl_sampler_settings *settings = &s->settings;
    if (settings->solver_order == 1 || call == 0) return true;
    if (call != s->calls - 1) return false;
    return settings->euler_at_final || (settings->lower_order_final && s->calls < 15) ||
           !settings->last_sigma_is_min;
}

/* x = keep x + image D0 + change D1 + noise: the weights of one step. */
typedef struct rule {
    double keep, image, change, noise;
} rule;

static rule rule_of(const sl_sampling *s, int call, bool first) {
    double from = s->sigmas[call], to = s->sigmas[call + 1];
    double alpha = 1 / sqrt(to * to + 1), sigma = to * alpha, h = log(from) - log(to); /* inf at level 0 */
    double ratio = sigma * sqrt(from * from + 1) / from;
    rule w;
    if (s->settings.stochastic_solver) {
        w = (rule){ratio * exp(-h), alpha * (1 - exp(-2 * h)), 0, sigma * sqrt(1 - exp(-2 * h))};
        if (!first)
            w.change = s->settings.heun_solver ? alpha * ((1 - exp(-2 * h)) / (-2 * h) + 1) : w.image / 2;
    } else {
        w = (rule){ratio, -alpha * (exp(-h) - 1), 0, 0};
        if (!first) w.change = s->settings.heun_solver ? alpha * ((exp(-h) - 1) / h + 1) : w.image / 2;
    }
    if (!first)
        w.change *= h / (log(s->sigmas[call - 1]) - log(from)); /* D1 = (D0 - before) / r, r = h_before / h */
    return w;
}

static void weigh(const sl_sampling *s, int call, sl_sampling_weights *out) {
    rule w = rule_of(s, call, first_order(s, call));
    double *x = out->of[SL_SUM_SAMPLE];
    predict_image(s, s->sigmas[call], out->of[SL_SUM_PREDICTION]);
    x[SL_TERM_SAMPLE] = w.keep;
    x[SL_TERM_PREDICTION] = w.image + w.change;
    x[SL_TERM_SLOT] = -w.change;
    x[SL_TERM_NOISE] = w.noise;
    out->of[SL_SUM_SLOT][SL_TERM_PREDICTION] = 1;
}

static bool wants_noise(const sl_sampler_settings *settings) {
    return settings->stochastic_solver;
}

const sl_sampler sl_sampler_dpmpp_2m = {
    .name = "dpmpp_2m",
    .class_name = "DPMSolverMultistepScheduler",
    .spacing = SL_SPACING_LINSPACE,
    .slots = 1, /* the prediction before */
    .rounds = true,
    .takes_karras = true,
    .uses_sigmas = true,
    .wants_noise = wants_noise,
    .check = check,
    .plan = plan,
    .weigh = weigh,
};
