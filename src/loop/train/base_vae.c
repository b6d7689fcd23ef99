/* Stages vae, encoder and latents: the autoencoder, its encoder for measured frames, and the latent cache. */
#include "loop/train/base_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "train/latents.h"
#include "train/learner.h"
#include "train/vae_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HOLDOUT_IMAGES = 16, STATISTICS_IMAGES = 256, SHARD = 512, CODE_BATCH = 8, HOLDOUT_LATENTS = 128 };

static sl_vae_recipe recipe_of(const sl_base_settings *settings) {
    sl_vae_recipe recipe = sl_vae_recipe_default();
    recipe.crop_px = (int)settings->vae_crop;
    recipe.batch = (int)settings->vae_batch;
    recipe.kl_weight = settings->vae_kl;
    recipe.dtype = sl_base_dtype(settings);
    recipe.seed = (uint64_t)settings->seed;
    return recipe;
}

/* ---- vae ---- */

/* The best weights so far, with latents of mean 0 and variance 1, as OUT/model/vae in half precision. */
static sl_status export_vae(const sl_base_settings *settings, sl_model *vae) {
    sl_base_path best = sl_base_path_of(settings, "vae/best.safetensors"),
                 folder = sl_base_path_of(settings, "model/vae");
    SL_TRY(sl_params_read(vae->params, best.text, ""));
    sl_simulated data = sl_base_data(settings, SL_BASE_DATA_STATISTICS, SL_SIMULATED_EXPECTATION);
    sl_feed feed = sl_feed_simulated(&data, STATISTICS_IMAGES);
    SL_TRY(sl_vae_fold_statistics(vae, &feed, STATISTICS_IMAGES, SL_F32));
    SL_TRY(sl_base_write_index(settings));
    return sl_model_save(vae, folder.text, SL_F16);
}

static sl_status train_vae(const sl_base_settings *settings, const sl_progress *progress, sl_model *vae,
                           json_t *result) {
    sl_vae_recipe recipe = recipe_of(settings);
    sl_base_path folder = sl_base_path_of(settings, "vae");
    json_t *recorded =
        json_pack("{s:i, s:i, s:f, s:f, s:i}", "batch", recipe.batch, "crop", recipe.crop_px, "rate",
                  settings->vae_rate, "kl", recipe.kl_weight, "dtype", settings->dtype);
    sl_train_options options = sl_base_train_options(settings, folder.text, settings->vae_steps,
                                                     settings->vae_rate, 0.999, recorded);
    sl_simulated train = sl_base_data(settings, SL_BASE_DATA_TRAIN, SL_SIMULATED_EXPECTATION);
    sl_simulated holdout = sl_base_data(settings, SL_BASE_DATA_HOLDOUT, SL_SIMULATED_EXPECTATION);
    sl_feed train_feed = sl_feed_simulated(&train, 0),
            holdout_feed = sl_feed_simulated(&holdout, HOLDOUT_IMAGES);
    sl_train_outcome outcome;
    sl_status status = sl_train_vae(vae, &recipe, &train_feed, &holdout_feed, &options, progress, &outcome);
    json_decref(recorded);
    if (status == SL_OK) sl_base_report(&outcome, result);
    return status;
}

sl_status sl_base_stage_vae(const sl_base_settings *settings, const sl_progress *progress, json_t *result) {
    sl_model *vae;
    SL_TRY(sl_base_vae_new((uint64_t)settings->seed, &vae));
    json_object_set_new(result, "parameters", json_integer((json_int_t)sl_params_values(vae->params, false)));
    sl_status status = train_vae(settings, progress, vae, result);
    if (status == SL_OK) status = export_vae(settings, vae);
    sl_model_free(vae);
    return status;
}

/* ---- encoder ---- */

