#include "train/denoiser_train.h"

#include "base/log.h"
#include "base/threads.h"
#include "train/feed.h"
#include "train/learner.h"

typedef struct denoiser_task {
    sl_learner learner;
    const sl_denoiser_models *models;
    const sl_denoiser_recipe *recipe;
    const sl_denoiser_data *data, *holdout;
    int accumulate;
    int64_t pixels, channels, width;                              /* of a latent; width of an embedding */
    float *noisy, *timestep, *target, *weight, *embedding, *beam; /* inputs of the graph */
    float *coarse_weight, *marked_weight;                         /* NULL where there is no such loss */
    float *marked;                                                /* 1 on marks of sketches, else 0 */
    int32_t *ids;
    float *clean; /* [batch, h, w, C] */
} denoiser_task;

/* ---- graph ---- */

static sl_value condition(denoiser_task *t) {
    const sl_denoiser_recipe *r = t->recipe;
    if (!t->models->text)
        return sl_learner_input(&t->learner, "context", SL_F32, SL_SHAPE(r->batch, r->length, t->width),
                                &t->embedding);
    sl_value ids = sl_learner_input(&t->learner, "ids", SL_I32, SL_SHAPE(r->batch, r->length), &t->ids);
    sl_nn *nn = sl_learner_model(&t->learner, "text_encoder", t->models->text->params, true);
    nn->dtype = r->dtype;
    nn->recompute = r->recompute;
    sl_value context = sl_clip_build(nn, t->models->text->config, ids, 0);
    sl_learner_model_end(&t->learner);
    return context;
}

/* What of the loss is of means over squares of places. */
static sl_value coarse_loss(denoiser_task *t, sl_value predicted, sl_value target) {
    sl_graph *g = t->learner.graph;
    const int side = SL_COARSE_PLACES;
    sl_value weight =
        sl_learner_input(&t->learner, "coarse_weight", SL_F32, SL_SHAPE(t->recipe->batch), &t->coarse_weight);
    return sl_mse(g, sl_avg_pool(g, predicted, side, side, SL_PAD(0)),
                  sl_avg_pool(g, target, side, side, SL_PAD(0)), weight);
}

/* What of the loss is of places that a sketch has marks on. */
static sl_value marked_loss(denoiser_task *t, sl_value predicted, sl_value target) {
    sl_graph *g = t->learner.graph;
    const sl_denoiser_recipe *r = t->recipe;
    sl_value marked = sl_learner_input(&t->learner, "marked", SL_F32,
                                       SL_SHAPE(r->batch, r->height, r->width, 1), &t->marked);
    sl_value weight =
        sl_learner_input(&t->learner, "marked_weight", SL_F32, SL_SHAPE(r->batch), &t->marked_weight);
    return sl_mse(g, sl_mul(g, predicted, marked), sl_mul(g, target, marked), weight);
}

static sl_status build(denoiser_task *t) {
    const sl_denoiser_recipe *r = t->recipe;
    const sl_unet_config *config = t->models->unet->config;
    t->channels = config->in_channels;
    t->pixels = r->height * r->width;
    t->width = config->cross_attention_dim;
    SL_TRY(sl_learner_open(&t->learner));
    sl_shape latent = SL_SHAPE(r->batch, r->height, r->width, t->channels);
    sl_value noisy = sl_learner_input(&t->learner, "noisy", SL_F32, latent, &t->noisy);
    sl_value timestep = sl_learner_input(&t->learner, "timestep", SL_F32, SL_SHAPE(r->batch), &t->timestep);
    sl_value target = sl_learner_input(&t->learner, "target", SL_F32, latent, &t->target);
    sl_value weight = sl_learner_input(&t->learner, "weight", SL_F32, SL_SHAPE(r->batch), &t->weight);
    sl_value beam = SL_NONE;
    if (config->beam_channels)
        beam = sl_learner_input(&t->learner, "beam", SL_F32,
                                SL_SHAPE(r->batch, r->height, r->width, config->beam_channels), &t->beam);
    if (r->dtype == SL_F16) sl_learner_scale_loss(&t->learner);
    sl_value context = condition(t);
    const sl_lora *loras[] = {t->models->lora};
    sl_nn *nn = sl_learner_model(&t->learner, "unet", t->models->unet->params, true);
    nn->dtype = r->dtype;
    nn->recompute = r->recompute;
    nn->loras = loras;
    nn->lora_count = t->models->lora ? 1 : 0;
    sl_value predicted = sl_unet_build(nn, config, noisy, timestep, context, beam);
    sl_learner_model_end(&t->learner);
    sl_value loss = sl_mse(t->learner.graph, predicted, target, weight);
    if (r->coarse_weight > 0) loss = sl_add(t->learner.graph, loss, coarse_loss(t, predicted, target));
    if (r->marked_weight > 0 && config->beam_sketch)
        loss = sl_add(t->learner.graph, loss, marked_loss(t, predicted, target));
    sl_status status = sl_learner_finish(&t->learner, loss);
    nn->loras = NULL;
    return status;
}

