/* Stage unet: vocabulary, text encoder and denoiser on the cached latents. */
#include "loop/train/base_internal.h"

#include "base/file.h"
#include "base/hash.h"
#include "loop/engine.h"
#include "model/bpe_train.h"
#include "model/tokenizer.h"
#include "train/denoiser_train.h"
#include "train/feed.h"
#include "train/latents.h"
#include "train/learner.h"

#include <stdio.h>
#include <string.h>

enum { VOCABULARY_CAPTIONS = 20000, HOLDOUT_DRAWS = 4 };

typedef struct caption_source {
    const sl_latents *latents;
    const sl_tokenizer *tokenizer;
    uint64_t seed;
} caption_source;

static sl_status latent(void *context, int64_t sample, uint32_t draw, float *out) {
    const caption_source *source = context;
    sl_latents_sample(source->latents, sample, source->seed, draw, out);
    return SL_OK;
}

static sl_status ids(void *context, int64_t sample, uint32_t draw, int32_t *out) {
    (void)draw;
    const caption_source *source = context;
    char caption[SL_FEED_CAPTION_BYTES] = "";
    if (sample >= 0) sl_latents_caption(source->latents, sample, caption, sizeof caption);
    return sl_tokenizer_encode(source->tokenizer, caption, SL_BASE_TOKENS, out, NULL);
}

static sl_direct_beam beam(void *context, int64_t sample) {
    const caption_source *source = context;
    return sl_latents_beam(source->latents, sample);
}

static void sketch(void *context, int64_t sample, sl_sketch *out) {
    const caption_source *source = context;
    sl_latents_sketch(source->latents, sample, out);
}

/* ---- vocabulary ---- */

static sl_status learn_vocabulary(const sl_base_settings *settings, const sl_latents *latents,
                                  const char *folder) {
    int64_t count =
        sl_latents_count(latents) < VOCABULARY_CAPTIONS ? sl_latents_count(latents) : VOCABULARY_CAPTIONS;
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    const char **texts = SL_NEW(arena, const char *, count);
    char caption[SL_FEED_CAPTION_BYTES];
    for (int64_t i = 0; i < count; i++) {
        sl_latents_caption(latents, i, caption, sizeof caption);
        texts[i] = sl_arena_strdup(arena, caption);
    }
    sl_status status =
        sl_bpe_train(texts, (size_t)count, (int)settings->vocabulary, SL_BASE_TOKENS, folder, NULL);
    sl_arena_free(arena);
    return status;
}

