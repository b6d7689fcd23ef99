#include "model/unet.h"

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
    sl_value ring; /* [N, H*W]: which ring about the beam each place of the finest level is in; or SL_NONE */
    sl_value bin; /* [N, H*W*SPLITS]: the same of the parts of a place and the bins of profiles; or SL_NONE */
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

/* Numbers of the rings that divide the distances which the map tells apart; below 0 where the beam is not
 * known. */
static sl_value rings_of(sl_graph *g, const sl_unet_config *config, sl_value beam) {
    double rings = (double)config->beam_rings;
    if (!config->beam_rings) return SL_NONE;
    sl_value known = sl_scale(g, sl_slice(g, beam, -1, SL_UNET_BEAM_KNOWN, 1), 2 * rings, -2 * rings);
    sl_value distance =
        sl_scale(g, sl_slice(g, beam, -1, SL_UNET_BEAM_DISTANCE, 1), rings / SL_UNET_BEAM_FARTHEST, 0);
    return sl_reshape(g, sl_add(g, distance, known), SL_SHAPE(sl_value_dim(g, beam, 0), -1));
}

/* The same of the parts of places and the bins of radial profiles; BINS, which is none, where a part is too
 * far or the beam not known. */
static sl_value bins_of(sl_graph *g, const sl_unet_config *config, sl_value beam) {
    const double per_unit = (double)SL_UNET_PROFILE_BINS / SL_UNET_BEAM_FARTHEST;
    if (!config->beam_profiles) return SL_NONE;
    sl_value nearer = sl_slice(g, beam, -1, config->beam_channels - SL_UNET_SPLITS, SL_UNET_SPLITS);
    return sl_reshape(g, sl_scale(g, nearer, -per_unit, SL_UNET_PROFILE_BINS),
                      SL_SHAPE(sl_value_dim(g, beam, 0), -1));
}

/* Rings about the beam, and what is averaged over them. */
typedef struct rings {
    const char *name; /* of the layers */
    sl_value of_part; /* [N, H*W*parts]: which one each part of a place is in; SL_NONE: no such layers */
    int64_t count, parts, features;
    /* What the means [N, count, features] pass along the radius, as wide as the level; of the same shape. */
    sl_value (*along_radius)(unet *u, sl_value means, int64_t channels);
} rings;

/* x plus what its means over rings say: scattering at one distance from the beam belongs together, however
 * far apart its places are. */
static sl_value exchange(unet *u, int index, sl_value x, rings r) {
    const sl_nn_init zeros = {.weight = SL_INIT_RULE_ZEROS};
    const sl_unet_config *config = u->config;
    sl_graph *g = u->nn->graph;
    if (!sl_value_is(r.of_part)) return x;
    sl_shape shape = sl_value_shape(g, x), parts = shape;
    int64_t N = shape.dim[0], C = shape.dim[3];
    parts.dim[3] = r.parts * r.features;
    sl_nn_begin(u->nn, r.name, index);
    sl_value h = sl_nn_group_norm(u->nn, "norm", x, config->norm_num_groups, config->norm_eps, false);
    h = sl_nn_linear(u->nn, "proj_in", h, parts.dim[3], true);
    h = sl_ring_mean(g, sl_reshape(g, h, SL_SHAPE(N, -1, r.features)), r.of_part, r.count);
    h = sl_reshape(g, sl_ring_spread(g, r.along_radius(u, h, C), r.of_part), parts);
    h = sl_nn_linear_init(u->nn, "proj_out", h, C, false, zeros);
    return sl_nn_end(u->nn, sl_add(g, x, h));
}

static sl_value features_along_radius(unet *u, sl_value means, int64_t channels) {
    sl_graph *g = u->nn->graph;
    sl_shape shape = sl_value_shape(g, means);
    sl_value h = sl_reshape(g, means, SL_SHAPE(shape.dim[0], shape.dim[1], 1, shape.dim[2]));
    return sl_reshape(g, resnet(u, 0, h, channels), shape);
}

/* As many neighbouring bins as a place is split in are one step. */
static sl_value profiles_along_radius(unet *u, sl_value profiles, int64_t channels) {
    sl_graph *g = u->nn->graph;
    sl_shape shape = sl_value_shape(g, profiles);
    int64_t step = SL_UNET_SPLIT * shape.dim[2];
    sl_value h = sl_reshape(g, profiles, SL_SHAPE(shape.dim[0], shape.dim[1] / SL_UNET_SPLIT, 1, step));
    h = resnet(u, 0, sl_nn_linear(u->nn, "profile_in", h, channels, true), channels);
    h = sl_nn_linear(u->nn, "profile_out", h, step, true);
    return sl_add(g, profiles, sl_reshape(g, h, shape));
}

static sl_value exchange_means(unet *u, int index, sl_value x) {
    int64_t channels = sl_value_dim(u->nn->graph, x, 3);
    return exchange(u, index, x,
                    (rings){"rings.%d", u->ring, u->config->beam_rings, 1, channels, features_along_radius});
}

static sl_value exchange_profiles(unet *u, int index, sl_value x) {
    return exchange(u, index, x,
                    (rings){"profiles.%d", u->bin, SL_UNET_PROFILE_BINS, SL_UNET_SPLITS,
                            u->config->beam_profiles, profiles_along_radius});
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
            x = exchange_profiles(u, i, exchange_means(u, i, x));
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
        if (level == 0 && i < config->layers_per_block) x = exchange_means(u, i, x);
        if (level == 0 && i > 0) x = exchange_profiles(u, i, x);
    }
    if (level > 0) {
        sl_value next = u->skips.value[u->skips.count - 1];
        x = sl_nn_upsample(u->nn, "upsamplers.0", x, sl_value_dim(g, next, 1), sl_value_dim(g, next, 2));
    }
    return sl_nn_end(u->nn, x);
}

/* The first convolution, and where the beam is. */
static sl_value enter(sl_nn *nn, const sl_unet_config *config, sl_value sample, sl_value beam) {
    sl_graph *g = nn->graph;
    int64_t width = config->block_out_channels.value[0];
    sl_value x = sl_nn_conv3x3(nn, "conv_in", sl_cast(g, sample, nn->dtype), width);
    if (!config->beam_channels) return x;
    const sl_nn_init zeros = {.weight = SL_INIT_RULE_ZEROS};
    const sl_nn_conv conv = {width, 3, 1, SL_PAD(1), false}; /* no bias: an unknown beam adds nothing */
    if (config->beam_profiles) beam = sl_slice(g, beam, -1, 0, config->beam_channels - SL_UNET_SPLITS);
    return sl_add(g, x, sl_nn_conv2d_init(nn, "beam_in", sl_cast(g, beam, nn->dtype), conv, zeros));
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
    u.ring = rings_of(nn->graph, config, beam);
    u.bin = bins_of(nn->graph, config, beam);
    sl_value x = keep(&u, enter(nn, config, sample, beam));
    for (int level = 0; level < levels; level++) x = down_block(&u, level, x);
    x = mid_block(&u, x);
    for (int step = 0; step < levels; step++) x = up_block(&u, step, x);
    x = sl_nn_group_norm(nn, "conv_norm_out", x, config->norm_num_groups, config->norm_eps, true);
    x = sl_nn_conv3x3(nn, "conv_out", x, config->out_channels);
    return sl_cast(nn->graph, x, SL_F32);
}
