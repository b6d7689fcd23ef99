#include "model/unet_beam.h"

#include "nn/blocks.h"

#include <string.h>

/* Eight bins of a profile are one step along it; cuts across and down pass their layers one behind the other
 * and so far apart that no convolution mixes them. */
enum { STEPS = SL_UNET_PROFILE_BINS / SL_UNET_SPLIT, APART = 2 };

/* As far as a residual block sees, on either side */
enum { AROUND = 2 };

/* What a place says to its ray: less than to its ring, since few rays meet in a place and many at the beam */
enum { RAY_FEATURES = 16 };

static bool has_lines(const sl_unet_config *config) {
    return config->beam_rays || config->beam_cuts;
}

int64_t sl_unet_beam_told(const sl_unet_config *config) {
    int64_t channels = config->beam_channels - (config->beam_sketch ? SL_UNET_SKETCH : 0);
    if (has_lines(config)) return channels - SL_UNET_SPLITS - SL_UNET_LINES;
    return channels - (config->beam_profiles ? SL_UNET_SPLITS : 0);
}

/* ---- where places are ---- */

/* [N, H*W]: numbers of the rings that divide the distances which the map tells apart; below 0 where the beam
 * is not known. */
static sl_rings rings_of(sl_graph *g, const sl_unet_config *config, sl_value map) {
    double rings = (double)config->beam_rings;
    if (!config->beam_rings) return (sl_rings){0};
    sl_value known = sl_scale(g, sl_slice(g, map, -1, SL_UNET_BEAM_KNOWN, 1), 2 * rings, -2 * rings);
    sl_value distance =
        sl_scale(g, sl_slice(g, map, -1, SL_UNET_BEAM_DISTANCE, 1), rings / SL_UNET_BEAM_FARTHEST, 0);
    sl_value number = sl_reshape(g, sl_add(g, distance, known), SL_SHAPE(sl_value_dim(g, map, 0), -1));
    return sl_rings_of(g, number, config->beam_rings);
}

/* [N, ...]: bins from how much nearer than the farthest one something is; BINS, which is none, where it is
 * not nearer or the beam not known. */
static sl_rings bins_of(sl_graph *g, sl_value nearer) {
    const double per_unit = (double)SL_UNET_PROFILE_BINS / SL_UNET_BEAM_FARTHEST;
    sl_value number = sl_scale(g, nearer, -per_unit, SL_UNET_PROFILE_BINS);
    return sl_rings_of(g, sl_reshape(g, number, SL_SHAPE(sl_value_dim(g, nearer, 0), -1)),
                       SL_UNET_PROFILE_BINS);
}

/* [N, H*W]: numbers of rays; beyond the last one where the beam is not known. */
static sl_rings rays_of(sl_graph *g, const sl_unet_config *config, sl_value turn) {
    double rays = (double)config->beam_rays;
    if (!config->beam_rays) return (sl_rings){0};
    sl_value number =
        sl_reshape(g, sl_scale(g, turn, -rays, 2 * rays), SL_SHAPE(sl_value_dim(g, turn, 0), -1));
    return sl_rings_of(g, number, config->beam_rays + 1); /* the last one is the first again */
}

sl_unet_beam sl_unet_beam_open(sl_nn *nn, const sl_unet_config *config, sl_value map, sl_value time,
                               sl_value context) {
    sl_graph *g = nn->graph;
    sl_unet_beam b = {.nn = nn, .config = config, .time = time, .context = context};
    int64_t told = sl_unet_beam_told(config), lines = told + SL_UNET_SPLITS;
    b.ring = rings_of(g, config, map);
    if (config->beam_profiles) b.bin = bins_of(g, sl_slice(g, map, -1, told, SL_UNET_SPLITS));
    if (!has_lines(config)) return b;
    sl_value across = sl_slice(g, map, -1, lines, SL_UNET_SPLIT),
             down = sl_slice(g, map, -1, lines + SL_UNET_SPLIT, SL_UNET_SPLIT);
    b.column = bins_of(g, sl_slice(g, across, 1, 0, 1));
    b.row = bins_of(g, sl_slice(g, down, 2, 0, 1));
    b.ray = rays_of(g, config, sl_slice(g, map, -1, lines + 2 * SL_UNET_SPLIT, 1));
    return b;
}

/* ---- what passes along them ---- */

/* The way back to places, which begins by adding nothing. */
static sl_value come_back(const sl_unet_beam *b, const char *name, sl_value h, int64_t channels) {
    const sl_nn_init zeros = {.weight = SL_INIT_RULE_ZEROS};
    return sl_nn_linear_init(b->nn, name, h, channels, false, zeros);
}