static sl_status copy_vocabulary(const sl_base_settings *settings, const char *folder) {
    static const char *const names[] = {"vocab.json", "merges.txt", "special_tokens_map.json",
                                        "tokenizer_config.json"};
    SL_TRY(sl_folder_make(folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[SL_BASE_PATH_BYTES], to[SL_BASE_PATH_BYTES];
        snprintf(from, sizeof from, "%s/tokenizer/%s", settings->begin, names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        SL_TRY(sl_file_copy(from, to, 1 << 24));
    }
    return SL_OK;
}

/* The words that are there already must be those that the weights to begin with know. */
static sl_status check_vocabulary(const sl_base_settings *settings, const char *folder) {
    static const char *const names[] = {"vocab.json", "merges.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char theirs[SL_BASE_PATH_BYTES], ours[SL_BASE_PATH_BYTES];
        char their_hash[SL_SHA256_HEX], our_hash[SL_SHA256_HEX];
        snprintf(theirs, sizeof theirs, "%s/tokenizer/%s", settings->begin, names[i]);
        snprintf(ours, sizeof ours, "%s/%s", folder, names[i]);
        SL_TRY(sl_sha256_file_hex(theirs, their_hash));
        SL_TRY(sl_sha256_file_hex(ours, our_hash));
        if (strcmp(their_hash, our_hash) != 0)
            return sl_fail(SL_MISMATCH, "'%s' is not '%s': remove '%s' to begin with those words", ours,
                           theirs, folder);
    }
    return SL_OK;
}

static sl_status open_tokenizer(const sl_base_settings *settings, const sl_latents *latents,
                                sl_tokenizer **out) {
    sl_base_path folder = sl_base_path_of(settings, "model/tokenizer"),
                 words = sl_base_path_of(settings, "model/tokenizer/vocab.json");
    if (!sl_file_exists(words.text))
        SL_TRY(settings->begin ? copy_vocabulary(settings, folder.text)
                               : learn_vocabulary(settings, latents, folder.text));
    else if (settings->begin)
        SL_TRY(check_vocabulary(settings, folder.text));
    return sl_tokenizer_open(folder.text, out);
}

/* ---- training ---- */

typedef struct unet_stage {
    sl_latents *train, *holdout;
    sl_base_maker made_of; /* latents */
    sl_tokenizer *tokenizer;
    sl_base_unet shape;
    sl_model *unet, *text;
    uint8_t begin[SL_SHA256_BYTES]; /* of the weights that it begins with; zeros: none */
} unet_stage;

static void stage_free(unet_stage *s) {
    sl_latents_close(s->train);
    sl_latents_close(s->holdout);
    sl_tokenizer_close(s->tokenizer);
    sl_model_free(s->unet);
    sl_model_free(s->text);
}

static void name_weights(const sl_params *params, uint8_t out[SL_SHA256_BYTES]) {
    sl_sha256_state state;
    sl_sha256_begin(&state);
    for (int i = 0; i < sl_params_count(params); i++) {
        const sl_tensor *value = &sl_params_at(params, i)->value;
        sl_sha256_add(&state, value->data, (size_t)sl_shape_count(&value->shape) * sizeof(float));
    }
    sl_sha256_end(&state, out);
}

static uint64_t lineage_of(const unet_stage *s) {
    uint64_t lineage = 0;
    for (int i = 0; i < 8; i++) lineage = lineage << 8 | s->begin[i];
    return lineage;
}

/* The autoencoder that the denoiser will stand beside, where there is one yet, must be the latents'. */
static sl_status check_encoder(const sl_base_settings *settings, const sl_base_maker *made_of,
                               const char *latents) {
    sl_base_path folder = sl_base_path_of(settings, "model/vae"),
                 there = sl_base_path_of(settings, "model/vae/config.json");
    sl_base_maker beside = {0};
    sl_model *vae;
    if (!sl_file_exists(there.text)) return SL_OK;
    SL_TRY(sl_model_load(folder.text, &vae));
    sl_status status = sl_base_maker_encoder(vae, &beside);
    sl_model_free(vae);
    SL_TRY(status);
    if (strcmp(beside.encoder, made_of->encoder) == 0) return SL_OK;
    return sl_fail(SL_MISMATCH, "latents in '%s' are of encoder %s, that in '%s' is %s", latents,
                   made_of->encoder, folder.text, beside.encoder);
}

static sl_status open_latents(const sl_base_settings *settings, unet_stage *s) {
    sl_base_path train = sl_base_path_of(settings, "latents"),
                 holdout = sl_base_path_of(settings, "latents-holdout");
    SL_TRY(sl_latents_open(train.text, NULL, &s->train));
    const char *maker = sl_latents_maker(s->train);
    SL_TRY(sl_context(sl_base_maker_read(maker, &s->made_of), "'%s'", train.text));
    SL_TRY(sl_latents_open(holdout.text, maker, &s->holdout));
    if (s->made_of.size_px != settings->size)
        return sl_fail(SL_MISMATCH, "latents in '%s' are of images of %lld px, --size asks for %lld",
                       train.text, (long long)s->made_of.size_px, (long long)settings->size);
    return check_encoder(settings, &s->made_of, train.text);
}

/* The denoiser that a later training begins with; NULL: none. */
static sl_status open_begin(const sl_base_settings *settings, sl_base_path *folder, sl_model **out) {
    *out = NULL;
    if (!settings->begin) return SL_OK;
    snprintf(folder->text, sizeof folder->text, "%s/unet", settings->begin);
    return sl_model_load(folder->text, out);
}

/* A later training begins with an earlier one's weights. */
static sl_status take_begin(const sl_base_settings *settings, const sl_model *begin, const char *folder,
                            unet_stage *s) {
    sl_base_path text;
    SL_TRY(sl_base_unet_check(&s->shape, begin->config, folder));
    SL_TRY(sl_base_begin(begin->params, folder, s->unet->params));
    name_weights(begin->params, s->begin);
    snprintf(text.text, sizeof text.text, "%s/text_encoder", settings->begin);
    return sl_model_load_weights(s->text, text.text);
}

/* Latents of programs before do not say where anything is. */
static sl_status check_sketches(const sl_base_settings *settings, const unet_stage *s) {
    if (!s->shape.sketch || (sl_latents_have_sketches(s->train) && sl_latents_have_sketches(s->holdout)))
        return SL_OK;
    return sl_fail(SL_MISMATCH,
                   "latents in '%s' do not say where rings, arcs and spots are: encode them anew, or give "
                   "--unet-sketch 0",
                   settings->out);
}

static sl_status models_new(const sl_base_settings *settings, unet_stage *s) {
    sl_tokenizer_facts facts = sl_tokenizer_describe(s->tokenizer);
    uint64_t seed = (uint64_t)settings->seed;
    sl_base_path folder;
    sl_model *begin;
    SL_TRY(open_begin(settings, &folder, &begin));
    s->shape = sl_base_unet_shape(settings, begin ? begin->config : NULL);
    s->shape.latent_side = sl_latents_shape(s->train).dim[0];
    sl_status status = sl_base_unet_new(seed, &s->shape, &s->unet);
    if (!status) status = sl_base_text_new(seed, facts.vocabulary, facts.begin, facts.end, &s->text);
    if (!status && begin) status = take_begin(settings, begin, folder.text, s);
    sl_model_free(begin);
    return status ? status : check_sketches(settings, s);
}

static sl_status stage_open(const sl_base_settings *settings, unet_stage *s) {
    SL_TRY(open_latents(settings, s));
    SL_TRY(open_tokenizer(settings, s->train, &s->tokenizer));
    return models_new(settings, s);
}

/* What a resumed training must share. A share that is 0 is not recorded, so that states without its key still
 * match. */
static json_t *recorded_of(const sl_base_settings *settings, const sl_denoiser_recipe *recipe,
                           const unet_stage *s) {
    const struct {
        const char *name;
        double share;
    } later[] = {{"noisy", settings->unet_noisy},
                 {"coarse", settings->unet_coarse},
                 {"marked", s->shape.sketch ? settings->unet_marked : 0},
                 {"sketch_dropout", s->shape.sketch ? settings->sketch_dropout : 0}};
    json_t *recorded = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:i}", "batch", recipe->batch, "accumulate",
                                 (int)settings->unet_accumulate, "rate", settings->unet_rate, "ema",
                                 settings->unet_ema, "caption_dropout", recipe->caption_dropout,
                                 "beam_dropout", recipe->beam_dropout, "dtype", settings->dtype);
    sl_base_unet_record(&s->shape, recorded);
    json_object_set_new(recorded, "data_seed", json_integer((json_int_t)s->made_of.seed));
    json_object_set_new(recorded, "encoder", json_string(s->made_of.encoder));
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (later[i].share > 0) json_object_set_new(recorded, later[i].name, json_real(later[i].share));
    }
    if (settings->begin) {
        char begin[2 * SL_SHA256_BYTES + 1];
        sl_hex(s->begin, sizeof s->begin, begin);
        json_object_set_new(recorded, "begin", json_string(begin));
    }
    return recorded;
}

