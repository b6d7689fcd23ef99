/* Low-rank adapters of the denoiser in the format that diffusers writes today: a safetensors file with the
 * keys unet.<path>.lora.down.weight [rank, in] and unet.<path>.lora.up.weight [out, rank]. The format has no
 * place for alpha but the header's "lora_adapter_metadata"; without it alpha equals the rank. */
#ifndef SL_MODEL_LORA_FILE_H
#define SL_MODEL_LORA_FILE_H

#include "model/model.h"
#include "nn/lora.h"

/* The adapter's parameters for every layer of the model that its targets name, declared but without values
 * (which sl_params_initialise gives). SL_NOT_FOUND when they name none. */
sl_status sl_lora_declare(sl_lora *lora, const sl_model *model);

/* `path` is the file, or a folder with pytorch_lora_weights.safetensors in it. Every key must belong to a
 * layer of the denoiser whose parameters are `unet`, and fit it: SL_MISMATCH lists those that do not. */
sl_status sl_lora_load(const char *path, const sl_params *unet, sl_lora **out);

/* Into a file of that format; the metadata are written only where alpha is not the rank. */
sl_status sl_lora_save(const sl_lora *lora, const char *path);

#endif
