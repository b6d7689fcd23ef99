/* What the stages of the base model share. */
#ifndef SL_LOOP_BASE_INTERNAL_H
#define SL_LOOP_BASE_INTERNAL_H

#include "loop/train/base_model.h"
#include "loop/train/feed_simulated.h"
#include "model/model.h"
#include "model/unet.h"
#include "train/trainer.h"

/* Seeds of the data: training, hold-out and evaluation never share a sample. */
enum { SL_BASE_DATA_TRAIN = 0, SL_BASE_DATA_HOLDOUT = 1, SL_BASE_DATA_EVAL = 2, SL_BASE_DATA_STATISTICS = 3 };

/* Captions are cut to so many tokens; the longest of 11,000 from the simulator has 47. */
enum { SL_BASE_TOKENS = 48 };

/* The denoiser's shape (sl_base_unet) where neither settings nor an earlier denoiser say otherwise; and a
 * number as the text of an option. */
#define SL_BASE_UNET_LAYERS    2
#define SL_BASE_UNET_RINGS     96
#define SL_BASE_UNET_RAYS      60
#define SL_BASE_UNET_PROFILES  4
#define SL_BASE_UNET_CUTS      8
#define SL_BASE_UNET_ATTENTION 1
#define SL_BASE_UNET_SKETCH    1
#define SL_BASE_TEXT(number)   SL_BASE_TEXT_(number)
#define SL_BASE_TEXT_(number)  #number

enum { SL_BASE_PATH_BYTES = 4096 };

typedef struct sl_base_path {
    char text[SL_BASE_PATH_BYTES];
} sl_base_path;
/* OUT/name */
sl_base_path sl_base_path_of(const sl_base_settings *settings, const char *name);

sl_simulated sl_base_data(const sl_base_settings *settings, int which, sl_simulated_image image);

/* What latents are made of. Shards record it as text. */
enum { SL_BASE_MAKER_BYTES = 128 };
typedef struct sl_base_maker {
    char encoder[17]; /* of its weights' hash; empty: none is named */
    int simulator;    /* version */
    int64_t seed, size_px;
} sl_base_maker;
/* Of images simulated now, by these settings; no encoder is named. */
sl_base_maker sl_base_maker_now(const sl_base_settings *settings);
sl_status sl_base_maker_encoder(const sl_model *vae, sl_base_maker *maker);
void sl_base_maker_text(const sl_base_maker *maker, char out[SL_BASE_MAKER_BYTES]);
sl_status sl_base_maker_read(const char *text, sl_base_maker *out); /* SL_FORMAT where it is no such text */

/* AdamW with warm-up and cosine to 2 %, clipping at 1, states by time in OUT/name. `recorded` (taken over) is
 * what a resumed run must share beside seed, size and the simulator of the data; free with json_decref of
 * options.settings. */
sl_train_options sl_base_train_options(const sl_base_settings *settings, const char *folder, int64_t steps,
                                       double rate, double ema, const sl_base_maker *made_of,
                                       json_t *recorded);
void sl_base_report(const sl_train_outcome *outcome, json_t *result);

/* New models with their first values, and their configurations. */
sl_status sl_base_vae_new(uint64_t seed, sl_model **out);
/* The denoiser's shape: residual blocks a level, and what model/unet.h says of layers about the beam. */
typedef struct sl_base_unet {
    int64_t layers, rings, rays, profiles, cuts;
    int64_t attention, sketch; /* 1 or 0 */
    int64_t latent_side;
} sl_base_unet;
/* As the settings ask; what they leave open is as in the denoiser that it begins with, or as usual where that
 * is NULL. latent_side is left 0. */
sl_base_unet sl_base_unet_shape(const sl_base_settings *settings, const sl_unet_config *begin);
/* SL_MISMATCH where it would change what the denoiser in `folder`, which it begins with, has already. */
sl_status sl_base_unet_check(const sl_base_unet *shape, const sl_unet_config *begin, const char *folder);
/* Adds what a resumed training must share. Layers that came later are recorded where there are any, so that
 * states without their keys still match. */
void sl_base_unet_record(const sl_base_unet *shape, json_t *recorded);
sl_status sl_base_unet_new(uint64_t seed, const sl_base_unet *shape, sl_model **out);
sl_status sl_base_text_new(uint64_t seed, int32_t vocabulary, int32_t begin, int32_t end, sl_model **out);
/* First values of a denoiser from an earlier one's, held in fp32, of the model in `folder`. Where the new one
 * is deeper, it computes the same. SL_MISMATCH names what does not fit. */
sl_status sl_base_begin(const sl_params *from, const char *folder, sl_params *to);
/* model_index.json, scheduler, and scatterloop.json, which names the data that `made_of` tells. */
sl_status sl_base_write_index(const sl_base_settings *settings, const sl_base_maker *made_of);

sl_status sl_base_stage_vae(const sl_base_settings *settings, const sl_progress *progress, json_t *result);
sl_status sl_base_stage_decoder(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result);
sl_status sl_base_stage_encoder(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result);
sl_status sl_base_stage_latents(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result);
sl_status sl_base_stage_unet(const sl_base_settings *settings, const sl_progress *progress, json_t *result);
sl_status sl_base_stage_backbone(const sl_base_settings *settings, const sl_progress *progress,
                                 json_t *result);
/* Generated and simulated expectations by the tests of shape; nothing where there is no denoiser yet. */
sl_status sl_base_eval_denoiser(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result);
sl_status sl_base_stage_eval(const sl_base_settings *settings, const sl_progress *progress, json_t *result);

#endif
