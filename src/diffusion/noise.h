/* The noise of a run: initial latents, then whatever a sampler draws between steps. */
#ifndef SL_DIFFUSION_NOISE_H
#define SL_DIFFUSION_NOISE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

typedef enum sl_noise_kind {
    SL_NOISE_COUNTER,      /* ours: image k of a run is a function of (seed, k) alone, on every machine */
    SL_NOISE_TORCH,        /* each image its own torch CPU generator, seeded seed + k */
    SL_NOISE_TORCH_CUDA,   /* the same with torch's CUDA generators, float32 */
    SL_NOISE_TORCH_SHARED, /* one torch CPU generator for the batch, as diffusers with one generator */
} sl_noise_kind;

typedef struct sl_noise sl_noise;

/* For images first_image .. first_image + images - 1 of a run, `elements` values each (order C, H, W). */
sl_status sl_noise_new(sl_noise_kind kind, uint64_t seed, uint32_t first_image, int images, size_t elements,
                       sl_noise **out);
void sl_noise_free(sl_noise *noise); /* NULL is fine */

/* images * elements standard normals into out[]. The first call gives the initial latents, each later one the
 * noise of one step. */
void sl_noise_draw(sl_noise *noise, float *out);

/* In place of a later draw, of SL_NOISE_COUNTER alone: the key by which an operation of a graph draws that
 * noise (sl_random_noise), which is the same to the bit on the CPU. */
void sl_noise_key(sl_noise *noise, int32_t out_key[6]);

#endif
