/* Looking at model folders, naming what is in them, and writing them anew. A folder is a whole latent
 * diffusion model (model_index.json) or one part of it (config.json beside its weights). */
#ifndef SL_LOOP_MODEL_FOLDER_H
#define SL_LOOP_MODEL_FOLDER_H

#include "base/json.h"
#include "base/text.h"
#include "tensor/tensor.h"

/* Class, configuration and parameters of each part, and whether its weights fit, without reading them.
 * *out_json is an object {parts: [{name, class, parameters, tensors, weights, config}]}; `text` receives the
 * same for people. */
sl_status sl_model_folder_show(const char *folder, sl_text *text, json_t **out_json);

/* Adds "part/file": SHA-256 to *out for every file of weights of a part ("unet") of a model folder: one,
 * shards, or those in half precision, as they are loaded. Reads all of them: some gigabytes take seconds.
 * SL_NOT_FOUND where the part has none. */
sl_status sl_model_folder_hash(const char *folder, const char *part, json_t *out);

/* Reads `from` (fp32, fp16 or bf16; one file or shards; public or other dialects of names) and writes `to`
 * with the public names and weights as `dtype`. *out_parameters counts what was written. SL_EXISTS where `to`
 * holds a model already. */
sl_status sl_model_folder_convert(const char *from, const char *to, sl_dtype dtype, int64_t *out_parameters);

#endif
