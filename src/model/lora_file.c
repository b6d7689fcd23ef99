#include "model/lora_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "weights/safetensors.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "unet.", metadata_key[] = "lora_adapter_metadata";
static const char down_end[] = ".lora.down.weight", up_end[] = ".lora.up.weight";

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), n = strlen(end);
    return length > n && strcmp(text + length - n, end) == 0;
}

sl_status sl_lora_declare(sl_lora *lora, const sl_model *model) {
    const sl_lora *const list[] = {lora};
    SL_TRY(sl_model_declare(model, list, 1));
    if (sl_params_count(lora->params) > 0) return SL_OK;
    return sl_fail(SL_NOT_FOUND, "no layer of the %s is named by the LoRA's %d targets",
                   model->kind->class_name, lora->target_count);
}

/* The adapted layer's weight for a key of the file, with its prefix; NULL where there is none. */
static const sl_param *layer_of(const sl_params *unet, const char *key) {
    char name[512];
    const char *end = ends_with(key, down_end) ? down_end : ends_with(key, up_end) ? up_end : NULL;
    if (!end || strncmp(key, prefix, sizeof prefix - 1) != 0) return NULL;
    const char *path = key + sizeof prefix - 1;
    snprintf(name, sizeof name, "%.*s.weight", (int)(strlen(path) - strlen(end)), path);
    return sl_params_find(unet, name);
}

/* Whether down [rank, in...] or up [out, rank(, 1, 1)] fits the layer's weight [out, in...]. */
static bool fits(const sl_stored_tensor *tensor, const sl_shape *weight) {
    if (tensor->shape.rank != weight->rank) return false;
    if (ends_with(tensor->name, up_end)) return tensor->shape.dim[0] == weight->dim[0];
    for (int i = 1; i < weight->rank; i++)
        if (tensor->shape.dim[i] != weight->dim[i]) return false;
    return true;
}

/* The other half of a pair, or NULL. */
static const sl_stored_tensor *partner(const sl_safetensors *file, const sl_stored_tensor *tensor) {
    char name[512];
    bool down = ends_with(tensor->name, down_end);
    const char *end = down ? down_end : up_end;
    snprintf(name, sizeof name, "%.*s%s", (int)(strlen(tensor->name) - strlen(end)), tensor->name,
             down ? up_end : down_end);
    return sl_safetensors_find(file, name);
}

static sl_status check_keys(const sl_safetensors *file, const sl_params *unet) {
    sl_text unused = SL_TEXT_INIT;
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const sl_stored_tensor *tensor = sl_safetensors_at(file, i), *other;
        const sl_param *weight = layer_of(unet, tensor->name);
        const char *why = NULL;
        if (!weight)
            why = "no such layer";
        else if (!fits(tensor, &weight->value.shape))
            why = "wrong shape";
        else if (!(other = partner(file, tensor)))
            why = "its partner is missing";
        else if (ends_with(tensor->name, down_end) && other->shape.rank > 1 &&
                 other->shape.dim[1] != tensor->shape.dim[0])
            why = "rank differs from its partner's";
        if (why) sl_text_printf(&unused, "%s%s (%s)", unused.length ? ", " : "", tensor->name, why);
    }
    sl_status status = SL_OK;
    if (sl_safetensors_count(file) == 0) status = sl_fail(SL_FORMAT, "the file holds no tensors");
    if (unused.length)
        status = sl_fail(SL_MISMATCH, "keys that this model cannot use: %s", sl_text_get(&unused));
    sl_text_free(&unused);
    return status;
}

/* rank and alpha from the metadata; untouched where there are none. */
static sl_status read_metadata(const sl_safetensors *file, int64_t *rank, double *alpha) {
    const char *text = sl_safetensors_metadata(file, metadata_key);
    if (!text) return SL_OK;
    json_t *json;
    SL_TRY(sl_json_parse(text, strlen(text), metadata_key, &json));
    static const char *const unsupported[] = {"unet.rank_pattern", "unet.alpha_pattern"};
    sl_status status = SL_OK;
    for (int i = 0; i < 2 && status == SL_OK; i++)
        if (json_object_size(json_object_get(json, unsupported[i])))
            status =
                sl_fail(SL_UNSUPPORTED, "'%s' with entries: one rank and alpha for all layers is supported",
                        unsupported[i]);
    if (status == SL_OK) status = sl_json_int_or(json, "unet.r", 1, 4096, *rank, rank);
    if (status == SL_OK) status = sl_json_real_or(json, "unet.lora_alpha", (double)*rank, alpha);
    if (status == SL_OK && json_is_true(json_object_get(json, "unet.use_rslora")))
        status = sl_fail(SL_UNSUPPORTED, "'unet.use_rslora' is true, supported is only false");
    json_decref(json);
    return status;
}

