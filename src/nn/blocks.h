/* Blocks that several models are made of, with the parameter names of diffusers.
 * Activations are [N,H,W,C] or tokens [N,L,E]. */
#ifndef SL_NN_BLOCKS_H
#define SL_NN_BLOCKS_H

#include "nn/nn.h"

/* x -> conv2(silu(norm2(conv1(silu(norm1(x))) + time_emb_proj(time)))) + shortcut(x), [N,H,W,out].
 * time [N,T] is the time embedding after its SiLU, or SL_NONE; the shortcut is a 1x1 convolution where C !=
 * out. */
sl_value sl_nn_resnet_block(sl_nn *nn, const char *name, sl_value x, sl_value time, int64_t out,
                            int64_t groups, double eps);

/* Multi-head attention of x [N,L,E] on context [N,M,F] (SL_NONE: on itself): to_q, to_k, to_v, to_out.0. */
sl_value sl_nn_attention(sl_nn *nn, const char *name, sl_value x, sl_value context, int64_t heads,
                         bool qkv_bias);

/* x + attn1(norm1 x), + attn2(norm2 x, context), + ff(norm3 x) with a GEGLU of four times the width. */
sl_value sl_nn_transformer_block(sl_nn *nn, const char *name, sl_value x, sl_value context, int64_t heads);

/* Transformer blocks over the pixels of x [N,H,W,C], between norm, proj_in and proj_out, with a residual.
 * linear: the projections are linear layers, else 1x1 convolutions (the same sums, other shapes of weights).
 */
typedef struct sl_nn_spatial {
    int64_t heads, layers, groups;
    bool linear;
} sl_nn_spatial;
sl_value sl_nn_spatial_transformer(sl_nn *nn, const char *name, sl_value x, sl_value context,
                                   sl_nn_spatial spatial);

/* x + attention over its pixels with one head and group norm (the autoencoder's). */
sl_value sl_nn_pixel_attention(sl_nn *nn, const char *name, sl_value x, int64_t groups, double eps);

/* 3x3 convolution with stride 2, padded as said: SL_PAD(1), or {0, 1, 0, 1} in the autoencoder. */
sl_value sl_nn_downsample(sl_nn *nn, const char *name, sl_value x, sl_padding padding);

/* Nearest neighbours to twice the size, less the last row or column where height or width ask for one less
 * (0, 0: no wish), then a 3x3 convolution. */
sl_value sl_nn_upsample(sl_nn *nn, const char *name, sl_value x, int64_t height, int64_t width);

#endif
