/* An autoencoder that begins as the best linear code, in closed form.
 *
 * Expectations are smooth: of an 8 x 8 block, level, slopes and curvatures (the six lowest modes of its
 * cosine transform) say nearly all. The latent is exactly these modes, scaled; the decoder begins as the
 * least-squares map from a latent and its eight neighbours to the block. What can be solved for need not be
 * trained, and latents mean the same however the decoder is improved later. */
#ifndef SL_TRAIN_VAE_LINEAR_H
#define SL_TRAIN_VAE_LINEAR_H

#include "model/model.h"
#include "train/feed.h"

/* Sets all values of `vae`, which has one level, no attention, both quantising convolutions, at least six
 * channels in a normalisation group and a group for every two latent channels. Statistics and decoder are
 * fitted to `images` items of the one-channel feed (memory: 4 bytes a pixel of each). Mode k of mean m and
 * deviation s_k becomes latent channel k as (mode - m) / sqrt(s_k s_0): the level varies by 1, finer modes by
 * less, so that a denoiser settles the coarse before the fine (compare Skorokhodov et al., arXiv 2502.14831).
 * Before: sl_params_initialise, which gives the channels that carry nothing yet. */
sl_status sl_vae_start_linear(sl_model *vae, const sl_feed *feed, int images);

#endif