/* ---- batches ---- */

typedef struct fill_work {
    denoiser_task *task;
    const sl_denoiser_data *data;
    sl_noising noising; /* with the seed of these draws */
    int64_t first;      /* number of the batch's first sample in the run */
    int64_t step;
    int offset; /* of the batch within the update */
    bool holdout;
} fill_work;

/* Held-out losses use noise of their own: the same grid however training is seeded by step. */
static const uint64_t holdout_seed = 0x686f6c646f757400u;

static sl_status fill_condition(const fill_work *work, int64_t sample, uint32_t number, int place) {
    denoiser_task *t = work->task;
    const sl_denoiser_recipe *r = t->recipe;
    if (!work->holdout && sl_noising_drops_caption(&work->noising, number, r->caption_dropout)) sample = -1;
    if (t->models->text)
        return work->data->ids(work->data->context, sample, number, t->ids + (int64_t)place * r->length);
    return work->data->embedding(work->data->context, sample, number,
                                 t->embedding + (int64_t)place * r->length * t->width);
}

static void fill_beam(const fill_work *work, int64_t sample, uint32_t number, int place) {
    denoiser_task *t = work->task;
    const sl_denoiser_recipe *r = t->recipe;
    const sl_unet_config *config = t->models->unet->config;
    sl_direct_beam beam = {0};
    sl_sketch sketch = {0};
    if (!t->beam) return;
    if (work->data->beam &&
        (work->holdout || !sl_noising_drops_beam(&work->noising, number, r->beam_dropout)))
        beam = work->data->beam(work->data->context, sample);
    if (work->data->sketch && config->beam_sketch &&
        (work->holdout || !sl_noising_drops_sketch(&work->noising, number, r->sketch_dropout)))
        work->data->sketch(work->data->context, sample, &sketch);
    int64_t channels = config->beam_channels;
    float *map = t->beam + place * t->pixels * channels;
    sl_beam_map(&beam, &sketch, r->height, r->width, r->place_px, channels, map);
    for (int64_t p = 0; t->marked && p < t->pixels; p++)
        t->marked[place * t->pixels + p] =
            (float)sl_sketch_marks_place(map + (p + 1) * channels - SL_UNET_SKETCH);
}

static sl_status fill_one(const fill_work *work, int place) {
    denoiser_task *t = work->task;
    const sl_denoiser_recipe *r = t->recipe;
    const sl_noising *noising = &work->noising;
    int64_t position = work->first + place, size = t->pixels * t->channels;
    uint32_t number = (uint32_t)position;
    int timestep;
    int64_t sample;
    if (work->holdout) {
        int64_t grid = work->data->count * r->holdout_draws;
        sample = position % work->data->count;
        timestep = (int)((double)(position % grid) / (double)grid * noising->schedule->train_steps);
    } else {
        sample = sl_shuffled_item(noising->seed, position, work->data->count);
        timestep = r->spread_timesteps
                       ? sl_noising_timestep_spread(noising, (uint32_t)work->step, work->offset + place,
                                                    r->batch * t->accumulate)
                       : sl_noising_timestep(noising, number);
    }
    float *clean = t->clean + place * size;
    SL_TRY(work->data->latent(work->data->context, sample, number, clean));
    sl_noising_apply(noising, number, timestep, clean, (size_t)t->pixels, (int)t->channels,
                     t->noisy + place * size, t->target + place * size);
    t->timestep[place] = (float)timestep;
    /* a last batch goes on past the grid with what was counted already */
    t->weight[place] = work->holdout ? (float)(position < work->data->count * r->holdout_draws)
                                     : (float)sl_noising_weight(noising, timestep);
    float taught = work->holdout ? 0 : t->weight[place]; /* held-out losses are of the places alone */
    if (t->coarse_weight) t->coarse_weight[place] = (float)r->coarse_weight * taught;
    if (t->marked_weight) t->marked_weight[place] = (float)r->marked_weight * taught;
    fill_beam(work, sample, number, place);
    return fill_condition(work, sample, number, place);
}

static sl_status fill_place(void *context, int64_t place, int worker) {
    const fill_work *work = context;
    (void)worker;
    return sl_context(fill_one(work, (int)place), "preparing training sample %lld",
                      (long long)(work->first + place));
}

