#include "train/classifier/classifier_train.h"

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "train/augment.h"
#include "train/history.h"
#include "train/learner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VARIANTS = 4, /* of each image whose features are kept */
    BATCH_MAX = 1024,
};

typedef struct item {
    int64_t number; /* in the feed */
    int32_t label;
    uint32_t augment;
} item;

typedef struct classifier_task {
    sl_learner learner;
    sl_model *model;
    const sl_classifier_recipe *recipe;
    const sl_feed *feed;
    sl_predictor *predictor;
    sl_arena *arena;
    item *items[SL_FEED_SPLIT_COUNT];
    int64_t count[SL_FEED_SPLIT_COUNT], classes, width, pixels, epoch_steps;
    int batch, accumulate, variants;
    float weight[SL_CLASSES_MAX];
    float *input; /* input of the graph: images or features [batch, ...] */
    int32_t *labels;
    sl_value logits;
    float *images, *rows;                 /* [batch, image]; [batch, classes] */
    float *features[SL_FEED_SPLIT_COUNT]; /* head only: [variants (train) or 1][count][width] */
    double epoch_loss, epoch_right;       /* sums since the epoch began */
    int64_t epoch_seen;
    double holdout_accuracy;
    const char *folder;
} classifier_task;

/* ---- items ---- */

static sl_status list_items(classifier_task *t) {
    const sl_feed *feed = t->feed;
    if (feed->count < 1) return sl_fail(SL_INVALID, "no images to train a classifier on");
    for (int s = 0; s < SL_FEED_SPLIT_COUNT; s++) t->items[s] = SL_NEW(t->arena, item, feed->count);
    int64_t of_class[SL_CLASSES_MAX] = {0};
    for (int64_t i = 0; i < feed->count; i++) {
        sl_feed_about about;
        SL_TRY(feed->about(feed->context, i, &about));
        if (about.label < 0) continue;
        if (about.label >= t->classes || about.split >= SL_FEED_SPLIT_COUNT)
            return sl_fail(SL_MISMATCH, "image %lld has label %d, the classifier %lld classes", (long long)i,
                           about.label, (long long)t->classes);
        t->items[about.split][t->count[about.split]++] = (item){i, about.label, about.augment};
        if (about.split == SL_FEED_TRAIN) of_class[about.label]++;
    }
    for (int64_t k = 0; k < t->classes; k++) {
        if (!of_class[k])
            return sl_fail(SL_INVALID, "class %lld has no image to train on; every class needs at least one",
                           (long long)k);
        double share = (double)t->count[SL_FEED_TRAIN] / (double)(t->classes * of_class[k]);
        t->weight[k] = t->recipe->balance ? (float)share : 1.0f;
    }
    if (!t->count[SL_FEED_HOLDOUT])
        return sl_fail(SL_INVALID, "no labelled image is held out: weights could not be chosen honestly");
    return SL_OK;
}

static int take_batch(const classifier_task *t, int64_t rest) {
    return rest < t->batch ? (int)rest : t->batch;
}

/* An item in a variant; 0: as it is, else one drawn from (item, draw). */
typedef struct variant {
    const item *item;
    uint32_t draw;
} variant;

/* Images of `count` variants into t->images. */
static sl_status load(classifier_task *t, const variant *wanted, int count) {
    int64_t numbers[BATCH_MAX] = {0};
    for (int i = 0; i < count; i++) numbers[i] = wanted[i].item->number;
    SL_TRY(sl_feed_get_many(t->feed, numbers, count, t->images, NULL));
    if (!t->recipe->augment) return SL_OK;
    float *copy;
    SL_TRY(sl_alloc(&copy, (size_t)t->pixels, sizeof *copy));
    for (int i = 0; i < count; i++) {
        const item *from = wanted[i].item;
        if (!wanted[i].draw) continue;
        sl_random random =
            sl_random_stream(t->recipe->seed + wanted[i].draw, SL_STREAM_AUGMENT, (uint32_t)from->number);
        float *image = t->images + i * t->pixels;
        memcpy(copy, image, (size_t)t->pixels * sizeof *copy);
        sl_variant_apply(sl_variant_draw(from->augment, &random), copy, t->feed->height_px, t->feed->width_px,
                         t->feed->channels, image);
    }
    sl_free(copy);
    return SL_OK;
}

/* ---- features, for the head alone ---- */

