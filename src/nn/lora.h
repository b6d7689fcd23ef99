/* Low-rank adapters (Hu et al., arXiv 2106.09685): y += scale * (alpha/rank) * up(down(x)).
 *
 * They live in sl_nn_linear and sl_nn_conv2d alone: no model knows of them. An adapter's parameters are named
 * <path>.lora.down.weight and <path>.lora.up.weight in a store of its own. An adapter for training adapts
 * every layer whose path ends in one of its targets; one read from a file adapts the layers that the file
 * names. */
#ifndef SL_NN_LORA_H
#define SL_NN_LORA_H

#include "nn/nn.h"

enum { SL_LORA_TARGETS_MAX = 16 };

typedef struct sl_lora {
    sl_params *params;
    char *targets[SL_LORA_TARGETS_MAX]; /* "to_q", "to_out.0": ends of layer paths, whole components */
    int target_count;
    int64_t rank; /* of new layers */
    double alpha;
    double scale; /* on top of alpha/rank; 1 by default */
    sl_arena *arena;
} sl_lora;

/* "to_q", "to_k", "to_v", "to_out.0": what the diffusers training script adapts. Ended by NULL. */
extern const char *const sl_lora_attention_targets[];

/* targets ended by NULL, may be empty; alpha <= 0 means alpha = rank. */
sl_status sl_lora_new(const char *const *targets, int64_t rank, double alpha, sl_lora **out);
void sl_lora_free(sl_lora *lora); /* NULL is fine */

/* y plus the adapter's part, for the layer whose scope is open; y itself where the adapter does not name the
 * layer. x is the layer's input. */
sl_value sl_lora_linear(sl_nn *nn, const sl_lora *lora, sl_value x, sl_value y);
sl_value sl_lora_conv2d(sl_nn *nn, const sl_lora *lora, sl_value x, sl_value y, sl_nn_conv conv);

/* SL_NOT_FOUND lists the adapted layers that the model's store lacks. */
sl_status sl_lora_check(const sl_lora *lora, const sl_params *params);

/* Add scale * alpha/rank * up*down to the weights in `params`, for inference without the extra layers. The
 * values must be F32. */
sl_status sl_lora_merge(const sl_lora *lora, sl_params *params, double scale);

#endif
