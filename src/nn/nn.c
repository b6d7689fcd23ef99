#include "nn/nn.h"

#include "nn/lora.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sl_nn_open(sl_nn *nn, sl_graph *graph, sl_params *params) {
    size_t length = strlen(sl_graph_scope(graph));
    *nn = (sl_nn){.graph = graph, .params = params, .dtype = SL_F32, .root = length ? length + 1 : 0};
}

void sl_nn_close(sl_nn *nn) {
    sl_free(nn->uses);
    nn->uses = NULL;
    nn->use_count = nn->use_capacity = 0;
}

/* A value that came to be held since has the last word: an adapter was merged into it, or it was loaded anew.
 */
static sl_status read_value(void *context, void *target) {
    const sl_param *param = context;
    if (!param->value.data && param->source)
        return param->source->read(param->source->context, param, target);
    if (!param->value.data) return sl_fail(SL_INTERNAL, "its source has gone");
    memcpy(target, param->value.data, sl_tensor_bytes(&param->value));
    return SL_OK;
}

/* What the plan keeps in its own form alone stays in its source. */
static sl_status bind_value(const sl_nn_use *use, sl_plan *plan) {
    sl_param *param = use->param;
    bool stays = !param->value.data && param->source;
    if (stays && sl_plan_only_packs(plan, use->value))
        return sl_plan_bind_source(plan, use->value, (sl_plan_source){read_value, param});
    if (stays) SL_TRY(sl_param_hold(param));
    if (!param->value.data)
        return sl_fail(SL_INTERNAL, "parameter '%s' has no memory: allocate the store first", param->name);
    return sl_plan_bind(plan, use->value, param->value.data);
}

sl_status sl_nn_bind(const sl_nn *nn, sl_plan *plan) {
    for (int i = 0; i < nn->use_count; i++) {
        const sl_nn_use *use = &nn->uses[i];
        SL_TRY(bind_value(use, plan));
        if (nn->training && use->param->trainable && use->param->gradient.data)
            SL_TRY(sl_plan_bind_gradient(plan, use->value, use->param->gradient.data));
    }
    return SL_OK;
}

const char *sl_nn_path(const sl_nn *nn) {
    const char *scope = sl_graph_scope(nn->graph);
    return strlen(scope) <= nn->root ? "" : scope + nn->root;
}

void sl_nn_begin(sl_nn *nn, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    sl_graph_push(nn->graph, "%s", name);
}

static bool probed(const sl_nn *nn) {
    const char *path = sl_nn_path(nn);
    for (const char *const *probe = nn->probes; probe && *probe; probe++)
        if (strcmp(*probe, path) == 0) return true;
    return false;
}

static void make_probe(sl_nn *nn, sl_value result) {
    char name[512];
    snprintf(name, sizeof name, "probe.%s", sl_nn_path(nn));
    sl_output(nn->graph, name, sl_cast(nn->graph, result, SL_F32));
}

sl_value sl_nn_end(sl_nn *nn, sl_value result) {
    if (nn->probes && probed(nn)) make_probe(nn, result);
    sl_graph_pop(nn->graph);
    return result;
}

void sl_nn_segment_begin(sl_nn *nn) {
    if (nn->recompute) sl_graph_checkpoint_begin(nn->graph);
}

void sl_nn_segment_end(sl_nn *nn) {
    if (nn->recompute) sl_graph_checkpoint_end(nn->graph);
}

/* Remember what to bind. */
static sl_status add_use(sl_nn *nn, sl_param *param, sl_value value) {
    for (int i = 0; i < nn->use_count; i++)
        if (nn->uses[i].value.id == value.id) return SL_OK;
    if (nn->use_count == nn->use_capacity) {
        int capacity = nn->use_capacity ? 2 * nn->use_capacity : 512;
        sl_nn_use *uses;
        SL_TRY(sl_alloc(&uses, (size_t)capacity, sizeof *uses));
        if (nn->use_count) memcpy(uses, nn->uses, (size_t)nn->use_count * sizeof *uses);
        sl_free(nn->uses);
        nn->uses = uses;
        nn->use_capacity = capacity;
    }
    nn->uses[nn->use_count++] = (sl_nn_use){param, value};
    return SL_OK;
}

/* As its source says; what is held may have changed since. */
static bool is_half(const sl_param *param) {
    const sl_param_source *source = param->source;
    return !param->value.data && source && source->is_half && source->is_half(source->context, param);
}

sl_value sl_nn_parameter_in(sl_nn *nn, sl_params *store, const char *name, sl_shape shape, sl_init init,
                            bool buffer) {
    if (sl_graph_status(nn->graph) != SL_OK) return SL_NONE;
    char path[512];
    const char *scope = sl_nn_path(nn);
    snprintf(path, sizeof path, "%s%s%s", scope, *scope ? "." : "", name);
    sl_param *param;
    sl_status status = sl_params_declare(store, path, &shape, init, buffer, &param);
    if (status == SL_OK) {
        sl_value value =
            sl_parameter(nn->graph, name, param->value.dtype, shape, nn->training && param->trainable);
        if (!sl_value_is(value)) return SL_NONE;
        if (is_half(param)) sl_graph_parameter_is_half(nn->graph, value);
        status = add_use(nn, param, value);
        if (status == SL_OK) return value;
    }
    char message[512];
    snprintf(message, sizeof message, "%s", sl_error_message());
    sl_graph_fail(nn->graph, status, "%s", message);
    return SL_NONE;
}

sl_value sl_nn_parameter(sl_nn *nn, const char *name, sl_shape shape, sl_init init) {
    return sl_nn_parameter_in(nn, nn->params, name, shape, init, false);
}

