#include "diffusion/bundle.h"

#include "base/file.h"
#include "base/limits.h"
#include "diffusion/beam_map.h"

#include <stdio.h>
#include <string.h>

static const char *const space_names[] = {"observed", "expectation"};

static const char *const tokenizer_files[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                              "special_tokens_map.json", "tokenizer.json"};

static sl_status load_part(const char *folder, const char *part, const sl_model_kind *kind, bool weights,
                           sl_model **out) {
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, part);
    sl_model *model;
    SL_TRY(weights ? sl_model_open(path, &model) : sl_model_load_config(path, &model));
    if (model->kind != kind) {
        sl_status status = sl_fail(SL_UNSUPPORTED, "'%s' holds a %s, expected a %s", path,
                                   model->kind->class_name, kind->class_name);
        sl_model_free(model);
        return status;
    }
    *out = model;
    return SL_OK;
}

static const double usual_guidance[] = {[SL_SPACE_OBSERVED] = 7.5, [SL_SPACE_EXPECTATION] = 1.5},
                    most_guidance = 50, most_brightness_deviation = 100;

static sl_status read_up_to(const json_t *facts, const char *key, double most, double *out) {
    SL_TRY(sl_json_real_or(facts, key, 0, out));
    if (*out >= 0 && *out <= most) return SL_OK;
    return sl_fail(SL_FORMAT, "'%s' is %g, expected 0 to %g", key, *out, most);
}

static sl_status load_guidance(sl_bundle *bundle, const json_t *facts) {
    double *from = &bundle->way.guidance_from, *to = &bundle->way.guidance_to;
    SL_TRY(sl_json_real_or(facts, "guidance", usual_guidance[bundle->space], &bundle->way.guidance));
    if (!(bundle->way.guidance > 0 && bundle->way.guidance <= most_guidance))
        return sl_fail(SL_FORMAT, "'guidance' is %g, expected above 0 and up to %g", bundle->way.guidance,
                       most_guidance);
    SL_TRY(read_up_to(facts, "level_guidance", most_guidance, &bundle->way.level_guidance));
    SL_TRY(sl_json_bool_or(facts, "sketch_guided", false, &bundle->way.sketch_guided));
    SL_TRY(sl_json_real_or(facts, "guidance_from", 0, from));
    SL_TRY(sl_json_real_or(facts, "guidance_to", 1, to));
    if (*from >= 0 && *from < *to && *to <= 1) return SL_OK;
    return sl_fail(SL_FORMAT, "'guidance_from' is %g and 'guidance_to' %g, expected 0 <= from < to <= 1",
                   *from, *to);
}

static sl_status load_noise(sl_bundle *bundle, const json_t *facts) {
    SL_TRY(read_up_to(facts, "eta", 1, &bundle->eta));
    SL_TRY(read_up_to(facts, "brightness_deviation", most_brightness_deviation,
                      &bundle->way.brightness_deviation));
    return sl_bundle_sampler(bundle, NULL, -1, &bundle->sampler);
}

/* scatterloop.json, where there is one */
static sl_status load_facts(sl_bundle *bundle) {
    char path[SL_LIMIT_PATH_BYTES];
    bundle->space_to_depth = 1;
    bundle->way.guidance = usual_guidance[SL_SPACE_OBSERVED];
    bundle->way.guidance_to = 1;
    snprintf(path, sizeof path, "%s/scatterloop.json", bundle->folder);
    if (!sl_file_exists(path)) return SL_OK;
    json_t *json;
    SL_TRY(sl_json_read(path, &json));
    const char *space = NULL;
    sl_status status = sl_json_string_or(json, "space", space_names[0], &space);
    if (status == SL_OK) status = sl_json_int_or(json, "space_to_depth", 1, 16, 1, &bundle->space_to_depth);
    if (status == SL_OK) {
        bundle->space =
            strcmp(space, space_names[SL_SPACE_EXPECTATION]) == 0 ? SL_SPACE_EXPECTATION : SL_SPACE_OBSERVED;
        if (strcmp(space, space_names[bundle->space]) != 0)
            status = sl_fail(SL_UNSUPPORTED, "'space' is '%s', expected 'observed' or 'expectation'", space);
        if (status == SL_OK) status = load_guidance(bundle, json);
        if (status == SL_OK) status = load_noise(bundle, json);
        if (status == SL_OK) status = sl_deblocking_read(json, bundle->space_to_depth, &bundle->deblocking);
        json_t *map = json_object_get(json, "intensity_map");
        if (json_is_object(map)) bundle->intensity_map = json_incref(map);
    }
    json_decref(json);
    return sl_context(status, "'%s'", path);
}

