/* The CLIP text encoder (Radford et al., arXiv 2103.00020) as transformers names and computes it. */
#ifndef SL_MODEL_CLIP_H
#define SL_MODEL_CLIP_H

#include "model/model.h"
#include "nn/nn.h"

typedef enum sl_clip_act { SL_CLIP_QUICK_GELU, SL_CLIP_GELU } sl_clip_act;

typedef struct sl_clip_config {
    int64_t vocab_size, hidden_size, intermediate_size, projection_dim;
    int64_t num_hidden_layers, num_attention_heads, max_position_embeddings;
    int64_t hidden_act; /* sl_clip_act */
    double layer_norm_eps, initializer_factor, initializer_range, attention_dropout;
    int64_t bos_token_id, eos_token_id, pad_token_id;
} sl_clip_config;

extern const sl_model_kind sl_clip_kind;

/* Embeddings [N, L, E] of token ids [N, L] (I32, L <= max_position_embeddings), after the final norm.
 * clip_skip n leaves out the last n layers. Attention is causal; padding is not masked. */
sl_value sl_clip_build(sl_nn *nn, const sl_clip_config *config, sl_value ids, int clip_skip);

/* The pooled embedding [N, E]: the row of each text's end token. rows [N]: indices into N*L, by
 * sl_clip_pool_rows. */
sl_value sl_clip_pool_build(sl_nn *nn, sl_value embeddings, sl_value rows);

/* For ids [count, length]: the row n*length + place of text n's end token. As transformers: the first
 * eos_token_id; the largest id where the configuration says eos_token_id 2 (old files are wrong about it). */
void sl_clip_pool_rows(const sl_clip_config *config, const int32_t *ids, int64_t count, int64_t length,
                       int32_t *out);

#endif
