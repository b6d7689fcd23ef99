/* Images and captions of a workspace or a folder as latents and embeddings, computed once for a fine-tuning.
 */
#ifndef SL_LOOP_TRAIN_LORA_DATA_H
#define SL_LOOP_TRAIN_LORA_DATA_H

#include "base/progress.h"
#include "diffusion/pipeline.h"
#include "loop/workspace.h"
#include "train/denoiser_train.h"

typedef struct sl_lora_item {
    sl_id image;
    const char *object_hash, *caption;
    const char *path; /* of a file; NULL: the pixels are the workspace's object */
    bool mirror;      /* whether its mirror image is as good: left and right have no meaning in it */
} sl_lora_item;

/* Computed data of `count` items, or of each and its mirror image where `flip`. */
typedef struct sl_lora_data {
    int64_t count, latent_size, text_size;
    int variants;             /* 1, or 2 with mirror images */
    float *mean, *deviation;  /* [count, variants, h, w, C] */
    float *embedding;         /* [captions + 1, L, E]; the last one is of the empty caption */
    int64_t *caption;         /* [count]: row of embedding */
    int64_t captions, cut;    /* different captions; those longer than the text encoder takes */
    const sl_lora_item *item; /* borrowed */
    uint64_t seed;
} sl_lora_data;

/* Counts to the model's space, out[size, size, channels]: the middle of the frame, then its log map
 * (expectation space, masked pixels as none) or the intensity map that the model records, or else log1p to
 * the 99.9th percentile. */
sl_status sl_lora_prepare(const sl_bundle *bundle, const sl_image *image, int32_t size_px, float *out);

sl_status sl_lora_data_compute(const sl_workspace *workspace, sl_pipeline *pipeline, const sl_bundle *bundle,
                               const sl_lora_item *items, int64_t count, int32_t size_px, bool flip,
                               uint64_t seed, const sl_progress *progress, sl_lora_data *out);
void sl_lora_data_free(sl_lora_data *data);

/* As the denoiser's trainer takes it; borrows `data`. */
sl_denoiser_data sl_lora_data_source(sl_lora_data *data);

#endif