static sl_status train_with(const sl_base_settings *settings, const sl_progress *progress,
                            const unet_stage *s, const sl_denoiser_recipe *recipe, json_t *result) {
    sl_base_path folder = sl_base_path_of(settings, "unet");
    uint64_t seed = (uint64_t)settings->seed;
    caption_source train_source = {s->train, s->tokenizer, seed ^ recipe->lineage},
                   holdout_source = {s->holdout, s->tokenizer, seed + 1};
    sl_denoiser_data data = {&train_source, sl_latents_count(s->train), latent, ids, NULL, beam, sketch},
                     held = {&holdout_source, sl_latents_count(s->holdout), latent, ids, NULL, beam, sketch};
    json_t *recorded = recorded_of(settings, recipe, s);
    sl_train_options options =
        sl_base_train_options(settings, folder.text, settings->unet_steps, settings->unet_rate,
                              settings->unet_ema, &s->made_of, recorded);
    options.accumulate = (int)settings->unet_accumulate;
    sl_denoiser_models models = {.unet = s->unet, .text = s->text};
    sl_train_outcome outcome;
    sl_status status = sl_train_denoiser(&models, recipe, &data, &held, &options, progress, &outcome);
    json_decref(recorded);
    if (status == SL_OK) sl_base_report(&outcome, result);
    return status;
}