/* Whether the parts fit together. */
static sl_status check_fit(const sl_bundle *bundle) {
    const sl_unet_config *unet = sl_bundle_unet(bundle);
    const sl_vae_config *vae = sl_bundle_vae(bundle);
    const sl_clip_config *clip = sl_bundle_clip(bundle);
    sl_tokenizer_facts tokens = sl_tokenizer_describe(bundle->tokenizer);
    if (unet->in_channels != vae->latent_channels || unet->out_channels != vae->latent_channels)
        return sl_fail(SL_MISMATCH,
                       "the denoiser takes %lld and gives %lld channels, the autoencoder's latents have %lld",
                       (long long)unet->in_channels, (long long)unet->out_channels,
                       (long long)vae->latent_channels);
    int beam_channels = sl_beam_channels_for(unet);
    if (unet->beam_channels && unet->beam_channels != beam_channels)
        return sl_fail(SL_UNSUPPORTED, "the denoiser takes %lld channels about the beam, expected none or %d",
                       (long long)unet->beam_channels, beam_channels);
    if (beam_channels > SL_BEAM_CHANNELS && sl_bundle_reduction(bundle) != SL_UNET_SPLIT)
        return sl_fail(SL_UNSUPPORTED,
                       "the denoiser splits places in %d for profiles, and they are %lld pixels wide",
                       SL_UNET_SPLIT, (long long)sl_bundle_reduction(bundle));
    if (unet->cross_attention_dim != clip->hidden_size)
        return sl_fail(SL_MISMATCH, "the denoiser attends to %lld features, the text encoder gives %lld",
                       (long long)unet->cross_attention_dim, (long long)clip->hidden_size);
    if (tokens.vocabulary > clip->vocab_size)
        return sl_fail(SL_MISMATCH, "the tokenizer has %d tokens, the text encoder %lld",
                       (int)tokens.vocabulary, (long long)clip->vocab_size);
    int64_t block = bundle->space_to_depth * bundle->space_to_depth;
    if (vae->in_channels % block || vae->out_channels % block)
        return sl_fail(SL_MISMATCH, "the autoencoder's %lld channels are not blocks of %lld pixels",
                       (long long)vae->in_channels, (long long)block);
    return SL_OK;
}

static sl_status load(sl_bundle *bundle, bool weights) {
    char path[SL_LIMIT_PATH_BYTES];
    SL_TRY(load_part(bundle->folder, "text_encoder", &sl_clip_kind, weights, &bundle->text_encoder));
    SL_TRY(load_part(bundle->folder, "unet", &sl_unet_kind, weights, &bundle->unet));
    SL_TRY(load_part(bundle->folder, "vae", &sl_vae_kind, weights, &bundle->vae));
    snprintf(path, sizeof path, "%s/tokenizer", bundle->folder);
    SL_TRY(sl_tokenizer_open(path, &bundle->tokenizer));
    snprintf(path, sizeof path, "%s/scheduler", bundle->folder);
    SL_TRY(sl_sampler_settings_use(path, NULL, &bundle->sampler));
    SL_TRY(load_facts(bundle));
    return check_fit(bundle);
}

static sl_status open_bundle(const char *folder, bool weights, sl_bundle **out) {
    sl_bundle *bundle;
    SL_TRY(sl_alloc(&bundle, 1, sizeof *bundle));
    sl_status status = SL_OK;
    bundle->folder = strdup(folder);
    if (!bundle->folder) status = sl_fail(SL_MEMORY, "no memory for a path");
    if (status == SL_OK) status = load(bundle, weights);
    if (status == SL_OK)
        *out = bundle;
    else
        sl_bundle_free(bundle);
    return sl_context(status, "model folder '%s'", folder);
}

sl_status sl_bundle_load(const char *folder, sl_bundle **out) {
    return open_bundle(folder, true, out);
}

sl_status sl_bundle_load_configs(const char *folder, sl_bundle **out) {
    return open_bundle(folder, false, out);
}

void sl_bundle_free(sl_bundle *bundle) {
    if (!bundle) return;
    sl_model_free(bundle->text_encoder);
    sl_model_free(bundle->unet);
    sl_model_free(bundle->vae);
    sl_tokenizer_close(bundle->tokenizer);
    json_decref(bundle->intensity_map);
    free(bundle->folder);
    sl_free(bundle);
}

double sl_bundle_guidance(const sl_bundle *bundle, double asked) {
    return asked >= 0 ? asked : bundle->way.guidance;
}

sl_status sl_bundle_sampler(const sl_bundle *bundle, const char *name, double eta, sl_sampler_settings *out) {
    sl_sampler_settings settings = bundle->sampler;
    if (name) {
        char path[SL_LIMIT_PATH_BYTES];
        snprintf(path, sizeof path, "%s/scheduler", bundle->folder);
        SL_TRY(sl_sampler_settings_use(path, name, &settings));
    }
    bool takes = sl_sampler_takes_eta(settings.sampler);
    if (eta > 0 && !takes)
        return sl_fail(SL_INVALID, "the sampler %s takes no eta, which is %g; ddim does",
                       sl_sampler_name(settings.sampler), eta);
    settings.eta = !takes ? 0 : eta < 0 ? bundle->eta : eta;
    *out = settings;
    return SL_OK;
}