static sl_status fill(fill_work *work) {
    work->noising = work->task->recipe->noising;
    work->noising.seed ^= work->holdout ? holdout_seed : work->task->recipe->lineage;
    return sl_parallel_try(work->task->recipe->batch, fill_place, work);
}

static sl_status gradient(void *context, int64_t step, int micro, double *out_loss) {
    denoiser_task *t = context;
    int batch = t->recipe->batch;
    fill_work work = {.task = t,
                      .data = t->data,
                      .first = (step * t->accumulate + micro) * batch,
                      .step = step,
                      .offset = micro * batch};
    SL_TRY(fill(&work));
    return sl_learner_run(&t->learner, out_loss);
}

static void scale_loss(void *context, double scale) {
    *((denoiser_task *)context)->learner.loss_scale = (float)scale;
}

static sl_status holdout_loss(void *context, double *out_loss) {
    denoiser_task *t = context;
    int64_t grid = t->holdout->count * t->recipe->holdout_draws, batch = t->recipe->batch;
    double batches = (double)grid / (double)batch; /* the last may be a part of one */
    *out_loss = 0;
    for (int64_t first = 0; first < grid; first += batch) {
        fill_work work = {.task = t, .data = t->holdout, .first = first, .holdout = true};
        double part;
        SL_TRY(fill(&work));
        SL_TRY(sl_learner_evaluate(&t->learner, &part));
        *out_loss += part / batches;
    }
    return SL_OK;
}

static void explain(void *context, char *text, size_t bytes) {
    sl_learner_explain(&((denoiser_task *)context)->learner, text, bytes);
}

/* ---- the run ---- */

static sl_status add_slots(const denoiser_task *t, sl_slot_set *set) {
    if (t->models->lora) return sl_slot_add_params(set, "unet.", t->models->lora->params, true);
    SL_TRY(sl_slot_add_params(set, "unet.", t->models->unet->params, false));
    return t->models->text ? sl_slot_add_params(set, "text_encoder.", t->models->text->params, false) : SL_OK;
}

sl_status sl_train_denoiser(const sl_denoiser_models *models, const sl_denoiser_recipe *recipe,
                            const sl_denoiser_data *data, const sl_denoiser_data *holdout,
                            const sl_train_options *options, const sl_progress *progress,
                            sl_train_outcome *out) {
    if (data->count < 1 || recipe->batch < 1)
        return sl_fail(SL_INVALID, "%lld samples in batches of %d: nothing to train on",
                       (long long)data->count, recipe->batch);
    if (models->lora) SL_TRY(sl_params_train_only(models->unet->params, (const char *const[]){NULL}));
    denoiser_task t = {.models = models,
                       .recipe = recipe,
                       .data = data,
                       .holdout = holdout,
                       .accumulate = options->accumulate};
    sl_slot_set set = {0};
    sl_status status;
    sl_denoiser_recipe recomputed = *recipe;
    recomputed.recompute = true;
    status = build(&t);
    if (status == SL_MEMORY && !recipe->recompute) {
        sl_info("the device has no room for all activations: blocks are computed again in the backward pass");
        sl_learner_close(&t.learner);
        t.recipe = &recomputed;
        status = build(&t);
    }
    if (status != SL_OK) goto done;
    if (models->lora && models->lora_is_new)
        SL_GUARD(status, sl_params_initialise(models->lora->params, recipe->noising.seed), done);
    SL_GUARD(status, sl_alloc(&t.clean, (size_t)(recipe->batch * t.pixels * t.channels), sizeof(float)),
             done);
    SL_GUARD(status, sl_slot_set_new(&set), done);
    SL_GUARD(status, add_slots(&t, &set), done);
    const char *what = models->lora ? "fine-tuning the adapter" : "training the denoiser";
    size_t arrays = (size_t)sl_optimizer_moments(&options->optimizer) + (options->ema_decay > 0);
    SL_GUARD(status,
             sl_learner_tell(&t.learner, what, arrays * (size_t)sl_slot_set_trained(&set) * sizeof(float)),
             done);
    sl_train_task task = {.context = &t,
                          .what = what,
                          .unit = "step",
                          .samples_per_step = (int64_t)recipe->batch * options->accumulate,
                          .gradient = gradient,
                          .scale_loss = t.learner.loss_scale ? scale_loss : NULL,
                          .holdout =
                              holdout && holdout->count && recipe->holdout_draws > 0 ? holdout_loss : NULL,
                          .explain = explain};
    status = sl_train_run(&task, options, &set, progress, out);
done:
    sl_slot_set_free(&set);
    sl_free(t.clean);
    sl_learner_close(&t.learner);
    return status;
}
