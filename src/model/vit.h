/* Vision transformers for classification (Dosovitskiy et al., arXiv 2010.11929), with torchvision's names;
 * files of transformers and timm are read through the name rules. */
#ifndef SL_MODEL_VIT_H
#define SL_MODEL_VIT_H

#include "model/model.h"
#include "nn/nn.h"
#include "weights/checkpoint.h"

typedef enum sl_vit_pool { SL_VIT_CLASS_TOKEN, SL_VIT_AVERAGE } sl_vit_pool;

typedef struct sl_vit_config {
    sl_config_list image_size; /* height and width, or one side */
    int64_t patch_size, in_channels, num_classes;
    int64_t hidden_dim, mlp_dim, num_layers, num_heads;
    int64_t pool;          /* sl_vit_pool; the average has no class token and normalises after pooling */
    double layer_norm_eps; /* 1e-6 for torchvision and timm, 1e-12 for transformers */
} sl_vit_config;

extern const sl_model_kind sl_vit_kind;

/* "vit_b_16", "vit_b_32", "vit_l_16". SL_NOT_FOUND lists the names. */
sl_status sl_vit_preset(const char *name, int64_t image_size, int64_t num_classes, sl_vit_config *out);

/* The configuration of a weights file opened with sl_names_vit. What shapes do not tell: heads (0: one for
 * each 64 features), height and width (0: a square), and the norm's eps (1e-6; set it for a transformers
 * file). */
sl_status sl_vit_infer(const sl_checkpoint *checkpoint, int64_t heads, int64_t height, int64_t width,
                       sl_vit_config *out);

/* logits [N, num_classes] of image [N, H, W, C] of the configured size; *features (may be NULL) is the [N, E]
 * before the last layer. */
sl_value sl_vit_build(sl_nn *nn, const sl_vit_config *config, sl_value image, sl_value *features);

#endif