static sl_status keep_features(classifier_task *t, int split, const sl_progress *progress) {
    int variants = split == SL_FEED_TRAIN ? t->variants : 1;
    int64_t count = t->count[split];
    SL_TRY(sl_alloc(&t->features[split], (size_t)(variants * count * t->width + 1), sizeof(float)));
    for (int v = 0; v < variants; v++)
        for (int64_t at = 0; at < count; at += t->batch) {
            SL_TRY(sl_progress_check(progress));
            variant wanted[BATCH_MAX];
            int part = take_batch(t, count - at);
            for (int i = 0; i < part; i++) wanted[i] = (variant){&t->items[split][at + i], (uint32_t)v};
            SL_TRY(load(t, wanted, part));
            SL_TRY(sl_predict(t->predictor, t->images, part, NULL,
                              t->features[split] + (v * count + at) * t->width));
            sl_progress_tell(progress, "computing features", "image", v * count + at + part, variants * count,
                             NULL);
        }
    return SL_OK;
}

/* ---- graph ---- */

static sl_status build(classifier_task *t) {
    const sl_feed *feed = t->feed;
    const char *head;
    SL_TRY(sl_classifier_head(t->model, &head));
    SL_TRY(sl_learner_open(&t->learner));
    sl_graph *g = t->learner.graph;
    sl_shape shape = t->recipe->head_only
                         ? SL_SHAPE(t->batch, t->width)
                         : SL_SHAPE(t->batch, feed->height_px, feed->width_px, feed->channels);
    sl_value input = sl_learner_input(&t->learner, "input", SL_F32, shape, &t->input);
    sl_value labels = sl_learner_input(&t->learner, "labels", SL_I32, SL_SHAPE(t->batch), &t->labels);
    sl_nn *nn = sl_learner_model(&t->learner, "classifier", t->model->params, true);
    nn->dtype = t->recipe->dtype;
    t->logits = t->recipe->head_only ? sl_nn_linear(nn, head, input, t->classes, true)
                                     : sl_classifier_build(nn, t->model, input, NULL);
    t->logits = sl_cast(g, t->logits, SL_F32);
    sl_output(g, "logits", t->logits);
    sl_learner_model_end(&t->learner);
    sl_value weight = sl_constant(g, SL_F32, SL_SHAPE(t->classes), t->weight);
    return sl_learner_finish(&t->learner, sl_cross_entropy(g, t->logits, labels, weight));
}

static sl_status freeze(const classifier_task *t) {
    const char *head;
    SL_TRY(sl_classifier_head(t->model, &head));
    if (!t->recipe->head_only) return SL_OK;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.", head);
    return sl_params_train_only(t->model->params, (const char *const[]){prefix, NULL});
}

/* ---- training ---- */

/* Sample `position` of the run: which item, in which pass over them. */
static int64_t place_of(const classifier_task *t, int64_t position, uint32_t *out_draw) {
    int64_t count = t->count[SL_FEED_TRAIN];
    *out_draw = t->recipe->augment ? 1 + (uint32_t)(position / count) : 0;
    return sl_shuffled_item(t->recipe->seed, position, count);
}

static sl_status fill(classifier_task *t, int64_t first) {
    variant wanted[BATCH_MAX];
    for (int i = 0; i < t->batch; i++) {
        int64_t place = place_of(t, first + i, &wanted[i].draw);
        wanted[i].item = &t->items[SL_FEED_TRAIN][place];
        t->labels[i] = wanted[i].item->label;
        if (!t->recipe->head_only) continue;
        int64_t row = (int64_t)(wanted[i].draw % (uint32_t)t->variants) * t->count[SL_FEED_TRAIN] + place;
        memcpy(t->input + i * t->width, t->features[SL_FEED_TRAIN] + row * t->width,
               (size_t)t->width * sizeof(float));
    }
    if (t->recipe->head_only) return SL_OK;
    SL_TRY(load(t, wanted, t->batch));
    memcpy(t->input, t->images, (size_t)(t->batch * t->pixels) * sizeof(float));
    return SL_OK;
}

static int best_of(const float *row, int64_t classes) {
    int best = 0;
    for (int k = 1; k < classes; k++)
        if (row[k] > row[best]) best = k;
    return best;
}

static sl_status gradient(void *context, int64_t step, int micro, double *out_loss) {
    classifier_task *t = context;
    SL_TRY(fill(t, (step * t->accumulate + micro) * t->batch));
    SL_TRY(sl_learner_run(&t->learner, out_loss));
    SL_TRY(sl_learner_read(&t->learner, t->logits, t->rows, t->batch * t->classes));
    for (int i = 0; i < t->batch; i++)
        t->epoch_right += best_of(t->rows + i * t->classes, t->classes) == t->labels[i];
    t->epoch_loss += *out_loss * t->batch;
    t->epoch_seen += t->batch;
    return SL_OK;
}