sl_value sl_nn_linear_init(sl_nn *nn, const char *name, sl_value x, int64_t out, bool bias, sl_nn_init init) {
    sl_nn_begin(nn, "%s", name);
    int64_t in = sl_value_dim(nn->graph, x, -1);
    sl_value w = sl_nn_parameter(nn, "weight", SL_SHAPE(out, in), init.weight);
    sl_value b = bias ? sl_nn_parameter(nn, "bias", SL_SHAPE(out), init.bias) : SL_NONE;
    sl_value y = sl_linear(nn->graph, x, w, b);
    for (int i = 0; i < nn->lora_count; i++) y = sl_lora_linear(nn, nn->loras[i], x, y);
    return sl_nn_end(nn, y);
}

sl_value sl_nn_linear(sl_nn *nn, const char *name, sl_value x, int64_t out, bool bias) {
    sl_init rule = sl_init_fan_in(sl_value_dim(nn->graph, x, -1));
    return sl_nn_linear_init(nn, name, x, out, bias, (sl_nn_init){rule, rule});
}

sl_value sl_nn_conv2d_init(sl_nn *nn, const char *name, sl_value x, sl_nn_conv conv, sl_nn_init init) {
    sl_nn_begin(nn, "%s", name);
    int64_t in = sl_value_dim(nn->graph, x, -1);
    sl_value w = sl_nn_parameter(nn, "weight", SL_SHAPE(conv.out, in, conv.kernel, conv.kernel), init.weight);
    sl_value b = conv.bias ? sl_nn_parameter(nn, "bias", SL_SHAPE(conv.out), init.bias) : SL_NONE;
    sl_value y = sl_conv2d(nn->graph, x, w, b, conv.stride, conv.padding);
    for (int i = 0; i < nn->lora_count; i++) y = sl_lora_conv2d(nn, nn->loras[i], x, y, conv);
    return sl_nn_end(nn, y);
}

sl_value sl_nn_conv2d(sl_nn *nn, const char *name, sl_value x, sl_nn_conv conv) {
    sl_init rule = sl_init_fan_in(sl_value_dim(nn->graph, x, -1) * conv.kernel * conv.kernel);
    return sl_nn_conv2d_init(nn, name, x, conv, (sl_nn_init){rule, rule});
}

sl_value sl_nn_conv3x3(sl_nn *nn, const char *name, sl_value x, int64_t out) {
    return sl_nn_conv2d(nn, name, x, (sl_nn_conv){out, 3, 1, SL_PAD(1), true});
}

sl_value sl_nn_conv1x1(sl_nn *nn, const char *name, sl_value x, int64_t out) {
    return sl_nn_conv2d(nn, name, x, (sl_nn_conv){out, 1, 1, SL_PAD(0), true});
}

sl_value sl_nn_group_norm(sl_nn *nn, const char *name, sl_value x, int64_t groups, double eps, bool silu) {
    sl_nn_begin(nn, "%s", name);
    sl_shape shape = SL_SHAPE(sl_value_dim(nn->graph, x, -1));
    sl_value gamma = sl_nn_parameter(nn, "weight", shape, SL_INIT_RULE_ONES);
    sl_value beta = sl_nn_parameter(nn, "bias", shape, SL_INIT_RULE_ZEROS);
    /* A probe sees the norm itself, without the activation that is fused behind it. */
    bool apart = silu && nn->probes && probed(nn);
    sl_value y = sl_group_norm(nn->graph, x, gamma, beta, (int)groups, (float)eps, silu && !apart);
    y = sl_nn_end(nn, y);
    return apart ? sl_silu(nn->graph, y) : y;
}

sl_value sl_nn_layer_norm(sl_nn *nn, const char *name, sl_value x, double eps) {
    sl_nn_begin(nn, "%s", name);
    sl_shape shape = SL_SHAPE(sl_value_dim(nn->graph, x, -1));
    sl_value gamma = sl_nn_parameter(nn, "weight", shape, SL_INIT_RULE_ONES);
    sl_value beta = sl_nn_parameter(nn, "bias", shape, SL_INIT_RULE_ZEROS);
    return sl_nn_end(nn, sl_layer_norm(nn->graph, x, gamma, beta, (float)eps));
}

sl_value sl_nn_batch_norm(sl_nn *nn, const char *name, sl_value x, double eps, double momentum) {
    sl_nn_begin(nn, "%s", name);
    sl_shape shape = SL_SHAPE(sl_value_dim(nn->graph, x, -1));
    sl_value gamma = sl_nn_parameter(nn, "weight", shape, SL_INIT_RULE_ONES);
    sl_value beta = sl_nn_parameter(nn, "bias", shape, SL_INIT_RULE_ZEROS);
    sl_value mean = sl_nn_parameter_in(nn, nn->params, "running_mean", shape, SL_INIT_RULE_ZEROS, true);
    sl_value var = sl_nn_parameter_in(nn, nn->params, "running_var", shape, SL_INIT_RULE_ONES, true);
    return sl_nn_end(nn, sl_batch_norm(nn->graph, x, gamma, beta, mean, var, (float)eps, (float)momentum,
                                       nn->training && !nn->frozen_statistics));
}

sl_value sl_nn_embedding(sl_nn *nn, const char *name, sl_value ids, int64_t vocab, int64_t width,
                         double std) {
    sl_nn_begin(nn, "%s", name);
    sl_value table = sl_nn_parameter(nn, "weight", SL_SHAPE(vocab, width), sl_init_normal(std));
    return sl_nn_end(nn, sl_embedding(nn->graph, table, ids));
}
