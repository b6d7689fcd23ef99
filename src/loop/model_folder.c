#include "loop/model_folder.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "diffusion/bundle.h"
#include "weights/checkpoint.h"

#include <stdio.h>

static const char *const part_names[] = {"text_encoder", "unet", "vae"};
enum { PARTS = sizeof part_names / sizeof *part_names };

static bool holds(const char *folder, const char *name) {
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return sl_file_exists(path);
}

/* "fit", or why not */
static const char *weights_state(const sl_model *model, const char *folder) {
    sl_status status = sl_model_check_weights(model, folder);
    return status == SL_OK ? "fit" : status == SL_NOT_FOUND ? "none" : sl_error_message();
}

static sl_status show_part(const char *folder, const char *name, sl_text *text, json_t *parts) {
    sl_model *model;
    json_t *config;
    SL_TRY(sl_model_load_config(folder, &model));
    char weights[1024];
    snprintf(weights, sizeof weights, "%s", weights_state(model, folder));
    sl_status status = sl_model_config_json(model, &config);
    if (status == SL_OK) {
        json_array_append_new(
            parts, json_pack("{s:s, s:s, s:I, s:i, s:s, s:o}", "name", name, "class", model->kind->class_name,
                             "parameters", (json_int_t)sl_params_values(model->params, false), "tensors",
                             sl_params_count(model->params), "weights", weights, "config", config));
        if (text->length) sl_text_add(text, "\n");
        sl_text_printf(text, "%s: ", name);
        status = sl_model_show(model, text);
        sl_text_printf(text, "\nweights: %s\n", weights);
    }
    sl_model_free(model);
    return status;
}

sl_status sl_model_folder_show(const char *folder, sl_text *text, json_t **out_json) {
    json_t *parts = json_array();
    sl_status status = SL_OK;
    if (holds(folder, "model_index.json")) {
        for (int i = 0; i < PARTS && status == SL_OK; i++) {
            char path[SL_LIMIT_PATH_BYTES];
            snprintf(path, sizeof path, "%s/%s", folder, part_names[i]);
            status = show_part(path, part_names[i], text, parts);
        }
    } else if (holds(folder, "config.json")) {
        status = show_part(folder, sl_path_base(folder), text, parts);
    } else {
        status = sl_fail(SL_NOT_FOUND, "'%s' has no model_index.json and no config.json", folder);
    }
    if (status != SL_OK) {
        json_decref(parts);
        return status;
    }
    *out_json = json_pack("{s:o}", "parts", parts);
    return *out_json ? sl_text_status(text) : sl_fail(SL_MEMORY, "no memory for the description");
}

/* What lies beside a bundle: another encoder of the autoencoder's latents, and what the folder says of itself
 * and its data. */
static sl_status carry_over(const char *from, const char *to, sl_dtype dtype) {
    static const char encoder[] = "vae_measured", facts[] = "scatterloop.json";
    char here[SL_LIMIT_PATH_BYTES], there[SL_LIMIT_PATH_BYTES];
    snprintf(here, sizeof here, "%s/%s", from, facts);
    snprintf(there, sizeof there, "%s/%s", to, facts);
    if (sl_file_exists(here)) SL_TRY(sl_file_copy(here, there, SL_LIMIT_JSON_BYTES));
    snprintf(here, sizeof here, "%s/%s", from, encoder);
    snprintf(there, sizeof there, "%s/%s", to, encoder);
    if (!sl_path_is_folder(here)) return SL_OK;
    sl_model *model;
    SL_TRY(sl_model_load(here, &model));
    sl_status status = sl_model_save(model, there, dtype);
    sl_model_free(model);
    return status;
}

static sl_status convert_bundle(const char *from, const char *to, sl_dtype dtype, int64_t *out) {
    sl_bundle *bundle;
    SL_TRY(sl_bundle_load(from, &bundle));
    sl_status status = sl_bundle_save(bundle, to, dtype);
    if (!status) status = carry_over(from, to, dtype);
    *out = sl_params_values(bundle->text_encoder->params, false) +
           sl_params_values(bundle->unet->params, false) + sl_params_values(bundle->vae->params, false);
    sl_bundle_free(bundle);
    return status;
}

sl_status sl_model_folder_convert(const char *from, const char *to, sl_dtype dtype, int64_t *out_parameters) {
    if (dtype != SL_F32 && dtype != SL_F16 && dtype != SL_BF16)
        return sl_fail(SL_INVALID, "weights as %s, expected F32, F16 or BF16", sl_dtype_name(dtype));
    if (holds(to, "model_index.json") || holds(to, "config.json"))
        return sl_fail(SL_EXISTS, "'%s' holds a model already", to);
    if (holds(from, "model_index.json")) return convert_bundle(from, to, dtype, out_parameters);
    sl_model *model;
    SL_TRY(sl_model_load(from, &model));
    sl_status status = sl_model_save(model, to, dtype);
    *out_parameters = sl_params_values(model->params, false);
    sl_model_free(model);
    return status;
}

static sl_status hash_file(const char *part, const char *path, json_t *out) {
    char hash[SL_SHA256_HEX], key[SL_LIMIT_PATH_BYTES];
    snprintf(key, sizeof key, "%s/%s", part, sl_path_base(path));
    SL_TRY(sl_sha256_file_hex(path, hash));
    return json_object_set_new(out, key, json_string(hash)) ? sl_fail(SL_MEMORY, "no memory for a hash")
                                                            : SL_OK;
}

sl_status sl_model_folder_hash(const char *folder, const char *part, json_t *out) {
    char path[SL_LIMIT_PATH_BYTES];
    sl_checkpoint *weights;
    snprintf(path, sizeof path, "%s/%s", folder, part);
    SL_TRY(sl_checkpoint_open(path, NULL, &weights));
    sl_status status = SL_OK;
    for (size_t i = 0; i < sl_checkpoint_file_count(weights) && !status; i++)
        status = hash_file(part, sl_checkpoint_file(weights, i), out);
    sl_checkpoint_close(weights);
    return status;
}
