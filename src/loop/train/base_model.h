/* The base model from scratch, out of the simulator: the stages of its recipe.
 *
 *     OUT/unet, OUT/decoder, OUT/encoder, OUT/backbone    states, best weights and history of each training
 *     OUT/latents, OUT/latents-holdout                    encoded images
 *     OUT/eval.json                                       what the last eval measured
 *     OUT/model                                           what is shipped: a diffusers folder
 *
 * Every stage goes on where it was stopped and writes its part of the model at its end. The order: vae
 * (solved for, not trained), latents, unet; decoder, encoder and backbone whenever there is time; eval after
 * any. */
#ifndef SL_LOOP_BASE_MODEL_H
#define SL_LOOP_BASE_MODEL_H

#include "base/json.h"
#include "base/progress.h"
#include "loop/option/option.h"

typedef enum sl_base_stage {
    SL_BASE_VAE,
    SL_BASE_LATENTS,
    SL_BASE_UNET,
    SL_BASE_DECODER,
    SL_BASE_ENCODER,
    SL_BASE_BACKBONE,
    SL_BASE_EVAL,
} sl_base_stage;

typedef struct sl_base_settings {
    int stage; /* sl_base_stage */
    const char *out;
    int64_t seed, size;
    double minutes; /* 0: to the end of the stage */
    int dtype;      /* 0 fp32, 1 bf16 */
    double save_minutes;
    int64_t holdout_every;
    int64_t vae_batch, vae_crop;
    double vae_kl;
    int64_t decoder_steps, encoder_steps;
    double decoder_rate, decoder_noise, decoder_curvature, encoder_rate;
    int64_t latents, latents_first, vocabulary;
    const char *begin; /* model folder to begin with; NULL: random */
    int64_t unet_layers, unet_rings, unet_profiles, unet_rays, unet_cuts, unet_attention, unet_sketch;
    int64_t unet_steps, unet_batch, unet_accumulate;
    double unet_rate, unet_ema, unet_noisy, unet_coarse, unet_marked, unet_mix, caption_dropout, beam_dropout,
        sketch_dropout;
    int64_t backbone_steps, backbone_batch, backbone_size;
    double backbone_rate;
    int64_t eval_images;
} sl_base_settings;

extern const sl_option sl_base_options[];

/* Runs the settings' stage; `result` (an object) is filled with what it measured. */
sl_status sl_base_train(const sl_base_settings *settings, const sl_progress *progress, json_t *result);

#endif
