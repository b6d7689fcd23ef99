/* A latent diffusion model as a folder: text encoder, denoiser, autoencoder, tokenizer and sampler settings,
 * in the layout that diffusers reads (model_index.json and one folder a part).
 *
 * What diffusers has no place for lies in scatterloop.json beside them, and is at its default where that file
 * is absent:
 * - space: "observed", images as displayed, noise and gaps included; "expectation", the noise-free log
 *   intensity;
 * - space_to_depth: side of the block of pixels that the autoencoder sees as channels (1: none);
 * - deblock, deblock_detail: the largest step between such blocks and the root mean square of the detail, in
 *   values of the decoded image, that are the decoder's and are taken out (diffusion/deblock.h; 0, the
 *   default: none is);
 * - guidance: the guidance scale that suits the model (7.5, which Stable Diffusion 1.x is used to; 1.5 in the
 *   space of expectations);
 * - guidance_from, guidance_to: the shares of the noise schedule between which steps are guided (0 and 1);
 * - level_guidance: the scale for the mean of the latents' first channel, for how bright an image is (0, the
 *   default: as for the rest);
 * - sketch_guided: whether guidance leads to what a sketch shows, as to the prompt (false);
 * - eta: how much noise suits its steps where the sampler is DDIM, from 0 (the default) to 1;
 * - brightness_deviation: of the mean of the latents' first channel, from image to image of one prompt. Steps
 *   of DDIM with eta above 0 then leave pictures as different in brightness (sl_sampling_widening; 0, the
 *   default: they do not);
 * - intensity_map: how counts became model values; its keys are the image layer's business */
#ifndef SL_DIFFUSION_BUNDLE_H
#define SL_DIFFUSION_BUNDLE_H

#include "diffusion/deblock.h"
#include "diffusion/sampler/sampler.h"
#include "model/clip.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "model/unet.h"
#include "model/vae.h"

typedef enum sl_model_space { SL_SPACE_OBSERVED, SL_SPACE_EXPECTATION } sl_model_space;

/* How the steps of sampling are guided, and how different in brightness their images come out. */
typedef struct sl_sampling_way {
    double guidance;       /* classifier-free (Ho and Salimans 2022); up to 1: none, at half the cost */
    double level_guidance; /* for the mean of the latents' first channel; 0: as for the rest */
    bool sketch_guided;    /* the pass without prompt is not told of the sketch; else both are */
    /* Guided are steps at a share of the noise schedule's timesteps from guidance_from on and below
     * guidance_to (Kynkäänniemi et al. 2024; 0: no bound); steps go from 1, all noise, to 0. The others cost
     * half, but of a large denoiser one program is kept, so that it is compiled anew at each bound. */
    double guidance_from, guidance_to;
    double brightness_deviation; /* where noise is widened (sl_sampler_widens); 0: it is not */
} sl_sampling_way;

typedef struct sl_bundle {
    sl_model *text_encoder, *unet, *vae;
    sl_tokenizer *tokenizer;
    sl_sampler_settings sampler; /* with the model's own eta where it takes one */
    sl_model_space space;
    int64_t space_to_depth;
    sl_sampling_way way;
    double eta;
    sl_deblocking deblocking; /* of what is decoded, in blocks of space_to_depth */
    json_t *intensity_map;    /* object, or NULL */
    char *folder;             /* where it was read from; its tokenizer files are copied on saving */
} sl_bundle;

/* Reads everything, weights included. Errors name the part. */
sl_status sl_bundle_load(const char *folder, sl_bundle **out);

/* The same with parameters declared but without weights, for random ones. */
sl_status sl_bundle_load_configs(const char *folder, sl_bundle **out);

/* Writes the folder anew, weights as `dtype` (F32, F16, BF16). */
sl_status sl_bundle_save(const sl_bundle *bundle, const char *folder, sl_dtype dtype);
void sl_bundle_free(sl_bundle *bundle); /* NULL is fine */

static inline const sl_clip_config *sl_bundle_clip(const sl_bundle *bundle) {
    return bundle->text_encoder->config;
}

static inline const sl_unet_config *sl_bundle_unet(const sl_bundle *bundle) {
    return bundle->unet->config;
}

static inline const sl_vae_config *sl_bundle_vae(const sl_bundle *bundle) {
    return bundle->vae->config;
}

/* The guidance scale to sample with: the one asked for, or the model's own where that is below 0. */
double sl_bundle_guidance(const sl_bundle *bundle, double asked);

/* The settings to sample with: those of the sampler of that name (sl_sampler_settings_use), or the model's
 * own where it is NULL, and the eta asked for, or the model's own where that is below 0. SL_INVALID where the
 * sampler takes none and one above 0 is asked for. */
sl_status sl_bundle_sampler(const sl_bundle *bundle, const char *name, double eta, sl_sampler_settings *out);

/* Pixels of the image to one pixel of the latent, along a side. */
int64_t sl_bundle_reduction(const sl_bundle *bundle);

/* Side of the images that it was trained at. */
int64_t sl_bundle_side_px(const sl_bundle *bundle);

/* Channels of the image: the autoencoder's, less what space_to_depth put there. */
int64_t sl_bundle_image_channels(const sl_bundle *bundle);

#endif