/* ---- scores ---- */

/* logits = W f + b of kept features, as the graph's last layer. */
static void head_rows(const classifier_task *t, const float *features, int count) {
    const char *head = "";
    char name[80];
    if (sl_classifier_head(t->model, &head) != SL_OK) return;
    snprintf(name, sizeof name, "%s.weight", head);
    const float *weight = sl_params_find(t->model->params, name)->value.data;
    snprintf(name, sizeof name, "%s.bias", head);
    const float *bias = sl_params_find(t->model->params, name)->value.data;
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < t->classes; k++) {
            double sum = (double)bias[k];
            for (int64_t j = 0; j < t->width; j++)
                sum += (double)weight[k * t->width + j] * (double)features[i * t->width + j];
            t->rows[i * t->classes + k] = (float)sum;
        }
}

static void count_row(sl_classifier_score *score, const classifier_task *t, float *row, int32_t label,
                      double *weights) {
    score->confusion[label][best_of(row, t->classes)]++;
    score->accuracy += best_of(row, t->classes) == label;
    sl_softmax_rows(row, 1, t->classes);
    double p = (double)row[label];
    score->loss -= (double)t->weight[label] * log(p > 1e-12 ? p : 1e-12);
    *weights += (double)t->weight[label];
}

static sl_status measure(classifier_task *t, int split, sl_classifier_score *out) {
    *out = (sl_classifier_score){.count = t->count[split]};
    double weights = 0;
    for (int64_t at = 0; at < t->count[split]; at += t->batch) {
        int part = take_batch(t, t->count[split] - at);
        variant wanted[BATCH_MAX];
        for (int i = 0; i < part; i++) wanted[i] = (variant){&t->items[split][at + i], 0};
        if (t->features[split]) {
            head_rows(t, t->features[split] + at * t->width, part);
        } else {
            SL_TRY(load(t, wanted, part));
            SL_TRY(sl_predict(t->predictor, t->images, part, t->rows, NULL));
        }
        for (int i = 0; i < part; i++)
            count_row(out, t, t->rows + i * t->classes, wanted[i].item->label, &weights);
    }
    if (out->count) {
        out->accuracy /= (double)out->count;
        out->loss /= weights;
    }
    return SL_OK;
}

static sl_status holdout(void *context, double *out_loss) {
    classifier_task *t = context;
    sl_classifier_score score;
    SL_TRY(measure(t, SL_FEED_HOLDOUT, &score));
    *out_loss = score.loss;
    t->holdout_accuracy = score.accuracy;
    return SL_OK;
}

/* One line an epoch; the first stands before any training and has no training part. */
static void annotate(void *context, json_t *line) {
    classifier_task *t = context;
    json_object_set_new(line, "holdout_acc", json_real(t->holdout_accuracy));
    if (!t->epoch_seen) return;
    json_object_set_new(line, "epoch_loss", json_real(t->epoch_loss / (double)t->epoch_seen));
    json_object_set_new(line, "epoch_acc", json_real(t->epoch_right / (double)t->epoch_seen));
    t->epoch_loss = t->epoch_right = 0;
    t->epoch_seen = 0;
}

static void explain(void *context, char *text, size_t bytes) {
    sl_learner_explain(&((classifier_task *)context)->learner, text, bytes);
}

static void changed(void *context) {
    sl_predictor_changed(((classifier_task *)context)->predictor);
}

/* The epochs of history.jsonl as history.json, in the form that the paper's tools write. */
static sl_status write_history(const classifier_task *t) {
    static const char *const keys[4] = {"epoch_loss", "epoch_acc", "holdout", "holdout_acc"};
    char path[SL_LIMIT_PATH_BYTES];
    json_t *lines, *line;
    size_t at;
    snprintf(path, sizeof path, "%s/history.jsonl", t->folder);
    SL_TRY(sl_history_read(path, &lines));
    json_t *lists[4] = {json_array(), json_array(), json_array(), json_array()};
    json_array_foreach(lines, at, line) {
        for (int k = 0; k < 4 && json_object_get(line, "epoch_loss"); k++)
            json_array_append(lists[k], json_object_get(line, keys[k]));
    }
    json_decref(lines);
    json_t *out = json_pack("{s:{s:o, s:o}, s:{s:o, s:o}}", "train", "loss", lists[0], "acc", lists[1],
                            "validation", "loss", lists[2], "acc", lists[3]);
    snprintf(path, sizeof path, "%s/history.json", t->folder);
    sl_status status = out ? sl_json_write(path, out) : sl_fail(SL_MEMORY, "no memory for the history");
    json_decref(out);
    return status;
}

