/* The base model from scratch, out of the simulator: the stages of its recipe.
 *
 *     OUT/vae, OUT/encoder, OUT/unet, OUT/backbone    states, best weights and history of each training
 *     OUT/latents, OUT/latents-holdout                encoded images
 *     OUT/eval.json                                   what the last eval measured
 *     OUT/model                                       what is shipped: a diffusers folder, written after each
 * stage
 *
 * Every stage goes on where it was stopped. The order: vae, latents, unet; encoder and backbone whenever
 * there is time; eval after any of them. */
#ifndef SL_LOOP_BASE_MODEL_H
#define SL_LOOP_BASE_MODEL_H

#include "base/json.h"
#include "base/progress.h"
#include "loop/option/option.h"

typedef enum sl_base_stage {
    SL_BASE_VAE,
    SL_BASE_LATENTS,
    SL_BASE_UNET,
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
    int64_t vae_steps, vae_batch, vae_crop;
    double vae_rate, vae_kl;
    int64_t encoder_steps;
    double encoder_rate;
    int64_t latents, vocabulary;
    int64_t unet_steps, unet_batch, unet_accumulate;
    double unet_rate, unet_ema, caption_dropout;
    int64_t backbone_steps, backbone_batch, backbone_size;
    double backbone_rate;
    int64_t eval_images;
} sl_base_settings;

extern const sl_option sl_base_options[];

/* Runs the settings' stage; `result` (an object) is filled with what it measured. */
sl_status sl_base_train(const sl_base_settings *settings, const sl_progress *progress, json_t *result);

#endif
