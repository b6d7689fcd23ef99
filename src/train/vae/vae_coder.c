/* A trained autoencoder at work: encoding for the latent cache, round trips for measurements, folding of
 * statistics. */
#include "train/learner.h"
#include "train/vae/vae_train.h"

#include <string.h>

struct sl_vae_coder {
    sl_learner learner;
    int batch;
    int64_t pixels, latents; /* of one image */
    float *image;
    sl_value mean, logvar, decoded;
};

static sl_status build(sl_vae_coder *c, sl_model *vae, int height_px, int width_px, bool decode,
                       sl_dtype dtype) {
    const sl_vae_config *config = vae->config;
    SL_TRY(sl_learner_open(&c->learner));
    sl_graph *g = c->learner.graph;
    int block = sl_vae_block(config);
    sl_value image =
        sl_learner_input(&c->learner, "image", SL_F32, SL_SHAPE(c->batch, height_px, width_px, 1), &c->image);
    sl_nn *nn = sl_learner_model(&c->learner, "vae", vae->params, false);
    nn->dtype = dtype;
    sl_vae_moments moments = sl_vae_encode_build(nn, config, sl_space_to_depth(g, image, block));
    c->mean = moments.mean;
    c->logvar = moments.logvar;
    sl_output(g, "mean", c->mean);
    if (decode) {
        c->decoded = sl_depth_to_space(g, sl_vae_decode_build(nn, config, moments.mean), block);
        sl_output(g, "decoded", c->decoded);
    } else {
        sl_output(g, "logvar", c->logvar);
    }
    sl_learner_model_end(&c->learner);
    return sl_learner_finish(&c->learner, SL_NONE);
}

sl_status sl_vae_coder_new(sl_model *vae, int batch, int height_px, int width_px, bool decode, sl_dtype dtype,
                           sl_vae_coder **out) {
    int64_t multiple = sl_vae_block(vae->config) * sl_vae_reduction(vae->config);
    if (batch < 1 || height_px % multiple || width_px % multiple)
        return sl_fail(SL_INVALID,
                       "images of %d x %d in batches of %d, expected sides that are multiples of %lld",
                       height_px, width_px, batch, (long long)multiple);
    sl_vae_coder *c;
    SL_TRY(sl_alloc(&c, 1, sizeof *c));
    c->batch = batch;
    c->pixels = (int64_t)height_px * width_px;
    c->latents = c->pixels / (multiple * multiple) * ((const sl_vae_config *)vae->config)->latent_channels;
    sl_status status = build(c, vae, height_px, width_px, decode, dtype);
    if (status == SL_OK)
        *out = c;
    else
        sl_vae_coder_free(c);
    return status;
}

void sl_vae_coder_free(sl_vae_coder *coder) {
    if (!coder) return;
    sl_learner_close(&coder->learner);
    sl_free(coder);
}

int64_t sl_vae_coder_latents(const sl_vae_coder *coder) {
    return coder->latents;
}

static sl_status run(sl_vae_coder *c, const float *images, int count) {
    if (count < 0 || count > c->batch)
        return sl_fail(SL_INVALID, "%d images in a batch of %d", count, c->batch);
    memcpy(c->image, images, (size_t)(count * c->pixels) * sizeof(float));
    memset(c->image + count * c->pixels, 0, (size_t)((c->batch - count) * c->pixels) * sizeof(float));
    return sl_learner_run(&c->learner, NULL);
}

/* The first `count` items of an output that has c->batch of them. */
static sl_status take(sl_vae_coder *c, sl_value output, int64_t size, int count, float *out) {
    if (count == c->batch) return sl_learner_read(&c->learner, output, out, size * count);
    float *all;
    SL_TRY(sl_alloc(&all, (size_t)(size * c->batch), sizeof *all));
    sl_status status = sl_learner_read(&c->learner, output, all, size * c->batch);
    if (status == SL_OK) memcpy(out, all, (size_t)(size * count) * sizeof *out);
    sl_free(all);
    return status;
}

sl_status sl_vae_encode(sl_vae_coder *coder, const float *images, int count, float *mean, float *logvar) {
    SL_TRY(run(coder, images, count));
    SL_TRY(take(coder, coder->mean, coder->latents, count, mean));
    return logvar ? take(coder, coder->logvar, coder->latents, count, logvar) : SL_OK;
}

sl_status sl_vae_round_trip(sl_vae_coder *coder, const float *images, int count, float *out) {
    SL_TRY(run(coder, images, count));
    return take(coder, coder->decoded, coder->pixels, count, out);
}
