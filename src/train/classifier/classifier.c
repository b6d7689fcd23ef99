#include "train/classifier/classifier.h"

#include "model/resnet.h"
#include "model/vit.h"
#include "train/learner.h"
#include "weights/checkpoint.h"

#include <math.h>
#include <string.h>

sl_status sl_classifier_new(const char *architecture, int64_t classes, int64_t image_px, uint64_t seed,
                            sl_model **out) {
    sl_status status;
    if (strncmp(architecture, "vit", 3) == 0) {
        sl_vit_config config;
        SL_TRY(sl_vit_preset(architecture, image_px, classes, &config));
        status = sl_model_new(&sl_vit_kind, &config, out);
    } else {
        sl_resnet_config config;
        SL_TRY(sl_resnet_preset(architecture, classes, &config));
        status = sl_model_new(&sl_resnet_kind, &config, out);
    }
    if (status != SL_OK) return status;
    status = sl_params_initialise((*out)->params, seed);
    if (status != SL_OK) sl_model_free(*out);
    return status;
}

sl_status sl_classifier_head(const sl_model *model, const char **out_name) {
    if (model->kind == &sl_resnet_kind)
        *out_name = "fc";
    else if (model->kind == &sl_vit_kind)
        *out_name = "heads.head";
    else
        return sl_fail(SL_UNSUPPORTED, "%s is no classifier", model->kind->class_name);
    return SL_OK;
}

sl_status sl_classifier_classes(const sl_model *model, int64_t *out) {
    if (model->kind == &sl_resnet_kind)
        *out = ((const sl_resnet_config *)model->config)->num_classes;
    else if (model->kind == &sl_vit_kind)
        *out = ((const sl_vit_config *)model->config)->num_classes;
    else
        return sl_fail(SL_UNSUPPORTED, "%s is no classifier", model->kind->class_name);
    return SL_OK;
}

static int64_t channels_of(const sl_model *model) {
    return model->kind == &sl_resnet_kind ? ((const sl_resnet_config *)model->config)->in_channels
                                          : ((const sl_vit_config *)model->config)->in_channels;
}

sl_value sl_classifier_build(sl_nn *nn, const sl_model *model, sl_value image, sl_value *features) {
    sl_graph *g = nn->graph;
    if (sl_value_dim(g, image, -1) == 1 && channels_of(model) == 3)
        image = sl_concat(g, (const sl_value[]){image, image, image}, 3, -1);
    if (model->kind == &sl_resnet_kind) return sl_resnet_build(nn, model->config, image, features);
    return sl_vit_build(nn, model->config, image, features);
}

/* ---- beginning from other weights ---- */

sl_status sl_classifier_begin_from(sl_model *model, const char *path) {
    const char *head;
    SL_TRY(sl_classifier_head(model, &head));
    sl_checkpoint *checkpoint;
    SL_TRY(sl_checkpoint_open(path, model->kind->names, &checkpoint));
    sl_status status = SL_OK;
    for (int i = 0; i < sl_params_count(model->params) && status == SL_OK; i++) {
        sl_param *param = sl_params_at(model->params, i);
        size_t length = strlen(head);
        if (strncmp(param->name, head, length) == 0 && param->name[length] == '.') continue;
        status = sl_checkpoint_read(checkpoint, param->name, &param->value.shape, param->value.dtype,
                                    param->value.data);
        if (status == SL_NOT_FOUND) status = sl_fail(SL_MISMATCH, "no weight '%s'", param->name);
    }
    sl_checkpoint_close(checkpoint);
    return sl_context(status, "beginning from '%s'", path);
}

/* ---- at work ---- */

struct sl_predictor {
    sl_learner learner;
    int batch;
    int64_t pixels, classes, width; /* pixels: numbers of one image; width: of its features */
    float *image, *rows;            /* rows: [batch, max(classes, width)] */
    sl_value logits, features;
};

