/* Use-case: fine-tune the generator on images of a workspace or a folder with a low-rank adapter (LoRA). */
#ifndef SL_LOOP_TRAIN_LORA_H
#define SL_LOOP_TRAIN_LORA_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_lora_settings {
    int preset, origin, schedule, dtype;
    const char *model, *caption;
    const char *images, *out; /* a folder of images in place of a workspace, and where the adapter goes */
    int64_t size_px, vae_tile_px, rank, batch, accumulate, epochs, steps, warmup, seed, holdout_draws,
        patience;
    double alpha, rate, weight_decay, min_snr, noise_offset, caption_dropout, holdout, minutes;
    bool flip, recompute;
} sl_lora_settings;

extern const sl_option sl_lora_options[];
extern const sl_preset sl_lora_presets[];

/* Images of the store's train split, or of settings->images, where `workspace` is not used and may be NULL; a
 * share of their groups is held out and chooses the weights. Latents and text embeddings are computed once.
 * Saved in diffusers' format as models/lora-<run>; *out_model is its record (kind "lora"). From a folder it
 * goes into settings->out, without a record: *out_model is 0. A run that was stopped goes on when the same
 * settings are given again. `result` (an object) may be NULL. */
sl_status sl_train_lora(const sl_lora_settings *settings, const sl_workspace *workspace, sl_id round,
                        const sl_progress *progress, json_t *result, sl_id *out_model);

/* What would be done, as text for people; nothing is made. */
sl_status sl_train_lora_preview(const sl_lora_settings *settings, const sl_workspace *workspace,
                                sl_text *out);

#endif
