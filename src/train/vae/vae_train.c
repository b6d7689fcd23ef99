#include "train/vae/vae_train.h"

#include "base/random/random.h"
#include "train/learner.h"

#include <math.h>
#include <string.h>

sl_vae_recipe sl_vae_recipe_default(void) {
    return (sl_vae_recipe){.crop_px = 128,
                           .crops_per_image = 4,
                           .batch = 8,
                           .slope_weight = 0.5,
                           .square_weight = 0.25,
                           .kl_weight = 5e-4,
                           .dtype = SL_F32,
                           .seed = 1};
}

static const struct {
    const char *what, *prefixes[3];
} parts[] = {[SL_VAE_WHOLE] = {"training the autoencoder", {"", NULL}},
             [SL_VAE_ENCODER] = {"training the measured-image encoder", {"encoder.", "quant_conv.", NULL}},
             [SL_VAE_DECODER] = {"training the decoder", {"decoder.", "post_quant_conv.", NULL}}};

int sl_vae_block(const sl_vae_config *config) {
    return (int)lround(sqrt((double)config->in_channels));
}

typedef struct vae_task {
    sl_learner learner;
    const sl_vae_recipe *recipe;
    const sl_feed *feed, *holdout;
    int accumulate, latent_count;  /* latent numbers of one crop */
    float *input, *target, *noise; /* inputs of the graph */
    float *images;                 /* [batch / crops_per_image, feed's image] */
} vae_task;

/* ---- graph ---- */

/* Next neighbour minus this one, along an axis. */
static sl_value slope(sl_graph *g, sl_value x, int axis) {
    int64_t n = sl_value_dim(g, x, axis);
    return sl_sub(g, sl_slice(g, x, axis, 1, n - 1), sl_slice(g, x, axis, 0, n - 1));
}

/* Mean size of the differences of neighbours, down and to the right. */
static sl_value slope_loss(sl_graph *g, sl_value down, sl_value right) {
    int64_t h = sl_value_dim(g, down, 1), w = sl_value_dim(g, right, 2);
    return sl_add(g, sl_l1(g, sl_slice(g, down, 1, 1, h - 1), sl_slice(g, down, 1, 0, h - 1)),
                  sl_l1(g, sl_slice(g, right, 2, 1, w - 1), sl_slice(g, right, 2, 0, w - 1)));
}

/* Divergence from the unit normal in nats a pixel: 0.5 (mean^2 + var - 1 - ln var), summed over the latent.
 */
static sl_value divergence(sl_graph *g, sl_vae_moments m, double latents_a_pixel) {
    sl_value spread = sl_sub(g, sl_exp(g, m.logvar), m.logvar);
    sl_value sum = sl_scale(g, sl_add(g, sl_square(g, m.mean), spread), 0.5, -0.5);
    return sl_scale(g, sl_mean(g, sum, SL_ALL_AXES), latents_a_pixel, 0);
}

static sl_value loss(vae_task *t, sl_nn *nn, const sl_vae_config *config, sl_value input, sl_value target,
                     sl_value noise) {
    const sl_vae_recipe *r = t->recipe;
    sl_graph *g = nn->graph;
    int block = sl_vae_block(config);
    sl_vae_moments moments = sl_vae_encode_build(nn, config, sl_space_to_depth(g, input, block));
    sl_value latent = sl_vae_sample_build(nn, moments, noise);
    if (r->latent_noise > 0) latent = sl_add(g, latent, sl_scale(g, noise, r->latent_noise, 0));
    sl_value image = sl_depth_to_space(g, sl_vae_decode_build(nn, config, latent), block);
    sl_value total = sl_l1(g, image, target);
    sl_value error = sl_sub(g, image, target);
    total = sl_add(g, total, sl_scale(g, slope_loss(g, error, error), r->slope_weight, 0));
    if (r->curvature_weight > 0) {
        sl_value bend = slope_loss(g, slope(g, error, 1), slope(g, error, 2));
        total = sl_add(g, total, sl_scale(g, bend, r->curvature_weight, 0));
    }
    total = sl_add(g, total, sl_scale(g, sl_mse(g, image, target, SL_NONE), r->square_weight, 0));
    double share = (double)t->latent_count / ((double)r->crop_px * r->crop_px);
    return sl_add(g, total, sl_scale(g, divergence(g, moments, share), r->kl_weight, 0));
}

static sl_status build(vae_task *t, sl_model *vae) {
    const sl_vae_recipe *r = t->recipe;
    const sl_vae_config *config = vae->config;
    int64_t side = r->crop_px / (sl_vae_block(config) * sl_vae_reduction(config));
    t->latent_count = (int)(side * side * config->latent_channels);
    SL_TRY(sl_learner_open(&t->learner));
    sl_shape image = SL_SHAPE(r->batch, r->crop_px, r->crop_px, 1);
    sl_shape latent = SL_SHAPE(r->batch, side, side, config->latent_channels);
    sl_value input = sl_learner_input(&t->learner, "input", SL_F32, image, &t->input);
    sl_value target = sl_learner_input(&t->learner, "target", SL_F32, image, &t->target);
    sl_value noise = sl_learner_input(&t->learner, "noise", SL_F32, latent, &t->noise);
    sl_nn *nn = sl_learner_model(&t->learner, "vae", vae->params, true);
    nn->dtype = r->dtype;
    sl_value total = loss(t, nn, config, input, target, noise);
    sl_learner_model_end(&t->learner);
    return sl_learner_finish(&t->learner, total);
}

/* ---- batches ---- */

/* Crop `crop` of the run, cut from image[height, width, channels]; its place and its input are drawn by its
 * number. */
