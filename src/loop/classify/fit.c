#include "loop/classify/fit.h"

#include "base/file.h"
#include "base/hash.h"
#include "loop/engine.h"
#include "loop/shipped.h"

#include <stdio.h>

enum { MODE_AUTO, MODE_HEAD, MODE_FULL };
static const char *const architectures[] = {"resnet18", "resnet50", "vit_b_16"};

/* On features that are trained already a head learns in seconds, and from few labels better than all weights
 * do (docs/first-run.md). Up to ResNet-18 all weights can also begin from nothing. */
static bool trains_head_only(const sl_train_classifier_settings *s, const char *begin) {
    return s->mode == MODE_HEAD || (s->mode == MODE_AUTO && (begin || s->architecture != 0));
}

sl_status sl_fit_begin(const sl_train_classifier_settings *settings, const sl_workspace *workspace,
                       sl_arena *arena, sl_fit *out) {
    const sl_train_classifier_settings *s = settings;
    const char *name = architectures[s->architecture], *begin = s->begin_from;
    *out = (sl_fit){.settings = s, .workspace = workspace};
    out->classifier.calibration = SL_CALIBRATION_NONE;
    out->classifier.threshold = 0.5;
    out->classifier.size_px = s->size_px;
    SL_TRY(sl_classifier_new(name, SL_CLASSES, s->size_px, (uint64_t)s->seed, &out->classifier.model));
    snprintf(out->classifier.architecture, sizeof out->classifier.architecture, "%s", name);
    if (!begin && s->architecture == 0 && sl_shipped_model(arena, "backbone", &begin) == SL_NOT_FOUND)
        begin = NULL;
    out->head_only = trains_head_only(s, begin);
    if (!begin && out->head_only)
        return sl_fail(
            SL_INVALID,
            "a head alone needs trained features below it: give --begin-from FILE, or --mode full");
    if (!begin) return SL_OK;
    SL_TRY(sl_classifier_begin_from(out->classifier.model, begin));
    if (sl_path_is_folder(begin)) return sl_classifier_model_hash(begin, out->parent);
    return sl_sha256_file_hex(begin, out->parent);
}

sl_status sl_fit_train(sl_fit *fit, const sl_feed_item *items, int64_t count, const char *folder,
                       const sl_progress *progress) {
    const sl_train_classifier_settings *s = fit->settings;
    bool head = fit->head_only;
    double rate = s->rate > 0 ? s->rate : head ? 0.002 : 0.0005;
    sl_dtype dtype;
    SL_TRY(sl_engine_dtype(s->dtype, &dtype));
    sl_workspace_feed *feed;
    SL_TRY(sl_workspace_feed_open(fit->workspace, items, count, (int32_t)s->size_px, &feed));
    sl_classifier_recipe recipe = {.batch = (int)s->batch,
                                   .epochs = s->epochs ? s->epochs
                                             : head    ? 100
                                                       : 12,
                                   .head_only = head,
                                   .balance = true,
                                   .augment = s->augment,
                                   .dtype = dtype,
                                   .seed = (uint64_t)s->seed};
    sl_train_options options = {.optimizer = s->optimizer ? sl_optimizer_sgd(0.9) : sl_optimizer_adamw(),
                                .schedule = {.kind = s->preset ? SL_SCHEDULE_CONSTANT : SL_SCHEDULE_COSINE,
                                             .rate = rate,
                                             .floor = 0.05},
                                .accumulate = 1,
                                .folder = folder};
    sl_status status = sl_train_classifier(fit->classifier.model, &recipe, sl_workspace_feed_get(feed),
                                           &options, progress, &fit->outcome);
    sl_workspace_feed_close(feed);
    return status;
}

void sl_fit_end(sl_fit *fit) {
    sl_classifier_model_free(&fit->classifier);
}
