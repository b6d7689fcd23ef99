/* From clean latents to what a denoiser is trained on: noisy input, target, weight.
 *
 * Everything random is keyed by (seed, sample number), so sample k of a run is the same for any batch size,
 * order or number of threads. */
#ifndef SL_TRAIN_NOISING_H
#define SL_TRAIN_NOISING_H

#include "diffusion/noise_schedule.h"
#include "diffusion/sampler/sampler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sl_noising {
    const sl_noise_schedule *schedule;
    sl_prediction_type prediction;
    double min_snr_gamma; /* 0: all weights 1 */
    double noise_offset;  /* a common shift of each channel's noise; 0: none */
    double noisy_share;   /* of the timesteps fall on the noisiest fifth of the schedule besides; 0: none */
    uint64_t seed;
} sl_noising;

/* Integer timestep of a sample: uniform, but for the share that falls on the noisiest fifth. What is decided
 * there (how bright, how fast the fall-off) is large in the image and short in the schedule, the more so the
 * more places a latent has (Hoogeboom et al. 2023, section 3.1). */
int sl_noising_timestep(const sl_noising *noising, uint32_t sample);

/* The same spread evenly over the `batch` samples of an update (sample k of update `step`): less noise in the
 * loss. */
int sl_noising_timestep_spread(const sl_noising *noising, uint32_t step, int k, int batch);

/* clean, noisy and target [pixels, channels]; target may be NULL. */
void sl_noising_apply(const sl_noising *noising, uint32_t sample, int timestep, const float *clean,
                      size_t pixels, int channels, float *noisy, float *target);

/* Weight of a sample's loss: min(SNR, gamma)/SNR for noise, /(SNR+1) for velocity, min(SNR, gamma) for x_0
 * (Hang et al., arXiv 2303.09556); 1 without gamma. */
double sl_noising_weight(const sl_noising *noising, int timestep);

/* Whether the caption of a sample is left out, so that the denoiser also learns without one. */
bool sl_noising_drops_caption(const sl_noising *noising, uint32_t sample, double probability);
/* The same, drawn apart, of the beam's place. */
bool sl_noising_drops_beam(const sl_noising *noising, uint32_t sample, double probability);
/* And of the sketch. */
bool sl_noising_drops_sketch(const sl_noising *noising, uint32_t sample, double probability);

#endif
