/* Latents kept on disk: images encoded once, read many times.
 *
 * A folder of shards latents-NNNNN.safetensors: "mean" and "deviation" F16 [items, h, w, C] of the
 * autoencoder's distribution, captions as one run of UTF-8 ("captions" U8, "caption_end" I64 [items]), and
 * where they are known the beams' places in pixels ("beam" F32 [items, 2]: row, column; NaN: not known) and
 * sketches ("sketch" F32 [marks, 6]: kind, row, column, radius, width, height, with "sketch_end" I64 [items];
 * all of a shard are known, or none). The
 * header names what made them, so that latents of another autoencoder are refused, and the number of the
 * first image, so that no shard of a folder repeats the images of another. Shards can be added while time
 * allows. */
#ifndef SL_TRAIN_LATENTS_H
#define SL_TRAIN_LATENTS_H

#include "base/memory.h"
#include "diffusion/beam_map.h"
#include "tensor/tensor.h"

#include <stdint.h>

typedef struct sl_latents sl_latents;

/* `maker` is any text that names autoencoder and data (a hash). */
typedef struct sl_latent_shard {
    int64_t items;
    int64_t image;                 /* number of the first one in the data */
    sl_shape shape;                /* [h, w, C] of one */
    const float *mean, *deviation; /* [items, h, w, C] */
    const char *const *caption;    /* [items] */
    const sl_direct_beam *beam;    /* [items], or NULL */
    const sl_sketch *sketch;       /* [items], or NULL */
} sl_latent_shard;
sl_status sl_latents_write(const char *folder, int number, const sl_latent_shard *shard, const char *maker);

/* Number of whole shards in the folder: 0..count-1 are there. */
int sl_latents_shards(const char *folder);

/* All shards of the folder, mapped. SL_MISMATCH where one was made by another maker (NULL: whoever made the
 * first), or of images that an earlier shard has. */
sl_status sl_latents_open(const char *folder, const char *maker, sl_latents **out);
void sl_latents_close(sl_latents *latents); /* NULL is fine */

int64_t sl_latents_count(const sl_latents *latents);
int64_t sl_latents_image(const sl_latents *latents);     /* number of the first image; -1: not known */
sl_shape sl_latents_shape(const sl_latents *latents);    /* [h, w, C] */
const char *sl_latents_maker(const sl_latents *latents); /* lives as long as `latents` */

/* mean + deviation * noise of item `item`; noise is drawn from (seed, draw). */
void sl_latents_sample(const sl_latents *latents, int64_t item, uint64_t seed, uint32_t draw, float *out);
sl_direct_beam sl_latents_beam(const sl_latents *latents, int64_t item);
void sl_latents_sketch(const sl_latents *latents, int64_t item, sl_sketch *out);
bool sl_latents_have_sketches(const sl_latents *latents); /* all of them */
/* Copied into out[bytes], cut if need be. */
void sl_latents_caption(const sl_latents *latents, int64_t item, char *out, size_t bytes);

#endif