static sl_status build(sl_predictor *p, sl_model *model, int height_px, int width_px, int channels,
                       sl_dtype dtype) {
    SL_TRY(sl_classifier_classes(model, &p->classes));
    SL_TRY(sl_learner_open(&p->learner));
    sl_shape shape = SL_SHAPE(p->batch, height_px, width_px, channels);
    sl_value image = sl_learner_input(&p->learner, "image", SL_F32, shape, &p->image);
    sl_nn *nn = sl_learner_model(&p->learner, "classifier", model->params, false);
    nn->dtype = dtype;
    p->logits = sl_classifier_build(nn, model, image, &p->features);
    p->width = sl_value_dim(p->learner.graph, p->features, -1);
    p->features = sl_cast(p->learner.graph, p->features, SL_F32);
    p->logits = sl_cast(p->learner.graph, p->logits, SL_F32);
    sl_output(p->learner.graph, "logits", p->logits);
    sl_output(p->learner.graph, "features", p->features);
    sl_learner_model_end(&p->learner);
    SL_TRY(sl_learner_finish(&p->learner, SL_NONE));
    int64_t widest = p->classes > p->width ? p->classes : p->width;
    return sl_alloc(&p->rows, (size_t)(p->batch * widest), sizeof(float));
}

sl_status sl_predictor_new(sl_model *model, int batch, int height_px, int width_px, int channels,
                           sl_dtype dtype, sl_predictor **out) {
    if (batch < 1) return sl_fail(SL_INVALID, "batch of %d images", batch);
    sl_predictor *p;
    SL_TRY(sl_alloc(&p, 1, sizeof *p));
    p->batch = batch;
    p->pixels = (int64_t)height_px * width_px * channels;
    sl_status status = build(p, model, height_px, width_px, channels, dtype);
    if (status == SL_OK)
        *out = p;
    else
        sl_predictor_free(p);
    return status;
}

void sl_predictor_free(sl_predictor *predictor) {
    if (!predictor) return;
    sl_learner_close(&predictor->learner);
    sl_free(predictor->rows);
    sl_free(predictor);
}

int64_t sl_predictor_classes(const sl_predictor *predictor) {
    return predictor->classes;
}

int64_t sl_predictor_features(const sl_predictor *predictor) {
    return predictor->width;
}

void sl_predictor_changed(sl_predictor *predictor) {
    sl_learner_changed(&predictor->learner);
}

static sl_status take(sl_predictor *p, sl_value output, int64_t width, int count, float *out) {
    if (!out) return SL_OK;
    SL_TRY(sl_learner_read(&p->learner, output, p->rows, p->batch * width));
    memcpy(out, p->rows, (size_t)(count * width) * sizeof *out);
    return SL_OK;
}

sl_status sl_predict(sl_predictor *predictor, const float *images, int count, float *logits,
                     float *features) {
    sl_predictor *p = predictor;
    if (count < 0 || count > p->batch)
        return sl_fail(SL_INVALID, "%d images in a batch of %d", count, p->batch);
    memcpy(p->image, images, (size_t)(count * p->pixels) * sizeof *images);
    memset(p->image + count * p->pixels, 0, (size_t)((p->batch - count) * p->pixels) * sizeof *images);
    SL_TRY(sl_learner_run(&p->learner, NULL));
    SL_TRY(take(p, p->logits, p->classes, count, logits));
    return take(p, p->features, p->width, count, features);
}

void sl_softmax_rows(float *rows, int64_t count, int64_t classes) {
    for (int64_t i = 0; i < count; i++) {
        float *row = rows + i * classes, top = row[0];
        double sum = 0;
        for (int64_t k = 1; k < classes; k++) top = row[k] > top ? row[k] : top;
        for (int64_t k = 0; k < classes; k++) sum += exp((double)(row[k] - top));
        for (int64_t k = 0; k < classes; k++) row[k] = (float)(exp((double)(row[k] - top)) / sum);
    }
}
