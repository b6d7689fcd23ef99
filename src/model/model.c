#include "model/model.h"

#include "base/file.h"
#include "model/clip.h"
#include "model/resnet.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vit.h"
#include "weights/checkpoint.h"

#include <stdio.h>
#include <string.h>

static const sl_model_kind *const kinds[] = {&sl_unet_kind, &sl_vae_kind, &sl_clip_kind, &sl_resnet_kind,
                                             &sl_vit_kind};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *first_architecture(const json_t *json) {
    const json_t *list = json_object_get(json, "architectures");
    return json_string_value(json_is_array(list) ? json_array_get(list, 0) : NULL);
}

sl_status sl_model_kind_of(const json_t *json, const sl_model_kind **out) {
    const char *class_name = json_string_value(json_object_get(json, "_class_name"));
    if (!class_name) class_name = first_architecture(json);
    const char *model_type = json_string_value(json_object_get(json, "model_type"));
    for (int i = 0; i < KINDS; i++) {
        bool same = class_name && strcmp(class_name, kinds[i]->class_name) == 0;
        bool foreign =
            class_name && kinds[i]->foreign_class && strcmp(class_name, kinds[i]->foreign_class) == 0;
        bool type = model_type && kinds[i]->model_type && strcmp(model_type, kinds[i]->model_type) == 0;
        if (!same && !foreign && !type) continue;
        *out = kinds[i];
        return SL_OK;
    }
    sl_text known = SL_TEXT_INIT;
    for (int i = 0; i < KINDS; i++) sl_text_printf(&known, "%s%s", i ? ", " : "", kinds[i]->class_name);
    sl_status status = sl_fail(SL_UNSUPPORTED, "a configuration of class '%s', supported are %s",
                               class_name   ? class_name
                               : model_type ? model_type
                                            : "(none named)",
                               sl_text_get(&known));
    sl_text_free(&known);
    return status;
}

sl_status sl_model_declare(const sl_model *model, const struct sl_lora *const *loras, int lora_count) {
    sl_graph *graph;
    SL_TRY(sl_graph_new(&graph));
    sl_nn nn;
    sl_nn_open(&nn, graph, model->params);
    nn.loras = loras;
    nn.lora_count = lora_count;
    model->kind->declare(&nn, model->config);
    sl_status status = sl_graph_status(graph);
    sl_nn_close(&nn);
    sl_graph_free(graph);
    return status;
}

sl_status sl_model_new(const sl_model_kind *kind, const void *config, sl_model **out) {
    sl_model *model;
    SL_TRY(sl_alloc(&model, 1, sizeof *model));
    model->kind = kind;
    sl_status status;
    SL_GUARD(status, sl_alloc(&model->config, 1, kind->config_bytes), fail);
    memcpy(model->config, config, kind->config_bytes);
    SL_GUARD(status, kind->check(model->config), fail);
    SL_GUARD(status, sl_params_new(&model->params), fail);
    SL_GUARD(status, sl_model_declare(model, NULL, 0), fail);
    *out = model;
    return SL_OK;
fail:
    sl_model_free(model);
    return sl_context(status, "%s", kind->class_name);
}

void sl_model_free(sl_model *model) {
    if (!model) return;
    sl_params_free(model->params);
    sl_free(model->config);
    sl_free(model);
}

sl_status sl_model_from_json(const json_t *json, sl_model **out) {
    const sl_model_kind *kind;
    SL_TRY(sl_model_kind_of(json, &kind));
    const char *class_name = json_string_value(json_object_get(json, "_class_name"));
    json_t *ours = NULL;
    if (kind->translate && !(class_name && strcmp(class_name, kind->class_name) == 0)) {
        SL_TRY(kind->translate(json, &ours));
        json = ours;
    }
    void *config;
    sl_status status = sl_alloc(&config, 1, kind->config_bytes);
    if (status == SL_OK) {
        status = sl_context(sl_config_read(&kind->table, json, config), "%s", kind->class_name);
        if (status == SL_OK) status = sl_model_new(kind, config, out);
        sl_free(config);
    }
    json_decref(ours);
    return status;
}

/* SL_OK where the checkpoint has exactly the model's parameters. */
static sl_status check_weights(const sl_model *model, const sl_checkpoint *checkpoint) {
    size_t count = (size_t)sl_params_count(model->params);
    sl_weight_want *wanted;
    SL_TRY(sl_alloc(&wanted, count, sizeof *wanted));
    for (size_t i = 0; i < count; i++) {
        const sl_param *param = sl_params_at(model->params, (int)i);
        wanted[i] = (sl_weight_want){param->name, param->value.shape};
    }
    sl_status status = sl_checkpoint_check(checkpoint, model->kind->class_name, wanted, count, NULL);
    sl_free(wanted);
    return status;
}

static sl_status read_weights(sl_model *model, const sl_checkpoint *checkpoint) {
    SL_TRY(check_weights(model, checkpoint));
    sl_params_set_source(model->params, NULL);
    SL_TRY(sl_params_allocate(model->params));
    for (int i = 0; i < sl_params_count(model->params); i++) {
        sl_param *param = sl_params_at(model->params, i);
        SL_TRY(sl_checkpoint_read(checkpoint, param->name, &param->value.shape, param->value.dtype,
                                  param->value.data));
    }
    return SL_OK;
}

sl_status sl_model_load_weights(sl_model *model, const char *path) {
    sl_checkpoint *checkpoint;
    SL_TRY(sl_checkpoint_open(path, model->kind->names, &checkpoint));
    sl_status status = read_weights(model, checkpoint);
    sl_checkpoint_close(checkpoint);
    return sl_context(status, "weights of '%s'", path);
}

static sl_status read_weight(void *checkpoint, const sl_param *param, void *target) {
    return sl_checkpoint_read(checkpoint, param->name, &param->value.shape, param->value.dtype, target);
}