/* ---- the run ---- */

static sl_status prepare(classifier_task *t, const sl_progress *progress) {
    const sl_feed *feed = t->feed;
    SL_TRY(sl_arena_new(&t->arena));
    SL_TRY(sl_classifier_classes(t->model, &t->classes));
    if (t->classes > SL_CLASSES_MAX || t->recipe->batch < 1 || t->recipe->batch > BATCH_MAX)
        return sl_fail(SL_LIMIT, "%lld classes in batches of %d, expected at most %d and %d",
                       (long long)t->classes, t->recipe->batch, SL_CLASSES_MAX, BATCH_MAX);
    SL_TRY(list_items(t));
    t->batch = t->recipe->batch;
    t->batch = take_batch(t, t->count[SL_FEED_TRAIN]);
    t->pixels = (int64_t)feed->height_px * feed->width_px * feed->channels;
    t->variants = t->recipe->augment ? VARIANTS : 1;
    SL_TRY(freeze(t));
    SL_TRY(sl_predictor_new(t->model, t->batch, feed->height_px, feed->width_px, feed->channels,
                            t->recipe->dtype, &t->predictor));
    t->width = sl_predictor_features(t->predictor);
    SL_TRY(sl_alloc(&t->images, (size_t)(t->batch * t->pixels), sizeof(float)));
    SL_TRY(sl_alloc(&t->rows, (size_t)(t->batch * t->classes), sizeof(float)));
    if (t->recipe->head_only)
        for (int s = 0; s < SL_FEED_SPLIT_COUNT; s++) SL_TRY(keep_features(t, s, progress));
    return build(t);
}

static sl_status run(classifier_task *t, const sl_train_options *given, const sl_progress *progress,
                     sl_classifier_outcome *out) {
    sl_train_options options = *given;
    int64_t samples = (int64_t)t->batch * t->accumulate;
    t->epoch_steps = (t->count[SL_FEED_TRAIN] + samples - 1) / samples;
    options.steps = options.schedule.total = t->recipe->epochs * t->epoch_steps;
    options.holdout_every = options.save_every = t->epoch_steps;
    sl_slot_set set;
    SL_TRY(sl_slot_set_new(&set));
    char path[SL_LIMIT_PATH_BYTES];
    sl_status status;
    SL_GUARD(status, sl_slot_add_params(&set, "", t->model->params, true), done);
    sl_train_task task = {.context = t,
                          .what = "training the classifier",
                          .unit = "step",
                          .samples_per_step = samples,
                          .gradient = gradient,
                          .holdout = holdout,
                          .annotate = annotate,
                          .explain = explain,
                          .changed = changed};
    SL_GUARD(status, sl_train_run(&task, &options, &set, progress, &out->train), done);
    snprintf(path, sizeof path, "%s/best.safetensors", t->folder);
    SL_GUARD(status, sl_slot_set_load(path, &set), done);
    changed(t);
    out->best_epoch = out->train.state.best_step / t->epoch_steps;
    for (int s = 0; s < SL_FEED_SPLIT_COUNT && status == SL_OK; s++) status = measure(t, s, &out->score[s]);
    if (status == SL_OK) status = write_history(t);
done:
    sl_slot_set_free(&set);
    return status;
}

sl_status sl_train_classifier(sl_model *model, const sl_classifier_recipe *recipe, const sl_feed *feed,
                              const sl_train_options *options, const sl_progress *progress,
                              sl_classifier_outcome *out) {
    if (!options->folder)
        return sl_fail(SL_INVALID, "training a classifier needs a folder for its best weights");
    classifier_task t = {.model = model,
                         .recipe = recipe,
                         .feed = feed,
                         .accumulate = options->accumulate,
                         .folder = options->folder};
    *out = (sl_classifier_outcome){0};
    sl_status status = prepare(&t, progress);
    if (status == SL_OK) status = run(&t, options, progress, out);
    sl_predictor_free(t.predictor);
    sl_learner_close(&t.learner);
    for (int s = 0; s < SL_FEED_SPLIT_COUNT; s++) sl_free(t.features[s]);
    sl_free(t.images);
    sl_free(t.rows);
    sl_arena_free(t.arena);
    return status;
}
