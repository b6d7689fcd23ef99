#include "model/vit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIELD(kind, key, member, fallback, low, high)                                                        \
    SL_CONFIG_FIELD(sl_vit_config, kind, key, member, fallback, low, high)
#define CHOICE(kind, key, member, fallback, choices)                                                         \
    SL_CONFIG_CHOICE_FIELD(sl_vit_config, kind, key, member, fallback, choices)

static const char *const pools[] = {"class_token", "average", NULL};

static const sl_config_field fields[] = {
    FIELD(INTS, "image_size", image_size, NULL, 1, 8192),
    FIELD(INT, "patch_size", patch_size, NULL, 1, 1024),
    FIELD(INT, "in_channels", in_channels, "3", 1, 1024),
    FIELD(INT, "num_classes", num_classes, NULL, 1, 1 << 20),
    FIELD(INT, "hidden_dim", hidden_dim, NULL, 1, 16384),
    FIELD(INT, "mlp_dim", mlp_dim, NULL, 1, 65536),
    FIELD(INT, "num_layers", num_layers, NULL, 1, 256),
    FIELD(INT, "num_heads", num_heads, NULL, 1, 256),
    CHOICE(CHOICE, "pool", pool, "\"class_token\"", pools),
    FIELD(REAL, "layer_norm_eps", layer_norm_eps, "1e-6", 0, 0),
};

static sl_status check(void *opaque) {
    sl_vit_config *config = opaque;
    SL_TRY(sl_config_spread("image_size", &config->image_size, 2));
    for (int i = 0; i < 2; i++)
        if (config->image_size.value[i] % config->patch_size)
            return sl_fail(SL_FORMAT, "'image_size' is %lld, which 'patch_size' %lld does not divide",
                           (long long)config->image_size.value[i], (long long)config->patch_size);
    if (config->hidden_dim % config->num_heads)
        return sl_fail(SL_FORMAT, "'hidden_dim' is %lld, which 'num_heads' %lld does not divide",
                       (long long)config->hidden_dim, (long long)config->num_heads);
    return SL_OK;
}

static void declare(sl_nn *nn, const void *opaque) {
    const sl_vit_config *config = opaque;
    sl_shape shape =
        SL_SHAPE(1, config->image_size.value[0], config->image_size.value[1], config->in_channels);
    sl_vit_build(nn, config, sl_input(nn->graph, "image", SL_F32, shape), NULL);
}

/* transformers' ViTConfig into our keys */
static sl_status translate(const json_t *vit, json_t **out) {
    static const char *const pairs[][2] = {
        {"image_size", "image_size"},        {"patch_size", "patch_size"},
        {"num_channels", "in_channels"},     {"hidden_size", "hidden_dim"},
        {"intermediate_size", "mlp_dim"},    {"num_hidden_layers", "num_layers"},
        {"num_attention_heads", "num_heads"}};
    const char *act;
    SL_TRY(sl_json_string_or(vit, "hidden_act", "gelu", &act));
    if (strcmp(act, "gelu") != 0)
        return sl_fail(SL_UNSUPPORTED, "'hidden_act' is '%s', supported is only 'gelu'", act);
    double eps;
    SL_TRY(sl_json_real_or(vit, "layer_norm_eps", 1e-12, &eps));
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        json_object_set(json, pairs[i][1], json_object_get(vit, pairs[i][0]));
    size_t labels = json_object_size(json_object_get(vit, "id2label"));
    json_object_set_new(json, "num_classes", json_integer(labels ? (json_int_t)labels : 2));
    json_object_set_new(json, "layer_norm_eps", json_real(eps));
    *out = json;
    return SL_OK;
}

const sl_model_kind sl_vit_kind = {
    .class_name = "VisionTransformer",
    .foreign_class = "ViTForImageClassification",
    .translate = translate,
    .weights_stem = "model",
    .table = {fields, sizeof fields / sizeof *fields},
    .config_bytes = sizeof(sl_vit_config),
    .check = check,
    .declare = declare,
    .names = &sl_names_vit,
};

