/* A backbone from scratch: one network learns all attributes of an image at once. */
#include "train/classifier/classifier_train.h"

#include "base/limits.h"
#include "train/learner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct backbone_graph {
    sl_learner learner;
    float *image, *numbers; /* inputs: images; targets of the attributes that are numbers */
    int32_t *flags;         /* input: targets of the binary ones, [batch * binary] */
    sl_value logits;
} backbone_graph;

typedef struct backbone_task {
    backbone_graph train, eval;
    const sl_backbone_recipe *recipe;
    const sl_feed *feed, *holdout;
    int accumulate;
    sl_feed_about *about; /* [batch] */
    float *logits;        /* [batch, attributes] */
    double *score;        /* [attributes]: of the last hold-out */
} backbone_task;

/* ---- graph ---- */

/* Binary cross-entropy for flags, squared error for numbers. */
static sl_value loss_of(backbone_graph *b, const backbone_task *t, sl_value logits) {
    sl_graph *g = b->learner.graph;
    int64_t batch = t->recipe->batch, binary = t->recipe->binary, numbers = t->feed->attributes - binary;
    sl_value total = SL_NONE;
    if (binary) {
        sl_value flags = sl_learner_input(&b->learner, "flags", SL_I32, SL_SHAPE(batch * binary), &b->flags);
        total = sl_binary_cross_entropy(g, sl_slice(g, logits, 1, 0, binary), flags);
    }
    if (numbers) {
        sl_value wanted =
            sl_learner_input(&b->learner, "numbers", SL_F32, SL_SHAPE(batch, numbers), &b->numbers);
        sl_value error = sl_mse(g, sl_slice(g, logits, 1, binary, numbers), wanted, SL_NONE);
        total = sl_value_is(total) ? sl_add(g, total, error) : error;
    }
    return total;
}

static sl_status build(backbone_graph *b, const backbone_task *t, sl_model *model, bool training) {
    const sl_feed *feed = t->feed;
    SL_TRY(sl_learner_open(&b->learner));
    sl_shape shape = SL_SHAPE(t->recipe->batch, feed->height_px, feed->width_px, feed->channels);
    sl_value image = sl_learner_input(&b->learner, "image", SL_F32, shape, &b->image);
    sl_nn *nn = sl_learner_model(&b->learner, "backbone", model->params, training);
    nn->dtype = t->recipe->dtype;
    b->logits = sl_cast(b->learner.graph, sl_classifier_build(nn, model, image, NULL), SL_F32);
    sl_output(b->learner.graph, "logits", b->logits);
    sl_learner_model_end(&b->learner);
    return sl_learner_finish(&b->learner, loss_of(b, t, b->logits));
}

/* ---- batches ---- */

static sl_status fill(backbone_task *t, backbone_graph *b, const sl_feed *feed, int64_t first) {
    int64_t items[4096] = {0};
    int batch = t->recipe->batch, binary = t->recipe->binary, numbers = feed->attributes - binary;
    for (int i = 0; i < batch; i++) items[i] = feed->count ? (first + i) % feed->count : first + i;
    SL_TRY(sl_feed_get_many(feed, items, batch, b->image, t->about));
    for (int i = 0; i < batch; i++) {
        const float *attribute = t->about[i].attribute;
        for (int k = 0; k < binary; k++) b->flags[i * binary + k] = attribute[k] > 0.5f;
        if (numbers) memcpy(b->numbers + i * numbers, attribute + binary, (size_t)numbers * sizeof(float));
    }
    return SL_OK;
}

static sl_status gradient(void *context, int64_t step, int micro, double *out_loss) {
    backbone_task *t = context;
    SL_TRY(fill(t, &t->train, t->feed, (step * t->accumulate + micro) * t->recipe->batch));
    return sl_learner_run(&t->train.learner, out_loss);
}

/* Right answers of binary attributes, squared errors of numbers. */
static void add_scores(backbone_task *t, int count) {
    int attributes = t->feed->attributes;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < attributes; k++) {
            double logit = (double)t->logits[i * attributes + k], wanted = (double)t->about[i].attribute[k];
            if (k < t->recipe->binary)
                t->score[k] += (logit > 0) == (wanted > 0.5);
            else
                t->score[k] += (logit - wanted) * (logit - wanted);
        }
}

/* The loss of the first `count` rows of a batch, as the graph's of all of them. */
static double loss_of_rows(const backbone_task *t, int count) {
    int attributes = t->feed->attributes, binary = t->recipe->binary;
    double entropy = 0, square = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < attributes; k++) {
            double logit = (double)t->logits[i * attributes + k], wanted = (double)t->about[i].attribute[k];
            if (k < binary)
                entropy += fmax(logit, 0) - (wanted > 0.5 ? logit : 0) + log1p(exp(-fabs(logit)));
            else
                square += (logit - wanted) * (logit - wanted);
        }
    double rows = (double)count;
    return (binary ? entropy / (rows * binary) : 0) +
           (attributes > binary ? square / (rows * (attributes - binary)) : 0);
}

