/* Noise schedules: how much signal is left at each training timestep.
 *
 * x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise, with a_t the running product of 1 - beta_t ("alphas_cumprod").
 * The tables are rounded to float in the places where diffusers rounds them, since samplers amplify the
 * difference. Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear), Nichol and Dhariwal 2021
 * (squared cosine), Lin et al. 2023, algorithm 1 (zero terminal signal-to-noise ratio). */
#ifndef SL_DIFFUSION_NOISE_SCHEDULE_H
#define SL_DIFFUSION_NOISE_SCHEDULE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { SL_LIMIT_TRAIN_STEPS = 100000 };

/* SL_BETAS(NAME, name in scheduler_config.json) */
#define SL_BETAS_TABLE                                                                                       \
    SL_BETAS(LINEAR, "linear")                                                                               \
    SL_BETAS(SCALED_LINEAR, "scaled_linear")                                                                 \
    SL_BETAS(SQUARED_COSINE, "squaredcos_cap_v2")

typedef enum sl_betas {
#define SL_BETAS(name, text) SL_BETAS_##name,
    SL_BETAS_TABLE
#undef SL_BETAS
        SL_BETAS_COUNT
} sl_betas;

typedef struct sl_noise_schedule_settings {
    sl_betas betas;
    int64_t train_steps;
    double beta_start, beta_end; /* not used by the squared cosine */
    bool zero_terminal_snr;
} sl_noise_schedule_settings;

typedef struct sl_noise_schedule {
    int train_steps;
    float *alpha_bar; /* a_t for t = 0..train_steps-1 */
} sl_noise_schedule;

/* *out is the caller's (sl_noise_schedule_free). SL_INVALID for betas that are not 0 <= first <= last < 1, or
 * fewer than one or too many timesteps. */
sl_status sl_noise_schedule_new(const sl_noise_schedule_settings *settings, sl_noise_schedule *out);
void sl_noise_schedule_free(sl_noise_schedule *schedule);

/* For training: out = x_t, and the target of v-prediction, sqrt(a_t) noise - sqrt(1 - a_t) x_0; `count`
 * elements of one image at timestep t. out may be one of the inputs. */
void sl_noise_schedule_add_noise(const sl_noise_schedule *schedule, int t, const float *x0,
                                 const float *noise, float *out, size_t count);
void sl_noise_schedule_velocity(const sl_noise_schedule *schedule, int t, const float *x0, const float *noise,
                                float *out, size_t count);

float sl_noise_schedule_snr(const sl_noise_schedule *schedule, int t);   /* a_t / (1 - a_t) */
float sl_noise_schedule_sigma(const sl_noise_schedule *schedule, int t); /* sqrt((1 - a_t) / a_t) */

#endif
