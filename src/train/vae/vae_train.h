/* Training an autoencoder, and an autoencoder at work.
 *
 * Images have one channel outside and n x n inside: an n x n block of pixels is a vector (space-to-depth), so
 * the network needs no convolution at full resolution and is still a plain AutoencoderKL with n x n channels
 * in and out. */
#ifndef SL_TRAIN_VAE_TRAIN_H
#define SL_TRAIN_VAE_TRAIN_H

#include "model/vae.h"
#include "train/feed.h"
#include "train/trainer.h"

int sl_vae_block(const sl_vae_config *config); /* pixels a side folded into channels */

typedef enum sl_vae_part { SL_VAE_WHOLE, SL_VAE_ENCODER, SL_VAE_DECODER } sl_vae_part;

/* Loss: |e| + slope_weight * |difference of neighbours of e| + curvature_weight * |second difference of e| +
 * square_weight * e^2 + kl_weight * (nats a pixel), e the error of the reconstruction in -1..1, all as means.
 * Second differences see where blocks do not meet. */
typedef struct sl_vae_recipe {
    int crop_px;         /* side of a training crop, a multiple of block times reduction */
    int crops_per_image; /* cut from one image: simulating is dear */
    int batch;           /* crops in a micro-batch, a multiple of crops_per_image */
    double slope_weight, curvature_weight, square_weight, kl_weight;
    double latent_noise; /* largest deviation added to latents: a decoder that forgives a denoiser's errors */
    sl_dtype dtype;      /* of activations */
    uint64_t seed;
    sl_vae_part part; /* what learns; the latents' meaning stays where only one half does */
} sl_vae_recipe;
sl_vae_recipe sl_vae_recipe_default(void);

/* feed: 1 channel (the image), or 2 (the wanted image, and it as measured; each crop's input is one or the
 * other by a coin). holdout: a counted feed of the same kind. With keep-best options the best weights are in
 * the folder, the last ones in the model. */
sl_status sl_train_vae(sl_model *vae, const sl_vae_recipe *recipe, const sl_feed *feed,
                       const sl_feed *holdout, const sl_train_options *options, const sl_progress *progress,
                       sl_train_outcome *out);

/* A VAE at work on images [height, width], one channel, with fixed size and batch. */
typedef struct sl_vae_coder sl_vae_coder;
sl_status sl_vae_coder_new(sl_model *vae, int batch, int height_px, int width_px, bool decode, sl_dtype dtype,
                           sl_vae_coder **out);
void sl_vae_coder_free(sl_vae_coder *coder);             /* NULL is fine */
int64_t sl_vae_coder_latents(const sl_vae_coder *coder); /* numbers in one latent: height/16*2 ... */

/* count <= batch images -> mean and log variance, [count, h, w, C] each; logvar may be NULL. */
sl_status sl_vae_encode(sl_vae_coder *coder, const float *images, int count, float *mean, float *logvar);
/* Coder made with decode: count images -> the decoded means. */
sl_status sl_vae_round_trip(sl_vae_coder *coder, const float *images, int count, float *out);

#endif
