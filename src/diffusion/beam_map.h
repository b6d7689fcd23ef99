/* What each place of a latent is to the direct beam, as further channels for a denoiser.
 *
 * Scattering is laid out around the beam: rings are circles about it, sides mirror each other across it. A
 * small denoiser that is told where it looks need not work that out of noise (coordinate channels: Liu et
 * al., arXiv 1807.03247; waves of several lengths: Tancik et al., arXiv 2006.10739). */
#ifndef SL_DIFFUSION_BEAM_MAP_H
#define SL_DIFFUSION_BEAM_MAP_H

#include "diffusion/sketch.h"
#include "model/unet.h"

#include <stdbool.h>
#include <stdint.h>

/* Pixels from the outer corner of the image's first one; may lie outside of the frame. */
typedef struct sl_direct_beam {
    bool known;
    double row_px, column_px;
} sl_direct_beam;

/* known; across, down and distance in units of 128 px, up to 3; cosine and sine of the azimuth and of twice
 * it; cosine and sine over the distance in waves of 128, 64, 32 and 16 px, over across and over down in waves
 * of 64, 32 and 16 px. */
enum { SL_BEAM_CHANNELS = 28 };

/* With them, for denoisers that take radial profiles, how much nearer each part of a place is than 384 px, in
 * the same units (model/unet.h). */
enum { SL_BEAM_CHANNELS_SPLIT = SL_BEAM_CHANNELS + SL_UNET_SPLITS };

/* With both, for those that take cuts and rays, where columns and rows of parts and the azimuth are. */
enum { SL_BEAM_CHANNELS_LINES = SL_BEAM_CHANNELS_SPLIT + SL_UNET_LINES };

/* With all of them, for those that take a sketch, what it shows (diffusion/sketch.h). */
enum { SL_BEAM_CHANNELS_SKETCH = SL_BEAM_CHANNELS_LINES + SL_UNET_SKETCH };

/* As many as the denoiser needs, had it a map. */
int sl_beam_channels_for(const sl_unet_config *config);

/* out[height, width, channels], channels being one of the four numbers and a place place_px pixels wide; all
 * 0 where the beam is not known. sketch may be NULL: not known. */
void sl_beam_map(const sl_direct_beam *beam, const sl_sketch *sketch, int64_t height, int64_t width,
                 double place_px, int64_t channels, float *out);

#endif
