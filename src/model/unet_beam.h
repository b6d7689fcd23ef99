/* Layers of our denoiser that UNet2DCondition does not have: what its places tell each other by where they
 * lie about the direct beam. A convolution sees eight pixels on either side; a ring, the orders on one line
 * from the beam or the rods of a lattice belong together across the whole frame. */
#ifndef SL_MODEL_UNET_BEAM_H
#define SL_MODEL_UNET_BEAM_H

#include "model/unet.h"

/* What the layers of one graph share. */
typedef struct sl_unet_beam {
    sl_nn *nn;
    const sl_unet_config *config;
    sl_value time, context; /* as the denoiser's blocks take them */
    /* Where places are, beyond the last one where they are in none; SL_NONE: there are no such layers. */
    sl_rings ring;        /* [N, H*W], of places */
    sl_rings ray;         /* the same */
    sl_rings bin;         /* [N, H*W*SL_UNET_SPLITS], of their parts */
    sl_rings column, row; /* [N, W*SL_UNET_SPLIT] and [N, H*SL_UNET_SPLIT], of the frame's columns and rows */
} sl_unet_beam;

/* map [N, H, W, beam_channels] as in sl_unet_build. */
sl_unet_beam sl_unet_beam_open(sl_nn *nn, const sl_unet_config *config, sl_value map, sl_value time,
                               sl_value context);

/* Channels of the map that join the first convolution, which come first. */
int64_t sl_unet_beam_told(const sl_unet_config *config);

/* x [N, H, W, C] plus what the means over its rings and rays say: layers rings.<index>, rays.<index>. */
sl_value sl_unet_beam_means(const sl_unet_beam *beam, int index, sl_value x);

/* x plus what its radial profiles and its cuts say: layers profiles.<index>, cuts.<index>. */
sl_value sl_unet_beam_profiles(const sl_unet_beam *beam, int index, sl_value x);

#endif
