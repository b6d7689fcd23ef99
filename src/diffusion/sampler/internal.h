/* What a sampler's file defines, and what it works with. */
#ifndef SL_DIFFUSION_SAMPLER_INTERNAL_H
#define SL_DIFFUSION_SAMPLER_INTERNAL_H

#include "diffusion/sampler/sampler.h"

struct sl_sampling {
    sl_sampler_settings settings;
    sl_noise_schedule schedule;
    int steps;
    size_t count; /* elements of a sample */
    int calls;
    double *timesteps; /* calls */
    double *sigmas;    /* calls + 1, or NULL */
    double initial_scale;
    float *slot[SL_SAMPLING_SLOTS]; /* of `count` each, as many as the sampler asked for */
    float *next;                    /* of `count` */
};

struct sl_sampler {
    const char *name, *class_name;
    sl_spacing spacing; /* the class's default */
    int slots;
    bool takes_karras, takes_eta, uses_sigmas;
    bool scales_input;                                        /* by 1 / sqrt(sigma^2 + 1) */
    bool rounds;                                              /* the prediction, to float */
    bool clips;                                               /* the prediction, where the settings say so */
    bool (*wants_noise)(const sl_sampler_settings *settings); /* NULL: never */
    sl_status (*check)(const sl_sampler_settings *settings);  /* NULL: takes all */
    /* Fills timesteps (and sigmas, initial_scale); sets calls. The arrays have room for steps + 2. */
    sl_status (*plan)(sl_sampling *sampling);
    /* Fills the weights of a call, all of them 0 before but the input's. */
    void (*weigh)(const sl_sampling *sampling, int call, sl_sampling_weights *out);
    double (*widening)(const sl_sampling *sampling, int call, double variance); /* NULL: always 1 */
};

/* The three spacings for `steps` steps, from noisy to clean, into out[steps]; as doubles not yet rounded
 * where `fractional`. */
void sl_spacing_timesteps(const sl_sampler_settings *settings, int steps, bool fractional, double *out);

/* Noise levels: sigma of a fractional timestep by linear interpolation, the timestep of a sigma by
 * interpolation in log sigma, and the levels of Karras et al. 2022, equation 5 with rho = 7, from `high` down
 * to `low`. */
double sl_sigma_at(const sl_noise_schedule *schedule, double timestep);
double sl_sigma_timestep(const sl_noise_schedule *schedule, double sigma);
void sl_karras_sigmas(double high, double low, int count, double *out);

/* alpha_bar at t; below 0 what set_alpha_to_one says. */
double sl_alpha_bar_at(const sl_sampling *sampling, int t);

/* Every timestep is within the schedule, else SL_INVALID. */
sl_status sl_sampling_check_timesteps(const sl_sampling *sampling);

#endif
