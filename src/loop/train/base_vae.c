/* Stages vae, decoder, encoder and latents: the autoencoder and its two halves, and the latent cache. */
#include "loop/train/base_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "train/latents.h"
#include "train/learner.h"
#include "train/vae/vae_linear.h"
#include "train/vae/vae_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HOLDOUT_IMAGES = 16, STATISTICS_IMAGES = 256, SHARD = 512, CODE_BATCH = 8, HOLDOUT_LATENTS = 128 };

static sl_vae_recipe recipe_of(const sl_base_settings *settings) {
    sl_vae_recipe recipe = sl_vae_recipe_default();
    recipe.crop_px = (int)settings->vae_crop;
    recipe.batch = (int)settings->vae_batch;
    recipe.kl_weight = settings->vae_kl;
    recipe.seed = (uint64_t)settings->seed;
    return recipe;
}

/* ---- one half, trained ---- */

typedef struct half_stage {
    sl_vae_part part;
    sl_simulated_image image; /* what it learns from */
    const char *from, *state,
        *to; /* model folder it begins with, folder of states, model folder it is saved to */
    int64_t steps;
    double rate;
} half_stage;

static sl_status train_half(const sl_base_settings *settings, const half_stage *half,
                            const sl_progress *progress, sl_model *vae, json_t *result) {
    sl_vae_recipe recipe = recipe_of(settings);
    recipe.part = half->part;
    if (half->part == SL_VAE_DECODER)
        recipe.latent_noise = settings->decoder_noise, recipe.curvature_weight = settings->decoder_curvature;
    sl_base_path folder = sl_base_path_of(settings, half->state);
    json_t *recorded = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f}", "batch", recipe.batch, "crop",
                                 recipe.crop_px, "rate", half->rate, "kl", recipe.kl_weight, "noise",
                                 recipe.latent_noise, "curvature", recipe.curvature_weight);
    sl_base_maker made_of = sl_base_maker_now(settings);
    sl_train_options options =
        sl_base_train_options(settings, folder.text, half->steps, half->rate, 0.999, &made_of, recorded);
    sl_simulated train = sl_base_data(settings, SL_BASE_DATA_TRAIN, half->image);
    sl_simulated holdout = sl_base_data(settings, SL_BASE_DATA_HOLDOUT, half->image);
    sl_feed train_feed = sl_feed_simulated(&train, 0),
            holdout_feed = sl_feed_simulated(&holdout, HOLDOUT_IMAGES);
    sl_train_outcome outcome;
    sl_status status = sl_train_vae(vae, &recipe, &train_feed, &holdout_feed, &options, progress, &outcome);
    json_decref(recorded);
    if (status == SL_OK) sl_base_report(&outcome, result);
    return status;
}

/* Trains one half of a saved autoencoder; its best weights, with the other half as it was, are the result. */
static sl_status run_half(const sl_base_settings *settings, const half_stage *half,
                          const sl_progress *progress, json_t *result) {
    char name[64];
    snprintf(name, sizeof name, "%s/best.safetensors", half->state);
    sl_base_path from = sl_base_path_of(settings, half->from), to = sl_base_path_of(settings, half->to),
                 best = sl_base_path_of(settings, name);
    sl_model *vae;
    SL_TRY(sl_context(sl_model_load(from.text, &vae), "this stage begins with the autoencoder of stage vae"));
    sl_status status = train_half(settings, half, progress, vae, result);
    if (status == SL_OK) status = sl_params_read(vae->params, best.text, "");
    if (status == SL_OK) status = sl_model_save(vae, to.text, SL_F16);
    sl_model_free(vae);
    return status;
}

/* ---- stages vae, decoder, encoder ---- */

