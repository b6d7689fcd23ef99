/* The architectures of the base model, and the files around them. */
#include "loop/train/base_internal.h"

#include "base/file.h"
#include "base/numeric/plain_math.h"
#include "diffusion/beam_map.h"
#include "train/vae/vae_train.h"
#include "xray/log_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 8 x 8 pixels are a vector, and six numbers say it (train/vae/vae_linear.h); the blocks add what is not
 * linear.
 */
enum { BLOCK = 8 };
static const double guidance = 1.5, level_guidance = 1, guidance_from = 0.26, eta = 1,
                    brightness_deviation = 0.78, deblock = 2e-3,
                    deblock_detail = 6e-3; /* docs/training.md says why */
static const char vae_text[] =
    "{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", \"block_out_channels\": [128],"
    " \"down_block_types\": [\"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\"],"
    " \"in_channels\": 64, \"out_channels\": 64, \"latent_channels\": 6, \"layers_per_block\": 1,"
    " \"norm_num_groups\": 16, \"sample_size\": 32, \"scaling_factor\": 1.0, \"mid_block_add_attention\": "
    "false,"
    " \"force_upcast\": true, \"use_quant_conv\": true, \"use_post_quant_conv\": true}";

/* Heads of 32 channels; attention where a latent of 32 x 32 has 16 x 16 and 8 x 8 places. */
static const char unet_text[] =
    "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\", \"block_out_channels\": [64, 96, "
    "192],"
    " \"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"],"
    " \"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"],"
    " \"in_channels\": 6, \"out_channels\": 6, \"layers_per_block\": %lld, \"attention_head_dim\": [2, 3, 6],"
    " \"cross_attention_dim\": 256, \"norm_num_groups\": 32, \"norm_eps\": 1e-5, \"sample_size\": %lld,"
    " \"flip_sin_to_cos\": true, \"freq_shift\": 0, \"center_input_sample\": false, \"downsample_padding\": "
    "1,"
    " \"mid_block_scale_factor\": 1, \"use_linear_projection\": true, \"_beam_channels\": %d, "
    "\"_beam_rings\": %lld, \"_beam_rays\": %lld, \"_beam_profiles\": %lld, \"_beam_cuts\": %lld, "
    "\"_beam_attention\": %s, \"_beam_sketch\": %s}";

static const char text_text[] =
    "{\"architectures\": [\"CLIPTextModel\"], \"model_type\": \"clip_text_model\", \"vocab_size\": %d,"
    " \"hidden_size\": 256, \"intermediate_size\": 768, \"num_hidden_layers\": 2, \"num_attention_heads\": 8,"
    " \"max_position_embeddings\": %d, \"hidden_act\": \"quick_gelu\", \"layer_norm_eps\": 1e-5,"
    " \"projection_dim\": 256, \"initializer_factor\": 1.0, \"initializer_range\": 0.02, "
    "\"attention_dropout\": 0.0,"
    " \"bos_token_id\": %d, \"eos_token_id\": %d, \"pad_token_id\": %d, \"torch_dtype\": \"float16\"}";

static sl_status model_of(const char *text, uint64_t seed, sl_model **out) {
    json_t *json;
    SL_TRY(sl_json_parse(text, strlen(text), "the base model's configuration", &json));
    sl_status status = sl_model_from_json(json, out);
    json_decref(json);
    if (status != SL_OK) return status;
    status = sl_params_initialise((*out)->params, seed);
    if (status != SL_OK) sl_model_free(*out);
    return status;
}

sl_status sl_base_vae_new(uint64_t seed, sl_model **out) {
    return model_of(vae_text, seed, out);
}

/* The same bits everywhere, as all first values. */
static double wave_at(int part, int mode) {
    double cosine, sine;
    sl_plain_cos_sin((part + 0.5) * mode / (2 * SL_UNET_SPLIT), &cosine, &sine);
    return cosine;
}

/* Each feature that a place draws on its parts begins as level, slopes and curvatures, as those of a latent
 * are (train/vae/vae_linear.h): from weights [parts * P, C] and biases that say anything, by projection on
 * these modes. `parts` are SL_UNET_SPLITS, or the SL_UNET_SPLIT of a column or row, which vary one way. */
static void begin_smooth(const sl_param *param, int parts) {
    static const int mode[6][2] = {{0, 0}, {0, 1}, {1, 0}, {0, 2}, {1, 1}, {2, 0}};
    bool one_way = parts == SL_UNET_SPLIT;
    int64_t columns = sl_shape_count(&param->value.shape) / parts;
    float *values = param->value.data;
    for (int64_t k = 0; k < columns; k++) {
        double smooth[SL_UNET_SPLITS] = {0};
        for (int m = 0; m < 6; m++) {
            if (one_way && mode[m][0]) continue;
            double wave[SL_UNET_SPLITS], share = 0, norm = 0;
            for (int i = 0; i < parts; i++) {
                wave[i] = wave_at(i / SL_UNET_SPLIT, mode[m][0]) * wave_at(i % SL_UNET_SPLIT, mode[m][1]);
                share += wave[i] * (double)values[i * columns + k];
                norm += wave[i] * wave[i];
            }
            for (int i = 0; i < parts; i++) smooth[i] += wave[i] * share / norm;
        }
        for (int i = 0; i < parts; i++)
            values[i * columns + k] = (float)(smooth[i] * sqrt(parts / (one_way ? 3.0 : 6.0)));
    }
}

