/* Stage backbone: a ResNet-18 that knows the simulator's attributes, for classifiers with few labels. */
#include "loop/train/base_internal.h"

#include "loop/engine.h"
#include "train/classifier/classifier_train.h"

#include <string.h>

enum { HOLDOUT_IMAGES = 512 };

static sl_status train(const sl_base_settings *settings, const sl_progress *progress, sl_model *model,
                       sl_backbone_outcome *out) {
    sl_base_path folder = sl_base_path_of(settings, "backbone");
    sl_dtype dtype;
    SL_TRY(sl_engine_dtype(settings->dtype, &dtype));
    sl_backbone_recipe recipe = {.batch = (int)settings->backbone_batch,
                                 .binary = SL_SIM_ATTRIBUTE_CENTRE_ROW, /* from there on they are numbers */
                                 .dtype = dtype,
                                 .seed = (uint64_t)settings->seed};
    json_t *recorded =
        json_pack("{s:i, s:f, s:i, s:i}", "batch", recipe.batch, "rate", settings->backbone_rate,
                  "image_size", (int)settings->backbone_size, "dtype", settings->dtype);
    sl_base_maker made_of = sl_base_maker_now(settings);
    sl_train_options options = sl_base_train_options(settings, folder.text, settings->backbone_steps,
                                                     settings->backbone_rate, 0, &made_of, recorded);
    options.optimizer.weight_decay = 0.05;
    sl_simulated train_data = sl_base_data(settings, SL_BASE_DATA_TRAIN, SL_SIMULATED_MEASURED);
    sl_simulated holdout_data = sl_base_data(settings, SL_BASE_DATA_HOLDOUT, SL_SIMULATED_MEASURED);
    train_data.options.size_px = holdout_data.options.size_px = (int32_t)settings->backbone_size;
    sl_feed feed = sl_feed_simulated(&train_data, 0),
            holdout = sl_feed_simulated(&holdout_data, HOLDOUT_IMAGES);
    sl_status status = sl_train_backbone(model, &recipe, &feed, &holdout, &options, progress, out);
    json_decref(recorded);
    return status;
}

sl_status sl_base_stage_backbone(const sl_base_settings *settings, const sl_progress *progress,
                                 json_t *result) {
    sl_base_path folder = sl_base_path_of(settings, "model/backbone");
    sl_backbone_outcome outcome;
    sl_model *model;
    SL_TRY(sl_classifier_new("resnet18", SL_SIM_ATTRIBUTE_COUNT, settings->backbone_size,
                             (uint64_t)settings->seed, &model));
    json_object_set_new(result, "parameters",
                        json_integer((json_int_t)sl_params_values(model->params, false)));
    sl_status status = train(settings, progress, model, &outcome);
    if (status == SL_OK) {
        json_t *scores = json_object();
        sl_base_report(&outcome.train, result);
        for (int k = 0; k < SL_SIM_ATTRIBUTE_COUNT; k++)
            json_object_set_new(scores, sl_sim_attribute_id((sl_sim_attribute)k),
                                json_real(outcome.score[k]));
        json_object_set_new(result, "holdout", scores);
        status = sl_model_save(model, folder.text, SL_F16);
    }
    sl_model_free(model);
    return status;
}
