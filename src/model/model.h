/* A model: a kind (configuration table and build function), its configuration, and its parameters.
 *
 * Parameters come from the build function alone: building once at a nominal size declares every one of them,
 * so that counts, the check of a checkpoint and the forward pass cannot disagree. */
#ifndef SL_MODEL_MODEL_H
#define SL_MODEL_MODEL_H

#include "base/limits.h"
#include "model/config.h"
#include "nn/nn.h"
#include "weights/names.h"

typedef struct sl_model_kind {
    const char *class_name;    /* "UNet2DConditionModel" */
    const char *model_type;    /* of a transformers configuration ("clip_text_model"), else NULL */
    const char *foreign_class; /* of another library's configuration that translate() reads, or NULL */
    const char *weights_stem;  /* "diffusion_pytorch_model": the weights' file without its suffix */
    sl_config_table table;
    size_t config_bytes;
    const sl_name_rules *names; /* from other dialects to ours */
    /* What no single key can tell; may fill in lists given as one number. */
    sl_status (*check)(void *config);
    /* Builds everything once at a nominal size. */
    void (*declare)(sl_nn *nn, const void *config);
    /* A foreign configuration's keys into ours; NULL: there is none. */
    sl_status (*translate)(const json_t *foreign, json_t **out);
} sl_model_kind;

typedef struct sl_model {
    const sl_model_kind *kind;
    void *config; /* the kind's own struct */
    sl_params *params;
} sl_model;

/* The kind of a configuration file, by "_class_name", "architectures" or "model_type". SL_UNSUPPORTED lists
 * the kinds. */
sl_status sl_model_kind_of(const json_t *json, const sl_model_kind **out);

/* A model with its parameters declared but not allocated. `config` is the kind's struct, copied. */
sl_status sl_model_new(const sl_model_kind *kind, const void *config, sl_model **out);
sl_status sl_model_from_json(const json_t *json, sl_model **out);
void sl_model_free(sl_model *model); /* NULL is fine */

/* The check alone: SL_OK where the weights would load. */
sl_status sl_model_check_weights(const sl_model *model, const char *path);

/* Builds the model once at a nominal size, so that adapters meet every layer they name and declare their
 * parameters. */
sl_status sl_model_declare(const sl_model *model, const struct sl_lora *const *loras, int lora_count);

/* FOLDER/config.json and its weights (safetensors; fp32, fp16 or bf16; one file or shards), converted to
 * fp32. */
sl_status sl_model_load(const char *folder, sl_model **out);

/* The same, but values stay in the files until somebody holds them (sl_param_hold) or a plan packs them
 * (sl_nn_bind): a denoiser's weights are then in memory once, in the kernels' form. The files stay mapped as
 * long as the model; who writes into them in place meanwhile changes it, who replaces them does not. */
sl_status sl_model_open(const char *folder, sl_model **out);

/* The same without weights: for random ones. */
sl_status sl_model_load_config(const char *folder, sl_model **out);

/* Weights into an existing model from a file or folder. Missing, surplus and misshapen tensors are all listed
 * in one message (SL_MISMATCH); then nothing was changed. */
sl_status sl_model_load_weights(sl_model *model, const char *path);

/* FOLDER/config.json and FOLDER/<stem>.safetensors with the public names; `dtype` F32, F16 or BF16. */
sl_status sl_model_save(const sl_model *model, const char *folder, sl_dtype dtype);

/* What config.json would hold. Its torch_dtype stays float32 whatever the weights are stored as: transformers
 * loads by it, and a text encoder in half precision beside a denoiser in single would not run. */
sl_status sl_model_config_json(const sl_model *model, json_t **out);

/* Class, configuration, parameters by top-level part, and totals, for people. */
sl_status sl_model_show(const sl_model *model, sl_text *out);

#endif