static sl_status train_encoder(const sl_base_settings *settings, const sl_progress *progress, sl_model *vae,
                               json_t *result) {
    sl_vae_recipe recipe = recipe_of(settings);
    recipe.encoder_only = true;
    sl_base_path folder = sl_base_path_of(settings, "encoder");
    json_t *recorded = json_pack("{s:i, s:i, s:f, s:i}", "batch", recipe.batch, "crop", recipe.crop_px,
                                 "rate", settings->encoder_rate, "dtype", settings->dtype);
    sl_train_options options = sl_base_train_options(settings, folder.text, settings->encoder_steps,
                                                     settings->encoder_rate, 0.999, recorded);
    sl_simulated train = sl_base_data(settings, SL_BASE_DATA_TRAIN, SL_SIMULATED_PAIR);
    sl_simulated holdout = sl_base_data(settings, SL_BASE_DATA_HOLDOUT, SL_SIMULATED_PAIR);
    sl_feed train_feed = sl_feed_simulated(&train, 0),
            holdout_feed = sl_feed_simulated(&holdout, HOLDOUT_IMAGES);
    sl_train_outcome outcome;
    sl_status status = sl_train_vae(vae, &recipe, &train_feed, &holdout_feed, &options, progress, &outcome);
    json_decref(recorded);
    if (status == SL_OK) sl_base_report(&outcome, result);
    return status;
}

/* Begins with the finished autoencoder; its decoder is not touched, so the denoiser's latents keep their
 * meaning. The best encoder takes the place of the old one in the whole it is saved with. */
sl_status sl_base_stage_encoder(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    sl_base_path from = sl_base_path_of(settings, "model/vae"),
                 to = sl_base_path_of(settings, "model/vae_measured"),
                 best = sl_base_path_of(settings, "encoder/best.safetensors");
    sl_model *vae;
    SL_TRY(sl_context(sl_model_load(from.text, &vae), "the encoder stage begins with the autoencoder"));
    sl_status status = train_encoder(settings, progress, vae, result);
    if (status == SL_OK) status = sl_params_read(vae->params, best.text, "");
    if (status == SL_OK) status = sl_model_save(vae, to.text, SL_F16);
    sl_model_free(vae);
    return status;
}

/* ---- latents ---- */

typedef struct encode_work {
    sl_vae_coder *coder;
    sl_feed feed;
    int64_t size;                    /* numbers of one latent */
    float *image, *mean, *deviation; /* [CODE_BATCH, image], [SHARD, latent] x 2 */
    sl_feed_about *about;            /* [SHARD] */
    const char *caption[SHARD];
} encode_work;

static sl_status encode_work_new(const sl_base_settings *settings, sl_model *vae, const sl_feed *feed,
                                 encode_work *out) {
    *out = (encode_work){.feed = *feed};
    int side = (int)settings->size;
    SL_TRY(sl_vae_coder_new(vae, CODE_BATCH, side, side, false, sl_base_dtype(settings), &out->coder));
    out->size = sl_vae_coder_latents(out->coder);
    SL_TRY(sl_alloc(&out->image, (size_t)CODE_BATCH * (size_t)side * (size_t)side, sizeof(float)));
    SL_TRY(sl_alloc(&out->mean, (size_t)(SHARD * out->size), sizeof(float)));
    SL_TRY(sl_alloc(&out->deviation, (size_t)(SHARD * out->size), sizeof(float)));
    return sl_alloc(&out->about, SHARD, sizeof *out->about);
}

static void encode_work_free(encode_work *work) {
    sl_vae_coder_free(work->coder);
    sl_free(work->image);
    sl_free(work->mean);
    sl_free(work->deviation);
    sl_free(work->about);
}

static sl_status encode_shard(encode_work *w, int number, int items, const sl_progress *progress,
                              int64_t total) {
    for (int at = 0; at < items; at += CODE_BATCH) {
        SL_TRY(sl_progress_check(progress));
        int64_t wanted[CODE_BATCH];
        int count = items - at < CODE_BATCH ? items - at : CODE_BATCH;
        for (int i = 0; i < count; i++) wanted[i] = (int64_t)number * SHARD + at + i;
        SL_TRY(sl_feed_get_many(&w->feed, wanted, count, w->image, w->about + at));
        float *deviation = w->deviation + at * w->size;
        SL_TRY(sl_vae_encode(w->coder, w->image, count, w->mean + at * w->size, deviation));
        for (int64_t i = 0; i < count * w->size; i++) deviation[i] = expf(0.5f * deviation[i]);
        for (int i = 0; i < count; i++) w->caption[at + i] = w->about[at + i].caption;
        sl_progress_tell(progress, "encoding images", "image", wanted[count - 1] + 1, total, NULL);
    }
    return SL_OK;
}