static sl_value residual_block(const sl_unet_beam *b, sl_value h) {
    return sl_nn_resnet_block(b->nn, "resnets.0", h, b->time, sl_value_dim(b->nn->graph, h, 3),
                              b->config->norm_num_groups, b->config->norm_eps);
}

/* h [N, steps, 1, C] through a residual block and, where the configuration has it, attention to itself and
 * the caption: how many rings there are and at which ratios is decided for all of them at once. */
static sl_value along(const sl_unet_beam *b, sl_value h) {
    sl_shape shape = sl_value_shape(b->nn->graph, h);
    const sl_unet_config *config = b->config;
    h = residual_block(b, h);
    if (!config->beam_attention) return h;
    sl_value position =
        sl_nn_parameter(b->nn, "position", SL_SHAPE(shape.dim[1], 1, shape.dim[3]), SL_INIT_RULE_ZEROS);
    sl_nn_spatial spatial = {.heads = sl_unet_heads(config, 0),
                             .layers = 1,
                             .groups = config->norm_num_groups,
                             .linear = config->use_linear_projection};
    h = sl_add(b->nn->graph, h, position);
    return sl_nn_spatial_transformer(b->nn, "attentions.0", h, b->context, spatial);
}

/* Rings about the beam or rays from it, and what is averaged over them. */
typedef struct curves {
    const char *name; /* of the layers */
    sl_rings of_part; /* [N, H*W*parts]: which one each part of a place is in; SL_NONE: no such layers */
    int64_t parts, features;
    /* What the means [N, R, features] pass from one to the next, as wide as the level; of the same shape. */
    sl_value (*along)(const sl_unet_beam *b, sl_value means, int64_t channels);
} curves;

static sl_value exchange(const sl_unet_beam *b, int index, sl_value x, curves c) {
    sl_graph *g = b->nn->graph;
    if (!sl_value_is(c.of_part.ring)) return x;
    sl_shape shape = sl_value_shape(g, x), parts = shape;
    int64_t N = shape.dim[0], C = shape.dim[3];
    parts.dim[3] = c.parts * c.features;
    sl_nn_begin(b->nn, c.name, index);
    sl_value h = sl_nn_group_norm(b->nn, "norm", x, b->config->norm_num_groups, b->config->norm_eps, false);
    h = sl_nn_linear(b->nn, "proj_in", h, parts.dim[3], true);
    h = sl_ring_mean(g, sl_reshape(g, h, SL_SHAPE(N, -1, c.features)), c.of_part);
    h = sl_reshape(g, sl_ring_spread(g, c.along(b, h, C), c.of_part), parts);
    return sl_nn_end(b->nn, sl_add(g, x, come_back(b, "proj_out", h, C)));
}

/* Means [N, bins, features] as steps of `wide` bins [N, bins / wide, 1, channels], and what these say to
 * them. */
static sl_value steps_of(const sl_unet_beam *b, const char *name, sl_value means, int64_t wide,
                         int64_t channels) {
    sl_graph *g = b->nn->graph;
    sl_shape shape = sl_value_shape(g, means);
    sl_value h = sl_reshape(g, means, SL_SHAPE(shape.dim[0], shape.dim[1] / wide, 1, wide * shape.dim[2]));
    return sl_nn_linear(b->nn, name, h, channels, true);
}

static sl_value means_of(const sl_unet_beam *b, const char *name, sl_value steps, int64_t wide,
                         sl_value means) {
    sl_graph *g = b->nn->graph;
    sl_shape shape = sl_value_shape(g, means);
    sl_value h = sl_nn_linear(b->nn, name, steps, wide * shape.dim[2], true);
    return sl_add(g, means, sl_reshape(g, h, shape));
}

static sl_value features_along_radius(const sl_unet_beam *b, sl_value means, int64_t channels) {
    (void)channels;
    sl_graph *g = b->nn->graph;
    sl_shape shape = sl_value_shape(g, means);
    sl_value h = sl_reshape(g, means, SL_SHAPE(shape.dim[0], shape.dim[1], 1, shape.dim[2]));
    return sl_reshape(g, residual_block(b, h), shape);
}