static sl_status train(const sl_base_settings *settings, const sl_progress *progress, const unet_stage *s,
                       json_t *result) {
    sl_noise_schedule schedule;
    sl_dtype dtype;
    SL_TRY(sl_engine_dtype(settings->dtype, &dtype));
    SL_TRY(sl_noise_schedule_new(
        &(sl_noise_schedule_settings){.betas = SL_BETAS_SQUARED_COSINE, .train_steps = 1000}, &schedule));
    sl_shape shape = sl_latents_shape(s->train);
    sl_denoiser_recipe recipe = {.batch = (int)settings->unet_batch,
                                 .height = shape.dim[0],
                                 .width = shape.dim[1],
                                 .length = SL_BASE_TOKENS,
                                 .place_px = (double)settings->size / (double)shape.dim[0],
                                 .noising = {.schedule = &schedule,
                                             .prediction = SL_PREDICTION_V,
                                             .noisy_share = settings->unet_noisy,
                                             .seed = (uint64_t)settings->seed},
                                 .lineage = lineage_of(s),
                                 .spread_timesteps = true,
                                 .caption_dropout = settings->caption_dropout,
                                 .beam_dropout = settings->beam_dropout,
                                 .sketch_dropout = settings->sketch_dropout,
                                 .coarse_weight = settings->unet_coarse,
                                 .marked_weight = settings->unet_marked,
                                 .holdout_draws = HOLDOUT_DRAWS,
                                 .dtype = dtype};
    sl_status status = train_with(settings, progress, s, &recipe, result);
    sl_noise_schedule_free(&schedule);
    return status;
}

static sl_status read_trained(const char *file, const char *prefix, const unet_stage *s) {
    char name[64];
    snprintf(name, sizeof name, "%sunet.", prefix);
    SL_TRY(sl_params_read(s->unet->params, file, name));
    snprintf(name, sizeof name, "%stext_encoder.", prefix);
    return sl_params_read(s->text->params, file, name);
}

/* `share` of the weights as the training left them, the rest of those that it began with. */
static sl_status mix(const sl_base_settings *settings, int64_t step, const unet_stage *s) {
    char last[64];
    snprintf(last, sizeof last, "unet/state-%010lld.safetensors", (long long)step);
    sl_base_path state = sl_base_path_of(settings, last);
    unet_stage begun = {.train = s->train, .tokenizer = s->tokenizer};
    SL_TRY(read_trained(state.text, settings->unet_ema > 0 ? "average/" : "weight/", s));
    sl_status status = models_new(settings, &begun);
    if (status == SL_OK) {
        sl_params_mix(s->unet->params, begun.unet->params, settings->unet_mix);
        sl_params_mix(s->text->params, begun.text->params, settings->unet_mix);
    }
    sl_model_free(begun.unet);
    sl_model_free(begun.text);
    return status;
}

static sl_status export(const sl_base_settings *settings, int64_t step, const unet_stage *s) {
    sl_base_path best = sl_base_path_of(settings, "unet/best.safetensors"),
                 unet = sl_base_path_of(settings, "model/unet"),
                 text = sl_base_path_of(settings, "model/text_encoder");
    SL_TRY(settings->unet_mix < 1 ? mix(settings, step, s) : read_trained(best.text, "", s));
    SL_TRY(sl_base_write_index(settings, &s->made_of));
    SL_TRY(sl_model_save(s->unet, unet.text, SL_F16));
    return sl_model_save(s->text, text.text, SL_F16);
}

sl_status sl_base_stage_unet(const sl_base_settings *settings, const sl_progress *progress, json_t *result) {
    unet_stage stage = {0};
    int64_t step = 0;
    if (settings->unet_mix < 1 && !settings->begin)
        return sl_fail(SL_INVALID, "--unet-mix %g: the rest is of the weights that --begin names",
                       settings->unet_mix);
    sl_status status = stage_open(settings, &stage);
    if (status == SL_OK) {
        json_object_set_new(result, "parameters",
                            json_integer((json_int_t)sl_params_values(stage.unet->params, false)));
        json_object_set_new(result, "text_parameters",
                            json_integer((json_int_t)sl_params_values(stage.text->params, false)));
        status = train(settings, progress, &stage, result);
    }
    if (status == SL_OK) status = sl_json_int(result, "step", 0, INT64_MAX, &step);
    if (status == SL_OK) status = export(settings, step, &stage);
    stage_free(&stage);
    return status;
}