static bool is_half(void *checkpoint, const sl_param *param) {
    const sl_weight *weight = sl_checkpoint_find(checkpoint, param->name);
    for (int i = 0; weight && i < weight->part_count; i++)
        if (weight->parts[i]->dtype != SL_F16) return false;
    return weight;
}

static void close_checkpoint(void *checkpoint) {
    sl_checkpoint_close(checkpoint);
}

static sl_status open_weights(sl_model *model, const char *path) {
    sl_checkpoint *checkpoint;
    SL_TRY(sl_checkpoint_open(path, model->kind->names, &checkpoint));
    sl_status status = check_weights(model, checkpoint);
    if (status)
        sl_checkpoint_close(checkpoint);
    else
        sl_params_set_source(model->params,
                             &(sl_param_source){read_weight, is_half, close_checkpoint, checkpoint});
    return sl_context(status, "weights of '%s'", path);
}

sl_status sl_model_check_weights(const sl_model *model, const char *path) {
    sl_checkpoint *checkpoint;
    SL_TRY(sl_checkpoint_open(path, model->kind->names, &checkpoint));
    sl_status status = check_weights(model, checkpoint);
    sl_checkpoint_close(checkpoint);
    return status;
}

sl_status sl_model_load_config(const char *folder, sl_model **out) {
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/config.json", folder);
    json_t *json;
    SL_TRY(sl_json_read(path, &json));
    sl_status status = sl_model_from_json(json, out);
    json_decref(json);
    return sl_context(status, "configuration '%s'", path);
}

static sl_status load(const char *folder, sl_status (*weights)(sl_model *, const char *), sl_model **out) {
    sl_model *model;
    SL_TRY(sl_model_load_config(folder, &model));
    sl_status status = weights(model, folder);
    if (status != SL_OK) {
        sl_model_free(model);
        return status;
    }
    *out = model;
    return SL_OK;
}

sl_status sl_model_load(const char *folder, sl_model **out) {
    return load(folder, sl_model_load_weights, out);
}

sl_status sl_model_open(const char *folder, sl_model **out) {
    return load(folder, open_weights, out);
}

sl_status sl_model_config_json(const sl_model *model, json_t **out) {
    json_t *json;
    SL_TRY(sl_config_write(&model->kind->table, model->config, &json));
    if (!model->kind->model_type)
        json_object_set_new(json, "_class_name", json_string(model->kind->class_name));
    *out = json;
    return SL_OK;
}

static sl_status save_weights(const sl_model *model, const char *path, sl_dtype dtype) {
    size_t count = (size_t)sl_params_count(model->params);
    sl_safetensors_entry *entries;
    SL_TRY(sl_alloc(&entries, count, sizeof *entries));
    sl_status status = SL_OK;
    for (size_t i = 0; i < count && status == SL_OK; i++) {
        sl_param *param = sl_params_at(model->params, (int)i);
        if (param->source) status = sl_param_hold(param);
        if (!status && !param->value.data)
            status = sl_fail(SL_INVALID, "parameter '%s' has no values to save", param->name);
        entries[i] = (sl_safetensors_entry){
            .name = param->name,
            .dtype = param->buffer ? SL_F32 : dtype, /* variances may leave half's range */
            .source = param->value.dtype,
            .shape = param->value.shape,
            .data = param->value.data};
    }
    sl_safetensors_note note = {"format", "pt"}; /* transformers refuses a file without it */
    if (status == SL_OK) status = sl_safetensors_write(path, entries, count, &note, 1);
    sl_free(entries);
    return status;
}

sl_status sl_model_save(const sl_model *model, const char *folder, sl_dtype dtype) {
    char path[SL_LIMIT_PATH_BYTES];
    SL_TRY(sl_folder_make(folder));
    json_t *json;
    SL_TRY(sl_model_config_json(model, &json));
    snprintf(path, sizeof path, "%s/config.json", folder);
    sl_status status = sl_json_write(path, json);
    json_decref(json);
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, model->kind->weights_stem);
    if (status == SL_OK) status = save_weights(model, path, dtype);
    return sl_context(status, "saving %s in '%s'", model->kind->class_name, folder);
}

/* Length of the top-level part of a parameter's name, with a block's number: "down_blocks.0". */
static size_t part_length(const char *name) {
    size_t length = strcspn(name, ".");
    if (name[length] == '.' && name[length + 1] >= '0' && name[length + 1] <= '9')
        length += 1 + strcspn(name + length + 1, ".");
    return length;
}

sl_status sl_model_show(const sl_model *model, sl_text *out) {
    json_t *json;
    SL_TRY(sl_model_config_json(model, &json));
    sl_text_printf(out, "%s\n\nconfiguration\n", model->kind->class_name);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        sl_text_printf(out, "  %-40s %s\n", key, text ? text : "?");
        free(text);
    }
    json_decref(json);
    sl_text_printf(out, "\nparameters\n");
    int count = sl_params_count(model->params);
    for (int i = 0; i < count;) {
        const char *name = sl_params_at(model->params, i)->name;
        size_t length = part_length(name);
        int64_t values = 0;
        int tensors = 0;
        for (; i < count; i++, tensors++) {
            const sl_param *param = sl_params_at(model->params, i);
            if (part_length(param->name) != length || strncmp(param->name, name, length) != 0) break;
            values += sl_shape_count(&param->value.shape);
        }
        sl_text_printf(out, "  %-40.*s %5d tensors %14lld values\n", (int)length, name, tensors,
                       (long long)values);
    }
    sl_text_printf(out, "  %-40s %5d tensors %14lld parameters\n", "all", count,
                   (long long)sl_params_values(model->params, false));
    return sl_text_status(out);
}
