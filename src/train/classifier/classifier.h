/* Classifiers of any kind under one roof: building, beginning from a backbone, predicting. */
#ifndef SL_TRAIN_CLASSIFIER_H
#define SL_TRAIN_CLASSIFIER_H

#include "model/model.h"

/* "resnet18", "resnet34", "resnet50", "vit_b_16", ...: a new model with first values drawn from the seed.
 * image_px matters to transformers alone. */
sl_status sl_classifier_new(const char *architecture, int64_t classes, int64_t image_px, uint64_t seed,
                            sl_model **out);

/* Everything but the head from a file or folder of weights of the same architecture, whatever number of
 * classes it has; names of other dialects are understood. SL_MISMATCH names the first weight that is not
 * there. */
sl_status sl_classifier_begin_from(sl_model *model, const char *path);

/* Name of the last layer: "fc", "heads.head". SL_UNSUPPORTED where the model is no classifier. */
sl_status sl_classifier_head(const sl_model *model, const char **out_name);
sl_status sl_classifier_classes(const sl_model *model, int64_t *out);

/* logits [N, classes] of image [N, H, W, C]; one channel is repeated where the model wants three. */
sl_value sl_classifier_build(sl_nn *nn, const sl_model *model, sl_value image, sl_value *features);

/* A classifier at work, with fixed batch and size. Images are in model space, -1..1. */
typedef struct sl_predictor sl_predictor;
sl_status sl_predictor_new(sl_model *model, int batch, int height_px, int width_px, int channels,
                           sl_dtype dtype, sl_predictor **out);
void sl_predictor_free(sl_predictor *predictor); /* NULL is fine */
int64_t sl_predictor_classes(const sl_predictor *predictor);
int64_t sl_predictor_features(const sl_predictor *predictor); /* numbers before the head */

/* The model's values have changed since the last run. */
void sl_predictor_changed(sl_predictor *predictor);

/* count <= batch images -> logits[count, classes], features[count, F]; either may be NULL. */
sl_status sl_predict(sl_predictor *predictor, const float *images, int count, float *logits, float *features);

/* logits -> probabilities, in place, in double and shifted by the highest. */
void sl_softmax_rows(float *rows, int64_t count, int64_t classes);

#endif