sl_status sl_base_unet_new(uint64_t seed, const sl_base_unet *shape, sl_model **out) {
    char text[sizeof unet_text + 160];
    sl_unet_config about_beam = {.beam_rays = shape->rays,
                                 .beam_profiles = shape->profiles,
                                 .beam_cuts = shape->cuts,
                                 .beam_sketch = shape->sketch};
    snprintf(text, sizeof text, unet_text, (long long)shape->layers, (long long)shape->latent_side,
             sl_beam_channels_for(&about_beam), (long long)shape->rings, (long long)shape->rays,
             (long long)shape->profiles, (long long)shape->cuts, shape->attention ? "true" : "false",
             shape->sketch ? "true" : "false");
    SL_TRY(model_of(text, seed, out));
    for (int i = 0; i < sl_params_count((*out)->params); i++) {
        const sl_param *param = sl_params_at((*out)->params, i);
        if (!strstr(param->name, ".proj_in.") || strstr(param->name, ".attentions.")) continue;
        if (strstr(param->name, ".profiles.")) begin_smooth(param, SL_UNET_SPLITS);
        if (strstr(param->name, ".cuts.")) begin_smooth(param, SL_UNET_SPLIT);
    }
    return SL_OK;
}

sl_status sl_base_text_new(uint64_t seed, int32_t vocabulary, int32_t begin, int32_t end, sl_model **out) {
    char text[sizeof text_text + 64];
    snprintf(text, sizeof text, text_text, vocabulary, SL_BASE_TOKENS, begin, end, end);
    return model_of(text, seed, out);
}

static sl_status write_json(const sl_base_settings *settings, const char *name, json_t *json) {
    if (!json) return sl_fail(SL_INTERNAL, "cannot describe the model for '%s'", name);
    sl_base_path path = sl_base_path_of(settings, name);
    sl_status status = sl_json_write(path.text, json);
    json_decref(json);
    return status;
}

sl_status sl_base_write_index(const sl_base_settings *settings, const sl_base_maker *made_of) {
    sl_base_path scheduler = sl_base_path_of(settings, "model/scheduler");
    SL_TRY(sl_folder_make(scheduler.text));
    json_t *index =
        json_pack("{s:s, s:[s,s], s:[s,s], s:[s,s], s:[s,s], s:[s,s], s:[n,n], s:[n,n], s:b}", "_class_name",
                  "StableDiffusionPipeline", "scheduler", "diffusers", "DDIMScheduler", "text_encoder",
                  "transformers", "CLIPTextModel", "tokenizer", "transformers", "CLIPTokenizer", "unet",
                  "diffusers", "UNet2DConditionModel", "vae", "diffusers", "AutoencoderKL", "safety_checker",
                  "feature_extractor", "requires_safety_checker", 0);
    SL_TRY(write_json(settings, "model/model_index.json", index));
    json_t *noise =
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:s, s:b, s:b, s:i, s:s, s:b}", "_class_name", "DDIMScheduler",
                  "beta_schedule", "squaredcos_cap_v2", "num_train_timesteps", 1000, "beta_start", 0.0001,
                  "beta_end", 0.02, "prediction_type", "v_prediction", "clip_sample", 0, "set_alpha_to_one",
                  1, "steps_offset", 1, "timestep_spacing", "trailing", "skip_prk_steps", 1);
    SL_TRY(write_json(settings, "model/scheduler/scheduler_config.json", noise));
    json_t *about = json_pack(
        "{s:s, s:i, s:f, s:f, s:b, s:f, s:f, s:f, s:f, s:f, s:i, s:{s:s, s:f}, s:{s:s, s:i, s:I}}", "space",
        "expectation", "space_to_depth", BLOCK, "guidance", guidance, "level_guidance", level_guidance,
        "sketch_guided", 1, "guidance_from", guidance_from, "eta", eta, "brightness_deviation",
        brightness_deviation, "deblock", deblock, "deblock_detail", deblock_detail, "size_px",
        (int)settings->size, "intensity_map", "map", "log1p", "counts", SL_LOG_MAP_COUNTS, "data", "source",
        "simulator", "version", made_of->simulator, "seed", (json_int_t)made_of->seed);
    return write_json(settings, "model/scatterloop.json", about);
}
