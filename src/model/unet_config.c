#include "model/unet.h"

#define FIELD(kind, key, member, fallback, low, high)                                                        \
    SL_CONFIG_FIELD(sl_unet_config, kind, key, member, fallback, low, high)
#define CHOICES(key, member, fallback, choices)                                                              \
    SL_CONFIG_CHOICE_FIELD(sl_unet_config, CHOICES, key, member, fallback, choices)
#define FIXED(key, value)  SL_CONFIG_CONSTANT(FIXED, key, value)
#define UNUSED(key, value) SL_CONFIG_CONSTANT(UNUSED, key, value)

static const char *const down_types[] = {"CrossAttnDownBlock2D", "DownBlock2D", NULL};
static const char *const up_types[] = {"UpBlock2D", "CrossAttnUpBlock2D", NULL};

/* Keys and defaults are those of diffusers' UNet2DConditionModel. */
static const sl_config_field fields[] = {
    FIELD(INT, "sample_size", sample_size, "64", 1, 4096),
    FIELD(INT, "in_channels", in_channels, "4", 1, 1024),
    FIELD(INT, "out_channels", out_channels, "4", 1, 1024),
    FIELD(INTS, "block_out_channels", block_out_channels, "[320, 640, 1280, 1280]", 1, 8192),
    CHOICES("down_block_types", down_blocks,
            "[\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"]",
            down_types),
    CHOICES("up_block_types", up_blocks,
            "[\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]",
            up_types),
    FIELD(INTS, "attention_head_dim", attention_head_dim, "8", 1, 1024),
    FIELD(INTS, "num_attention_heads", num_attention_heads, "null", 1, 1024),
    FIELD(INTS, "transformer_layers_per_block", transformer_layers, "1", 1, 64),
    FIELD(INT, "layers_per_block", layers_per_block, "2", 1, 16),
    FIELD(INT, "cross_attention_dim", cross_attention_dim, "1280", 1, 16384),
    FIELD(INT, "norm_num_groups", norm_num_groups, "32", 1, 1024),
    FIELD(REAL, "norm_eps", norm_eps, "1e-5", 0, 0),
    FIELD(BOOL, "flip_sin_to_cos", flip_sin_to_cos, "true", 0, 0),
    FIELD(REAL, "freq_shift", freq_shift, "0", 0, 0),
    FIELD(BOOL, "use_linear_projection", use_linear_projection, "false", 0, 0),
    FIELD(INT, "_beam_channels", beam_channels, "0", 0, 512), /* diffusers skips such keys */
    FIELD(INT, "_beam_rings", beam_rings, "0", 0, 4096),
    FIELD(INT, "_beam_rays", beam_rays, "0", 0, 4096),
    FIELD(INT, "_beam_profiles", beam_profiles, "0", 0, 64),
    FIELD(INT, "_beam_cuts", beam_cuts, "0", 0, 64),
    FIELD(BOOL, "_beam_attention", beam_attention, "false", 0, 0),
    FIELD(BOOL, "_beam_sketch", beam_sketch, "false", 0, 0),
    FIXED("act_fn", "\"silu\""),
    FIXED("center_input_sample", "false"),
    FIXED("downsample_padding", "1"),
    FIXED("mid_block_type", "\"UNetMidBlock2DCrossAttn\""),
    FIXED("mid_block_scale_factor", "1"),
    FIXED("only_cross_attention", "false"),
    FIXED("mid_block_only_cross_attention", "null"),
    FIXED("reverse_transformer_layers_per_block", "null"),
    FIXED("cross_attention_norm", "null"),
    FIXED("dual_cross_attention", "false"),
    FIXED("encoder_hid_dim", "null"),
    FIXED("encoder_hid_dim_type", "null"),
    FIXED("class_embed_type", "null"),
    FIXED("addition_embed_type", "null"),
    FIXED("num_class_embeds", "null"),
    FIXED("resnet_time_scale_shift", "\"default\""),
    FIXED("resnet_skip_time_act", "false"),
    FIXED("resnet_out_scale_factor", "1.0"),
    FIXED("time_embedding_type", "\"positional\""),
    FIXED("time_embedding_dim", "null"),
    FIXED("time_embedding_act_fn", "null"),
    FIXED("timestep_post_act", "null"),
    FIXED("time_cond_proj_dim", "null"),
    FIXED("conv_in_kernel", "3"),
    FIXED("conv_out_kernel", "3"),
    FIXED("attention_type", "\"default\""),
    FIXED("dropout", "0.0"),
    UNUSED("upcast_attention", "false"),
    UNUSED("addition_embed_type_num_heads", "64"),
    UNUSED("addition_time_embed_dim", "null"),
    UNUSED("class_embeddings_concat", "false"),
    UNUSED("projection_class_embeddings_input_dim", "null"),
};