int64_t sl_bundle_reduction(const sl_bundle *bundle) {
    return sl_vae_reduction(sl_bundle_vae(bundle)) * bundle->space_to_depth;
}

int64_t sl_bundle_side_px(const sl_bundle *bundle) {
    return sl_bundle_unet(bundle)->sample_size * sl_bundle_reduction(bundle);
}

int64_t sl_bundle_image_channels(const sl_bundle *bundle) {
    return sl_bundle_vae(bundle)->out_channels / (bundle->space_to_depth * bundle->space_to_depth);
}

static sl_status write_json(const char *folder, const char *name, json_t *json) {
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!json) return sl_fail(SL_MEMORY, "no memory for '%s'", path);
    sl_status status = sl_json_write(path, json);
    json_decref(json);
    return status;
}

static sl_status write_index(const sl_bundle *bundle, const char *folder) {
    json_t *scheduler = sl_sampler_settings_to_json(&bundle->sampler);
    const char *class_name = json_string_value(json_object_get(scheduler, "_class_name"));
    json_t *index =
        json_pack("{s:s, s:s, s:b, s:[n,n], s:[n,n], s:[s,s], s:[s,s], s:[s,s], s:[s,s], s:[s,s]}",
                  "_class_name", "StableDiffusionPipeline", "_diffusers_version", "0.21.0",
                  "requires_safety_checker", 0, "safety_checker", "feature_extractor", "scheduler",
                  "diffusers", class_name ? class_name : "PNDMScheduler", "text_encoder", "transformers",
                  "CLIPTextModel", "tokenizer", "transformers", "CLIPTokenizer", "unet", "diffusers",
                  "UNet2DConditionModel", "vae", "diffusers", "AutoencoderKL");
    sl_status status = write_json(folder, "model_index.json", index);
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/scheduler", folder);
    if (status == SL_OK) status = sl_folder_make(path);
    if (status != SL_OK) {
        json_decref(scheduler);
        return status;
    }
    return write_json(path, "scheduler_config.json", scheduler);
}

static sl_status write_facts(const sl_bundle *bundle, const char *folder) {
    json_t *facts = json_pack(
        "{s:i, s:s, s:I, s:f, s:f, s:b, s:f, s:f, s:f, s:f, s:f, s:f}", "version", 1, "space",
        space_names[bundle->space], "space_to_depth", (json_int_t)bundle->space_to_depth, "guidance",
        bundle->way.guidance, "level_guidance", bundle->way.level_guidance, "sketch_guided",
        bundle->way.sketch_guided, "guidance_from", bundle->way.guidance_from, "guidance_to",
        bundle->way.guidance_to, "eta", bundle->eta, "brightness_deviation", bundle->way.brightness_deviation,
        "deblock", bundle->deblocking.step, "deblock_detail", bundle->deblocking.detail);
    if (facts && bundle->intensity_map) json_object_set(facts, "intensity_map", bundle->intensity_map);
    return write_json(folder, "scatterloop.json", facts);
}

static sl_status copy_tokenizer(const sl_bundle *bundle, const char *folder) {
    char from[SL_LIMIT_PATH_BYTES], to[SL_LIMIT_PATH_BYTES];
    snprintf(to, sizeof to, "%s/tokenizer", folder);
    SL_TRY(sl_folder_make(to));
    for (size_t i = 0; i < sizeof tokenizer_files / sizeof *tokenizer_files; i++) {
        snprintf(from, sizeof from, "%s/tokenizer/%s", bundle->folder, tokenizer_files[i]);
        snprintf(to, sizeof to, "%s/tokenizer/%s", folder, tokenizer_files[i]);
        if (sl_file_exists(from)) SL_TRY(sl_file_copy(from, to, SL_LIMIT_JSON_BYTES));
    }
    return SL_OK;
}

static sl_status save(const sl_bundle *bundle, const char *folder, sl_dtype dtype) {
    const struct {
        const char *name;
        const sl_model *model;
    } parts[] = {{"text_encoder", bundle->text_encoder}, {"unet", bundle->unet}, {"vae", bundle->vae}};
    SL_TRY(sl_folder_make(folder));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[SL_LIMIT_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", folder, parts[i].name);
        SL_TRY(sl_model_save(parts[i].model, path, dtype));
    }
    SL_TRY(copy_tokenizer(bundle, folder));
    SL_TRY(write_facts(bundle, folder));
    return write_index(bundle, folder);
}

sl_status sl_bundle_save(const sl_bundle *bundle, const char *folder, sl_dtype dtype) {
    return sl_context(save(bundle, folder, dtype), "saving model folder '%s'", folder);
}