sl_status sl_base_stage_vae(const sl_base_settings *settings, const sl_progress *progress, json_t *result) {
    sl_base_path folder = sl_base_path_of(settings, "model/vae"),
                 there = sl_base_path_of(settings, "model/vae/config.json");
    if (sl_file_exists(there.text)) {
        json_object_set_new(result, "stop", json_string("done"));
        return SL_OK;
    }
    sl_simulated data = sl_base_data(settings, SL_BASE_DATA_STATISTICS, SL_SIMULATED_EXPECTATION);
    sl_feed feed = sl_feed_simulated(&data, STATISTICS_IMAGES);
    sl_model *vae;
    sl_progress_tell(progress, "solving for the autoencoder", "image", 0, STATISTICS_IMAGES, NULL);
    SL_TRY(sl_base_vae_new((uint64_t)settings->seed, &vae));
    json_object_set_new(result, "parameters", json_integer((json_int_t)sl_params_values(vae->params, false)));
    sl_status status = sl_vae_start_linear(vae, &feed, STATISTICS_IMAGES);
    sl_base_maker made_of = sl_base_maker_now(settings);
    if (status == SL_OK) status = sl_base_write_index(settings, &made_of);
    if (status == SL_OK) status = sl_model_save(vae, folder.text, SL_F16);
    sl_model_free(vae);
    return status;
}

/* What the linear decoder leaves over. It begins with the one that was solved for, kept beside it. */
sl_status sl_base_stage_decoder(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    half_stage half = {SL_VAE_DECODER, SL_SIMULATED_EXPECTATION, "model/vae",           "decoder",
                       "model/vae",    settings->decoder_steps,  settings->decoder_rate};
    return run_half(settings, &half, progress, result);
}

/* An encoder for measured frames. The decoder is not touched, so the denoiser's latents keep their meaning.
 */
sl_status sl_base_stage_encoder(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    half_stage half = {SL_VAE_ENCODER,       SL_SIMULATED_PAIR,       "model/vae",           "encoder",
                       "model/vae_measured", settings->encoder_steps, settings->encoder_rate};
    return run_half(settings, &half, progress, result);
}

/* ---- latents ---- */

typedef struct encode_work {
    sl_vae_coder *coder;
    sl_feed feed;
    int64_t size;                    /* numbers of one latent */
    float *image, *mean, *deviation; /* [CODE_BATCH, image], [SHARD, latent] x 2 */
    sl_feed_about *about;            /* [SHARD] */
    const char *caption[SHARD];
    sl_direct_beam beam[SHARD];
    sl_sketch *sketch; /* [SHARD] */
} encode_work;

static sl_status encode_work_new(const sl_base_settings *settings, sl_model *vae, const sl_feed *feed,
                                 encode_work *out) {
    *out = (encode_work){.feed = *feed};
    int side = (int)settings->size;
    SL_TRY(sl_vae_coder_new(vae, CODE_BATCH, side, side, false, SL_F32, &out->coder));
    out->size = sl_vae_coder_latents(out->coder);
    SL_TRY(sl_alloc(&out->image, (size_t)CODE_BATCH * (size_t)side * (size_t)side, sizeof(float)));
    SL_TRY(sl_alloc(&out->mean, (size_t)(SHARD * out->size), sizeof(float)));
    SL_TRY(sl_alloc(&out->deviation, (size_t)(SHARD * out->size), sizeof(float)));
    SL_TRY(sl_alloc(&out->sketch, SHARD, sizeof *out->sketch));
    return sl_alloc(&out->about, SHARD, sizeof *out->about);
}

static void encode_work_free(encode_work *work) {
    sl_vae_coder_free(work->coder);
    sl_free(work->image);
    sl_free(work->mean);
    sl_free(work->deviation);
    sl_free(work->sketch);
    sl_free(work->about);
}

/* The images from number `first` of the data on. */
static sl_status encode_shard(encode_work *w, int number, int items, int64_t first,
                              const sl_progress *progress, int64_t total) {
    for (int at = 0; at < items; at += CODE_BATCH) {
        SL_TRY(sl_progress_check(progress));
        int64_t wanted[CODE_BATCH];
        int count = items - at < CODE_BATCH ? items - at : CODE_BATCH;
        for (int i = 0; i < count; i++) wanted[i] = first + (int64_t)number * SHARD + at + i;
        SL_TRY(sl_feed_get_many(&w->feed, wanted, count, w->image, w->about + at));
        float *deviation = w->deviation + at * w->size;
        SL_TRY(sl_vae_encode(w->coder, w->image, count, w->mean + at * w->size, deviation));
        for (int64_t i = 0; i < count * w->size; i++) deviation[i] = expf(0.5f * deviation[i]);
        for (int i = at; i < at + count; i++) {
            w->caption[i] = w->about[i].caption;
            w->beam[i] = w->about[i].beam;
            w->sketch[i] = w->about[i].sketch;
        }
        sl_progress_tell(progress, "encoding images", "image", wanted[count - 1] + 1 - first, total, NULL);
    }
    return SL_OK;
}

