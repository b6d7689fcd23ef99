#include "model/unet.h"

#include "model/unet_beam.h"
#include "nn/blocks.h"

#include <stdio.h>

/* Feature maps kept on the way down for the way up. */
typedef struct skips {
    sl_value value[SL_CONFIG_LIST_MAX * 18];
    int count;
} skips;

typedef struct unet {
    sl_nn *nn;
    const sl_unet_config *config;
    sl_value time, context;
    sl_unet_beam beam;
    skips skips;
} unet;

static const char *numbered(char name[32], const char *stem, int index) {
    snprintf(name, 32, "%s.%d", stem, index);
    return name;
}

/* [N] -> [N, 4*C0], after its last SiLU, which every residual block would begin with. */
static sl_value time_embedding(sl_nn *nn, const sl_unet_config *config, sl_value timestep) {
    int64_t width = config->block_out_channels.value[0];
    sl_value t =
        sl_timestep_embedding(nn->graph, timestep, (int)width, config->flip_sin_to_cos, config->freq_shift);
    t = sl_cast(nn->graph, t, nn->dtype);
    sl_nn_begin(nn, "time_embedding");
    t = sl_silu(nn->graph, sl_nn_linear(nn, "linear_1", t, 4 * width, true));
    t = sl_nn_end(nn, sl_nn_linear(nn, "linear_2", t, 4 * width, true));
    return sl_silu(nn->graph, t);
}

static sl_value resnet(unet *u, int index, sl_value x, int64_t channels) {
    char name[32];
    return sl_nn_resnet_block(u->nn, numbered(name, "resnets", index), x, u->time, channels,
                              u->config->norm_num_groups, u->config->norm_eps);
}

static sl_value attention(unet *u, int index, sl_value x, int level) {
    char name[32];
    sl_nn_spatial spatial = {.heads = sl_unet_heads(u->config, level),
                             .layers = sl_unet_transformer_layers(u->config, level),
                             .groups = u->config->norm_num_groups,
                             .linear = u->config->use_linear_projection};
    return sl_nn_spatial_transformer(u->nn, numbered(name, "attentions", index), x, u->context, spatial);
}

static sl_value keep(unet *u, sl_value x) {
    u->skips.value[u->skips.count++] = x;
    return x;
}

static sl_value down_block(unet *u, int level, sl_value x) {
    const sl_unet_config *config = u->config;
    sl_nn_begin(u->nn, "down_blocks.%d", level);
    for (int i = 0; i < config->layers_per_block; i++) {
        x = resnet(u, i, x, config->block_out_channels.value[level]);
        if (config->down_blocks.value[level] == SL_DOWN_CROSS_ATTN) x = attention(u, i, x, level);
        if (level == 0 && i + 1 < config->layers_per_block)
            x = sl_unet_beam_profiles(&u->beam, i, sl_unet_beam_means(&u->beam, i, x));
        keep(u, x);
    }
    if (level + 1 < config->block_out_channels.count)
        x = keep(u, sl_nn_downsample(u->nn, "downsamplers.0", x, SL_PAD(1)));
    return sl_nn_end(u->nn, x);
}

static sl_value mid_block(unet *u, sl_value x) {
    int level = u->config->block_out_channels.count - 1;
    int64_t channels = u->config->block_out_channels.value[level];
    sl_nn_begin(u->nn, "mid_block");
    x = resnet(u, 0, x, channels);
    x = attention(u, 0, x, level);
    x = resnet(u, 1, x, channels);
    return sl_nn_end(u->nn, x);
}

/* Block `step` of the way up works at level count-1-step. */
static sl_value up_block(unet *u, int step, sl_value x) {
    const sl_unet_config *config = u->config;
    sl_graph *g = u->nn->graph;
    int level = config->block_out_channels.count - 1 - step;
    sl_nn_begin(u->nn, "up_blocks.%d", step);
    for (int i = 0; i <= config->layers_per_block; i++) {
        x = sl_concat2(g, x, u->skips.value[--u->skips.count], -1);
        x = resnet(u, i, x, config->block_out_channels.value[level]);
        if (config->up_blocks.value[step] == SL_UP_CROSS_ATTN) x = attention(u, i, x, level);
        if (level == 0 && i < config->layers_per_block) x = sl_unet_beam_means(&u->beam, i, x);
        if (level == 0 && i > 0) x = sl_unet_beam_profiles(&u->beam, i, x);
    }
    if (level > 0) {
        sl_value next = u->skips.value[u->skips.count - 1];
        x = sl_nn_upsample(u->nn, "upsamplers.0", x, sl_value_dim(g, next, 1), sl_value_dim(g, next, 2));
    }
    return sl_nn_end(u->nn, x);
}

/* What the sketch shows of each place; no biases: an unknown sketch adds nothing. */
static sl_value sketch(sl_nn *nn, const sl_unet_config *config, sl_value map, int64_t width) {
    sl_graph *g = nn->graph;
    const sl_nn_init zeros = {.weight = SL_INIT_RULE_ZEROS};
    sl_value x = sl_slice(g, map, -1, config->beam_channels - SL_UNET_SKETCH, SL_UNET_SKETCH);
    sl_nn_begin(nn, "sketch_in");
    x = sl_silu(g, sl_nn_linear(nn, "linear_1", sl_cast(g, x, nn->dtype), 2 * width, false));
    return sl_nn_end(nn, sl_nn_linear_init(nn, "linear_2", x, width, false, zeros));
}

/* The first convolution, where the beam is, and what is where. */
static sl_value enter(sl_nn *nn, const sl_unet_config *config, sl_value sample, sl_value beam) {
    sl_graph *g = nn->graph;
    int64_t width = config->block_out_channels.value[0];
    sl_value x = sl_nn_conv3x3(nn, "conv_in", sl_cast(g, sample, nn->dtype), width);
    if (!config->beam_channels) return x;
    const sl_nn_init zeros = {.weight = SL_INIT_RULE_ZEROS};
    const sl_nn_conv conv = {width, 3, 1, SL_PAD(1), false}; /* no bias: an unknown beam adds nothing */
    sl_value told = sl_slice(g, beam, -1, 0, sl_unet_beam_told(config));
    x = sl_add(g, x, sl_nn_conv2d_init(nn, "beam_in", sl_cast(g, told, nn->dtype), conv, zeros));
    return config->beam_sketch ? sl_add(g, x, sketch(nn, config, beam, width)) : x;
}

sl_value sl_unet_build(sl_nn *nn, const sl_unet_config *config, sl_value sample, sl_value timestep,
                       sl_value context, sl_value beam) {
    int levels = config->block_out_channels.count;
    unet u = {.nn = nn, .config = config};
    u.time = time_embedding(nn, config, timestep);
    u.context = sl_cast(nn->graph, context, nn->dtype);
    sl_shape map = sl_value_shape(nn->graph, sample);
    map.dim[3] = config->beam_channels;
    if (config->beam_channels && !sl_value_is(beam)) beam = sl_fill(nn->graph, SL_F32, map, 0);
    u.beam = sl_unet_beam_open(nn, config, beam, u.time, u.context);
    sl_value x = keep(&u, enter(nn, config, sample, beam));
    for (int level = 0; level < levels; level++) x = down_block(&u, level, x);
    x = mid_block(&u, x);
    for (int step = 0; step < levels; step++) x = up_block(&u, step, x);
    x = sl_nn_group_norm(nn, "conv_norm_out", x, config->norm_num_groups, config->norm_eps, true);
    x = sl_nn_conv3x3(nn, "conv_out", x, config->out_channels);
    return sl_cast(nn->graph, x, SL_F32);
}
