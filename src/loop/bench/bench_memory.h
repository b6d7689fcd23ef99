/* What Stable Diffusion 1.5 takes of memory at 512 px on what plans run on: planned, not run; no weights are
 * needed. */
#ifndef SL_LOOP_BENCH_MEMORY_H
#define SL_LOOP_BENCH_MEMORY_H

#include "base/text.h"
#include "tensor/tensor.h"

typedef struct sl_bench_memory {
    double generation_gb; /* text encoder, denoiser with guidance and decoder (in tiles) together */
    double training_gb;   /* an adapter on the denoiser, one image, blocks recomputed; or encoding it, if that
                             is more */
} sl_bench_memory;

/* A line for each part into `text`. `spare` bytes are added to each part: what libraries take that plans do
 * not know of, where no device is at hand to ask. */
sl_status sl_bench_memory_plan(sl_dtype dtype, size_t spare, sl_text *text, sl_bench_memory *out);

#endif