static void cut(const vae_task *t, const sl_feed *feed, const float *image, uint32_t crop, int place) {
    const sl_vae_recipe *r = t->recipe;
    sl_random random = sl_random_stream(r->seed, SL_STREAM_AUGMENT, crop);
    int64_t top = sl_random_below(&random, (uint32_t)(feed->height_px - r->crop_px + 1));
    int64_t left = sl_random_below(&random, (uint32_t)(feed->width_px - r->crop_px + 1));
    int measured = feed->channels > 1 && sl_random_below(&random, 2) ? 1 : 0;
    int64_t pixels = (int64_t)r->crop_px * r->crop_px, channels = feed->channels;
    float *input = t->input + place * pixels, *target = t->target + place * pixels;
    for (int y = 0; y < r->crop_px; y++)
        for (int x = 0; x < r->crop_px; x++) {
            const float *pixel = image + ((top + y) * feed->width_px + left + x) * channels;
            *target++ = pixel[0];
            *input++ = pixel[measured];
        }
    random = sl_random_stream(r->seed, SL_STREAM_NOISE, crop);
    float *noise = t->noise + (int64_t)place * t->latent_count;
    sl_random_normals(&random, noise, (size_t)t->latent_count);
    if (!(r->latent_noise > 0)) return;
    /* from none to all of it, half of them below a quarter: clean latents count as well */
    float part = (float)sl_random_uniform(&random);
    part *= part;
    for (int i = 0; i < t->latent_count; i++) noise[i] *= part;
}

/* A batch of `count` images from position `first` of the run on, each as often as there is room for. Images
 * of a counted feed are taken in turn. */
static sl_status fill(vae_task *t, const sl_feed *feed, int64_t first, int count) {
    const sl_vae_recipe *r = t->recipe;
    int crops = r->crops_per_image, images = r->batch / crops;
    int64_t items[256], size = (int64_t)feed->height_px * feed->width_px * feed->channels;
    for (int i = 0; i < images; i++) {
        items[i] = first + i % count;
        if (feed->count) items[i] = sl_shuffled_item(r->seed, items[i], feed->count);
    }
    SL_TRY(sl_feed_get_many(feed, items, images, t->images, NULL));
    for (int k = 0; k < r->batch; k++) {
        int64_t position = first + k / crops % count;
        cut(t, feed, t->images + k / crops * size, (uint32_t)(position * crops + k % crops), k);
    }
    return SL_OK;
}

static sl_status gradient(void *context, int64_t step, int micro, double *out_loss) {
    vae_task *t = context;
    int images = t->recipe->batch / t->recipe->crops_per_image;
    SL_TRY(fill(t, t->feed, (step * t->accumulate + micro) * images, images));
    return sl_learner_run(&t->learner, out_loss);
}

/* Images that fill no batch come one by one, so that each counts once. */
static sl_status holdout_loss(void *context, double *out_loss) {
    vae_task *t = context;
    int images = t->recipe->batch / t->recipe->crops_per_image, count;
    *out_loss = 0;
    for (int64_t at = 0; at < t->holdout->count; at += count) {
        double part;
        count = t->holdout->count - at >= images ? images : 1;
        SL_TRY(fill(t, t->holdout, at, count));
        SL_TRY(sl_learner_evaluate(&t->learner, &part));
        *out_loss += part / ((double)t->holdout->count / count);
    }
    return SL_OK;
}

static void explain(void *context, char *text, size_t bytes) {
    sl_learner_explain(&((vae_task *)context)->learner, text, bytes);
}

static sl_status check(const sl_vae_recipe *r, const sl_model *vae, const sl_feed *feed) {
    int64_t multiple = sl_vae_block(vae->config) * sl_vae_reduction(vae->config);
    if (r->crop_px < multiple || r->crop_px % multiple || r->crop_px > feed->height_px ||
        r->crop_px > feed->width_px)
        return sl_fail(SL_INVALID, "crops of %d px, expected a multiple of %lld within images of %d x %d",
                       r->crop_px, (long long)multiple, feed->height_px, feed->width_px);
    if (r->crops_per_image < 1 || r->batch % r->crops_per_image || r->batch / r->crops_per_image > 256)
        return sl_fail(SL_INVALID, "batch %d is no multiple of %d crops from an image (at most 256 images)",
                       r->batch, r->crops_per_image);
    return SL_OK;
}

sl_status sl_train_vae(sl_model *vae, const sl_vae_recipe *recipe, const sl_feed *feed,
                       const sl_feed *holdout, const sl_train_options *options, const sl_progress *progress,
                       sl_train_outcome *out) {
    SL_TRY(check(recipe, vae, feed));
    SL_TRY(sl_params_train_only(vae->params, parts[recipe->part].prefixes));
    vae_task t = {.recipe = recipe, .feed = feed, .holdout = holdout, .accumulate = options->accumulate};
    sl_slot_set set = {0};
    sl_status status;
    size_t image = (size_t)feed->height_px * (size_t)feed->width_px * (size_t)feed->channels;
    SL_GUARD(status, build(&t, vae), done);
    SL_GUARD(status,
             sl_alloc(&t.images, (size_t)(recipe->batch / recipe->crops_per_image), image * sizeof(float)),
             done);
    SL_GUARD(status, sl_slot_set_new(&set), done);
    SL_GUARD(status, sl_slot_add_params(&set, "", vae->params, false), done);
    sl_train_task task = {.context = &t,
                          .what = parts[recipe->part].what,
                          .unit = "step",
                          .samples_per_step = (int64_t)recipe->batch * options->accumulate,
                          .gradient = gradient,
                          .holdout = holdout ? holdout_loss : NULL,
                          .explain = explain};
    status = sl_train_run(&task, options, &set, progress, out);
done:
    sl_slot_set_free(&set);
    sl_free(t.images);
    sl_learner_close(&t.learner);
    return status;
}
