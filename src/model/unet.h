/* UNet2DCondition: the denoiser of Stable Diffusion 1.x and 2.x (Rombach et al., arXiv 2112.10752), as
 * diffusers names and computes it. */
#ifndef SL_MODEL_UNET_H
#define SL_MODEL_UNET_H

#include "model/model.h"
#include "nn/nn.h"

typedef enum sl_unet_down_block { SL_DOWN_CROSS_ATTN, SL_DOWN_PLAIN } sl_unet_down_block;
typedef enum sl_unet_up_block { SL_UP_PLAIN, SL_UP_CROSS_ATTN } sl_unet_up_block;

/* Channels of the map of the beam that rings are laid by: whether it is known (1 or 0), and the distance from
 * it, in units of which the rings cover SL_UNET_BEAM_FARTHEST. */
enum { SL_UNET_BEAM_KNOWN = 0, SL_UNET_BEAM_DISTANCE = 3, SL_UNET_BEAM_FARTHEST = 3 };

/* For radial profiles each place is split in this many a side, and the map's last SL_UNET_SPLITS channels say
 * of each part, row by row, how much nearer it is to the beam than SL_UNET_BEAM_FARTHEST; 0: not nearer, or
 * not known. Profiles have SL_UNET_PROFILE_BINS rings over that distance. */
enum { SL_UNET_SPLIT = 8, SL_UNET_SPLITS = SL_UNET_SPLIT * SL_UNET_SPLIT, SL_UNET_PROFILE_BINS = 384 };

/* For cuts and rays SL_UNET_LINES further channels are the last ones: of each column of a place's parts how
 * much nearer it is, to the left or to the right, than SL_UNET_BEAM_FARTHEST; of each row of them the same,
 * with the distance that it lies below what is SL_UNET_BEAM_BELOW under the beam turned upwards; and 2 less
 * the azimuth of the line through beam and place, in half turns. 0: not nearer, or not known. */
enum { SL_UNET_LINES = 2 * SL_UNET_SPLIT + 1 };
#define SL_UNET_BEAM_BELOW 0.5

/* For sketches SL_UNET_SKETCH channels follow all others: 1 where there is one, and for each of
 * SL_UNET_SKETCH_KINDS what it shows on each part of a place, row by row; 0: nothing, or not known. */
enum { SL_UNET_SKETCH_KINDS = 3, SL_UNET_SKETCH = 1 + SL_UNET_SKETCH_KINDS * SL_UNET_SPLITS };

typedef struct sl_unet_config {
    int64_t sample_size; /* latent side at which it was trained; nothing depends on it */
    int64_t in_channels, out_channels;
    sl_config_list block_out_channels;  /* one a level, fine to coarse */
    sl_config_list down_blocks;         /* sl_unet_down_block, fine to coarse */
    sl_config_list up_blocks;           /* sl_unet_up_block, coarse to fine */
    sl_config_list attention_head_dim;  /* the number of heads, one for all levels or one a level */
    sl_config_list num_attention_heads; /* overrides it where given */
    sl_config_list
        transformer_layers; /* transformer blocks in one attention, one for all levels or one a level */
    int64_t layers_per_block;
    int64_t cross_attention_dim;
    int64_t norm_num_groups;
    double norm_eps;
    bool flip_sin_to_cos;
    double freq_shift;
    bool use_linear_projection;
    int64_t beam_channels; /* of a map of the direct beam, which joins behind the first convolution; 0: none.
                              The last ones say where profiles, cuts and rays are drawn instead */
    int64_t beam_rings;    /* about the beam, over which blocks of the finest level exchange means; 0: none */
    int64_t beam_rays;     /* lines through the beam, likewise; 0: none */
    int64_t beam_profiles; /* radial profiles that blocks of the finest level exchange; 0: none */
    int64_t beam_cuts;     /* profiles across and down, likewise; 0: none */
    bool beam_attention;   /* steps along profiles and cuts attend to each other and the caption */
    bool beam_sketch;      /* the map ends with a sketch of what is where */
} sl_unet_config;

extern const sl_model_kind sl_unet_kind;

int64_t sl_unet_heads(const sl_unet_config *config, int level);
int64_t sl_unet_transformer_layers(const sl_unet_config *config, int level);

/* The prediction, shaped as `sample`.
 * sample [N, H, W, C], timestep [N], context [N, L, E] (text embeddings). Any H and W: where a level halves
 * an odd size, the way up returns to the skip's size. beam [N, H, W, beam_channels] where the configuration
 * has such channels (diffusion/beam_map.h); SL_NONE: all 0, as where the beam is not known. The layer that
 * takes it, beam_in, begins with zeros. beam_rings: behind each residual block of the finest level that
 * another one follows, features are averaged over rings about the beam, pass a residual block along the
 * radius, and come back (rings.<i>, whose last layer begins with zeros). beam_rays: the same with lines
 * through the beam, opposite sides being one (rays.<i>). beam_profiles: behind the blocks on the way down
 * that have rings, and behind all but the first on the way up, a place draws that many features on its parts,
 * which are averaged over rings as narrow as the parts; the profiles pass a residual block along the radius
 * and come back (profiles.<i>, likewise). So what lies on one circle is known to a pixel where a place is
 * eight pixels wide. beam_cuts: behind them the same for columns, by their distance from the beam, and rows
 * (cuts.<i>). beam_attention: a transformer block follows the residual block of profiles and cuts.
 * beam_sketch: what the map's sketch shows of a place passes two layers and joins behind the first
 * convolution (sketch_in, whose last layer begins with zeros). These are the parts that UNet2DCondition does
 * not have: programs that read the folder without them see a denoiser that knows no beam. */
sl_value sl_unet_build(sl_nn *nn, const sl_unet_config *config, sl_value sample, sl_value timestep,
                       sl_value context, sl_value beam);

/* Whether a parameter belongs to those parts. */
bool sl_unet_is_about_beam(const char *name);

#endif
