#include "train/learner.h"

#include "backend/device.h"
#include "base/log.h"
#include "weights/safetensors.h"

#include <stdio.h>
#include <string.h>

sl_status sl_learner_open(sl_learner *learner) {
    *learner = (sl_learner){0};
    return sl_graph_new(&learner->graph);
}

void sl_learner_close(sl_learner *learner) {
    sl_plan_free(learner->plan);
    for (int i = 0; i < learner->models; i++) sl_nn_close(&learner->nn[i]);
    for (int i = 0; i < learner->inputs; i++) sl_tensor_free(&learner->input[i].tensor);
    sl_graph_free(learner->graph);
    *learner = (sl_learner){0};
}

sl_value sl_learner_input(sl_learner *learner, const char *name, sl_dtype dtype, sl_shape shape,
                          void *out_data) {
    if (learner->inputs == SL_LEARNER_INPUTS_MAX) {
        sl_graph_fail(learner->graph, SL_INTERNAL, "more than %d inputs", SL_LEARNER_INPUTS_MAX);
        return SL_NONE;
    }
    struct sl_learner_input *input = &learner->input[learner->inputs];
    if (sl_tensor_new(dtype, &shape, &input->tensor) != SL_OK) {
        sl_graph_fail(learner->graph, SL_MEMORY, "no memory for input '%s'", name);
        return SL_NONE;
    }
    learner->inputs++;
    input->value = sl_input(learner->graph, name, dtype, shape);
    if (out_data) memcpy(out_data, &input->tensor.data, sizeof(void *));
    return input->value;
}

sl_nn *sl_learner_model(sl_learner *learner, const char *scope, sl_params *params, bool training) {
    sl_nn *nn = &learner->nn[learner->models++];
    sl_graph_push(learner->graph, "%s", scope);
    sl_nn_open(nn, learner->graph, params);
    nn->training = training;
    return nn;
}

void sl_learner_model_end(sl_learner *learner) {
    sl_graph_pop(learner->graph);
}

static sl_status allocate(sl_params *params, bool training) {
    SL_TRY(sl_params_allocate_trained(params));
    return training ? sl_params_allocate_gradients(params) : SL_OK;
}

static sl_status bind(const sl_learner *learner, sl_plan *plan) {
    for (int i = 0; i < learner->models; i++) SL_TRY(sl_nn_bind(&learner->nn[i], plan));
    for (int i = 0; i < learner->inputs; i++)
        SL_TRY(sl_plan_bind(plan, learner->input[i].value, learner->input[i].tensor.data));
    return sl_plan_reserve(plan);
}

void sl_learner_scale_loss(sl_learner *learner) {
    learner->scale = sl_learner_input(learner, "loss_scale", SL_F32, (sl_shape){0}, &learner->loss_scale);
    if (sl_value_is(learner->scale)) *learner->loss_scale = 1;
}

sl_status sl_learner_finish(sl_learner *learner, sl_value loss) {
    bool training = false;
    for (int i = 0; i < learner->models; i++) {
        const sl_nn *nn = &learner->nn[i];
        training = training || nn->training;
        for (int k = 0; k < nn->lora_count; k++) {
            training = training || nn->training;
            SL_TRY(allocate(nn->loras[k]->params, nn->training));
        }
        SL_TRY(allocate(nn->params, nn->training));
    }
    learner->loss = loss;
    if (sl_value_is(loss)) sl_output(learner->graph, "loss", loss);
    if (training && sl_value_is(learner->scale)) loss = sl_mul(learner->graph, loss, learner->scale);
    if (training && sl_value_is(loss)) sl_graph_backward(learner->graph, loss);
    SL_TRY(sl_graph_status(learner->graph));
    SL_TRY(sl_plan_new(learner->graph, NULL, &learner->plan));
    return bind(learner, learner->plan);
}

sl_status sl_learner_tell(const sl_learner *learner, const char *what, size_t moments) {
    const sl_device *device;
    sl_device_info info;
    char figures[160];
    SL_TRY(sl_device_current(&device));
    if (!device) return SL_OK;
    sl_plan_memory memory = sl_plan_memory_of(learner->plan);
    sl_plan_memory_text(&memory, moments, figures, sizeof figures);
    SL_TRY(device->module->describe(device->index, &info));
    if (moments > info.free_bytes)
        return sl_fail(SL_MEMORY, "%s: the device %s has %.2f GB free, too little for the moments: %s", what,
                       info.name, 1e-9 * (double)info.free_bytes, figures);
    sl_info("%s on the device: %s", what, figures);
    return SL_OK;
}

static sl_status read_loss(sl_learner *learner, double *out_loss) {
    float loss;
    SL_TRY(sl_learner_read(learner, learner->loss, &loss, 1));
    *out_loss = (double)loss;
    return SL_OK;
}

sl_status sl_learner_run(sl_learner *learner, double *out_loss) {
    SL_TRY(sl_plan_run(learner->plan));
    return out_loss ? read_loss(learner, out_loss) : SL_OK;
}

sl_status sl_learner_evaluate(sl_learner *learner, double *out_loss) {
    SL_TRY(sl_plan_run_to(learner->plan, learner->loss));
    return read_loss(learner, out_loss);
}

sl_status sl_learner_read(sl_learner *learner, sl_value output, float *out, int64_t count) {
    return sl_plan_download(learner->plan, output, out, (size_t)count * sizeof *out);
}

void sl_learner_changed(sl_learner *learner) {
    sl_plan_weights_changed(learner->plan);
}

void sl_learner_explain(sl_learner *learner, char *text, size_t bytes) {
    sl_plan *plan;
    text[0] = 0;
    if (sl_plan_new(learner->graph, &(sl_plan_options){.nan_guard = true}, &plan) != SL_OK) return;
    if (bind(learner, plan) == SL_OK && sl_plan_run(plan) == SL_NUMERIC)
        snprintf(text, bytes, "%s", sl_error_message());
    sl_plan_free(plan);
}

sl_status sl_slot_add_params(sl_slot_set *set, const char *prefix, sl_params *params, bool decay_all) {
    for (int i = 0; i < sl_params_count(params); i++) {
        sl_param *param = sl_params_at(params, i);
        if (!param->trainable && !param->buffer) continue;
        if (!param->value.data || (param->trainable && !param->gradient.data))
            return sl_fail(SL_INTERNAL, "parameter '%s' has no memory to train in", param->name);
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        SL_TRY(sl_slot_add(set, name, &param->value.shape, param->value.data,
                           param->trainable ? param->gradient.data : NULL,
                           decay_all || param->value.shape.rank > 1));
    }
    return SL_OK;
}

sl_status sl_params_read(sl_params *params, const char *path, const char *prefix) {
    sl_safetensors *file;
    SL_TRY(sl_params_allocate(params));
    SL_TRY(sl_safetensors_open(path, &file));
    sl_status status = SL_OK;
    for (int i = 0; i < sl_params_count(params) && status == SL_OK; i++) {
        sl_param *param = sl_params_at(params, i);
        if (!param->trainable && !param->buffer) continue;
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        const sl_stored_tensor *stored = sl_safetensors_find(file, name);
        if (!stored || !sl_shape_equal(&stored->shape, &param->value.shape))
            status = sl_fail(SL_MISMATCH, "'%s' has no tensor '%s' of the right shape", path, name);
        else
            sl_stored_tensor_read(stored, 0, (size_t)sl_shape_count(&stored->shape), param->value.dtype,
                                  param->value.data);
    }
    sl_safetensors_close(file);
    return status;
}
