#include "nn/blocks.h"

#include <stdio.h>

static const double layer_norm_eps = 1e-5, spatial_norm_eps = 1e-6;

sl_value sl_nn_resnet_block(sl_nn *nn, const char *name, sl_value x, sl_value time, int64_t out,
                            int64_t groups, double eps) {
    sl_graph *g = nn->graph;
    sl_nn_segment_begin(nn);
    sl_nn_begin(nn, "%s", name);
    int64_t batch = sl_value_dim(g, x, 0), channels = sl_value_dim(g, x, -1);
    sl_value h = sl_nn_group_norm(nn, "norm1", x, groups, eps, true);
    h = sl_nn_conv3x3(nn, "conv1", h, out);
    if (sl_value_is(time)) {
        sl_value shift = sl_nn_linear(nn, "time_emb_proj", time, out, true);
        h = sl_add(g, h, sl_reshape(g, shift, SL_SHAPE(batch, 1, 1, out)));
    }
    h = sl_nn_group_norm(nn, "norm2", h, groups, eps, true);
    h = sl_nn_conv3x3(nn, "conv2", h, out);
    sl_value kept = channels == out ? x : sl_nn_conv1x1(nn, "conv_shortcut", x, out);
    h = sl_nn_end(nn, sl_add(g, kept, h));
    sl_nn_segment_end(nn);
    return h;
}

sl_value sl_nn_attention(sl_nn *nn, const char *name, sl_value x, sl_value context, int64_t heads,
                         bool qkv_bias) {
    sl_nn_begin(nn, "%s", name);
    int64_t width = sl_value_dim(nn->graph, x, -1);
    sl_value source = sl_value_is(context) ? context : x;
    sl_value q = sl_nn_linear(nn, "to_q", x, width, qkv_bias);
    sl_value k = sl_nn_linear(nn, "to_k", source, width, qkv_bias);
    sl_value v = sl_nn_linear(nn, "to_v", source, width, qkv_bias);
    sl_value y = sl_attention(nn->graph, q, k, v, (int)heads, false);
    return sl_nn_end(nn, sl_nn_linear(nn, "to_out.0", y, width, true));
}

sl_value sl_nn_transformer_block(sl_nn *nn, const char *name, sl_value x, sl_value context, int64_t heads) {
    sl_graph *g = nn->graph;
    sl_nn_segment_begin(nn);
    sl_nn_begin(nn, "%s", name);
    int64_t width = sl_value_dim(g, x, -1);
    sl_value h = sl_nn_layer_norm(nn, "norm1", x, layer_norm_eps);
    x = sl_add(g, x, sl_nn_attention(nn, "attn1", h, SL_NONE, heads, false));
    h = sl_nn_layer_norm(nn, "norm2", x, layer_norm_eps);
    x = sl_add(g, x, sl_nn_attention(nn, "attn2", h, context, heads, false));
    h = sl_nn_layer_norm(nn, "norm3", x, layer_norm_eps);
    h = sl_geglu(g, sl_nn_linear(nn, "ff.net.0.proj", h, 8 * width, true));
    x = sl_add(g, x, sl_nn_linear(nn, "ff.net.2", h, width, true));
    x = sl_nn_end(nn, x);
    sl_nn_segment_end(nn);
    return x;
}

static sl_value project(sl_nn *nn, const char *name, sl_value x, bool linear) {
    int64_t width = sl_value_dim(nn->graph, x, -1);
    return linear ? sl_nn_linear(nn, name, x, width, true) : sl_nn_conv1x1(nn, name, x, width);
}

sl_value sl_nn_spatial_transformer(sl_nn *nn, const char *name, sl_value x, sl_value context,
                                   sl_nn_spatial spatial) {
    sl_graph *g = nn->graph;
    sl_nn_begin(nn, "%s", name);
    sl_shape shape = sl_value_shape(g, x);
    sl_value h = sl_nn_group_norm(nn, "norm", x, spatial.groups, spatial_norm_eps, false);
    h = project(nn, "proj_in", h, spatial.linear);
    h = sl_reshape(g, h, SL_SHAPE(shape.dim[0], shape.dim[1] * shape.dim[2], shape.dim[3]));
    for (int64_t i = 0; i < spatial.layers; i++) {
        char block[40];
        snprintf(block, sizeof block, "transformer_blocks.%d", (int)i);
        h = sl_nn_transformer_block(nn, block, h, context, spatial.heads);
    }
    h = project(nn, "proj_out", sl_reshape(g, h, shape), spatial.linear);
    return sl_nn_end(nn, sl_add(g, h, x));
}

sl_value sl_nn_pixel_attention(sl_nn *nn, const char *name, sl_value x, int64_t groups, double eps) {
    sl_graph *g = nn->graph;
    sl_shape shape = sl_value_shape(g, x);
    sl_nn_begin(nn, "%s", name);
    sl_value h = sl_nn_group_norm(nn, "group_norm", x, groups, eps, false);
    h = sl_reshape(g, h, SL_SHAPE(shape.dim[0], shape.dim[1] * shape.dim[2], shape.dim[3]));
    int64_t width = shape.dim[3];
    sl_value q = sl_nn_linear(nn, "to_q", h, width, true);
    sl_value k = sl_nn_linear(nn, "to_k", h, width, true);
    sl_value v = sl_nn_linear(nn, "to_v", h, width, true);
    h = sl_nn_linear(nn, "to_out.0", sl_attention(g, q, k, v, 1, false), width, true);
    return sl_nn_end(nn, sl_add(g, sl_reshape(g, h, shape), x));
}

sl_value sl_nn_downsample(sl_nn *nn, const char *name, sl_value x, sl_padding padding) {
    sl_nn_begin(nn, "%s", name);
    int64_t channels = sl_value_dim(nn->graph, x, -1);
    return sl_nn_end(nn, sl_nn_conv2d(nn, "conv", x, (sl_nn_conv){channels, 3, 2, padding, true}));
}

sl_value sl_nn_upsample(sl_nn *nn, const char *name, sl_value x, int64_t height, int64_t width) {
    sl_graph *g = nn->graph;
    sl_nn_begin(nn, "%s", name);
    x = sl_upsample_nearest2x(g, x);
    if (height && height < sl_value_dim(g, x, 1)) x = sl_slice(g, x, 1, 0, height);
    if (width && width < sl_value_dim(g, x, 2)) x = sl_slice(g, x, 2, 0, width);
    return sl_nn_end(nn, sl_nn_conv3x3(nn, "conv", x, sl_value_dim(g, x, -1)));
}
