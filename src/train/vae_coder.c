/* A trained autoencoder at work: encoding for the latent cache, round trips for measurements, folding of
 * statistics. */
#include "train/learner.h"
#include "train/vae_train.h"

#include <math.h>
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
    sl_value image =
        sl_learner_input(&c->learner, "image", SL_F32, SL_SHAPE(c->batch, height_px, width_px, 1), &c->image);
    sl_nn *nn = sl_learner_model(&c->learner, "vae", vae->params, false);
    nn->dtype = dtype;
    sl_vae_moments moments = sl_vae_encode_build(nn, config, sl_space_to_depth(g, image, SL_VAE_BLOCK));
    c->mean = moments.mean;
    c->logvar = moments.logvar;
    sl_output(g, "mean", c->mean);
    if (decode) {
        c->decoded = sl_depth_to_space(g, sl_vae_decode_build(nn, config, moments.mean), SL_VAE_BLOCK);
        sl_output(g, "decoded", c->decoded);
    } else {
        sl_output(g, "logvar", c->logvar);
    }
    sl_learner_model_end(&c->learner);
    return sl_learner_finish(&c->learner, SL_NONE);
}

sl_status sl_vae_coder_new(sl_model *vae, int batch, int height_px, int width_px, bool decode, sl_dtype dtype,
                           sl_vae_coder **out) {
    int64_t multiple = SL_VAE_BLOCK * sl_vae_reduction(vae->config);
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

/* ---- statistics ---- */

enum { CHANNELS_MAX = 64, FOLD_BATCH = 8 };

typedef struct channel_statistics {
    double sum[CHANNELS_MAX], square[CHANNELS_MAX], count;
} channel_statistics;

static void gather(channel_statistics *s, const float *mean, const float *logvar, int64_t count,
                   int channels) {
    for (int64_t i = 0; i < count; i++) {
        int c = (int)(i % channels);
        double m = (double)mean[i];
        s->sum[c] += m;
        s->square[c] += m * m + exp((double)logvar[i]); /* spread of the sample, not of its mean alone */
    }
    s->count += (double)(count / channels);
}

static sl_status measure(sl_model *vae, const sl_feed *feed, int images, sl_dtype dtype,
                         channel_statistics *out) {
    const sl_vae_config *config = vae->config;
    size_t pixels = (size_t)feed->height_px * (size_t)feed->width_px;
    sl_vae_coder *coder = NULL;
    float *image = NULL, *latent = NULL;
    sl_status status;
    SL_GUARD(status, sl_vae_coder_new(vae, FOLD_BATCH, feed->height_px, feed->width_px, false, dtype, &coder),
             done);
    SL_GUARD(status, sl_alloc(&image, FOLD_BATCH * pixels, sizeof *image), done);
    SL_GUARD(status, sl_alloc(&latent, 2 * FOLD_BATCH * (size_t)coder->latents, sizeof *latent), done);
    float *logvar = latent + FOLD_BATCH * coder->latents;
    for (int64_t first = 0; first < images; first += FOLD_BATCH) {
        int64_t items[FOLD_BATCH];
        int count = images - first < FOLD_BATCH ? (int)(images - first) : FOLD_BATCH;
        for (int i = 0; i < count; i++) items[i] = first + i;
        SL_GUARD(status, sl_feed_get_many(feed, items, count, image, NULL), done);
        SL_GUARD(status, sl_vae_encode(coder, image, count, latent, logvar), done);
        gather(out, latent, logvar, count * coder->latents, (int)config->latent_channels);
    }
done:
    sl_vae_coder_free(coder);
    sl_free(image);
    sl_free(latent);
    return status;
}

static sl_status find_values(const sl_model *vae, const char *name, float **out) {
    sl_param *param = sl_params_find(vae->params, name);
    if (!param || !param->value.data) return sl_fail(SL_MISMATCH, "the autoencoder has no '%s'", name);
    *out = param->value.data;
    return SL_OK;
}

/* mean' = (mean - m) / s and ln var' = ln var - 2 ln s in the quantising convolution; the one behind it takes
 * z' back to z = s z' + m. */
static sl_status fold(sl_model *vae, const double *m, const double *s, int channels) {
    float *quant_weight = NULL, *quant_bias = NULL, *post_weight = NULL, *post_bias = NULL;
    SL_TRY(find_values(vae, "quant_conv.weight", &quant_weight));
    SL_TRY(find_values(vae, "quant_conv.bias", &quant_bias));
    SL_TRY(find_values(vae, "post_quant_conv.weight", &post_weight));
    SL_TRY(find_values(vae, "post_quant_conv.bias", &post_bias));
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < 2 * channels; i++)
            quant_weight[c * 2 * channels + i] = (float)((double)quant_weight[c * 2 * channels + i] / s[c]);
        quant_bias[c] = (float)(((double)quant_bias[c] - m[c]) / s[c]);
        quant_bias[channels + c] = (float)((double)quant_bias[channels + c] - 2 * log(s[c]));
    }
    for (int o = 0; o < channels; o++) {
        double shift = 0;
        for (int i = 0; i < channels; i++) {
            double w = (double)post_weight[o * channels + i];
            shift += w * m[i];
            post_weight[o * channels + i] = (float)(w * s[i]);
        }
        post_bias[o] = (float)((double)post_bias[o] + shift);
    }
    ((sl_vae_config *)vae->config)->scaling_factor = 1;
    return SL_OK;
}

sl_status sl_vae_fold_statistics(sl_model *vae, const sl_feed *feed, int images, sl_dtype dtype) {
    const sl_vae_config *config = vae->config;
    int channels = (int)config->latent_channels;
    if (channels > CHANNELS_MAX || feed->channels != 1 || images < 1)
        return sl_fail(SL_INVALID, "statistics of %d channels over %d images of %d channels", channels,
                       images, feed->channels);
    channel_statistics total = {0};
    SL_TRY(measure(vae, feed, images, dtype, &total));
    double mean[CHANNELS_MAX], deviation[CHANNELS_MAX];
    for (int c = 0; c < channels; c++) {
        mean[c] = total.sum[c] / total.count;
        double variance = total.square[c] / total.count - mean[c] * mean[c];
        if (!(variance > 1e-12))
            return sl_fail(SL_NUMERIC, "latent channel %d does not vary (variance %g)", c, variance);
        deviation[c] = sqrt(variance);
    }
    return fold(vae, mean, deviation, channels);
}