static sl_status encode_all(const sl_base_settings *settings, const sl_progress *progress, sl_model *vae,
                            int which, int64_t total, const char *maker, const char *folder) {
    sl_simulated data = sl_base_data(settings, which, SL_SIMULATED_EXPECTATION);
    sl_feed feed = sl_feed_simulated(&data, 0);
    encode_work work;
    sl_status status = encode_work_new(settings, vae, &feed, &work);
    double begin_s = sl_clock_s();
    int64_t side = settings->size / (SL_VAE_BLOCK * sl_vae_reduction(vae->config));
    for (int number = sl_latents_shards(folder); status == SL_OK && (int64_t)number * SHARD < total;
         number++) {
        if (settings->minutes > 0 && sl_clock_s() - begin_s > settings->minutes * 60) break;
        int64_t rest = total - (int64_t)number * SHARD;
        int items = rest < SHARD ? (int)rest : SHARD;
        SL_GUARD(status, encode_shard(&work, number, items, progress, total), done);
        sl_latent_shard shard = {.items = items,
                                 .shape = SL_SHAPE(side, side, work.size / (side * side)),
                                 .mean = work.mean,
                                 .deviation = work.deviation,
                                 .caption = work.caption};
        SL_GUARD(status, sl_latents_write(folder, number, &shard, maker), done);
    }
done:
    encode_work_free(&work);
    return status;
}

/* The latents' maker: the autoencoder's file and the data. */
static sl_status maker_of(const sl_base_settings *settings, char out[256]) {
    sl_base_path weights = sl_base_path_of(settings, "model/vae/diffusion_pytorch_model.safetensors");
    char hash[SL_SHA256_HEX];
    SL_TRY(sl_sha256_file_hex(weights.text, hash));
    snprintf(out, 256, "autoencoder %.16s, simulator %d, seed %lld, %lld px", hash, SL_SIM_VERSION,
             (long long)settings->seed, (long long)settings->size);
    return SL_OK;
}

/* Existing shards must have been made by this autoencoder. */
static sl_status check_made_by(const char *folder, const char *maker) {
    if (!sl_latents_shards(folder)) return SL_OK;
    sl_latents *latents;
    SL_TRY(sl_context(sl_latents_open(folder, maker, &latents), "remove '%s' to encode anew", folder));
    sl_latents_close(latents);
    return SL_OK;
}

sl_status sl_base_stage_latents(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    sl_base_path model = sl_base_path_of(settings, "model/vae"), train = sl_base_path_of(settings, "latents"),
                 holdout = sl_base_path_of(settings, "latents-holdout");
    char maker[256];
    sl_model *vae;
    SL_TRY(sl_context(sl_model_load(model.text, &vae), "the latents stage needs the autoencoder"));
    sl_status status;
    SL_GUARD(status, maker_of(settings, maker), done);
    SL_GUARD(status, check_made_by(train.text, maker), done);
    SL_GUARD(status, check_made_by(holdout.text, maker), done);
    SL_GUARD(status,
             encode_all(settings, progress, vae, SL_BASE_DATA_HOLDOUT, HOLDOUT_LATENTS, maker, holdout.text),
             done);
    SL_GUARD(status,
             encode_all(settings, progress, vae, SL_BASE_DATA_TRAIN, settings->latents, maker, train.text),
             done);
    sl_latents *latents;
    SL_GUARD(status, sl_latents_open(train.text, maker, &latents), done);
    json_object_set_new(result, "latents", json_integer((json_int_t)sl_latents_count(latents)));
    sl_latents_close(latents);
done:
    sl_model_free(vae);
    return status;
}
