#include "loop/golden/net.h"

#include "nn/lora.h"

#include <math.h>
#include <string.h>

void sl_golden_to_nhwc(const sl_shape *shape, const float *source, float *target) {
    int64_t images = 1, channels = 1, pixels = sl_shape_count(shape);
    if (shape->rank == 4)
        images = shape->dim[0], channels = shape->dim[1], pixels = shape->dim[2] * shape->dim[3];
    for (int64_t n = 0; n < images; n++)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t c = 0; c < channels; c++)
                target[(n * pixels + p) * channels + c] = source[(n * channels + c) * pixels + p];
}

void sl_golden_to_nchw(const sl_shape *shape, const float *source, float *target) {
    int64_t images = 1, channels = 1, pixels = sl_shape_count(shape);
    if (shape->rank == 4)
        images = shape->dim[0], channels = shape->dim[3], pixels = shape->dim[1] * shape->dim[2];
    for (int64_t n = 0; n < images; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < pixels; p++)
                target[(n * channels + c) * pixels + p] = source[(n * pixels + p) * channels + c];
}

sl_status sl_golden_net_begin(const sl_golden *g, sl_golden_net *net, sl_params *params) {
    *net = (sl_golden_net){0};
    SL_TRY(sl_graph_new(&net->graph));
    sl_nn_open(&net->nn, net->graph, params);
    net->nn.dtype = g->settings->dtype;
    return SL_OK;
}

static sl_status zero_gradients(sl_params *params) {
    SL_TRY(sl_params_allocate_gradients(params));
    sl_params_zero_gradients(params);
    return SL_OK;
}

sl_status sl_golden_net_ready(sl_golden_net *net) {
    SL_TRY(sl_graph_status(net->graph));
    if (net->nn.training) SL_TRY(zero_gradients(net->nn.params));
    for (int i = 0; i < net->nn.lora_count && net->nn.training; i++)
        SL_TRY(zero_gradients(net->nn.loras[i]->params));
    SL_TRY(sl_plan_new(net->graph, NULL, &net->plan));
    SL_TRY(sl_nn_bind(&net->nn, net->plan));
    return sl_plan_reserve(net->plan);
}

void sl_golden_net_free(sl_golden_net *net) {
    sl_plan_free(net->plan);
    sl_nn_close(&net->nn);
    sl_graph_free(net->graph);
    *net = (sl_golden_net){0};
}

/* Shape and type that a stored tensor has as an input. */
static sl_shape input_shape(const sl_stored_tensor *stored) {
    sl_shape shape = stored->shape;
    if (shape.rank == 4) shape = SL_SHAPE(shape.dim[0], shape.dim[2], shape.dim[3], shape.dim[1]);
    return shape;
}

sl_value sl_golden_net_input(sl_golden *g, sl_golden_net *net, const char *key) {
    const sl_stored_tensor *stored = sl_safetensors_find(sl_golden_source(g), key);
    if (!stored) {
        sl_graph_fail(net->graph, SL_NOT_FOUND, "'%s' has no tensor '%s'", g->file_name, key);
        return (sl_value){0};
    }
    sl_dtype dtype = stored->dtype == SL_I64 ? SL_I32 : SL_F32;
    return sl_input(net->graph, key, dtype, input_shape(stored));
}

sl_status sl_golden_net_feed(sl_golden *g, sl_golden_net *net, const char *key) {
    sl_value value = sl_graph_find(net->graph, key);
    sl_tensor tensor;
    SL_TRY(sl_golden_load(g, key, sl_value_dtype(net->graph, value), &tensor));
    size_t bytes = sl_tensor_bytes(&tensor);
    void *data = tensor.data, *moved = NULL;
    sl_status status = SL_OK;
    if (tensor.dtype == SL_F32) {
        status = sl_alloc(&moved, bytes, 1);
        if (!status) sl_golden_to_nhwc(&tensor.shape, tensor.data, moved);
        data = moved;
    }
    if (!status) status = sl_plan_upload(net->plan, value, data, bytes);
    sl_free(moved);
    sl_tensor_free(&tensor);
    return status;
}

sl_status sl_golden_net_fetch(sl_golden_net *net, const char *name, float **out, size_t *out_count) {
    sl_value value = sl_graph_find(net->graph, name);
    if (!sl_value_is(value)) return sl_fail(SL_NOT_FOUND, "the graph has no output '%s'", name);
    sl_shape shape = sl_value_shape(net->graph, value);
    size_t count = (size_t)sl_shape_count(&shape);
    sl_dtype dtype = sl_value_dtype(net->graph, value);
    size_t bytes = count * sl_dtype_bytes(dtype);
    float *floats, *moved = NULL;
    char *raw = NULL;
    SL_TRY(sl_alloc(&floats, count, sizeof *floats));
    sl_status status = sl_alloc(&moved, count, sizeof *moved);
    if (!status) status = sl_alloc(&raw, bytes, 1);
    if (!status) status = sl_plan_download(net->plan, value, raw, bytes);
    if (!status) sl_convert(dtype, raw, SL_F32, floats, count);
    if (!status) sl_golden_to_nchw(&shape, floats, moved);
    sl_free(floats);
    sl_free(raw);
    if (status) {
        sl_free(moved);
        return status;
    }
    *out = moved;
    *out_count = count;
    return SL_OK;
}

