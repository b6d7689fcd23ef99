/* Training a denoiser on latents and captions: the base model from scratch (text encoder and UNet together),
 * or an adapter (LoRA) beside a frozen UNet with cached text embeddings. */
#ifndef SL_TRAIN_DENOISER_TRAIN_H
#define SL_TRAIN_DENOISER_TRAIN_H

#include "diffusion/beam_map.h"
#include "model/clip.h"
#include "model/unet.h"
#include "nn/lora.h"
#include "train/noising.h"
#include "train/trainer.h"

/* Samples by number. Calls may come from several threads at once. */
typedef struct sl_denoiser_data {
    void *context;
    int64_t count; /* samples, at least 1 */
    /* Latent [h, w, C] in the denoiser's space; `draw` keys the draw from the autoencoder's distribution. */
    sl_status (*latent)(void *context, int64_t sample, uint32_t draw, float *out);
    /* Condition of a sample; sample -1: of the empty caption. `draw` chooses where a sample has several
     * captions. With a text encoder in training the token ids [length], else the text embeddings [length,
     * width]. */
    sl_status (*ids)(void *context, int64_t sample, uint32_t draw, int32_t *out);
    sl_status (*embedding)(void *context, int64_t sample, uint32_t draw, float *out);
    /* Where a sample's beam is in its image, for a UNet that takes it; NULL: not known. */
    sl_direct_beam (*beam)(void *context, int64_t sample);
    /* And what is where, about that beam; NULL: not known. */
    void (*sketch)(void *context, int64_t sample, sl_sketch *out);
} sl_denoiser_data;

typedef struct sl_denoiser_models {
    sl_model *unet;
    sl_model *text;   /* trained with the UNet; NULL: the data gives embeddings */
    sl_lora *lora;    /* NULL: all of the UNet trains, else the adapter alone */
    bool lora_is_new; /* draw its first values */
} sl_denoiser_models;

enum { SL_COARSE_PLACES = 8 };

typedef struct sl_denoiser_recipe {
    int batch;             /* samples in a micro-batch */
    int64_t height, width; /* of the latents */
    int length;            /* tokens of a caption */
    double place_px;       /* pixels that a place of the latent is wide, for beams */
    sl_noising noising;
    /* Names the weights that a later training begins with (0: none), so that it draws other noise, timesteps
     * and order than the one before it on the same samples: noise seen again is learnt by heart.
     * Hold-out losses draw the same for all. */
    uint64_t lineage;
    bool spread_timesteps;  /* even over an update's samples, else each uniform */
    double caption_dropout; /* share of samples trained with the empty caption */
    double beam_dropout;    /* of those trained without knowing the beam */
    double sketch_dropout;  /* and of those trained without a sketch */
    /* Besides the loss of the places, so many times that of the means over SL_COARSE_PLACES x
     * SL_COARSE_PLACES of them: how bright an image is and how it falls off, which much depends on and few
     * numbers say. The best denoiser is the same with any weight. Held-out losses are without. */
    double coarse_weight;
    /* And so many times that of the places where the denoiser is told of marks: these are few, so that what
     * rings and spots look like is little of the loss. Likewise. */
    double marked_weight;
    int holdout_draws; /* (noise, timestep) pairs for each held-out sample */
    sl_dtype dtype;
    bool recompute;
} sl_denoiser_recipe;

/* `holdout` may be NULL. */
sl_status sl_train_denoiser(const sl_denoiser_models *models, const sl_denoiser_recipe *recipe,
                            const sl_denoiser_data *data, const sl_denoiser_data *holdout,
                            const sl_train_options *options, const sl_progress *progress,
                            sl_train_outcome *out);

#endif
