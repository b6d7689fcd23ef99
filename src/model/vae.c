#include "model/vae.h"

#include "nn/blocks.h"

#include <stdio.h>

#define FIELD(kind, key, member, fallback, low, high)                                                        \
    SL_CONFIG_FIELD(sl_vae_config, kind, key, member, fallback, low, high)
#define CHOICE(kind, key, member, fallback, choices)                                                         \
    SL_CONFIG_CHOICE_FIELD(sl_vae_config, kind, key, member, fallback, choices)

static const char *const down_types[] = {"DownEncoderBlock2D", NULL};
static const char *const up_types[] = {"UpDecoderBlock2D", NULL};

/* Keys and defaults are those of diffusers' AutoencoderKL. */
static const sl_config_field fields[] = {
    FIELD(INT, "sample_size", sample_size, "32", 1, 32768),
    FIELD(INT, "in_channels", in_channels, "3", 1, 1024),
    FIELD(INT, "out_channels", out_channels, "3", 1, 1024),
    FIELD(INT, "latent_channels", latent_channels, "4", 1, 64),
    FIELD(INTS, "block_out_channels", block_out_channels, NULL, 1, 8192),
    CHOICE(CHOICES, "down_block_types", down_blocks, NULL, down_types),
    CHOICE(CHOICES, "up_block_types", up_blocks, NULL, up_types),
    FIELD(INT, "layers_per_block", layers_per_block, "1", 1, 16),
    FIELD(INT, "norm_num_groups", norm_num_groups, "32", 1, 1024),
    FIELD(REAL, "scaling_factor", scaling_factor, "0.18215", 0, 0),
    FIELD(REAL, "shift_factor", shift_factor, "null", 0, 0),
    FIELD(REALS, "latents_mean", latents_mean, "null", 0, 0),
    FIELD(REALS, "latents_std", latents_std, "null", 0, 0),
    FIELD(BOOL, "mid_block_add_attention", mid_block_add_attention, "true", 0, 0),
    FIELD(BOOL, "use_quant_conv", use_quant_conv, "true", 0, 0),
    FIELD(BOOL, "use_post_quant_conv", use_post_quant_conv, "true", 0, 0),
    FIELD(BOOL, "force_upcast", force_upcast, "true", 0, 0),
    SL_CONFIG_CONSTANT(FIXED, "act_fn", "\"silu\""),
};

static sl_status check(void *opaque) {
    const sl_vae_config *config = opaque;
    int levels = config->block_out_channels.count;
    if (config->down_blocks.count != levels || config->up_blocks.count != levels)
        return sl_fail(SL_FORMAT,
                       "'block_out_channels' has %d levels, 'down_block_types' %d, 'up_block_types' %d",
                       levels, config->down_blocks.count, config->up_blocks.count);
    for (int i = 0; i < levels; i++)
        if (config->block_out_channels.value[i] % config->norm_num_groups)
            return sl_fail(SL_FORMAT, "level %d has %lld channels, which %lld groups do not divide", i,
                           (long long)config->block_out_channels.value[i],
                           (long long)config->norm_num_groups);
    const sl_config_reals *lists[] = {&config->latents_mean, &config->latents_std};
    for (int i = 0; i < 2; i++)
        if (lists[i]->count && lists[i]->count != config->latent_channels)
            return sl_fail(SL_FORMAT, "'%s' has %d entries, expected %lld (one a latent channel)",
                           i ? "latents_std" : "latents_mean", lists[i]->count,
                           (long long)config->latent_channels);
    if ((config->latents_mean.count == 0) != (config->latents_std.count == 0))
        return sl_fail(SL_FORMAT, "of 'latents_mean' and 'latents_std' only one is given");
    for (int i = 0; i < config->latents_std.count; i++)
        if (!(config->latents_std.value[i] > 0))
            return sl_fail(SL_FORMAT, "'latents_std' %d is %g, expected a positive number", i,
                           config->latents_std.value[i]);
    return SL_OK;
}

int64_t sl_vae_reduction(const sl_vae_config *config) {
    return (int64_t)1 << (config->block_out_channels.count - 1);
}

static void declare(sl_nn *nn, const void *opaque) {
    const sl_vae_config *config = opaque;
    int64_t side = sl_vae_reduction(config);
    sl_vae_encode_build(nn, config,
                        sl_input(nn->graph, "image", SL_F32, SL_SHAPE(1, side, side, config->in_channels)));
    sl_vae_decode_build(nn, config,
                        sl_input(nn->graph, "latent", SL_F32, SL_SHAPE(1, 1, 1, config->latent_channels)));
}

const sl_model_kind sl_vae_kind = {
    .class_name = "AutoencoderKL",
    .weights_stem = "diffusion_pytorch_model",
    .table = {fields, sizeof fields / sizeof *fields},
    .config_bytes = sizeof(sl_vae_config),
    .check = check,
    .declare = declare,
    .names = &sl_names_vae,
};

static const double norm_eps = 1e-6;

static sl_value resnets(sl_nn *nn, const sl_vae_config *config, sl_value x, int64_t channels, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "resnets.%d", (int)i);
        x = sl_nn_resnet_block(nn, name, x, SL_NONE, channels, config->norm_num_groups, norm_eps);
    }
    return x;
}