/* The last ray is the first one again. */
static sl_value rays_around(const sl_unet_beam *b, sl_value rays, int64_t channels) {
    sl_graph *g = b->nn->graph;
    int64_t count = sl_value_dim(g, rays, 1);
    sl_value h = steps_of(b, "ray_in", rays, 1, channels);
    sl_value parts[3] = {sl_slice(g, h, 1, count - 1 - AROUND, AROUND), h, sl_slice(g, h, 1, 1, AROUND)};
    h = residual_block(b, sl_concat(g, parts, 3, 1));
    return means_of(b, "ray_out", sl_slice(g, h, 1, AROUND, count), 1, rays);
}

static sl_value profiles_along_radius(const sl_unet_beam *b, sl_value profiles, int64_t channels) {
    sl_value h = along(b, steps_of(b, "profile_in", profiles, SL_UNET_SPLIT, channels));
    return means_of(b, "profile_out", h, SL_UNET_SPLIT, profiles);
}

/* ---- cuts ---- */

/* Means [N, W, C] of columns, or [N, H, C] of rows, as the profile [N, bins, features] of what is drawn on
 * their parts. */
static sl_value cut_of(const sl_unet_beam *b, const char *name, sl_value means, sl_rings bin) {
    sl_graph *g = b->nn->graph;
    int64_t N = sl_value_dim(g, means, 0), features = b->config->beam_cuts;
    sl_value h = sl_nn_linear(b->nn, name, means, SL_UNET_SPLIT * features, true);
    return sl_ring_mean(g, sl_reshape(g, h, SL_SHAPE(N, -1, features)), bin);
}

/* x and what the cut says to its columns or rows: shape is [N, 1, W, C] or [N, H, 1, C]. */
static sl_value say(const sl_unet_beam *b, const char *name, sl_value x, sl_value cut, sl_rings bin,
                    sl_shape shape) {
    sl_graph *g = b->nn->graph;
    sl_shape parts = shape;
    parts.dim[3] = SL_UNET_SPLIT * b->config->beam_cuts;
    sl_value h = sl_reshape(g, sl_ring_spread(g, cut, bin), parts);
    return sl_add(g, x, come_back(b, name, h, shape.dim[3]));
}

static sl_value exchange_cuts(const sl_unet_beam *b, int index, sl_value x) {
    sl_graph *g = b->nn->graph;
    if (!b->config->beam_cuts) return x;
    sl_shape shape = sl_value_shape(g, x), across_shape = shape, down_shape = shape;
    int64_t C = shape.dim[3];
    across_shape.dim[1] = down_shape.dim[2] = 1;
    sl_nn_begin(b->nn, "cuts.%d", index);
    sl_value h = sl_nn_group_norm(b->nn, "norm", x, b->config->norm_num_groups, b->config->norm_eps, true);
    sl_value across = cut_of(b, "across.proj_in", sl_mean(g, h, 1u << 1), b->column),
             down = cut_of(b, "down.proj_in", sl_mean(g, h, 1u << 2), b->row);
    sl_value first = sl_pad(g, steps_of(b, "across.steps", across, SL_UNET_SPLIT, C), 1, 0, APART);
    sl_value steps = along(b, sl_concat2(g, first, steps_of(b, "down.steps", down, SL_UNET_SPLIT, C), 1));
    across = means_of(b, "across.profile", sl_slice(g, steps, 1, 0, STEPS), SL_UNET_SPLIT, across);
    down = means_of(b, "down.profile", sl_slice(g, steps, 1, STEPS + APART, STEPS), SL_UNET_SPLIT, down);
    x = say(b, "across.proj_out", x, across, b->column, across_shape);
    x = say(b, "down.proj_out", x, down, b->row, down_shape);
    return sl_nn_end(b->nn, x);
}

/* ---- layers ---- */

sl_value sl_unet_beam_means(const sl_unet_beam *b, int index, sl_value x) {
    int64_t channels = sl_value_dim(b->nn->graph, x, 3);
    x = exchange(b, index, x, (curves){"rings.%d", b->ring, 1, channels, features_along_radius});
    return exchange(b, index, x, (curves){"rays.%d", b->ray, 1, RAY_FEATURES, rays_around});
}

sl_value sl_unet_beam_profiles(const sl_unet_beam *b, int index, sl_value x) {
    x = exchange(
        b, index, x,
        (curves){"profiles.%d", b->bin, SL_UNET_SPLITS, b->config->beam_profiles, profiles_along_radius});
    return exchange_cuts(b, index, x);
}

bool sl_unet_is_about_beam(const char *name) {
    static const char *const layers[] = {".rings.", ".rays.", ".profiles.", ".cuts."};
    if (strncmp(name, "beam_in.", 8) == 0 || strncmp(name, "sketch_in.", 10) == 0) return true;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (strstr(name, layers[i])) return true;
    return false;
}
