/* Use-case: images from prompts, with full provenance. */
#ifndef SL_LOOP_GENERATE_H
#define SL_LOOP_GENERATE_H

#include "base/progress.h"
#include "loop/option/option.h"
#include "loop/workspace.h"

typedef struct sl_generate_settings {
    const char *model, *lora, *negative, *sampler, *out, *save_latents, *shard;
    const char *beam, *sketch, *detector, *beamstop, *mask;
    int64_t count, seed, steps, batch, size_px;
    double guidance, level_guidance, guidance_from, guidance_to, guidance_rescale;
    int64_t sketch_guided;
    double eta, brightness_deviation, lora_scale, exposure;
    int rng, dtype, format;
    int64_t vae_tile_px;
    bool noise_free;
} sl_generate_settings;

/* The option --guidance of all that samples. */
#define SL_GENERATE_GUIDANCE(settings)                                                                       \
    SL_OPTION_REAL(settings, guidance, "guidance", 'g', "-1", -1, 50, "",                                    \
                   "classifier-free guidance scale; up to 1: none, at half the cost; -1: the model "         \
                   "folder's own, 7.5 where it names none")

/* The option --eta of what samples by itself. */
#define SL_GENERATE_ETA(settings)                                                                            \
    SL_OPTION_REAL(settings, eta, "eta", 0, "-1", -1, 1, "",                                                 \
                   "noise that DDIM's steps put back: 0 none, 1 as much as DDPM's; -1: the model folder's "  \
                   "own, 0 where it names none")

extern const sl_option sl_generate_options[];
extern const sl_preset sl_generate_presets[];

typedef struct sl_generate_result {
    int64_t images, added; /* made, and new in the workspace */
    sl_id run;             /* 0 without a workspace */
    int cut_prompts;       /* longer than the text encoder takes */
    int64_t marks,         /* that images were told of and can be looked for (sketch_standing.h) */
        marks_standing;
} sl_generate_result;

/* Adds "marks" and "marks_standing" to an object, where there were any. */
void sl_generate_result_marks(const sl_generate_result *made, json_t *out);

/* Image k of the run takes prompt k % prompts, and noise of (seed, k) alone. Written to settings->out where
 * that is set (sl_image_folder_check), recorded in `workspace` unless it is NULL; one of the two must be
 * there. In expectation space the detector chain measures what was decoded. */
sl_status sl_generate(const sl_generate_settings *settings, const char *const *prompts, int prompt_count,
                      const sl_workspace *workspace, sl_id round, const sl_progress *progress,
                      sl_generate_result *out);

/* Image `index` of `prompt` again, kept nowhere: what sl_generate would make of it, and its record. *out:
 * sl_image_free; *provenance: new reference. */
sl_status sl_generate_one(const sl_generate_settings *settings, const char *prompt, int64_t index,
                          const sl_progress *progress, sl_image *out, json_t **provenance);

/* Images, steps and files of what would be done, as text for people; nothing is made. */
sl_status sl_generate_preview(const sl_generate_settings *settings, int prompt_count, sl_text *out);

#endif
