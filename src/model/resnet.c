#include "model/resnet.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#define FIELD(kind, key, member, fallback, low, high)                                                        \
    SL_CONFIG_FIELD(sl_resnet_config, kind, key, member, fallback, low, high)
#define CHOICE(kind, key, member, fallback, choices)                                                         \
    SL_CONFIG_CHOICE_FIELD(sl_resnet_config, kind, key, member, fallback, choices)

static const char *const blocks[] = {"basic", "bottleneck", NULL};

static const sl_config_field fields[] = {
    CHOICE(CHOICE, "block", block, NULL, blocks),
    FIELD(INTS, "depths", depths, NULL, 1, 1000),
    FIELD(INTS, "channels", channels, NULL, 1, 16384),
    FIELD(INT, "in_channels", in_channels, "3", 1, 1024),
    FIELD(INT, "stem_channels", stem_channels, "64", 1, 16384),
    FIELD(INT, "num_classes", num_classes, NULL, 1, 1 << 20),
    FIELD(REAL, "bn_eps", bn_eps, "1e-5", 0, 0),
    FIELD(REAL, "bn_momentum", bn_momentum, "0.1", 0, 0),
};

static sl_status check(void *opaque) {
    const sl_resnet_config *config = opaque;
    if (config->depths.count != config->channels.count)
        return sl_fail(SL_FORMAT, "'depths' has %d entries, 'channels' %d", config->depths.count,
                       config->channels.count);
    return SL_OK;
}

static void declare(sl_nn *nn, const void *opaque) {
    const sl_resnet_config *config = opaque;
    sl_value image = sl_input(nn->graph, "image", SL_F32, SL_SHAPE(1, 32, 32, config->in_channels));
    sl_resnet_build(nn, config, image, NULL);
}

const sl_model_kind sl_resnet_kind = {
    .class_name = "ResNet",
    .weights_stem = "model",
    .table = {fields, sizeof fields / sizeof *fields},
    .config_bytes = sizeof(sl_resnet_config),
    .check = check,
    .declare = declare,
    .names = &sl_names_resnet,
};

sl_status sl_resnet_preset(const char *name, int64_t num_classes, sl_resnet_config *out) {
    static const struct {
        const char *name;
        sl_resnet_block block;
        int64_t depths[4];
    } presets[] = {{"resnet18", SL_RESNET_BASIC, {2, 2, 2, 2}},
                   {"resnet34", SL_RESNET_BASIC, {3, 4, 6, 3}},
                   {"resnet50", SL_RESNET_BOTTLENECK, {3, 4, 6, 3}}};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(presets[i].name, name) != 0) continue;
        sl_resnet_config config = {.block = presets[i].block,
                                   .in_channels = 3,
                                   .stem_channels = 64,
                                   .num_classes = num_classes,
                                   .depths = {.count = 4},
                                   .channels = {4, {64, 128, 256, 512}},
                                   .bn_eps = 1e-5,
                                   .bn_momentum = 0.1};
        memcpy(config.depths.value, presets[i].depths, sizeof presets[i].depths);
        *out = config;
        return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "no residual network '%s'; there are resnet18, resnet34, resnet50", name);
}

static sl_value conv(sl_nn *nn, const char *name, sl_value x, int64_t out, int kernel, int stride) {
    /* torchvision: normal, variance 2/fan_out */
    sl_nn_init init = {sl_init_kaiming_fan_out(out * kernel * kernel), SL_INIT_RULE_ZEROS};
    return sl_nn_conv2d_init(nn, name, x, (sl_nn_conv){out, kernel, stride, SL_PAD(kernel / 2), false}, init);
}

static sl_value norm(sl_nn *nn, const sl_resnet_config *config, const char *name, sl_value x) {
    return sl_nn_batch_norm(nn, name, x, config->bn_eps, config->bn_momentum);
}