/* Layers about the beam need channels of a map that say where it is. */
static sl_status check_map(const sl_unet_config *config) {
    const int told = SL_UNET_BEAM_DISTANCE + 1;
    const struct {
        const char *key;
        int64_t wanted, channels;
    } needs[] = {
        {"_beam_rings", config->beam_rings, told},
        {"_beam_profiles", config->beam_profiles, told + SL_UNET_SPLITS},
        {"_beam_rays", config->beam_rays, told + SL_UNET_SPLITS + SL_UNET_LINES},
        {"_beam_cuts", config->beam_cuts, told + SL_UNET_SPLITS + SL_UNET_LINES},
        {"_beam_sketch", config->beam_sketch, told + SL_UNET_SPLITS + SL_UNET_LINES + SL_UNET_SKETCH}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].wanted && config->beam_channels < needs[i].channels)
            return sl_fail(SL_FORMAT, "'%s' is %lld, but '_beam_channels' is %lld, expected %lld and more",
                           needs[i].key, (long long)needs[i].wanted, (long long)config->beam_channels,
                           (long long)needs[i].channels);
    if (config->beam_sketch && !config->beam_rays && !config->beam_cuts)
        return sl_fail(SL_FORMAT,
                       "'_beam_sketch' is true, but neither '_beam_rays' nor '_beam_cuts' is given");
    if (config->beam_rays == 1) return sl_fail(SL_FORMAT, "'_beam_rays' is 1, expected 0 or 2 and more");
    return SL_OK;
}

static sl_status check(void *opaque) {
    sl_unet_config *config = opaque;
    int levels = config->block_out_channels.count;
    if (config->down_blocks.count != levels || config->up_blocks.count != levels)
        return sl_fail(SL_FORMAT,
                       "'block_out_channels' has %d levels, 'down_block_types' %d, 'up_block_types' %d",
                       levels, config->down_blocks.count, config->up_blocks.count);
    for (int i = 0; i < levels; i++) {
        int64_t channels = config->block_out_channels.value[i];
        int64_t heads = sl_unet_heads(config, i);
        if (channels % config->norm_num_groups)
            return sl_fail(SL_FORMAT, "level %d has %lld channels, which %lld groups do not divide", i,
                           (long long)channels, (long long)config->norm_num_groups);
        if (heads < 1 || channels % heads)
            return sl_fail(SL_FORMAT, "level %d has %lld channels, which %lld attention heads do not divide",
                           i, (long long)channels, (long long)heads);
    }
    SL_TRY(check_map(config));
    const sl_config_list *lists[] = {&config->attention_head_dim, &config->num_attention_heads,
                                     &config->transformer_layers};
    const char *const keys[] = {"attention_head_dim", "num_attention_heads", "transformer_layers_per_block"};
    for (int i = 0; i < 3; i++)
        if (lists[i]->count > 1 && lists[i]->count != levels)
            return sl_fail(SL_FORMAT, "'%s' has %d entries, expected 1 or %d (one a level)", keys[i],
                           lists[i]->count, levels);
    return SL_OK;
}

static int64_t per_level(const sl_config_list *list, int level) {
    return list->count == 1 ? list->value[0] : level < list->count ? list->value[level] : 0;
}

int64_t sl_unet_heads(const sl_unet_config *config, int level) {
    const sl_config_list *given = &config->num_attention_heads;
    return per_level(given->count ? given : &config->attention_head_dim, level);
}

int64_t sl_unet_transformer_layers(const sl_unet_config *config, int level) {
    return per_level(&config->transformer_layers, level);
}

static void declare(sl_nn *nn, const void *opaque) {
    const sl_unet_config *config = opaque;
    int64_t side = (int64_t)1 << (config->block_out_channels.count - 1);
    sl_value sample = sl_input(nn->graph, "sample", SL_F32, SL_SHAPE(1, side, side, config->in_channels));
    sl_value timestep = sl_input(nn->graph, "timestep", SL_F32, SL_SHAPE(1));
    sl_value context = sl_input(nn->graph, "context", SL_F32, SL_SHAPE(1, 1, config->cross_attention_dim));
    sl_unet_build(nn, config, sample, timestep, context, SL_NONE);
}

const sl_model_kind sl_unet_kind = {
    .class_name = "UNet2DConditionModel",
    .weights_stem = "diffusion_pytorch_model",
    .table = {fields, sizeof fields / sizeof *fields},
    .config_bytes = sizeof(sl_unet_config),
    .check = check,
    .declare = declare,
    .names = &sl_names_unet,
};
