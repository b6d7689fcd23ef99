/* Compiled programs of a bundle's parts, kept by shape. */
#ifndef SL_DIFFUSION_PROGRAMS_H
#define SL_DIFFUSION_PROGRAMS_H

#include "diffusion/pipeline.h"
#include "diffusion/sampler/sampler_graph.h"
#include "nn/program.h"

typedef enum sl_part {
    SL_PART_TEXT, /* ids [N, height] -> embeddings */
    SL_PART_STEP, /* the denoiser within a step of sampling: diffusion/sampler/sampler_graph.h, with timestep
                     [N], context [N, L, E], and where the denoiser takes it beam [N, h, w, beam_channels] */
    SL_PART_DECODE, /* latent [N, h, w, C] -> image */
    SL_PART_ENCODE, /* image [N, H, W, C] -> mean, logvar */
    SL_PARTS
} sl_part;

typedef struct sl_programs sl_programs;

sl_status sl_programs_new(const sl_bundle *bundle, const sl_pipeline_options *options, sl_programs **out);
void sl_programs_free(sl_programs *programs); /* NULL is fine */
const sl_pipeline_options *sl_programs_options(const sl_programs *programs);
/* Ends the programs of all parts but `kept`, whose memory others may take. */
void sl_programs_drop_others(sl_programs *programs, sl_part kept);

/* The program of that part and shape, compiled now where it is not kept; valid until the next call. Where a
 * device has no room, the text encoder's go first, then the part's own, and for the denoiser all others. */
sl_status sl_programs_get(sl_programs *programs, sl_part part, int64_t batch, int64_t height, int64_t width,
                          sl_program **out);

/* Of SL_PART_STEP, for `batch` images; latents [batch, height, width, C]. */
sl_status sl_programs_get_step(sl_programs *programs, const sl_sampler_step *step, int64_t batch,
                               int64_t height, int64_t width, sl_program **out);

#endif