sl_status sl_vit_preset(const char *name, int64_t image_size, int64_t num_classes, sl_vit_config *out) {
    static const struct {
        const char *name;
        int64_t patch, width, layers, heads;
    } presets[] = {
        {"vit_b_16", 16, 768, 12, 12}, {"vit_b_32", 32, 768, 12, 12}, {"vit_l_16", 16, 1024, 24, 16}};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(presets[i].name, name) != 0) continue;
        sl_vit_config config = {.image_size = {2, {image_size, image_size}},
                                .patch_size = presets[i].patch,
                                .in_channels = 3,
                                .num_classes = num_classes,
                                .hidden_dim = presets[i].width,
                                .mlp_dim = 4 * presets[i].width,
                                .num_layers = presets[i].layers,
                                .num_heads = presets[i].heads,
                                .layer_norm_eps = 1e-6};
        SL_TRY(check(&config));
        *out = config;
        return SL_OK;
    }
    return sl_fail(SL_NOT_FOUND, "no vision transformer '%s'; there are vit_b_16, vit_b_32, vit_l_16", name);
}

/* image [N,H,W,C] -> tokens [N,L,E], the class token first where there is one, positions added */
static sl_value tokens(sl_nn *nn, const sl_vit_config *config, sl_value image) {
    sl_graph *g = nn->graph;
    int patch = (int)config->patch_size;
    int64_t batch = sl_value_dim(g, image, 0), width = config->hidden_dim;
    int64_t length = sl_value_dim(g, image, 1) / patch * (sl_value_dim(g, image, 2) / patch);
    /* torchvision: variance 1/fan_in, zero bias */
    double std = 1.0 / sqrt((double)(config->in_channels * patch * patch));
    sl_value x = sl_nn_conv2d_init(nn, "conv_proj", sl_cast(g, image, nn->dtype),
                                   (sl_nn_conv){width, patch, patch, SL_PAD(0), true},
                                   (sl_nn_init){sl_init_normal(std), SL_INIT_RULE_ZEROS});
    x = sl_reshape(g, x, SL_SHAPE(batch, length, width));
    if (config->pool == SL_VIT_CLASS_TOKEN) {
        sl_value token = sl_nn_parameter(nn, "class_token", SL_SHAPE(1, 1, width), SL_INIT_RULE_ZEROS);
        token = sl_add(g, sl_fill(g, nn->dtype, SL_SHAPE(batch, 1, width), 0.0), token);
        x = sl_concat2(g, token, x, 1);
        length++;
    }
    sl_nn_begin(nn, "encoder");
    sl_value places = sl_nn_parameter(nn, "pos_embedding", SL_SHAPE(1, length, width), sl_init_normal(0.02));
    return sl_nn_end(nn, sl_add(g, x, places));
}

static sl_value self_attention(sl_nn *nn, const sl_vit_config *config, sl_value x) {
    sl_graph *g = nn->graph;
    int64_t width = config->hidden_dim;
    sl_nn_begin(nn, "self_attention");
    sl_value w =
        sl_nn_parameter(nn, "in_proj_weight", SL_SHAPE(3 * width, width), sl_init_xavier(width, 3 * width));
    sl_value b = sl_nn_parameter(nn, "in_proj_bias", SL_SHAPE(3 * width), SL_INIT_RULE_ZEROS);
    sl_value qkv = sl_linear(g, x, w, b);
    sl_value q = sl_slice(g, qkv, -1, 0, width), k = sl_slice(g, qkv, -1, width, width);
    sl_value y = sl_attention(g, q, k, sl_slice(g, qkv, -1, 2 * width, width), (int)config->num_heads, false);
    sl_nn_init init = {sl_init_fan_in(width), SL_INIT_RULE_ZEROS};
    return sl_nn_end(nn, sl_nn_linear_init(nn, "out_proj", y, width, true, init));
}

static sl_value layer(sl_nn *nn, const sl_vit_config *config, sl_value x, int index) {
    sl_graph *g = nn->graph;
    int64_t width = config->hidden_dim;
    sl_nn_init init = {sl_init_xavier(width, config->mlp_dim), sl_init_normal(1e-6)};
    sl_nn_segment_begin(nn);
    sl_nn_begin(nn, "encoder.layers.encoder_layer_%d", index);
    sl_value h = sl_nn_layer_norm(nn, "ln_1", x, config->layer_norm_eps);
    x = sl_add(g, x, self_attention(nn, config, h));
    h = sl_nn_layer_norm(nn, "ln_2", x, config->layer_norm_eps);
    h = sl_gelu(g, sl_nn_linear_init(nn, "mlp.0", h, config->mlp_dim, true, init));
    x = sl_nn_end(nn, sl_add(g, x, sl_nn_linear_init(nn, "mlp.3", h, width, true, init)));
    sl_nn_segment_end(nn);
    return x;
}

