#include "model/unet.h"

#define INT_(key_, member, low_, high_, fallback_)                                                           \
    {                                                                                                        \
        .key = key_, .kind = SL_CONFIG_INT, .offset = offsetof(sl_unet_config, member), .low = low_,         \
        .high = high_, .fallback = fallback_                                                                 \
    }
#define INTS_(key_, member, low_, high_, fallback_)                                                          \
    {                                                                                                        \
        .key = key_, .kind = SL_CONFIG_INTS, .offset = offsetof(sl_unet_config, member), .low = low_,        \
        .high = high_, .fallback = fallback_                                                                 \
    }
#define FIXED_(key_, value_)                                                                                 \
    { .key = key_, .kind = SL_CONFIG_FIXED, .fallback = value_ }

static const char *const down_types[] = {"CrossAttnDownBlock2D", "DownBlock2D", NULL};
static const char *const up_types[] = {"UpBlock2D", "CrossAttnUpBlock2D", NULL};

/* Keys and defaults are those of diffusers' UNet2DConditionModel. */
static const sl_config_field fields[] = {
    INT_("sample_size", sample_size, 1, 4096, "64"),
    INT_("in_channels", in_channels, 1, 1024, "4"),
    INT_("out_channels", out_channels, 1, 1024, "4"),
    INTS_("block_out_channels", block_out_channels, 1, 8192, "[320, 640, 1280, 1280]"),
    {.key = "down_block_types",
     .kind = SL_CONFIG_CHOICES,
     .offset = offsetof(sl_unet_config, down_blocks),
     .choices = down_types,
     .fallback =
         "[\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"]"},
    {.key = "up_block_types",
     .kind = SL_CONFIG_CHOICES,
     .offset = offsetof(sl_unet_config, up_blocks),
     .choices = up_types,
     .fallback = "[\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]"},
    INTS_("attention_head_dim", attention_head_dim, 1, 1024, "8"),
    INTS_("num_attention_heads", num_attention_heads, 1, 1024, "null"),
    INTS_("transformer_layers_per_block", transformer_layers, 1, 64, "1"),
    INT_("layers_per_block", layers_per_block, 1, 16, "2"),
    INT_("cross_attention_dim", cross_attention_dim, 1, 16384, "1280"),
    INT_("norm_num_groups", norm_num_groups, 1, 1024, "32"),
    {.key = "norm_eps",
     .kind = SL_CONFIG_REAL,
     .offset = offsetof(sl_unet_config, norm_eps),
     .fallback = "1e-5"},
    {.key = "flip_sin_to_cos",
     .kind = SL_CONFIG_BOOL,
     .offset = offsetof(sl_unet_config, flip_sin_to_cos),
     .fallback = "true"},
    {.key = "freq_shift",
     .kind = SL_CONFIG_REAL,
     .offset = offsetof(sl_unet_config, freq_shift),
     .fallback = "0"},
    {.key = "use_linear_projection",
     .kind = SL_CONFIG_BOOL,
     .offset = offsetof(sl_unet_config, use_linear_projection),
     .fallback = "false"},
    FIXED_("act_fn", "\"silu\""),
    FIXED_("center_input_sample", "false"),
    FIXED_("downsample_padding", "1"),
    FIXED_("mid_block_type", "\"UNetMidBlock2DCrossAttn\""),
    FIXED_("mid_block_scale_factor", "1"),
    FIXED_("only_cross_attention", "false"),
    FIXED_("mid_block_only_cross_attention", "null"),
    FIXED_("reverse_transformer_layers_per_block", "null"),
    FIXED_("cross_attention_norm", "null"),
    FIXED_("dual_cross_attention", "false"),
    FIXED_("encoder_hid_dim", "null"),
    FIXED_("encoder_hid_dim_type", "null"),
    FIXED_("class_embed_type", "null"),
    FIXED_("addition_embed_type", "null"),
    FIXED_("num_class_embeds", "null"),
    FIXED_("resnet_time_scale_shift", "\"default\""),
    FIXED_("resnet_skip_time_act", "false"),
    FIXED_("resnet_out_scale_factor", "1.0"),
    FIXED_("time_embedding_type", "\"positional\""),
    FIXED_("time_embedding_dim", "null"),
    FIXED_("time_embedding_act_fn", "null"),
    FIXED_("timestep_post_act", "null"),
    FIXED_("time_cond_proj_dim", "null"),
    FIXED_("conv_in_kernel", "3"),
    FIXED_("conv_out_kernel", "3"),
    FIXED_("attention_type", "\"default\""),
    FIXED_("dropout", "0.0"),
    {.key = "upcast_attention", .kind = SL_CONFIG_UNUSED, .fallback = "false"},
    {.key = "addition_embed_type_num_heads", .kind = SL_CONFIG_UNUSED, .fallback = "64"},
    {.key = "addition_time_embed_dim", .kind = SL_CONFIG_UNUSED, .fallback = "null"},
    {.key = "class_embeddings_concat", .kind = SL_CONFIG_UNUSED, .fallback = "false"},
    {.key = "projection_class_embeddings_input_dim", .kind = SL_CONFIG_UNUSED, .fallback = "null"},
};

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
    sl_unet_build(nn, config, sample, timestep, context);
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