static sl_value mid_block(sl_nn *nn, const sl_vae_config *config, sl_value x) {
    int64_t channels = sl_value_dim(nn->graph, x, -1);
    sl_nn_begin(nn, "mid_block");
    x = sl_nn_resnet_block(nn, "resnets.0", x, SL_NONE, channels, config->norm_num_groups, norm_eps);
    if (config->mid_block_add_attention)
        x = sl_nn_pixel_attention(nn, "attentions.0", x, config->norm_num_groups, norm_eps);
    x = sl_nn_resnet_block(nn, "resnets.1", x, SL_NONE, channels, config->norm_num_groups, norm_eps);
    return sl_nn_end(nn, x);
}

static sl_value encoder(sl_nn *nn, const sl_vae_config *config, sl_value x) {
    const sl_config_list *channels = &config->block_out_channels;
    sl_nn_begin(nn, "encoder");
    x = sl_nn_conv3x3(nn, "conv_in", x, channels->value[0]);
    for (int i = 0; i < channels->count; i++) {
        sl_nn_begin(nn, "down_blocks.%d", i);
        x = resnets(nn, config, x, channels->value[i], config->layers_per_block);
        if (i + 1 < channels->count) x = sl_nn_downsample(nn, "downsamplers.0", x, (sl_padding){0, 1, 0, 1});
        sl_nn_end(nn, x);
    }
    x = mid_block(nn, config, x);
    x = sl_nn_group_norm(nn, "conv_norm_out", x, config->norm_num_groups, norm_eps, true);
    return sl_nn_end(nn, sl_nn_conv3x3(nn, "conv_out", x, 2 * config->latent_channels));
}

sl_vae_moments sl_vae_encode_build(sl_nn *nn, const sl_vae_config *config, sl_value image) {
    sl_graph *g = nn->graph;
    int64_t side = sl_vae_reduction(config);
    int64_t height = sl_value_dim(g, image, 1), width = sl_value_dim(g, image, 2);
    if (height % side || width % side)
        sl_graph_fail(g, SL_INVALID, "image of %lld x %lld pixels, the autoencoder takes multiples of %lld",
                      (long long)height, (long long)width, (long long)side);
    sl_value x = encoder(nn, config, sl_cast(g, image, nn->dtype));
    if (config->use_quant_conv) x = sl_nn_conv1x1(nn, "quant_conv", x, 2 * config->latent_channels);
    x = sl_cast(g, x, SL_F32);
    sl_vae_moments moments = {.mean = sl_slice(g, x, -1, 0, config->latent_channels)};
    moments.logvar =
        sl_clamp(g, sl_slice(g, x, -1, config->latent_channels, config->latent_channels), -30.0, 20.0);
    return moments;
}

sl_value sl_vae_sample_build(sl_nn *nn, sl_vae_moments moments, sl_value noise) {
    sl_value std = sl_exp(nn->graph, sl_scale(nn->graph, moments.logvar, 0.5, 0.0));
    return sl_add(nn->graph, moments.mean, sl_mul(nn->graph, std, noise));
}

static sl_value decoder(sl_nn *nn, const sl_vae_config *config, sl_value x) {
    const sl_config_list *channels = &config->block_out_channels;
    sl_nn_begin(nn, "decoder");
    x = sl_nn_conv3x3(nn, "conv_in", x, channels->value[channels->count - 1]);
    x = mid_block(nn, config, x);
    for (int i = 0; i < channels->count; i++) {
        sl_nn_begin(nn, "up_blocks.%d", i);
        x = resnets(nn, config, x, channels->value[channels->count - 1 - i], config->layers_per_block + 1);
        if (i + 1 < channels->count) x = sl_nn_upsample(nn, "upsamplers.0", x, 0, 0);
        sl_nn_end(nn, x);
    }
    x = sl_nn_group_norm(nn, "conv_norm_out", x, config->norm_num_groups, norm_eps, true);
    return sl_nn_end(nn, sl_nn_conv3x3(nn, "conv_out", x, config->out_channels));
}

sl_value sl_vae_decode_build(sl_nn *nn, const sl_vae_config *config, sl_value latent) {
    sl_value x = sl_cast(nn->graph, latent, nn->dtype);
    if (config->use_post_quant_conv) x = sl_nn_conv1x1(nn, "post_quant_conv", x, config->latent_channels);
    return sl_cast(nn->graph, decoder(nn, config, x), SL_F32);
}

/* model = (latent - mean) * factor, channel by channel */
static void latent_map(const sl_vae_config *config, int channel, double *mean, double *factor) {
    *mean = config->latents_mean.count ? config->latents_mean.value[channel] : config->shift_factor;
    *factor = config->scaling_factor / (config->latents_std.count ? config->latents_std.value[channel] : 1.0);
}

void sl_vae_latents_to_model(const sl_vae_config *config, float *latents, int64_t pixels) {
    int channels = (int)config->latent_channels;
    for (int c = 0; c < channels; c++) {
        double mean, factor;
        latent_map(config, c, &mean, &factor);
        for (int64_t i = c; i < pixels * channels; i += channels)
            latents[i] = (float)(((double)latents[i] - mean) * factor);
    }
}

void sl_vae_latents_from_model(const sl_vae_config *config, float *latents, int64_t pixels) {
    int channels = (int)config->latent_channels;
    for (int c = 0; c < channels; c++) {
        double mean, factor;
        latent_map(config, c, &mean, &factor);
        for (int64_t i = c; i < pixels * channels; i += channels)
            latents[i] = (float)((double)latents[i] / factor + mean);
    }
}
