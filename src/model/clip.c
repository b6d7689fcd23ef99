#include "model/clip.h"

#include <math.h>
#include <stdio.h>

#define FIELD(kind, key, member, fallback, low, high)                                                        \
    SL_CONFIG_FIELD(sl_clip_config, kind, key, member, fallback, low, high)
#define CHOICE(kind, key, member, fallback, choices)                                                         \
    SL_CONFIG_CHOICE_FIELD(sl_clip_config, kind, key, member, fallback, choices)

static const char *const activations[] = {"quick_gelu", "gelu", NULL};

/* Keys and defaults are those of transformers' CLIPTextConfig. */
static const sl_config_field fields[] = {
    FIELD(INT, "vocab_size", vocab_size, "49408", 1, 1 << 24),
    FIELD(INT, "hidden_size", hidden_size, "512", 1, 16384),
    FIELD(INT, "intermediate_size", intermediate_size, "2048", 1, 65536),
    FIELD(INT, "projection_dim", projection_dim, "512", 1, 16384),
    FIELD(INT, "num_hidden_layers", num_hidden_layers, "12", 1, 256),
    FIELD(INT, "num_attention_heads", num_attention_heads, "8", 1, 256),
    FIELD(INT, "max_position_embeddings", max_position_embeddings, "77", 1, 65536),
    CHOICE(CHOICE, "hidden_act", hidden_act, "\"quick_gelu\"", activations),
    FIELD(REAL, "layer_norm_eps", layer_norm_eps, "1e-5", 0, 0),
    FIELD(REAL, "initializer_factor", initializer_factor, "1.0", 0, 0),
    FIELD(REAL, "initializer_range", initializer_range, "0.02", 0, 0),
    FIELD(REAL, "attention_dropout", attention_dropout, "0.0", 0, 0),
    FIELD(INT, "bos_token_id", bos_token_id, "49406", 0, 1 << 24),
    FIELD(INT, "eos_token_id", eos_token_id, "49407", 0, 1 << 24),
    FIELD(INT, "pad_token_id", pad_token_id, "1", 0, 1 << 24),
    SL_CONFIG_CONSTANT(UNUSED, "architectures", "[\"CLIPTextModel\"]"),
    SL_CONFIG_CONSTANT(UNUSED, "model_type", "\"clip_text_model\""),
    SL_CONFIG_CONSTANT(UNUSED, "torch_dtype", "\"float32\""),
    SL_CONFIG_CONSTANT(UNUSED, "transformers_version", "\"4.22.0\""),
    SL_CONFIG_CONSTANT(UNUSED, "dtype", NULL),
    SL_CONFIG_CONSTANT(UNUSED, "dropout", NULL),
};

