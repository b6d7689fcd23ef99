/* Residual networks for classification (He et al., arXiv 1512.03385), with torchvision's names. Bottlenecks
 * stride in their 3x3 convolution, as torchvision's do. */
#ifndef SL_MODEL_RESNET_H
#define SL_MODEL_RESNET_H

#include "model/model.h"
#include "nn/nn.h"
#include "weights/checkpoint.h"

typedef enum sl_resnet_block { SL_RESNET_BASIC, SL_RESNET_BOTTLENECK } sl_resnet_block;

typedef struct sl_resnet_config {
    int64_t block; /* sl_resnet_block */
    int64_t in_channels, stem_channels, num_classes;
    sl_config_list depths;   /* blocks a stage */
    sl_config_list channels; /* inner channels a stage; a bottleneck gives out four times as many */
    double bn_eps, bn_momentum;
} sl_resnet_config;

extern const sl_model_kind sl_resnet_kind;

/* "resnet18", "resnet34", "resnet50" with three input channels. SL_NOT_FOUND lists the names. */
sl_status sl_resnet_preset(const char *name, int64_t num_classes, sl_resnet_config *out);

/* The configuration of a weights file with torchvision's names, opened with sl_names_resnet. */
sl_status sl_resnet_infer(const sl_checkpoint *checkpoint, sl_resnet_config *out);

/* logits [N, num_classes] of image [N, H, W, C]; *features (may be NULL) is the pooled [N, F] before the last
 * layer. */
sl_value sl_resnet_build(sl_nn *nn, const sl_resnet_config *config, sl_value image, sl_value *features);

#endif