static sl_status count_latents(const char *folder, const char *maker, int64_t *out) {
    sl_latents *latents;
    *out = 0;
    if (!sl_latents_shards(folder)) return SL_OK;
    SL_TRY(sl_latents_open(folder, maker, &latents));
    *out = sl_latents_count(latents);
    sl_latents_close(latents);
    return SL_OK;
}

static sl_status encode_all(const sl_base_settings *settings, const sl_progress *progress, sl_model *vae,
                            int which, int64_t first, int64_t total, const char *maker, const char *folder) {
    sl_simulated data = sl_base_data(settings, which, SL_SIMULATED_EXPECTATION);
    sl_feed feed = sl_feed_simulated(&data, 0);
    encode_work work;
    sl_status status = encode_work_new(settings, vae, &feed, &work);
    double begin_s = sl_clock_s();
    int64_t side = settings->size / (sl_vae_block(vae->config) * sl_vae_reduction(vae->config));
    int64_t there = 0;
    if (status == SL_OK) status = count_latents(folder, maker, &there);
    /* a last shard that is not full is made anew where more are wanted */
    for (int number = (int)(there / SHARD);
         status == SL_OK && there < total && (int64_t)number * SHARD < total; number++) {
        if (settings->minutes > 0 && sl_clock_s() - begin_s > settings->minutes * 60) break;
        int64_t rest = total - (int64_t)number * SHARD;
        int items = rest < SHARD ? (int)rest : SHARD;
        SL_GUARD(status, encode_shard(&work, number, items, first, progress, total), done);
        sl_latent_shard shard = {.items = items,
                                 .image = first + (int64_t)number * SHARD,
                                 .shape = SL_SHAPE(side, side, work.size / (side * side)),
                                 .mean = work.mean,
                                 .deviation = work.deviation,
                                 .caption = work.caption,
                                 .beam = work.beam,
                                 .sketch = work.sketch};
        SL_GUARD(status, sl_latents_write(folder, number, &shard, maker), done);
    }
done:
    encode_work_free(&work);
    return status;
}

/* Existing shards must have been made by this autoencoder, of images from number `first` on. */
static sl_status check_made_by(const char *folder, const char *maker, int64_t first) {
    if (!sl_latents_shards(folder)) return SL_OK;
    sl_latents *latents;
    SL_TRY(sl_context(sl_latents_open(folder, maker, &latents), "remove '%s' to encode anew", folder));
    int64_t found = sl_latents_image(latents);
    sl_latents_close(latents);
    if (found < 0 || found == first) return SL_OK;
    return sl_fail(SL_MISMATCH, "latents in '%s' begin with image %lld, --latents-first asks for %lld",
                   folder, (long long)found, (long long)first);
}

sl_status sl_base_stage_latents(const sl_base_settings *settings, const sl_progress *progress,
                                json_t *result) {
    sl_base_path model = sl_base_path_of(settings, "model/vae"), train = sl_base_path_of(settings, "latents"),
                 holdout = sl_base_path_of(settings, "latents-holdout");
    sl_base_maker made_of = sl_base_maker_now(settings);
    char maker[SL_BASE_MAKER_BYTES];
    sl_model *vae;
    SL_TRY(sl_context(sl_model_load(model.text, &vae), "the latents stage needs the autoencoder"));
    sl_status status;
    SL_GUARD(status, sl_base_maker_encoder(vae, &made_of), done);
    sl_base_maker_text(&made_of, maker);
    SL_GUARD(status, check_made_by(train.text, maker, settings->latents_first), done);
    SL_GUARD(status, check_made_by(holdout.text, maker, 0), done);
    SL_GUARD(
        status,
        encode_all(settings, progress, vae, SL_BASE_DATA_HOLDOUT, 0, HOLDOUT_LATENTS, maker, holdout.text),
        done);
    SL_GUARD(status,
             encode_all(settings, progress, vae, SL_BASE_DATA_TRAIN, settings->latents_first,
                        settings->latents, maker, train.text),
             done);
    sl_latents *latents;
    SL_GUARD(status, sl_latents_open(train.text, maker, &latents), done);
    json_object_set_new(result, "latents", json_integer((json_int_t)sl_latents_count(latents)));
    sl_latents_close(latents);
done:
    sl_model_free(vae);
    return status;
}