static sl_status check(void *opaque) {
    const sl_clip_config *config = opaque;
    if (config->hidden_size % config->num_attention_heads)
        return sl_fail(SL_FORMAT, "'hidden_size' is %lld, which 'num_attention_heads' %lld does not divide",
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    return SL_OK;
}

static void declare(sl_nn *nn, const void *opaque) {
    sl_clip_build(nn, opaque, sl_input(nn->graph, "ids", SL_I32, SL_SHAPE(1, 1)), 0);
}

const sl_model_kind sl_clip_kind = {
    .class_name = "CLIPTextModel",
    .model_type = "clip_text_model",
    .weights_stem = "model",
    .table = {fields, sizeof fields / sizeof *fields},
    .config_bytes = sizeof(sl_clip_config),
    .check = check,
    .declare = declare,
    .names = &sl_names_clip_text,
};

/* First values as in transformers' CLIP. */
static sl_nn_init weight_rule(double std) {
    return (sl_nn_init){sl_init_normal(std), SL_INIT_RULE_ZEROS};
}

static sl_value embeddings(sl_nn *nn, const sl_clip_config *config, sl_value ids) {
    sl_graph *g = nn->graph;
    double std = 0.02 * config->initializer_factor;
    sl_nn_begin(nn, "embeddings");
    sl_value tokens =
        sl_nn_embedding(nn, "token_embedding", ids, config->vocab_size, config->hidden_size, std);
    sl_nn_begin(nn, "position_embedding");
    sl_value places = sl_nn_parameter(
        nn, "weight", SL_SHAPE(config->max_position_embeddings, config->hidden_size), sl_init_normal(std));
    sl_nn_end(nn, places);
    places = sl_slice(g, places, 0, 0, sl_value_dim(g, ids, 1));
    sl_value x = sl_cast(g, sl_add(g, tokens, places), nn->dtype);
    return sl_nn_end(nn, x);
}

static sl_value self_attention(sl_nn *nn, const sl_clip_config *config, sl_value x) {
    int64_t width = config->hidden_size;
    double out_std = config->initializer_factor / sqrt((double)width);
    double in_std = out_std / sqrt(2.0 * (double)config->num_hidden_layers);
    sl_nn_begin(nn, "self_attn");
    sl_value q = sl_nn_linear_init(nn, "q_proj", x, width, true, weight_rule(in_std));
    sl_value k = sl_nn_linear_init(nn, "k_proj", x, width, true, weight_rule(in_std));
    sl_value v = sl_nn_linear_init(nn, "v_proj", x, width, true, weight_rule(in_std));
    sl_value y = sl_attention(nn->graph, q, k, v, (int)config->num_attention_heads, true);
    return sl_nn_end(nn, sl_nn_linear_init(nn, "out_proj", y, width, true, weight_rule(out_std)));
}

static sl_value layer(sl_nn *nn, const sl_clip_config *config, sl_value x, int index) {
    sl_graph *g = nn->graph;
    double width = (double)config->hidden_size, factor = config->initializer_factor;
    sl_nn_segment_begin(nn);
    sl_nn_begin(nn, "encoder.layers.%d", index);
    sl_value h = sl_nn_layer_norm(nn, "layer_norm1", x, config->layer_norm_eps);
    x = sl_add(g, x, self_attention(nn, config, h));
    h = sl_nn_layer_norm(nn, "layer_norm2", x, config->layer_norm_eps);
    h = sl_nn_linear_init(nn, "mlp.fc1", h, config->intermediate_size, true,
                          weight_rule(factor / sqrt(2.0 * width)));
    h = config->hidden_act == SL_CLIP_QUICK_GELU ? sl_quick_gelu(g, h) : sl_gelu(g, h);
    double out_std = factor / sqrt(width * 2.0 * (double)config->num_hidden_layers);
    h = sl_nn_linear_init(nn, "mlp.fc2", h, config->hidden_size, true, weight_rule(out_std));
    x = sl_nn_end(nn, sl_add(g, x, h));
    sl_nn_segment_end(nn);
    return x;
}

sl_value sl_clip_build(sl_nn *nn, const sl_clip_config *config, sl_value ids, int clip_skip) {
    sl_graph *g = nn->graph;
    if (sl_value_dim(g, ids, -1) > config->max_position_embeddings)
        sl_graph_fail(g, SL_INVALID, "texts of %lld tokens, the text encoder takes at most %lld",
                      (long long)sl_value_dim(g, ids, -1), (long long)config->max_position_embeddings);
    if (clip_skip < 0 || clip_skip >= config->num_hidden_layers)
        sl_graph_fail(g, SL_INVALID, "clip skip %d, expected 0 to %lld", clip_skip,
                      (long long)config->num_hidden_layers - 1);
    sl_nn_begin(nn, "text_model");
    sl_value x = embeddings(nn, config, ids);
    for (int i = 0; i < config->num_hidden_layers - clip_skip; i++) x = layer(nn, config, x, i);
    x = sl_nn_layer_norm(nn, "final_layer_norm", x, config->layer_norm_eps);
    return sl_nn_end(nn, sl_cast(g, x, SL_F32));
}

sl_value sl_clip_pool_build(sl_nn *nn, sl_value embeddings_of_all, sl_value rows) {
    sl_graph *g = nn->graph;
    sl_shape shape = sl_value_shape(g, embeddings_of_all);
    sl_value flat = sl_reshape(g, embeddings_of_all, SL_SHAPE(shape.dim[0] * shape.dim[1], shape.dim[2]));
    return sl_embedding(g, flat, rows);
}

void sl_clip_pool_rows(const sl_clip_config *config, const int32_t *ids, int64_t count, int64_t length,
                       int32_t *out) {
    bool by_size = config->eos_token_id == 2;
    for (int64_t n = 0; n < count; n++) {
        const int32_t *text = ids + n * length;
        int64_t found = 0;
        for (int64_t i = by_size ? 1 : 0; i < length; i++) {
            if (by_size && text[i] > text[found]) found = i;
            if (!by_size && text[i] == config->eos_token_id) {
                found = i;
                break;
            }
        }
        out[n] = (int32_t)(n * length + found);
    }
}
