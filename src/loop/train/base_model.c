#include "loop/train/base_internal.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>

#define INT(field, name, fallback, low, high, unit, help)                                                    \
    SL_OPTION_INT(sl_base_settings, field, name, 0, fallback, low, high, unit, help)
#define REAL(field, name, fallback, low, high, unit, help)                                                   \
    SL_OPTION_REAL(sl_base_settings, field, name, 0, fallback, low, high, unit, help)
#define SHAPE(field, name, high, usual, help)                                                                \
    INT(field, name, "-1", -1, high, NULL,                                                                   \
        help "; -1: as --begin has, else " SL_BASE_TEXT(SL_BASE_UNET_##usual))

const sl_option sl_base_options[] = {
    SL_OPTION_CHOICE(sl_base_settings, stage, "stage", 's', "vae",
                     "vae|latents|unet|decoder|encoder|backbone|eval", "which stage to run or to go on with"),
    SL_OPTION_PATH(sl_base_settings, out, "out", 'o', "base-model", "DIR",
                   "where states and the model are kept"),
    INT(seed, "seed", "1", 0, 4e9, NULL,
        "names the data and all random draws; of stage unet the draws alone, data are those of its latents"),
    INT(size, "size", "256", 64, 1024, "px", "side of the images"),
    REAL(minutes, "minutes", "0", 0, 1e6, "MIN",
         "stop with a saved state after so long; 0: run the stage to its end"),
    SL_OPTION_CHOICE(sl_base_settings, dtype, "dtype", 0, "fp32", "fp32|bf16",
                     "number format of activations; the autoencoder's are always fp32"),
    REAL(save_minutes, "save-minutes", "5", 0.1, 1e4, "MIN", "time between saved states"),
    INT(holdout_every, "holdout-every", "500", 1, 1e9, "steps", "steps between hold-out losses"),
    INT(vae_batch, "vae-batch", "8", 4, 4096, "crops", "crops in an update, four from an image"),
    INT(vae_crop, "vae-crop", "128", 32, 1024, "px", "side of a crop"),
    REAL(vae_kl, "vae-kl", "0.0005", 0, 1, NULL, "weight of the divergence in nats a pixel"),
    INT(decoder_steps, "decoder-steps", "8000", 1, 1e9, "steps", "updates of the decoder"),
    REAL(decoder_rate, "decoder-rate", "0.0003", 0, 1, NULL, "its highest learning rate"),
    REAL(decoder_noise, "decoder-noise", "0.4", 0, 1, NULL,
         "largest deviation of noise on its latents, which vary by 1"),
    REAL(decoder_curvature, "decoder-curvature", "2.5", 0, 100, NULL,
         "weight of second differences in its loss: blocks that do not meet"),
    INT(encoder_steps, "encoder-steps", "8000", 1, 1e9, "steps",
        "updates of the encoder for measured frames"),
    REAL(encoder_rate, "encoder-rate", "0.0004", 0, 1, NULL, "its highest learning rate"),
    INT(latents, "latents", "120000", 512, 1e8, "images", "images to encode"),
    INT(latents_first, "latents-first", "0", 0, 1e9, NULL,
        "number of the first of them: a later training can learn from images that no earlier one had"),
    INT(vocabulary, "vocabulary", "1200", 514, 49152, "tokens", "size of the caption vocabulary"),
    SL_OPTION_PATH(sl_base_settings, begin, "begin", 0, NULL, "DIR",
                   "model folder whose denoiser, text encoder and words stage unet begins with"),
    INT(unet_layers, "unet-layers", "0", 0, 8, NULL,
        "residual blocks of a level of the denoiser; more than --begin has: new ones change nothing at "
        "first; 0: as --begin has, else " SL_BASE_TEXT(SL_BASE_UNET_LAYERS)),
    SHAPE(unet_rings, "unet-rings", 4096, RINGS,
          "rings about the beam, 384 px in all, that the denoiser takes means over; 0: none"),
    SHAPE(unet_profiles, "unet-profiles", 64, PROFILES,
          "radial profiles about the beam, 384 px in bins of 1 px, that the denoiser takes; 0: none"),
    SHAPE(unet_rays, "unet-rays", 4096, RAYS,
          "lines through the beam, half a turn in all, that it takes means over; 0: none"),
    SHAPE(unet_cuts, "unet-cuts", 64, CUTS,
          "cuts across and down the frame, by distance from the beam, that it takes; 0: none"),
    SHAPE(unet_attention, "unet-attention", 1, ATTENTION,
          "1: what profiles and cuts find attends to itself and the caption; 0: it does not"),
    SHAPE(unet_sketch, "unet-sketch", 1, SKETCH,
          "1: the denoiser is told where rings, arcs and spots are; 0: it is not"),
    INT(unet_steps, "unet-steps", "30000", 1, 1e9, "steps", "updates of denoiser and text encoder"),
    INT(unet_batch, "unet-batch", "32", 1, 4096, "images", "images in a micro-batch"),
    INT(unet_accumulate, "unet-accumulate", "2", 1, 4096, NULL, "micro-batches in an update"),
    REAL(unet_rate, "unet-rate", "0.0004", 0, 1, NULL, "highest learning rate of the denoiser"),
    REAL(unet_ema, "unet-ema", "0.9995", 0, 1, NULL, "decay of the running average of the weights"),
    REAL(unet_noisy, "unet-noisy", "0", 0, 0.9, NULL,
         "share of the timesteps that fall on the noisiest fifth of the schedule, besides"),
    REAL(unet_coarse, "unet-coarse", "0", 0, 1000, NULL,
         "weight, besides, of the error of means over 8 x 8 places: how bright an image is, and how it falls "
         "off"),
    REAL(unet_marked, "unet-marked", "0", 0, 1000, NULL,
         "weight, besides, of the error where rings, arcs and spots are told (--unet-sketch 1)"),
    REAL(
        unet_mix, "unet-mix", "1", 0, 1, NULL,
        "below 1: the model written is so much of the weights that training ended with, the rest of those of "
        "--begin"),
    REAL(caption_dropout, "caption-dropout", "0.1", 0, 1, NULL, "share of images trained without caption"),
    REAL(beam_dropout, "beam-dropout", "0.1", 0, 1, NULL, "share of images trained without the beam's place"),
    REAL(sketch_dropout, "sketch-dropout", "0.15", 0, 1, NULL,
         "share of images trained without being told where rings, arcs and spots are"),
    INT(backbone_steps, "backbone-steps", "6000", 1, 1e9, "steps", "updates of the classifier backbone"),
    INT(backbone_batch, "backbone-batch", "32", 1, 4096, "images", "images in an update"),
    INT(backbone_size, "backbone-size", "128", 32, 1024, "px", "side of its images"),
    REAL(backbone_rate, "backbone-rate", "0.001", 0, 1, NULL, "its highest learning rate"),
    INT(eval_images, "eval-images", "128", 1, 1e6, "images", "held-out images to measure on"),
    {0}};

sl_base_path sl_base_path_of(const sl_base_settings *settings, const char *name) {
    sl_base_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", settings->out, name);
    return path;
}

sl_simulated sl_base_data(const sl_base_settings *settings, int which, sl_simulated_image image) {
    return (sl_simulated){.seed = (uint64_t)settings->seed << 8 | (uint64_t)which,
                          .options = {.size_px = (int32_t)settings->size, .class_id = SL_SIM_CLASS_ANY},
                          .image = image};
}

sl_train_options sl_base_train_options(const sl_base_settings *settings, const char *folder, int64_t steps,
                                       double rate, double ema, const sl_base_maker *made_of,
                                       json_t *recorded) {
    json_object_set_new(recorded, "seed", json_integer((json_int_t)settings->seed));
    json_object_set_new(recorded, "size", json_integer((json_int_t)settings->size));
    json_object_set_new(recorded, "simulator", json_integer(made_of->simulator));
    return (sl_train_options){
        .optimizer = sl_optimizer_adamw(),
        .schedule = {SL_SCHEDULE_COSINE, rate, 0.02, steps / 40 < 500 ? steps / 40 : 500, steps},
        .clip_norm = 1,
        .accumulate = 1,
        .ema_decay = ema,
        .steps = steps,
        .limit_s = settings->minutes * 60,
        .holdout_every = settings->holdout_every,
        .save_every_s = settings->save_minutes * 60,
        .log_every = 20,
        .keep = 2,
        .folder = folder,
        .settings = recorded};
}

void sl_base_report(const sl_train_outcome *outcome, json_t *result) {
    static const char *const stops[] = {"done", "time", "patience"};
    json_object_set_new(result, "stop", json_string(stops[outcome->stop]));
    json_object_set_new(result, "step", json_integer((json_int_t)outcome->state.step));
    json_object_set_new(result, "loss", json_real(outcome->loss));
    json_object_set_new(result, "samples_per_s", json_real(outcome->samples_per_s));
    json_object_set_new(result, "spikes", json_integer((json_int_t)outcome->spikes));
    if (isfinite(outcome->state.best_holdout))
        json_object_set_new(result, "best_holdout", json_real(outcome->state.best_holdout));
}

sl_status sl_base_train(const sl_base_settings *settings, const sl_progress *progress, json_t *result) {
    typedef sl_status (*stage)(const sl_base_settings *, const sl_progress *, json_t *);
    static const stage stages[] = {
        [SL_BASE_VAE] = sl_base_stage_vae,         [SL_BASE_LATENTS] = sl_base_stage_latents,
        [SL_BASE_UNET] = sl_base_stage_unet,       [SL_BASE_DECODER] = sl_base_stage_decoder,
        [SL_BASE_ENCODER] = sl_base_stage_encoder, [SL_BASE_BACKBONE] = sl_base_stage_backbone,
        [SL_BASE_EVAL] = sl_base_stage_eval};
    SL_TRY(sl_folder_make(settings->out));
    return stages[settings->stage](settings, progress, result);
}