/* A last batch may hold fewer items than there is room for: the rest of it is not counted. */
static sl_status holdout(void *context, double *out_loss) {
    backbone_task *t = context;
    int batch = t->recipe->batch, attributes = t->feed->attributes;
    int64_t items = t->holdout->count;
    memset(t->score, 0, (size_t)attributes * sizeof *t->score);
    *out_loss = 0;
    for (int64_t at = 0; at < items; at += batch) {
        int count = items - at < batch ? (int)(items - at) : batch;
        double part;
        SL_TRY(fill(t, &t->eval, t->holdout, at));
        SL_TRY(sl_learner_run(&t->eval.learner, &part));
        SL_TRY(sl_learner_read(&t->eval.learner, t->eval.logits, t->logits, (int64_t)batch * attributes));
        add_scores(t, count);
        if (count < batch) part = loss_of_rows(t, count);
        *out_loss += part / ((double)items / count);
    }
    for (int k = 0; k < attributes; k++) {
        t->score[k] /= (double)items;
        if (k >= t->recipe->binary) t->score[k] = sqrt(t->score[k]);
    }
    return SL_OK;
}

static void annotate(void *context, json_t *line) {
    backbone_task *t = context;
    double sum = 0;
    for (int k = 0; k < t->recipe->binary; k++) sum += t->score[k] / t->recipe->binary;
    if (t->recipe->binary) json_object_set_new(line, "holdout_acc", json_real(sum));
}

static void explain(void *context, char *text, size_t bytes) {
    sl_learner_explain(&((backbone_task *)context)->train.learner, text, bytes);
}

static void changed(void *context) {
    sl_learner_changed(&((backbone_task *)context)->eval.learner);
}

/* ---- the run ---- */

static sl_status run(backbone_task *t, sl_model *model, const sl_train_options *options,
                     const sl_progress *progress, sl_backbone_outcome *out) {
    int batch = t->recipe->batch;
    SL_TRY(build(&t->train, t, model, true));
    SL_TRY(build(&t->eval, t, model, false));
    SL_TRY(sl_alloc(&t->about, (size_t)batch, sizeof *t->about));
    SL_TRY(sl_alloc(&t->logits, (size_t)(batch * t->feed->attributes), sizeof *t->logits));
    sl_slot_set set;
    SL_TRY(sl_slot_set_new(&set));
    sl_status status;
    SL_GUARD(status, sl_slot_add_params(&set, "", model->params, false), done);
    sl_train_task task = {.context = t,
                          .what = "training the backbone",
                          .unit = "step",
                          .samples_per_step = (int64_t)batch * options->accumulate,
                          .gradient = gradient,
                          .holdout = holdout,
                          .annotate = annotate,
                          .explain = explain,
                          .changed = changed};
    SL_GUARD(status, sl_train_run(&task, options, &set, progress, &out->train), done);
    char path[SL_LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s/best.safetensors", options->folder);
    SL_GUARD(status, sl_slot_set_load(path, &set), done);
    changed(t);
    double loss;
    status = holdout(t, &loss);
done:
    sl_slot_set_free(&set);
    return status;
}

sl_status sl_train_backbone(sl_model *model, const sl_backbone_recipe *recipe, const sl_feed *feed,
                            const sl_feed *holdout_feed, const sl_train_options *options,
                            const sl_progress *progress, sl_backbone_outcome *out) {
    int64_t classes;
    SL_TRY(sl_classifier_classes(model, &classes));
    if (classes != feed->attributes || recipe->binary > feed->attributes || recipe->batch < 1 ||
        recipe->batch > 4096)
        return sl_fail(SL_INVALID, "%lld outputs for %d attributes (%d of them binary) in batches of %d",
                       (long long)classes, feed->attributes, recipe->binary, recipe->batch);
    if (!options->folder || holdout_feed->count < 1)
        return sl_fail(SL_INVALID,
                       "a backbone needs a folder for its best weights and images to choose them by");
    *out = (sl_backbone_outcome){0};
    backbone_task t = {.recipe = recipe,
                       .feed = feed,
                       .holdout = holdout_feed,
                       .accumulate = options->accumulate,
                       .score = out->score};
    sl_status status = run(&t, model, options, progress, out);
    sl_learner_close(&t.train.learner);
    sl_learner_close(&t.eval.learner);
    sl_free(t.about);
    sl_free(t.logits);
    return status;
}