sl_value sl_vit_build(sl_nn *nn, const sl_vit_config *config, sl_value image, sl_value *features) {
    sl_graph *g = nn->graph;
    for (int i = 0; i < 2; i++)
        if (sl_value_dim(g, image, 1 + i) != config->image_size.value[i])
            sl_graph_fail(g, SL_INVALID,
                          "images of %lld x %lld pixels, this vision transformer takes %lld x %lld",
                          (long long)sl_value_dim(g, image, 1), (long long)sl_value_dim(g, image, 2),
                          (long long)config->image_size.value[0], (long long)config->image_size.value[1]);
    sl_value x = tokens(nn, config, image);
    for (int i = 0; i < config->num_layers; i++) x = layer(nn, config, x, i);
    /* The norm works token by token, so only what leaves need be normalised. */
    int64_t batch = sl_value_dim(g, x, 0);
    x = config->pool == SL_VIT_CLASS_TOKEN
            ? sl_reshape(g, sl_slice(g, x, 1, 0, 1), SL_SHAPE(batch, config->hidden_dim))
            : sl_mean(g, x, 1u << 1);
    x = sl_cast(g, sl_nn_layer_norm(nn, "encoder.ln", x, config->layer_norm_eps), SL_F32);
    if (features) *features = x;
    /* torchvision starts the head at zero. */
    return sl_nn_linear_init(nn, "heads.head", x, config->num_classes, true,
                             (sl_nn_init){SL_INIT_RULE_ZEROS, SL_INIT_RULE_ZEROS});
}

static const sl_shape *shape_of(const sl_checkpoint *checkpoint, const char *name, int rank) {
    const sl_weight *weight = sl_checkpoint_find(checkpoint, name);
    return weight && weight->shape.rank == rank ? &weight->shape : NULL;
}

sl_status sl_vit_infer(const sl_checkpoint *checkpoint, int64_t heads, int64_t height, int64_t width,
                       sl_vit_config *out) {
    const sl_shape *patch = shape_of(checkpoint, "conv_proj.weight", 4);
    const sl_shape *places = shape_of(checkpoint, "encoder.pos_embedding", 3);
    const sl_shape *mlp = shape_of(checkpoint, "encoder.layers.encoder_layer_0.mlp.0.weight", 2);
    const sl_shape *head = shape_of(checkpoint, "heads.head.weight", 2);
    if (!patch || !places || !mlp || !head)
        return sl_fail(SL_NOT_FOUND,
                       "no patch projection, positions, first layer or head: not a vision transformer");
    sl_vit_config config = {.patch_size = patch->dim[2],
                            .in_channels = patch->dim[1],
                            .hidden_dim = patch->dim[0],
                            .mlp_dim = mlp->dim[0],
                            .num_classes = head->dim[0],
                            .layer_norm_eps = 1e-6};
    config.num_heads = heads > 0 ? heads : config.hidden_dim / 64;
    config.pool = sl_checkpoint_find(checkpoint, "class_token") ? SL_VIT_CLASS_TOKEN : SL_VIT_AVERAGE;
    char name[96];
    do {
        config.num_layers++;
        snprintf(name, sizeof name, "encoder.layers.encoder_layer_%d.ln_1.weight", (int)config.num_layers);
    } while (sl_checkpoint_find(checkpoint, name) && config.num_layers < 256);
    int64_t patches = places->dim[1] - (config.pool == SL_VIT_CLASS_TOKEN);
    if (height == 0) height = width = (int64_t)llround(sqrt((double)patches)) * config.patch_size;
    config.image_size = (sl_config_list){2, {height, width}};
    if (config.num_heads < 1)
        return sl_fail(SL_INVALID, "the number of heads of a transformer of width %lld must be given",
                       (long long)config.hidden_dim);
    SL_TRY(check(&config));
    if (height / config.patch_size * (width / config.patch_size) != patches)
        return sl_fail(SL_MISMATCH,
                       "the file has positions for %lld patches, an image of %lld x %lld has %lld",
                       (long long)patches, (long long)height, (long long)width,
                       (long long)(height / config.patch_size * (width / config.patch_size)));
    *out = config;
    return SL_OK;
}
