#include "train/noising.h"

#include "base/random/random.h"

#include <math.h>
#include <string.h>

/* The timestep at `place`, 0 to 1, of all draws in order of noise: the share is the last of them. A place
 * next to 1 may round to the number of steps, which is none. */
static int timestep_at(const sl_noising *noising, double place) {
    const double noisiest = 0.2;
    double rest = 1 - noising->noisy_share;
    double t = place < rest ? place / rest : 1 - noisiest * (1 - place) / noising->noisy_share;
    int steps = noising->schedule->train_steps, timestep = (int)(t * steps);
    return timestep < steps ? timestep : steps - 1;
}

int sl_noising_timestep(const sl_noising *noising, uint32_t sample) {
    sl_random random = sl_random_stream(noising->seed, SL_STREAM_TIMESTEP, sample);
    if (noising->noisy_share > 0) return timestep_at(noising, sl_random_uniform(&random));
    return (int)sl_random_below(&random, (uint32_t)noising->schedule->train_steps);
}

int sl_noising_timestep_spread(const sl_noising *noising, uint32_t step, int k, int batch) {
    sl_random random = sl_random_stream(noising->seed, SL_STREAM_TIMESTEP, step);
    double place = (double)k / batch + sl_random_uniform(&random);
    return timestep_at(noising, place - floor(place));
}

static void mix(const sl_noising *noising, int timestep, const float *clean, const float *noise, size_t count,
                float *noisy, float *target) {
    if (target && noising->prediction == SL_PREDICTION_V)
        sl_noise_schedule_velocity(noising->schedule, timestep, clean, noise, target, count);
    else if (target)
        memcpy(target, noising->prediction == SL_PREDICTION_EPSILON ? noise : clean, count * sizeof *target);
    sl_noise_schedule_add_noise(noising->schedule, timestep, clean, noise, noisy, count);
}

enum { BLOCK = 1024 }; /* numbers mixed at a time: the noise needs no memory of its own */

void sl_noising_apply(const sl_noising *noising, uint32_t sample, int timestep, const float *clean,
                      size_t pixels, int channels, float *noisy, float *target) {
    sl_random random = sl_random_stream(noising->seed, SL_STREAM_NOISE, sample);
    float noise[BLOCK], shift[64] = {0};
    if (noising->noise_offset != 0)
        for (int c = 0; c < channels && c < 64; c++)
            shift[c] = (float)(noising->noise_offset * sl_random_normal(&random));
    size_t count = pixels * (size_t)channels, done = 0;
    while (done < count) {
        size_t part = count - done < BLOCK ? count - done : BLOCK;
        sl_random_normals(&random, noise, part);
        if (noising->noise_offset != 0)
            for (size_t i = 0; i < part; i++) noise[i] += shift[(done + i) % (size_t)channels % 64];
        mix(noising, timestep, clean + done, noise, part, noisy + done, target ? target + done : NULL);
        done += part;
    }
}

double sl_noising_weight(const sl_noising *noising, int timestep) {
    double gamma = noising->min_snr_gamma;
    if (gamma <= 0) return 1;
    double ratio = (double)sl_noise_schedule_snr(noising->schedule, timestep),
           capped = ratio < gamma ? ratio : gamma;
    if (noising->prediction == SL_PREDICTION_EPSILON) return ratio > 0 ? capped / ratio : 1;
    return noising->prediction == SL_PREDICTION_V ? capped / (ratio + 1) : capped;
}

/* Draw `number` (0, 1, 2) of what is left out of a sample. */
static bool drops(const sl_noising *noising, uint32_t sample, int number, double probability) {
    sl_random random = sl_random_stream(noising->seed, SL_STREAM_AUGMENT, sample);
    double drawn = 1;
    for (int i = 0; i <= number; i++) drawn = sl_random_uniform(&random);
    return drawn < probability;
}

bool sl_noising_drops_caption(const sl_noising *noising, uint32_t sample, double probability) {
    return drops(noising, sample, 0, probability);
}

bool sl_noising_drops_beam(const sl_noising *noising, uint32_t sample, double probability) {
    return drops(noising, sample, 1, probability);
}

bool sl_noising_drops_sketch(const sl_noising *noising, uint32_t sample, double probability) {
    return drops(noising, sample, 2, probability);
}