static sl_value block(sl_nn *nn, const sl_resnet_config *config, const char *name, sl_value x, int64_t width,
                      int stride) {
    sl_graph *g = nn->graph;
    bool wide = config->block == SL_RESNET_BOTTLENECK;
    int64_t out = wide ? 4 * width : width;
    sl_nn_segment_begin(nn);
    sl_nn_begin(nn, "%s", name);
    sl_value h = conv(nn, "conv1", x, width, wide ? 1 : 3, wide ? 1 : stride);
    h = sl_relu(g, norm(nn, config, "bn1", h));
    h = norm(nn, config, "bn2", conv(nn, "conv2", h, width, 3, wide ? stride : 1));
    if (wide) h = norm(nn, config, "bn3", conv(nn, "conv3", sl_relu(g, h), out, 1, 1));
    if (stride != 1 || sl_value_dim(g, x, -1) != out)
        x = norm(nn, config, "downsample.1", conv(nn, "downsample.0", x, out, 1, stride));
    h = sl_nn_end(nn, sl_relu(g, sl_add(g, h, x)));
    sl_nn_segment_end(nn);
    return h;
}

sl_value sl_resnet_build(sl_nn *nn, const sl_resnet_config *config, sl_value image, sl_value *features) {
    sl_graph *g = nn->graph;
    sl_value x = sl_cast(g, image, nn->dtype);
    x = sl_relu(g, norm(nn, config, "bn1", conv(nn, "conv1", x, config->stem_channels, 7, 2)));
    x = sl_max_pool(g, x, 3, 2, SL_PAD(1));
    for (int stage = 0; stage < config->depths.count; stage++) {
        for (int i = 0; i < config->depths.value[stage]; i++) {
            char name[48];
            snprintf(name, sizeof name, "layer%d.%d", stage + 1, i);
            x = block(nn, config, name, x, config->channels.value[stage], i == 0 && stage > 0 ? 2 : 1);
        }
    }
    x = sl_cast(g, sl_avg_pool_global(g, x), SL_F32);
    if (features) *features = x;
    return sl_nn_linear(nn, "fc", x, config->num_classes, true);
}

/* First size of the tensor `name`, 0 when there is none. */
static int64_t first_size(const sl_checkpoint *checkpoint, const char *name) {
    const sl_weight *weight = sl_checkpoint_find(checkpoint, name);
    return weight && weight->shape.rank > 0 ? weight->shape.dim[0] : 0;
}

sl_status sl_resnet_infer(const sl_checkpoint *checkpoint, sl_resnet_config *out) {
    const sl_weight *stem = sl_checkpoint_find(checkpoint, "conv1.weight");
    if (!stem || stem->shape.rank != 4)
        return sl_fail(SL_NOT_FOUND, "no 'conv1.weight' with four dimensions: not a residual network");
    sl_resnet_config config = {.stem_channels = stem->shape.dim[0],
                               .in_channels = stem->shape.dim[1],
                               .num_classes = first_size(checkpoint, "fc.weight"),
                               .bn_eps = 1e-5,
                               .bn_momentum = 0.1};
    config.block =
        sl_checkpoint_find(checkpoint, "layer1.0.conv3.weight") ? SL_RESNET_BOTTLENECK : SL_RESNET_BASIC;
    for (int stage = 0; stage < SL_CONFIG_LIST_MAX; stage++) {
        char name[64];
        int depth = 0;
        for (; depth < 1000; depth++) {
            snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, depth);
            int64_t channels = first_size(checkpoint, name);
            if (channels == 0) break;
            config.channels.value[stage] = channels;
        }
        if (depth == 0) break;
        config.depths.value[stage] = depth;
        config.depths.count = config.channels.count = stage + 1;
    }
    if (config.depths.count == 0 || config.num_classes == 0)
        return sl_fail(SL_NOT_FOUND, "no 'layer1.0.conv1.weight' or no 'fc.weight': not a residual network");
    *out = config;
    return SL_OK;
}