sl_status sl_golden_net_compare(sl_golden *g, sl_golden_net *net, const char *name, const char *key) {
    float *found;
    size_t count;
    SL_TRY(sl_golden_net_fetch(net, name, &found, &count));
    sl_status status = sl_golden_floats(g, key, found, count);
    sl_free(found);
    return status;
}

sl_status sl_golden_net_scalar(sl_golden_net *net, const char *name, double *out) {
    float *found;
    size_t count;
    SL_TRY(sl_golden_net_fetch(net, name, &found, &count));
    *out = count == 1 ? (double)found[0] : NAN;
    sl_free(found);
    return SL_OK;
}

static sl_status find_param(const sl_params *params, const char *name, const sl_name_rules *rules,
                            sl_arena *arena, const sl_param **out) {
    char *ours = NULL;
    if (rules) sl_name_rules_apply(rules, arena, name, &ours);
    *out = sl_params_find(params, ours ? ours : name);
    return *out ? SL_OK : sl_fail(SL_NOT_FOUND, "no parameter for '%s'", name);
}

static sl_status gradient_of(const sl_params *params, const char *name, const sl_name_rules *rules,
                             sl_arena *arena, const sl_param **out) {
    SL_TRY(find_param(params, name, rules, arena, out));
    return (*out)->gradient.data ? SL_OK : sl_fail(SL_NOT_FOUND, "no gradient of '%s'", name);
}

sl_status sl_golden_compare_values(sl_golden *g, const sl_params *params, const char *prefix,
                                   const sl_name_rules *rules) {
    for (size_t i = 0; i < sl_safetensors_count(g->file); i++) {
        const char *key = sl_safetensors_at(g->file, i)->name;
        const sl_param *param;
        if (strncmp(key, prefix, strlen(prefix)) != 0) continue;
        SL_TRY(find_param(params, key + strlen(prefix), rules, g->arena, &param));
        SL_TRY(sl_golden_floats(g, key, param->value.data, (size_t)sl_shape_count(&param->value.shape)));
    }
    return SL_OK;
}

static double norm_of(const sl_param *param) {
    double sum = 0;
    const float *x = param->gradient.data;
    for (int64_t i = 0; i < sl_shape_count(&param->gradient.shape); i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

sl_status sl_golden_compare_gradients(sl_golden *g, const sl_params *params, const char *prefix,
                                      const json_t *norms, const char *path, const sl_name_rules *rules) {
    const sl_param *param;
    size_t length = strlen(prefix);
    for (size_t i = 0; i < sl_safetensors_count(g->file); i++) {
        const char *key = sl_safetensors_at(g->file, i)->name;
        if (strncmp(key, prefix, length) != 0) continue;
        SL_TRY(gradient_of(params, key + length, rules, g->arena, &param));
        SL_TRY(
            sl_golden_floats(g, key, param->gradient.data, (size_t)sl_shape_count(&param->gradient.shape)));
    }
    const char *name;
    json_t *expected;
    json_object_foreach((json_t *)(uintptr_t)norms, name, expected) {
        SL_TRY(gradient_of(params, name, rules, g->arena, &param));
        double norm = norm_of(param);
        SL_TRY(sl_golden_numbers(g, sl_arena_printf(g->arena, "%s/%s", path, name), expected, &norm, 1));
    }
    return SL_OK;
}

sl_status sl_golden_slots(sl_params *params, sl_slot_set *out) {
    SL_TRY(sl_slot_set_new(out));
    for (int i = 0; i < sl_params_count(params); i++) {
        sl_param *param = sl_params_at(params, i);
        if (!param->trainable) continue;
        SL_TRY(sl_slot_add(out, param->name, &param->value.shape, param->value.data, param->gradient.data,
                           true));
    }
    return sl_slot_set_ready(out, 2, false);
}

sl_status sl_golden_train(sl_golden_net *net, sl_params *params, const sl_golden_training *training) {
    sl_optimizer optimizer = sl_optimizer_adamw();
    sl_slot_set set;
    sl_status status = sl_golden_slots(params, &set);
    for (int step = 0; step < training->steps && !status; step++) {
        sl_slot_zero_gradients(&set);
        status = sl_plan_run(net->plan);
        if (!status) status = sl_golden_net_scalar(net, "loss", &training->losses[step]);
        double norm = sl_slot_gradient_norm(&set);
        if (training->norms) training->norms[step] = norm;
        sl_optimizer_step(&optimizer, &set, step + 1, training->rate, sl_clip_factor(norm, training->clip));
        sl_plan_weights_changed(net->plan);
    }
    sl_slot_set_free(&set);
    return status;
}
