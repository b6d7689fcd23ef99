/* From words to images: prompts to token ids to embeddings, a sampler around the denoiser, latents to pixels.
 *
 * A pipeline keeps compiled programs for the shapes it has met (a few of each kind), so that a second run of
 * the same shape starts at once. Used by one thread at a time. Latents are [N, h, w, C] and images [N, H, W,
 * C], in the denoiser's and the autoencoder's own scale; what the values mean is the bundle's `space`. */
#ifndef SL_DIFFUSION_PIPELINE_H
#define SL_DIFFUSION_PIPELINE_H

#include "base/progress.h"
#include "diffusion/beam_map.h"
#include "diffusion/bundle.h"
#include "diffusion/noise.h"
#include "nn/lora.h"

typedef struct sl_pipeline_options {
    sl_dtype dtype; /* of the computation: SL_F32, SL_BF16 or SL_F16; samplers always work in F32 */
    const sl_lora *const
        *loras; /* live adapters on the denoiser; for speed merge them into its weights instead */
    int lora_count;
    int clip_skip;
    int64_t vae_tile_px; /* images go through the autoencoder in overlapping tiles of that side, a multiple of
                            sl_bundle_reduction; 0: whole, or in tiles where a device has no room for that */
    sl_plan_options plan;
} sl_pipeline_options;

typedef struct sl_pipeline sl_pipeline;

/* Borrows the bundle and the adapters, which must have weights that stay as they are. options may be NULL:
 * F32, nothing else. */
sl_status sl_pipeline_new(const sl_bundle *bundle, const sl_pipeline_options *options, sl_pipeline **out);
void sl_pipeline_free(sl_pipeline *pipeline); /* NULL is fine */

typedef struct sl_generation {
    int64_t count;                /* images */
    const char *const *prompts;   /* [prompt_count]; image i takes prompt i % prompt_count */
    const char *const *negatives; /* the same number, or NULL for empty ones */
    int64_t prompt_count;
    const sl_direct_beam
        *beams; /* [count] where the direct beam is; NULL: not known. For denoisers that take it */
    const sl_sketch *sketches; /* [count] what is where about the beam; NULL: not known. Likewise */
    int64_t height, width;     /* pixels; 0: what the denoiser was trained at */
    int steps;                 /* 0: 30 */
    sl_sampling_way way;
    double guidance_rescale;            /* Lin et al. 2023, section 3.4; 0: none */
    const sl_sampler_settings *sampler; /* NULL: the bundle's */
    sl_noise_kind noise;
    uint64_t seed;
    uint32_t first_image; /* index of image 0 in its run */
    int64_t batch;        /* images at a time; 0: 4. SL_NOISE_TORCH_SHARED: all, at most 2048 */
    bool latents_only;    /* leave out decoding */

    /* After each step: the latents of images first..first+count-1, [count, h, w, C]; may be NULL. The
     * pipeline is at work meanwhile. */
    void (*on_step)(void *context, int call, int64_t first, const sl_tensor *latents);
    void *context;
    const sl_progress *progress; /* may be NULL; unit "step" */
} sl_generation;

typedef struct sl_generated {
    sl_tensor latents; /* [count, h, w, C] */
    sl_tensor images;  /* [count, H, W, channels]; data NULL where latents_only */
    int64_t tile_px;   /* of the tiles that they were decoded in; 0: whole */
    int cut_prompts;   /* prompts longer than the text encoder takes, which lost their end */
} sl_generated;

/* Images from noise, `count` of them in batches; the same noise for an image whatever the batch. *out is the
 * caller's (sl_generated_free), and as it was on failure: SL_INVALID for a request that makes no sense (a
 * side that is no multiple of the bundle's reduction, a share outside 0..1), SL_LIMIT for a batch or side
 * that is too large, SL_CANCELLED between steps, SL_MEMORY. */
sl_status sl_pipeline_generate(sl_pipeline *pipeline, const sl_generation *generation, sl_generated *out);
void sl_generated_free(sl_generated *generated);

/* The parts by themselves. */

/* Embeddings [L, E] of one text into out[]; *out_cut (may be NULL) tells whether its end was lost. */
sl_status sl_pipeline_encode_text(sl_pipeline *pipeline, const char *text, float *out, bool *out_cut);
sl_shape sl_pipeline_text_shape(const sl_pipeline *pipeline); /* [L, E] */

/* Whether the denoiser can be told where the beam is. */
bool sl_pipeline_takes_beam(const sl_pipeline *pipeline);
/* And what is where about it. */
bool sl_pipeline_takes_sketch(const sl_pipeline *pipeline);

/* Images [N, H, W, C] of latents [N, h, w, C]; a new tensor. */
sl_status sl_pipeline_decode(sl_pipeline *pipeline, const sl_tensor *latents, sl_tensor *out);

/* Latents [N, h, w, C] of images [N, H, W, C]; a new tensor. noise [N, h, w, C] draws from the posterior;
 * NULL: its mean. */
sl_status sl_pipeline_encode(sl_pipeline *pipeline, const sl_tensor *images, const float *noise,
                             sl_tensor *out);

#endif
