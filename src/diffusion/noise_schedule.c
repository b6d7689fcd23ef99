#include "diffusion/noise_schedule.h"

#include <math.h>

/* Evenly spaced floats as torch.linspace makes them: from each end to the middle. */
static float linspace_at(float first, float last, int count, int i) {
    if (count == 1) return first;
    float step = (last - first) / (float)(count - 1);
    return i < count / 2 ? first + step * (float)i : last - step * (float)(count - 1 - i);
}

static double squared_cosine(double fraction) {
    double c = cos((fraction + 0.008) / 1.008 * 3.14159265358979323846 / 2);
    return c * c;
}

static float beta_at(const sl_noise_schedule_settings *settings, int i) {
    int count = (int)settings->train_steps;
    switch (settings->betas) {
    case SL_BETAS_SCALED_LINEAR: {
        float root =
            linspace_at((float)sqrt(settings->beta_start), (float)sqrt(settings->beta_end), count, i);
        return root * root;
    }
    case SL_BETAS_SQUARED_COSINE: {
        double beta = 1 - squared_cosine((double)(i + 1) / count) / squared_cosine((double)i / count);
        return (float)(beta < 0.999 ? beta : 0.999);
    }
    default:
        return linspace_at((float)settings->beta_start, (float)settings->beta_end, count, i);
    }
}

/* Running product in double, stored as float. */
static void accumulate(float *alpha, int count) {
    double product = 1;
    for (int i = 0; i < count; i++) {
        product *= (double)alpha[i];
        alpha[i] = (float)product;
    }
}

/* alpha_bar in, alpha_bar of the rescaled schedule out: sqrt(a) is shifted and stretched so that the first
 * value stays and the last becomes 0. */
static void rescale_to_zero_terminal_snr(float *alpha_bar, int count) {
    float first = sqrtf(alpha_bar[0]), last = sqrtf(alpha_bar[count - 1]), before = 1;
    float stretch = first / (first - last);
    for (int i = 0; i < count; i++) {
        float root = (sqrtf(alpha_bar[i]) - last) * stretch, rescaled = root * root;
        float beta = 1 - (i == 0 ? rescaled : rescaled / before);
        alpha_bar[i] = 1 - beta;
        before = rescaled;
    }
    accumulate(alpha_bar, count);
}

sl_status sl_noise_schedule_new(const sl_noise_schedule_settings *settings, sl_noise_schedule *out) {
    if (settings->train_steps < 1 || settings->train_steps > SL_LIMIT_TRAIN_STEPS)
        return sl_fail(SL_INVALID, "%lld training timesteps, expected 1 to %d",
                       (long long)settings->train_steps, SL_LIMIT_TRAIN_STEPS);
    if (!(settings->beta_start >= 0 && settings->beta_end < 1 && settings->beta_start <= settings->beta_end))
        return sl_fail(SL_INVALID, "betas from %g to %g, expected 0 <= first <= last < 1",
                       settings->beta_start, settings->beta_end);
    int count = (int)settings->train_steps;
    float *alpha_bar;
    SL_TRY(sl_alloc(&alpha_bar, (size_t)count, sizeof *alpha_bar));
    for (int i = 0; i < count; i++) alpha_bar[i] = 1 - beta_at(settings, i);
    accumulate(alpha_bar, count);
    if (settings->zero_terminal_snr) rescale_to_zero_terminal_snr(alpha_bar, count);
    *out = (sl_noise_schedule){count, alpha_bar};
    return SL_OK;
}

void sl_noise_schedule_free(sl_noise_schedule *schedule) {
    sl_free(schedule->alpha_bar);
    *schedule = (sl_noise_schedule){0};
}

void sl_noise_schedule_add_noise(const sl_noise_schedule *schedule, int t, const float *x0,
                                 const float *noise, float *out, size_t count) {
    float signal = sqrtf(schedule->alpha_bar[t]), share = sqrtf(1 - schedule->alpha_bar[t]);
    for (size_t i = 0; i < count; i++) out[i] = signal * x0[i] + share * noise[i];
}

void sl_noise_schedule_velocity(const sl_noise_schedule *schedule, int t, const float *x0, const float *noise,
                                float *out, size_t count) {
    float signal = sqrtf(schedule->alpha_bar[t]), share = sqrtf(1 - schedule->alpha_bar[t]);
    for (size_t i = 0; i < count; i++) out[i] = signal * noise[i] - share * x0[i];
}

float sl_noise_schedule_snr(const sl_noise_schedule *schedule, int t) {
    return schedule->alpha_bar[t] / (1 - schedule->alpha_bar[t]);
}

float sl_noise_schedule_sigma(const sl_noise_schedule *schedule, int t) {
    return sqrtf((1 - schedule->alpha_bar[t]) / schedule->alpha_bar[t]);
}
