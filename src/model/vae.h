/* AutoencoderKL: image to latent distribution and back (Rombach et al., arXiv 2112.10752), as diffusers names
 * and computes it. */
#ifndef SL_MODEL_VAE_H
#define SL_MODEL_VAE_H

#include "model/model.h"
#include "nn/nn.h"

typedef struct sl_vae_config {
    int64_t sample_size;
    int64_t in_channels, out_channels, latent_channels;
    sl_config_list
        block_out_channels; /* one a level, fine to coarse; each level but the last halves the side */
    sl_config_list down_blocks, up_blocks;
    int64_t layers_per_block; /* residual blocks a level in the encoder; the decoder has one more */
    int64_t norm_num_groups;
    double scaling_factor; /* model-space latent = (latent - shift) * scale */
    double shift_factor;
    sl_config_reals latents_mean, latents_std; /* per channel; where given: ((latent - mean) / std) * scale */
    bool mid_block_add_attention, use_quant_conv, use_post_quant_conv, force_upcast;
} sl_vae_config;

extern const sl_model_kind sl_vae_kind;

/* Side of the image over side of the latent. */
int64_t sl_vae_reduction(const sl_vae_config *config);

/* Mean and log variance (clamped to -30..20), each [N, H/f, W/f, C], of image [N, H, W, in_channels]. */
typedef struct sl_vae_moments {
    sl_value mean, logvar;
} sl_vae_moments;
sl_vae_moments sl_vae_encode_build(sl_nn *nn, const sl_vae_config *config, sl_value image);

/* mean + exp(logvar/2) * noise */
sl_value sl_vae_sample_build(sl_nn *nn, sl_vae_moments moments, sl_value noise);

/* image [N, H, W, out_channels] of latent [N, H/f, W/f, C]. */
sl_value sl_vae_decode_build(sl_nn *nn, const sl_vae_config *config, sl_value latent);

/* Between the autoencoder's latents and those of the denoiser, in place: `pixels` values of latent_channels
 * each. */
void sl_vae_latents_to_model(const sl_vae_config *config, float *latents, int64_t pixels);
void sl_vae_latents_from_model(const sl_vae_config *config, float *latents, int64_t pixels);

#endif