static sl_status read_tensors(sl_lora *lora, const sl_safetensors *file) {
    for (size_t i = 0; i < sl_safetensors_count(file); i++) {
        const sl_stored_tensor *tensor = sl_safetensors_at(file, i);
        sl_param *param;
        SL_TRY(sl_params_declare(lora->params, tensor->name + sizeof prefix - 1, &tensor->shape,
                                 SL_INIT_RULE_ZEROS, false, &param));
        SL_TRY(sl_tensor_new(SL_F32, &tensor->shape, &param->value));
        sl_stored_tensor_read(tensor, 0, (size_t)sl_shape_count(&tensor->shape), SL_F32, param->value.data);
    }
    return SL_OK;
}

static sl_status load(const sl_safetensors *file, const sl_params *unet, sl_lora **out) {
    SL_TRY(check_keys(file, unet));
    int64_t rank = 0;
    for (size_t i = 0; i < sl_safetensors_count(file) && rank == 0; i++)
        if (ends_with(sl_safetensors_at(file, i)->name, down_end))
            rank = sl_safetensors_at(file, i)->shape.dim[0];
    double alpha = (double)rank;
    SL_TRY(read_metadata(file, &rank, &alpha));
    sl_lora *lora;
    SL_TRY(sl_lora_new(NULL, rank, alpha, &lora));
    sl_status status = read_tensors(lora, file);
    if (status == SL_OK)
        *out = lora;
    else
        sl_lora_free(lora);
    return status;
}

sl_status sl_lora_load(const char *path, const sl_params *unet, sl_lora **out) {
    char inside[SL_LIMIT_PATH_BYTES];
    snprintf(inside, sizeof inside, "%s/pytorch_lora_weights.safetensors", path);
    sl_safetensors *file;
    SL_TRY(sl_safetensors_open(sl_path_is_folder(path) ? inside : path, &file));
    sl_status status = load(file, unet, out);
    sl_safetensors_close(file);
    return sl_context(status, "LoRA '%s'", path);
}

/* What peft's LoraConfig needs to be made again, as diffusers reads it. */
static sl_status metadata_text(const sl_lora *lora, char **out) {
    json_t *targets = json_array();
    for (int i = 0; i < lora->target_count; i++)
        json_array_append_new(targets, json_string(lora->targets[i]));
    /* One read from a file has no patterns, but names its layers. */
    for (int i = 0; lora->target_count == 0 && i < sl_params_count(lora->params); i++) {
        const char *name = sl_params_at(lora->params, i)->name;
        if (ends_with(name, down_end))
            json_array_append_new(targets, json_stringn(name, strlen(name) - strlen(down_end)));
    }
    json_t *json =
        json_pack("{s:I, s:f, s:o, s:{}, s:{}}", "unet.r", (json_int_t)lora->rank, "unet.lora_alpha",
                  lora->alpha, "unet.target_modules", targets, "unet.rank_pattern", "unet.alpha_pattern");
    *out = json ? sl_json_canonical(json) : NULL;
    json_decref(json);
    return *out ? SL_OK : sl_fail(SL_MEMORY, "no memory for the LoRA's metadata");
}

static sl_status save(const sl_lora *lora, sl_arena *arena, const char *path) {
    size_t count = (size_t)sl_params_count(lora->params);
    sl_safetensors_entry *entries = SL_NEW(arena, sl_safetensors_entry, count + 1);
    for (size_t i = 0; i < count; i++) {
        const sl_param *param = sl_params_at(lora->params, (int)i);
        if (!param->value.data) return sl_fail(SL_INVALID, "'%s' has no values to save", param->name);
        entries[i] = (sl_safetensors_entry){.name = sl_arena_printf(arena, "%s%s", prefix, param->name),
                                            .dtype = SL_F32,
                                            .source = param->value.dtype,
                                            .shape = param->value.shape,
                                            .data = param->value.data};
    }
    if (lora->alpha == (double)lora->rank)
        return sl_safetensors_write(path, entries, count, &(sl_safetensors_note){"format", "pt"}, 1);
    char *metadata;
    SL_TRY(metadata_text(lora, &metadata));
    sl_safetensors_note notes[] = {{"format", "pt"}, {metadata_key, metadata}};
    sl_status status = sl_safetensors_write(path, entries, count, notes, 2);
    free(metadata);
    return status;
}

sl_status sl_lora_save(const sl_lora *lora, const char *path) {
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_status status = save(lora, arena, path);
    sl_arena_free(arena);
    return sl_context(status, "saving LoRA '%s'", path);
}
