/* Latents to images and back: whole, or in overlapping tiles (sl_pipeline_options.vae_tile_px).
 *
 * Tiles take less memory and give other numbers: group norms see the statistics of a tile, and attention its
 * pixels alone. */
#ifndef SL_DIFFUSION_AUTOENCODER_H
#define SL_DIFFUSION_AUTOENCODER_H

#include "diffusion/programs.h"

/* As sl_pipeline_decode and sl_pipeline_encode; *out_tile_px: the tiles' longer side, 0 where it was the
 * whole. */
sl_status sl_autoencoder_decode(const sl_bundle *bundle, sl_programs *programs, const sl_tensor *latents,
                                sl_tensor *out, int64_t *out_tile_px);
sl_status sl_autoencoder_encode(const sl_bundle *bundle, sl_programs *programs, const sl_tensor *images,
                                const float *noise, sl_tensor *out);

#endif
